"""cmemcache's module, over memcxx: `from memcxx.compat import cmemcache`.

Names, signatures, what is returned and what is stored are those of cmemcache 0.95, which was for
Python 2; keys live on the servers where it puts them. What differs: docs/migrating/cmemcache.md.
"""

from __future__ import annotations

import binascii
import pickle
import sys
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple, TypeVar, Union

from .. import __version__, _core, errors  # noqa: F401
from ..client import Client as _Core
from ._cluster import FAILURES, Cluster, tcp_address, unix_address
from ._plain import Address, PlainSocket
from ._values import expiry, load_pickle, whole_number

T = TypeVar("T")

_HEAVIEST = 15
_LATEST = 2**31 - 1
_PICKLE_PROTOCOL = 2


def _dumps(val: Any) -> bytes:
    return pickle.dumps(val, _PICKLE_PROTOCOL)


def _hash(key: bytes) -> int:
    return (binascii.crc32(key) >> 16) & 0x7fff or 1


def _weighted(server: Any) -> Tuple[str, int]:
    address, weight = server if isinstance(server, tuple) and len(server) == 2 else (server, 1)
    if not isinstance(address, str) or ":" not in address or not isinstance(weight, int):
        raise TypeError(f'a server is "host:port" or ("host:port", weight), not {server!r}')
    return address, min(weight, _HEAVIEST)


def _parsed(address: str) -> Tuple[str, Address]:
    # (as the core reads it, as a plain socket does). ValueError.
    if address.startswith("unix:"):
        return unix_address(address[5:]), address[5:]
    host, _, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not port.isdecimal():
        raise ValueError(f"not a port: {port!r}")
    return tcp_address(host, int(port)), (host, int(port))


