"""pylibmc's Client.

Never here: where keys go and what behaviors mean (_behaviors.py).
"""

from __future__ import annotations

import operator
import pickle
import threading
import zlib
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union

from ... import errors
from ...client import Client as Core
from .._plain import PlainSocket
from .._values import expiry
from . import _exceptions as ex
from ._behaviors import Behaviors, numeric
from ._exceptions import at_some_servers, translated
from ._specs import translate_server_spec, translate_server_specs
from .consts import (
    BehaviorDict,
    all_behaviors,
    all_callbacks,
    distributions,
    distributions_rvs,
    hashers,
    hashers_rvs,
    server_type_map,
    server_type_unix,
)

__all__ = [
    "BehaviorDict", "Client", "all_behaviors", "all_callbacks", "distributions",
    "distributions_rvs", "hashers", "hashers_rvs", "server_type_map", "translate_server_spec",
    "translate_server_specs",
]

Key = Union[str, bytes]

_PICKLE, _INTEGER, _LONG, _COMPRESSED, _TEXT = 1, 2, 4, 8, 16
_KINDS = _PICKLE | _INTEGER | _LONG | _TEXT
_MOST_DECOMPRESSED = 128 << 20
_NOTHING = object()
#: what incr and decr answer with _noreply: libmemcached's, which has no number either
_UNKNOWN = (1 << 64) - 1
#: as pylibmc has it, a read that the server refuses finds nothing
_REFUSED = (errors.ServerError, errors.NotSupported)


def _key(key: Any) -> bytes:
    if isinstance(key, str):
        return key.encode("utf-8")
    if isinstance(key, bytes):
        return key
    raise TypeError(f"key must be str or bytes, not {type(key).__name__}")


