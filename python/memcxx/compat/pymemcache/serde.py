"""What values become, and back: pymemcache's flags and bytes.

    flags 0 bytes, 1 a pickle, 2 and 4 decimal digits, 16 UTF-8; 8 beside them: zlib

Unpickling data that others can write runs their code: only PickleSerde and what is built on it do.
"""

from __future__ import annotations

import io
import logging
import pickle
import zlib
from functools import partial
from typing import Any, Callable, Optional, Tuple

FLAG_BYTES = 0
FLAG_PICKLE = 1 << 0
FLAG_INTEGER = 1 << 1
FLAG_LONG = 1 << 2
FLAG_COMPRESSED = 1 << 3
FLAG_TEXT = 1 << 4

DEFAULT_PICKLE_VERSION = pickle.HIGHEST_PROTOCOL

#: bytes that a compressed value may have once it is decompressed
MOST_DECOMPRESSED = 128 << 20

_log = logging.getLogger(__name__)


def _serialize(key: Any, value: Any, pickle_version: int) -> Tuple[bytes, int]:
    kind = type(value)  # a subclass is pickled, and so comes back as itself
    if kind is bytes:
        return value, FLAG_BYTES
    if kind is str:
        return value.encode("utf-8"), FLAG_TEXT
    if kind is int:
        return b"%d" % value, FLAG_INTEGER
    return pickle.dumps(value, pickle_version), FLAG_PICKLE


def get_python_memcache_serializer(
        pickle_version: int = DEFAULT_PICKLE_VERSION) -> Callable[[Any, Any], Tuple[bytes, int]]:
    """(key, value) -> (bytes, flags), with this protocol of pickle."""
    return partial(_serialize, pickle_version=pickle_version)


python_memcache_serializer = get_python_memcache_serializer()


def python_memcache_deserializer(key: Any, value: bytes, flags: int) -> Any:
    """The value. Flags without a meaning here give the bytes.

    A pickle that cannot be loaded, as one of a class that is gone or one that was appended to, is
    None, and logged. Text that is no UTF-8, and digits that are none, raise ValueError.
    """
    if flags == FLAG_BYTES:
        return value
    if flags & FLAG_TEXT:
        return value.decode("utf-8")
    if flags & (FLAG_INTEGER | FLAG_LONG):
        return int(value)
    if flags & FLAG_PICKLE:
        try:
            stream = io.BytesIO(value)
            found = pickle.load(stream)
            if stream.tell() != len(value):
                raise pickle.UnpicklingError("bytes behind the pickle: something was appended")
            return found
        except Exception:
            _log.info("a pickle that cannot be loaded under %r", key, exc_info=True)
            return None
    return value


class PickleSerde:
    """bytes, str and int as they are; everything else is pickled. Threads: safe to share."""

    def __init__(self, pickle_version: int = DEFAULT_PICKLE_VERSION) -> None:
        self._pickle_version = pickle_version

    def serialize(self, key: Any, value: Any) -> Tuple[bytes, int]:
        return _serialize(key, value, self._pickle_version)

    def deserialize(self, key: Any, value: bytes, flags: int) -> Any:
        return python_memcache_deserializer(key, value, flags)


pickle_serde = PickleSerde()


def _decompress(data: bytes) -> bytes:
    # A small item can be a large value: what no client would have stored is refused.
    unpacking = zlib.decompressobj()
    out = unpacking.decompress(data, MOST_DECOMPRESSED)
    if unpacking.unconsumed_tail:
        raise zlib.error(f"more than {MOST_DECOMPRESSED} bytes once decompressed")
    if not unpacking.eof:
        raise zlib.error("the compressed value is cut off")
    return out


class CompressedSerde:
    """Compresses what another serde makes, when it is longer than `min_compress_len` bytes (0:
    never) and does not grow by it. Threads: as safe as its parts.

    `decompress`: the default is zlib's, bounded by MOST_DECOMPRESSED. zlib.error for a value that
    is damaged.
    """

    def __init__(self, compress: Callable[[bytes], bytes] = zlib.compress,
                 decompress: Callable[[bytes], bytes] = _decompress,
                 serde: Any = pickle_serde, min_compress_len: int = 400) -> None:
        self._compress = compress
        self._decompress = decompress
        self._serde = serde
        self._min_compress_len = min_compress_len

    def serialize(self, key: Any, value: Any) -> Tuple[bytes, int]:
        data, flags = self._serde.serialize(key, value)
        if 0 < self._min_compress_len < len(data):
            packed = self._compress(data)
            if len(packed) <= len(data):
                return packed, flags | FLAG_COMPRESSED
        return data, flags

    def deserialize(self, key: Any, value: bytes, flags: int) -> Any:
        if flags & FLAG_COMPRESSED:
            value = self._decompress(value)
        return self._serde.deserialize(key, value, flags)


compressed_serde = CompressedSerde()


class LegacyWrappingSerde:
    """A serde of two functions, either of which may be None: then values pass as they are."""

    def __init__(self, serializer_func: Optional[Callable[..., Any]],
                 deserializer_func: Optional[Callable[..., Any]]) -> None:
        self.serialize = serializer_func or self._default_serialize
        self.deserialize = deserializer_func or self._default_deserialize

    def _default_serialize(self, key: Any, value: Any) -> Tuple[Any, int]:
        return value, 0

    def _default_deserialize(self, key: Any, value: bytes, flags: int) -> Any:
        return value