class StringClient:
    """Stores text and bytes as they are; gives bytes.

    `servers`: "host:port" or ("host:port", weight). `native_str`: read values that are UTF-8 as str,
    as Python 2 had them. `timeout` in seconds bounds a whole call. A server that cannot be reached
    is a miss (0 or None), and is used again when it is back.

    TypeError: a key or value of another type. ValueError: a key that no server takes.
    Threads: safe to share. Fork: a child gets connections of its own.
    """

    def __init__(self, servers: Iterable[Any], debug: int = 0, *, native_str: bool = False,
                 timeout: float = 3):
        self.debug = debug
        self.native_str = native_str
        self.timeout = timeout
        self.set_servers(servers)

    # --- servers

    def set_servers(self, servers: Iterable[Any]) -> None:
        """From now on these; with none, nothing is stored and nothing is found."""
        if isinstance(servers, (str, bytes)):
            raise TypeError(f"servers are a list, not {servers!r}")
        weighted = [_weighted(s) for s in servers]
        parsed = [_parsed(address) for address, _ in weighted]
        cluster = Cluster(
            [(core, weight) for (core, _), (_, weight) in zip(parsed, weighted)],
            distribution="cmemcache", hash_of=_hash, tries=1,
            options={"protocol": "classic", "timeout": self.timeout,
                     "connect_timeout": self.timeout / 2})
        self._servers = [(address, plain) for (address, _), (_, plain) in zip(weighted, parsed)]
        self._cluster = cluster

    def get_stats(self) -> List[Tuple[str, Dict[str, str]]]:
        """[("host:port", {name: text})] of the servers that answer."""
        found = []
        for name, address in self._servers:
            try:
                found.append((name, PlainSocket(address, self.timeout).by_name()))
            except (OSError, ValueError) as e:
                self.debuglog(f"{name}: {e}")
        return found

    def flush_all(self) -> None:
        """Drops everything on every server that can be reached."""
        for index, (name, _) in enumerate(self._servers):
            reply = next(iter(self._cluster.single(index).flush_all().values()))
            if isinstance(reply, Exception):
                self.debuglog(f"{name}: {reply}")

    def disconnect_all(self) -> None:
        """Closes every connection; the next call opens what it needs."""
        self._cluster.disconnect()

    def debuglog(self, str: str) -> None:
        """What the client has to say when `debug` is set; to be overridden."""
        if self.debug:
            sys.stderr.write(f"MemCached: {str}\n")

    # --- asking

    def _key(self, key: Any) -> Union[bytes, Tuple[int, bytes]]:
        name = key[1] if isinstance(key, tuple) and len(key) == 2 else key
        if isinstance(name, str):
            name = name.encode("utf-8")
        if not isinstance(name, bytes):
            raise TypeError(f"a key is text, bytes or (number, key), not {key!r}")
        if not isinstance(key, tuple):
            return name
        if not isinstance(key[0], int):
            raise TypeError(f"a key is text, bytes or (number, key), not {key!r}")
        return key[0], name

    def _ask(self, key: Any, verb: Callable[[_Core, bytes], T], failed: T,
             again: bool = False) -> T:
        try:
            return self._cluster.call(self._key(key), verb, again=again)
        except FAILURES as e:
            self.debuglog(str(e))
            return failed

    # --- storing

    def set(self, key: Any, val: Any, time: Any = 0, flags: int = 0) -> int:
        """1, or 0 when it was not stored. `time`: seconds, or a point in time when over 30 days;
        later than a server can count is as late as it can, less than 0 is at once."""
        return self._store("set", key, self._bytes(val), time, flags)

    def add(self, key: Any, val: Any, time: Any = 0, flags: int = 0) -> int:
        """set(), only if there is no such item."""
        return self._store("add", key, self._bytes(val), time, flags)

    def replace(self, key: Any, val: Any, time: Any = 0, flags: int = 0) -> int:
        """set(), only if there is such an item."""
        return self._store("replace", key, self._bytes(val), time, flags)

    def _store(self, verb: str, key: Any, data: bytes, time: Any, flags: int) -> int:
        ttl = expiry(min(time, _LATEST) if isinstance(time, (int, float)) else time)
        try:
            return int(self._ask(
                key, lambda core, k: core.store_raw(verb, k, data, flags, ttl), "",
                again=verb != "add") == "stored")
        except errors.ValueTooLarge as e:
            self.debuglog(str(e))
            return 0

    @staticmethod
    def _bytes(val: Any) -> bytes:
        if isinstance(val, str):
            return val.encode("utf-8")
        if isinstance(val, (bytes, bytearray, memoryview)):
            return bytes(val)
        raise TypeError(f"a value is text or bytes, not {type(val).__name__}")

    def delete(self, key: Any, time: Any = 0) -> int:
        """1 when it was there, else 0. `time` is ignored: no server has known it for long."""
        return int(self._ask(key, lambda core, k: core.delete(k), False, again=True))

    def incr(self, key: Any, delta: Any = 1) -> Optional[int]:
        """The new number; None when there is no item, or none that is a number. ValueError: `delta`
        is none from 0 to 2^64-1."""
        amount = whole_number(delta)
        return self._ask(key, lambda core, k: core.incr(k, amount), None)

    def decr(self, key: Any, delta: Any = 1) -> Optional[int]:
        """As incr(), and stops at 0."""
        amount = whole_number(delta)
        return self._ask(key, lambda core, k: core.decr(k, amount), None)

    # --- reading

    def getflags(self, key: Any) -> Optional[Tuple[Any, int]]:
        """(the value as it is stored, its flags), or None."""
        found = self._raw(key)
        return None if found is None else (self._native(found[0]), found[1])

    def get_multiflags(self, keys: Iterable[Any]) -> Dict[Any, Tuple[Any, int]]:
        """{key: (the value as it is stored, its flags)} of those that are there."""
        return {k: (self._native(v), flags) for k, (v, flags) in self._many_raw(keys).items()}

    def get(self, key: Any) -> Any:
        """The value as it is stored, or None."""
        found = self._raw(key)
        return None if found is None else self._native(found[0])

    def get_multi(self, keys: Iterable[Any]) -> Dict[Any, Any]:
        """{key: value} of those that are there."""
        return {k: self._native(v) for k, (v, _) in self._many_raw(keys).items()}

    def _raw(self, key: Any) -> Optional[Tuple[bytes, int, int]]:
        return self._ask(key, lambda core, k: core.get_raw(k), None)

    def _many_raw(self, keys: Iterable[Any]) -> Dict[Any, Tuple[bytes, int]]:
        origins = list(keys)
        prepared = [self._key(k) for k in origins]
        names = [k[1] if isinstance(k, tuple) else k for k in prepared]
        values: Dict[Any, Tuple[bytes, int]] = {}
        for core, positions in self._cluster.group(prepared):
            found = core.get_many_raw([names[i] for i in positions], errors_too=True)
            for i in positions:
                item = found.get(names[i])
                if isinstance(item, tuple):
                    values[origins[i]] = (item[0], item[1])
                elif isinstance(item, FAILURES):
                    self.debuglog(str(item))
                elif item is not None:
                    raise item
        return values

    def _native(self, data: bytes) -> Any:
        if self.native_str:
            try:
                return data.decode("utf-8")
            except UnicodeDecodeError:
                pass
        return data