def _decompressed(data: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        out = unpacking.decompress(data, _MOST_DECOMPRESSED)
    except zlib.error as e:
        raise ex.Error(f"Failed to decompress value: {e}") from None
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise ex.Error("Failed to decompress value: cut off, or more than "
                       f"{_MOST_DECOMPRESSED} bytes")
    return out


class Client:
    """A client of one or many servers, with the original's arguments, answers and exceptions.

    `servers`: "host", "host:port", "host:port:weight", "[v6]:port", "/path". `behaviors`: see
    set_behaviors. `binary`: speaks the binary protocol. Values are bytes, str and int as they are,
    and everything else pickled, so reading what others can write may run their code; bool comes
    back as int.

    Threads: safe to share. Fork: a child gets connections of its own.
    """

    def __init__(self, servers: Iterable[Any], behaviors: Optional[Mapping[str, Any]] = None,
                 binary: bool = False, username: Optional[str] = None,
                 password: Optional[str] = None) -> None:
        self.binary = binary
        self.addresses = list(servers)
        if username is not None or password is not None:
            if not binary:
                raise TypeError("SASL requires the memcached binary protocol")
            raise ex.NotSupportedError("memcxx has no authentication yet")
        specs = translate_server_specs(self.addresses)
        self._lock = threading.Lock()
        self._behaviors = Behaviors(specs, numeric(behaviors or {}))
        self._connect()

    def _connect(self) -> None:
        try:
            self._core = Core(self._behaviors.uri(), **self._behaviors.options(self.binary))
        except errors.Error as e:
            raise translated(e) from None
        self._noreply = bool(self._behaviors.values["_noreply"])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.addresses!r}, binary={self.binary!r})"

    def __str__(self) -> str:
        addresses = ", ".join(map(str, self.addresses))
        return f"<{type(self).__name__} for {addresses}, binary={self.binary!r}>"

    # --- behaviors

    def get_behaviors(self) -> BehaviorDict:
        """All of them; hash and distribution by name."""
        return BehaviorDict(self, self._behaviors.symbolic())

    def set_behaviors(self, behaviors: Mapping[str, Any]) -> None:
        """Changes those that are named; calls that begin later follow them.

        ValueError: an unknown behavior. KeyError: an unknown hash or distribution.
        """
        changes = numeric(behaviors)
        with self._lock:
            before = self._behaviors
            self._behaviors = before.copy()
            try:
                self._behaviors.set(changes)
                self._connect()
            except BaseException:
                self._behaviors = before
                raise

    behaviors = property(get_behaviors, set_behaviors)

    @property
    def behaviours(self) -> Any:
        raise AttributeError("nobody uses british spellings")

    # --- values

    def serialize(self, value: Any) -> Tuple[bytes, int]:
        """(bytes, flags). May be overridden together with deserialize()."""
        if isinstance(value, bytes):
            return bytes(value), 0
        if isinstance(value, str):
            return value.encode("utf-8"), _TEXT
        if isinstance(value, bool):
            return b"%d" % value, _INTEGER
        if isinstance(value, int):
            return b"%d" % value, _LONG
        protocol = self._behaviors.values["pickle_protocol"]
        return pickle.dumps(value, protocol), _PICKLE

    def deserialize(self, value: bytes, flags: int) -> Any:
        """The value of bytes (no longer compressed) and flags. CacheMiss makes it a miss."""
        kind = flags & _KINDS
        if kind == 0:
            return value
        if kind == _TEXT:
            return value.decode("utf-8")
        if kind in (_INTEGER, _LONG):
            return int(value)
        if kind == _PICKLE:
            return pickle.loads(value)
        raise ex.Error(f"unknown memcached key flags {flags}")

    def _loaded(self, data: bytes, flags: int) -> Any:
        """The value, or _NOTHING."""
        if flags & _COMPRESSED:
            data = _decompressed(data)
        try:
            return self.deserialize(data, flags)
        except ex.CacheMiss:
            return _NOTHING

    def _packed(self, value: Any, min_compress_len: int, compress_level: int) -> Tuple[bytes, int]:
        if not -1 <= compress_level <= 9:
            raise ValueError("compress_level must be between 0 and 9 inclusive")
        data, flags = self._serialized(value)
        if 0 < min_compress_len <= len(data) and compress_level != 0:
            packed = zlib.compress(data, compress_level)
            if len(packed) < len(data):
                return packed, flags | _COMPRESSED
        return data, flags

    def _serialized(self, value: Any) -> Tuple[bytes, int]:
        made = self.serialize(value)
        if not (isinstance(made, tuple) and len(made) >= 2 and isinstance(made[1], int)):
            raise ValueError("serialize() must return (bytes, flags)")
        if not isinstance(made[0], bytes):
            raise TypeError(f"serialize() must return bytes, not {type(made[0]).__name__}")
        if not 0 <= made[1] < 1 << 32:
            raise ValueError(f"serialize() must return flags of 32 bits, not {made[1]}")
        return bytes(made[0]), int(made[1])

    # --- reads

    def _raw(self, key: Key) -> Optional[Tuple[bytes, int, int]]:
        """(bytes, flags, token), or None."""
        name = _key(key)
        if not name:
            return None
        try:
            return self._core.get_raw(name)
        except errors.Error as e:
            if isinstance(e, _REFUSED) and e.server:
                return None
            raise translated(e) from None

    def get(self, key: Key, default: Any = None) -> Any:
        """The value, or `default`."""
        found = self._raw(key)
        value = _NOTHING if found is None else self._loaded(found[0], found[1])
        return default if value is _NOTHING else value

    def gets(self, key: Key) -> Tuple[Any, Optional[int]]:
        """(value, token for cas), or (None, None). ValueError: without the behavior "cas"."""
        if not self._behaviors.values["cas"]:
            raise ValueError("gets without cas behavior")
        found = self._raw(key)
        value = _NOTHING if found is None else self._loaded(found[0], found[1])
        return (None, None) if value is _NOTHING else (value, found[2])

    def get_multi(self, keys: Iterable[Key], key_prefix: Optional[Key] = None) -> Dict[Key, Any]:
        """{key: value} of the hits; keys without the prefix.

        Keys that a server refuses, and those of a server that fails, are missing; when every server
        that was asked failed, that raises.
        """
        prefix = _key(key_prefix or b"")
        names = {prefix + _key(key): key for key in keys}
        names.pop(b"", None)
        found = self._core.get_many_raw(list(names), errors_too=True)
        out: Dict[Key, Any] = {}
        failures: Dict[str, errors.Error] = {}
        answered = set()
        for name, item in found.items():
            if isinstance(item, errors.Error):
                if isinstance(item, _REFUSED) and item.server:
                    answered.add(name)
                    continue
                if isinstance(item, errors.CallerError):
                    raise translated(item)
                failures[item.server] = item
                continue
            answered.add(name)
            value = self._loaded(item[0], item[1])
            if value is not _NOTHING:
                out[names[name]] = value
        if failures and not answered and not self._someone_answered(names, failures):
            raise translated(next(iter(failures.values())))
        return out

    def _someone_answered(self, names: Iterable[bytes], failures: Mapping[str, Any]) -> bool:
        return any(self._core.which(name) not in failures for name in names)

    # --- stores

    def _ttl(self, time: Any) -> Any:
        return expiry(operator.index(time))

    def _store(self, verb: str, key: Key, val: Any, time: int, min_compress_len: int = 0,
               compress_level: int = -1, cas: int = 0) -> bool:
        name = _key(key)
        ttl = self._ttl(time)
        data, flags = self._packed(val, min_compress_len, compress_level)
        if not name and verb != "cas":  # which raises
            return False
        try:
            answer = self._core.store_raw(verb, name, data, flags, ttl, cas, self._noreply)
        except errors.Error as e:
            raise translated(e) from None
        if answer == "miss":
            raise ex.NotFound(f"no item {key!r}")
        return answer == "stored"

    def set(self, key: Key, val: Any, time: int = 0, min_compress_len: int = 0,
            compress_level: int = -1) -> bool:
        """Stores. Compresses what has at least `min_compress_len` bytes (0: nothing), if it gets
        smaller by that."""
        return self._store("set", key, val, time, min_compress_len, compress_level)

    def add(self, key: Key, val: Any, time: int = 0, min_compress_len: int = 0,
            compress_level: int = -1) -> bool:
        """Stores, unless there is an item: then False."""
        return self._store("add", key, val, time, min_compress_len, compress_level)

    def replace(self, key: Key, val: Any, time: int = 0, min_compress_len: int = 0,
                compress_level: int = -1) -> bool:
        """Stores, if there is an item; else False."""
        return self._store("replace", key, val, time, min_compress_len, compress_level)

    def append(self, key: Key, val: Any, time: int = 0, min_compress_len: int = 0,
               compress_level: int = -1) -> bool:
        """Puts bytes behind the item's, never compressed; False without an item."""
        return self._store("append", key, val, time)

    def prepend(self, key: Key, val: Any, time: int = 0, min_compress_len: int = 0,
                compress_level: int = -1) -> bool:
        """Puts bytes before the item's, never compressed; False without an item."""
        return self._store("prepend", key, val, time)

    def cas(self, key: Key, val: Any, cas: int, time: int = 0) -> bool:
        """Stores, if the item is the one whose token gets() told; else False. NotFound: it is gone.
        ValueError: without the behavior "cas"."""
        if not self._behaviors.values["cas"]:
            raise ValueError("cas without cas behavior")
        return self._store("cas", key, val, time, cas=cas)

    def set_multi(self, keys: Mapping[Key, Any], time: int = 0, key_prefix: Optional[Key] = None,
                  min_compress_len: int = 0, compress_level: int = -1) -> List[Key]:
        """Stores all. The keys that were not stored; what fails raises, after all were tried."""
        names, entries = self._entries(keys, key_prefix, min_compress_len, compress_level)
        lost = [key for name, key in names.items() if not name]
        failed = self._core.set_many_raw([e for e in entries if e[0]], self._ttl(time),
                                         self._noreply)
        for e in failed.values():
            if e:
                raise translated(e)
        return lost + [names[name] for name in failed]  # NOT_STORED

    def add_multi(self, keys: Mapping[Key, Any], time: int = 0, key_prefix: Optional[Key] = None,
                  min_compress_len: int = 0, compress_level: int = -1) -> List[Key]:
        """Stores those without an item; the others' keys."""
        prefix = _key(key_prefix or b"")
        self._entries(keys, key_prefix, min_compress_len, compress_level)
        return [key for key, val in keys.items()
                if not self.add(prefix + _key(key), val, time, min_compress_len, compress_level)]

    def _entries(self, keys: Mapping[Key, Any], key_prefix: Optional[Key], min_compress_len: int,
                 compress_level: int) -> Tuple[Dict[bytes, Key], List[Tuple[bytes, bytes, int]]]:
        if not isinstance(keys, Mapping):
            raise TypeError(f"argument 1 must be dict, not {type(keys).__name__}")
        prefix = _key(key_prefix or b"")
        names = {prefix + _key(key): key for key in keys}
        return names, [(name, *self._packed(keys[key], min_compress_len, compress_level))
                       for name, key in names.items()]

    # --- verbs without a value

    def delete(self, key: Key) -> bool:
        """Whether there was an item."""
        name = _key(key)
        if not name:
            return False
        try:
            return self._core.delete(name, self._noreply) or self._noreply
        except errors.Error as e:
            raise translated(e) from None

    def delete_multi(self, keys: Iterable[Key], key_prefix: Optional[Key] = None) -> bool:
        """Whether there was an item under each of the keys."""
        if isinstance(keys, Mapping):
            raise TypeError("keys must be a sequence, not a mapping")
        prefix = _key(key_prefix or b"")
        names = [prefix + _key(key) for key in keys]
        return all([self.delete(name) for name in names])

    def touch(self, key: Key, time: int) -> bool:
        """Sets the item's time to live; False without an item."""
        name, ttl = _key(key), self._ttl(time)
        if not name:
            return False
        try:
            return self._core.touch(name, ttl, self._noreply) or self._noreply
        except errors.Error as e:
            raise translated(e) from None

    def incr(self, key: Key, delta: int = 1) -> int:
        """The new value. NotFound: there is no item. ClientError: it is no number."""
        return self._count("incr", key, delta)

    def decr(self, key: Key, delta: int = 1) -> int:
        """The new value, not below 0. NotFound: there is no item. ClientError: it is no number."""
        return self._count("decr", key, delta)

    def _count(self, verb: str, key: Key, delta: int) -> int:
        delta = operator.index(delta)
        if delta < 0:
            raise ValueError("delta must be positive")
        if delta >= 1 << 64:
            raise OverflowError("delta has more than 64 bits")
        try:
            counted = getattr(self._core, verb)(_key(key), delta, quiet=self._noreply)
        except errors.Error as e:
            raise translated(e) from None
        if self._noreply:
            return _UNKNOWN
        if counted is None:
            raise ex.NotFound("1 keys not found")
        return counted

    def incr_multi(self, keys: Iterable[Key], key_prefix: Optional[Key] = None,
                   delta: int = 1) -> None:
        """Increments each. NotFound: some had no item; the others were incremented. Another Error,
        when one failed: the same."""
        if isinstance(keys, Mapping):
            raise TypeError("keys must be a sequence, not a mapping")
        prefix = _key(key_prefix or b"")
        missing = 0
        failed: List[ex.Error] = []
        for name in [prefix + _key(key) for key in keys]:
            try:
                self._count("incr", name, delta)
            except ex.NotFound:
                missing += 1
            except ex.Error as e:
                failed.append(e)
        for e in failed:
            raise e
        if missing:
            raise ex.NotFound(f"{missing} keys not found")

    # --- the servers

    def flush_all(self, time: int = 0) -> bool:
        """Drops everything on every server after `time` seconds. True. SomeErrors: of those that
        failed; the others are flushed."""
        for reply in self._core.flush_all(operator.index(time), self._noreply).values():
            if isinstance(reply, errors.Error):
                raise at_some_servers(reply)
        return True

    def get_stats(self, args: Key = "") -> List[Tuple[bytes, Dict[str, bytes]]]:
        """[(b"host:port (index)", {name: value})]. SomeErrors: a server failed. Error: there is no
        such group of statistics."""
        group = _key(args).decode("utf-8")
        out = []
        for i, (kind, host, port, _) in enumerate(self._behaviors.servers):
            address = host if kind == server_type_unix else (host, port)
            try:
                found = PlainSocket(address, self._behaviors.timeout()).by_name(group)
            except OSError as e:
                raise ex.SomeErrors(f"get_stats from {host}:{port}: {e}") from e
            except ValueError as e:
                raise ex.Error(str(e)) from None
            out.append((f"{host}:{port} ({i})".encode(),
                        {name: text.encode() for name, text in found.items()}))
        return out

    def hash(self, key: Key) -> int:
        """The index of the key's server."""
        return self._behaviors.places[self._core.servers().index(self._core.which(_key(key)))]

    def unclaimed_errors(self) -> int:
        """Failures that nobody waited for, with the behavior "_noreply"."""
        return self._core.unclaimed_errors()

    def disconnect_all(self) -> None:
        """Closes idle connections; the next call opens what it needs."""
        self._core.disconnect()

    def clone(self) -> "Client":
        """Another client of the same kind; behaviors of its own, connections shared."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.addresses = list(self.addresses)
        other._behaviors = self._behaviors.copy()
        other._lock = threading.Lock()
        return other

    # --- as a mapping

    def __getitem__(self, key: Key) -> Any:
        value = self.get(key, _NOTHING)
        if value is _NOTHING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Key, value: Any) -> None:
        if not self.set(key, value):
            raise KeyError(f"failed setting {key!r}")

    def __delitem__(self, key: Key) -> None:
        if not self.delete(key):
            raise KeyError(key)

    def __contains__(self, key: Key) -> bool:
        return self.get(key, _NOTHING) is not _NOTHING
