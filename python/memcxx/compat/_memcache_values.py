"""How a python-memcached Client writes and reads values: flags, pickles, compression.

Never here: keys, servers.
"""

from __future__ import annotations

import functools
import zlib
from io import BytesIO
from typing import Any, Callable, Optional

from .. import errors

_MAX_DECOMPRESSED = 128 << 20  # bytes; what claims to be more is damage, or an attack


def _with_room(make: Callable[..., Any]) -> Callable[..., Any]:
    """A class whose instances may have attributes of their own, which since CPython 3.13 those of
    pickle may not. (The original cannot do without.)"""
    return _subclass(make) if isinstance(make, type) else make


@functools.lru_cache(maxsize=16)
def _subclass(of: type) -> type:
    return type(of.__name__, (of,), {})


class Values:
    """Text and bytes as they are, int as digits, everything else pickled; compressed on request."""

    _FLAG_PICKLE = 1 << 0
    _FLAG_INTEGER = 1 << 1
    _FLAG_LONG = 1 << 2
    _FLAG_COMPRESSED = 1 << 3
    _FLAG_TEXT = 1 << 4

    def __init__(self, protocol: int, pickler: Callable[..., Any], unpickler: Callable[..., Any],
                 compressor: Callable[[bytes], bytes], decompressor: Callable[[bytes], bytes],
                 pload: Optional[Callable[[Any], Any]], pid: Optional[Callable[[Any], Any]],
                 max_length: int):
        self.pickleProtocol = protocol
        self.pickler = pickler
        self.unpickler = unpickler
        self.compressor = compressor
        self.decompressor = decompressor
        self.persistent_load = pload
        self.persistent_id = pid
        self.server_max_value_length = max_length
        try:
            self.pickler(BytesIO(), protocol=self.pickleProtocol)
            self.picklerIsKeyword = True
        except TypeError:
            self.picklerIsKeyword = False

    def debuglog(self, str: str) -> None:
        """To be overridden."""


    def _val_to_store_info(self, val: Any, min_compress_len: Any) -> Any:
        # (flags, length, bytes), or 0 for what is over server_max_value_length
        flags = 0
        kind = type(val)
        if kind is bytes:
            data = val
        elif kind is str:
            flags, data = self._FLAG_TEXT, val.encode("utf-8")
        elif kind is int:
            flags, data = self._FLAG_INTEGER, b"%d" % val
            min_compress_len = 0  # it would be no counter any more
        else:
            flags, data = self._FLAG_PICKLE, self._pickled(val)
        if min_compress_len and len(data) > min_compress_len:
            smaller = self.compressor(data)
            if len(smaller) < len(data):
                flags |= self._FLAG_COMPRESSED
                data = smaller
        if self.server_max_value_length != 0 and len(data) > self.server_max_value_length:
            return 0
        return (flags, len(data), data)

    def _pickled(self, val: Any) -> bytes:
        stream = BytesIO()
        make = _with_room(self.pickler) if self.persistent_id else self.pickler
        if self.picklerIsKeyword:
            pickler = make(stream, protocol=self.pickleProtocol)
        else:
            pickler = make(stream, self.pickleProtocol)
        if self.persistent_id:
            pickler.persistent_id = self.persistent_id
        pickler.dump(val)
        return stream.getvalue()

    def _value(self, data: bytes, flags: int) -> Any:
        if flags & self._FLAG_COMPRESSED:
            data = self._decompressed(data)
            flags &= ~self._FLAG_COMPRESSED
        if flags == 0:
            return data
        if flags & self._FLAG_TEXT:
            return data.decode("utf-8")
        if flags & (self._FLAG_INTEGER | self._FLAG_LONG):
            return int(data)
        if flags & self._FLAG_PICKLE:
            try:
                make = _with_room(self.unpickler) if self.persistent_load else self.unpickler
                unpickler = make(BytesIO(data))
                if self.persistent_load:
                    unpickler.persistent_load = self.persistent_load
                return unpickler.load()
            except Exception as e:
                self.debuglog(f"a pickle that cannot be read: {e}")
                return None
        raise ValueError(f"Unknown flags on get: {flags:x}")

    def _decompressed(self, data: bytes) -> bytes:
        if self.decompressor is not zlib.decompress:
            return self.decompressor(data)
        stream = zlib.decompressobj()
        found = stream.decompress(data, _MAX_DECOMPRESSED)
        if stream.eof:
            return found
        if stream.unconsumed_tail:
            raise errors.CorruptValue(f"over {_MAX_DECOMPRESSED} bytes decompressed")
        raise zlib.error("incomplete or truncated stream")