class Client(StringClient):
    """Stores any object: bytes as they are, whole numbers as digits, everything else pickled.

    Text is pickled, as cmemcache did with unicode; with `native_str` it is stored as UTF-8 and read
    as text again, as Python 2's str was, so that incr() and other clients can read it.
    Reading unpickles: only for servers that nobody else can write to.
    """

    _FLAG_PICKLE = 1 << 0
    _FLAG_INTEGER = 1 << 1
    _FLAG_LONG = 1 << 2

    def __init__(self, servers: Iterable[Any], debug: int = 0, *, native_str: bool = False,
                 timeout: float = 3):
        # Not for the whole class: what is left of the core when Python ends is reported as a leak.
        self._codec = _core.ValueCodec("dialect=cmemcache", _dumps, load_pickle)
        super().__init__(servers, debug, native_str=native_str, timeout=timeout)

    def set(self, key: Any, val: Any, time: Any = 0) -> int:  # type: ignore[override]
        """1, or 0 when it was not stored. `time` as in StringClient."""
        return self._convert("set", key, val, time)

    def add(self, key: Any, val: Any, time: Any = 0) -> int:  # type: ignore[override]
        """set(), only if there is no such item."""
        return self._convert("add", key, val, time)

    def replace(self, key: Any, val: Any, time: Any = 0) -> int:  # type: ignore[override]
        """set(), only if there is such an item."""
        return self._convert("replace", key, val, time)

    def _convert(self, verb: str, key: Any, val: Any, time: Any) -> int:
        if self.native_str and isinstance(val, str):
            return self._store(verb, key, val.encode("utf-8"), time, 0)
        flags, data = self._codec.pack(b"v", int(val) if isinstance(val, bool) else val)
        return self._store(verb, key, data, time, flags)

    def get(self, key: Any) -> Any:
        """The object, or None: also for a pickle that cannot be read, and for flags of another
        client."""
        found = self._raw(key)
        return None if found is None else self._object(found[0], found[1])

    def get_multi(self, keys: Iterable[Any]) -> Dict[Any, Any]:
        """{key: object} of those that are there."""
        return {k: self._object(v, flags) for k, (v, flags) in self._many_raw(keys).items()}

    def _object(self, data: bytes, flags: int) -> Any:
        if flags == 0:
            return self._native(data)
        try:
            return self._codec.unpack(b"v", flags, data)
        except errors.UnknownFlags:
            self.debuglog(f"unknown flags on get: {flags:x}")
        except Exception as e:
            if flags & self._FLAG_PICKLE == 0:
                raise
            self.debuglog(f"a pickle that cannot be read: {e}")
        return None
