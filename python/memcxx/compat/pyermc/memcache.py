"""pyermc's Client: keys, values and flags; a driver does the rest.

Never here: sockets, protocols.
"""

from __future__ import annotations

import pickle as _pickle
from functools import partial
from typing import Any, Dict, Iterable, List, Mapping, Optional, Type

from ... import _core, errors
from .._values import load_pickle
from . import driver

CONNECT_TIMEOUT = 3  #: seconds
SOCKET_TIMEOUT = 3  #: seconds
MAX_KEY_LENGTH = 250  #: bytes
MAX_VALUE_LENGTH = 1000000  #: bytes, before compression


class MemcacheKeyError(Exception):
    """A key that no server takes; nothing was sent."""


class MemcacheValueError(Exception):
    """A value that cannot be stored, or not be read."""


class MemcacheDriverException(Exception):
    """The server refused, or the driver failed: (text, the exception behind it)."""


class MemcacheSocketException(Exception):
    """The connection failed or the time is over: (text, the exception behind it)."""


class Client:
    """A client over one driver. It connects when it needs to.

    `timeout`, `connect_timeout`: seconds, for a whole call and for connecting. `max_value_length`:
    bytes before compression, 0 for no limit; `max_key_length` likewise. `pickle`: whether objects
    may be pickled and unpickled, with `pickle_proto`. `cache_cas`: gets() remembers cas ids for
    cas(). `error_as_miss`: a fault is None, or {} for many, instead of an exception. `native_str`:
    text is stored as UTF-8 and read as text again, as Python 2's str was; otherwise it is pickled,
    as pyermc did with unicode.

    Threads: safe to share with the drivers of this package, but for the cas ids.
    """

    _FLAG_PICKLE = 1 << 0
    _FLAG_INTEGER = 1 << 1
    _FLAG_LONG = 1 << 2
    _FLAG_COMPRESSED = 1 << 3

    def __init__(self, host: str = "127.0.0.1", port: int = 11211,
                 connect_timeout: Optional[float] = CONNECT_TIMEOUT,
                 timeout: Optional[float] = SOCKET_TIMEOUT, max_key_length: int = MAX_KEY_LENGTH,
                 max_value_length: int = MAX_VALUE_LENGTH, pickle: bool = True,
                 pickle_proto: int = 2, disable_nagle: bool = True, cache_cas: bool = False,
                 error_as_miss: bool = False,
                 client_driver: Type[driver.Driver] = driver.DEFAULT_DRIVER, *,
                 native_str: bool = False):
        if not (isinstance(client_driver, type) and issubclass(client_driver, driver.Driver)):
            raise TypeError(f"client_driver is a subclass of Driver, not {client_driver!r}")
        self.host = host
        self.port = port
        self.connect_timeout = connect_timeout
        self.timeout = timeout
        self.max_key_length = max_key_length
        self.max_value_length = max_value_length
        self.pickle = pickle
        self.pickle_proto = pickle_proto
        self.disable_nagle = disable_nagle
        self.cache_cas = cache_cas
        self.error_as_miss = error_as_miss
        self.native_str = native_str
        self.cas_ids: Dict[bytes, int] = {}
        # What the codec holds must not hold the client: such a circle is never collected.
        self._codec = _core.ValueCodec(
            "dialect=pyermc", partial(_dumps, pickle, pickle_proto),
            load_pickle if pickle else _refuse_pickle)
        self._driver = client_driver
        self._client: Optional[driver.Driver] = None
        self._init_driver()

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:
            pass

    def _init_driver(self) -> driver.Driver:
        self._client = self._driver(  # type: ignore[call-arg]
            self.host, self.port, timeout=self.timeout, connect_timeout=self.connect_timeout,
            disable_nagle=self.disable_nagle)
        return self._client

    # --- the connection

    def connect(self, reconnect: bool = False) -> None:
        """Connects, if it is not connected; with `reconnect` in any case anew. Raises as calls do,
        whatever `error_as_miss` says."""
        try:
            (self._client or self._init_driver()).connect(reconnect=reconnect)
        except OSError as e:
            raise MemcacheSocketException(str(e), e) from e

    def is_connected(self) -> bool:
        return self._client is not None and self._client.is_connected()

    @property
    def socket(self) -> Any:
        """The driver's socket, or None."""
        return None if self._client is None else self._client.socket

    def close(self) -> None:
        """Disconnects; the next call connects again."""
        made, self._client = getattr(self, "_client", None), None
        if made is not None:
            made.close()

    disconnect = close

    def reset_client(self) -> None:
        """Forgets what the client remembers: the cas ids."""
        self.reset_cas()

    def reset_cas(self) -> None:
        """Forgets all cas ids."""
        self.cas_ids = {}

    def _call_driver(self, cmd: str, *args: Any) -> Any:
        try:
            return getattr(self._client or self._init_driver(), cmd)(*args)
        except errors.InvalidKey as e:
            raise MemcacheKeyError(str(e)) from e
        except Exception as e:
            wrapped = self._wrapper_of(e)
            if wrapped is None:
                raise
            if self.error_as_miss:
                return None
            raise wrapped(str(e), e) from e

    def _wrapper_of(self, e: Exception) -> Optional[Type[Exception]]:
        # And closes the connection, unless the server answered and it is fine.
        if isinstance(e, (errors.ServerError, errors.NotSupported, errors.ValueTooLarge)):
            return MemcacheDriverException
        if isinstance(e, (errors.CallerError, NotImplementedError)):
            return None
        if isinstance(e, OSError):
            self.close()
            protocol = isinstance(e, errors.ProtocolError)
            return MemcacheDriverException if protocol else MemcacheSocketException
        if isinstance(e, (RuntimeError, errors.Error)):
            self.close()
            return MemcacheDriverException
        return None

    # --- the server as such

    def stats(self) -> Dict[str, Any]:
        """{name: text}"""
        return self._call_driver("stats")

    def version(self) -> str:
        """The server's version."""
        return self._call_driver("version")

    def flush_all(self) -> bool:
        """Drops every item."""
        return self._call_driver("flush_all")

    # --- numbers and deletion

    def incr(self, key: Any, delta: int = 1) -> Optional[int]:
        """The new number, or None when there is no item; a negative delta counts down.
        MemcacheDriverException: the item is no number."""
        return self._count("incr", "decr", key, delta)

    def decr(self, key: Any, delta: int = 1) -> Optional[int]:
        """As incr(), and stops at 0; a negative delta counts up."""
        return self._count("decr", "incr", key, delta)

    def _count(self, cmd: str, opposite: str, key: Any, delta: int) -> Optional[int]:
        if not isinstance(delta, int):
            raise TypeError(f"delta is a whole number, not {delta!r}")
        if abs(delta) >= 2**64:
            raise ValueError(f"delta is {delta}, and should be below 2^64")
        return self._call_driver(cmd if delta >= 0 else opposite, self.check_key(key), abs(delta))

    def delete(self, key: Any) -> bool:
        """False when there is no item."""
        return self._call_driver("delete", self.check_key(key))

    # --- storing

    def set(self, key: Any, val: Any, time: Any = 0, min_compress_len: int = 0) -> bool:
        """Whether it was stored. `time`: seconds, or a point in time when over 30 days.
        `min_compress_len`: compress what is longer (bytes); 0 is never."""
        return self._set("set", key, val, time, min_compress_len)

    def add(self, key: Any, val: Any, time: Any = 0, min_compress_len: int = 0) -> bool:
        """set(), only if there is no such item."""
        return self._set("add", key, val, time, min_compress_len)

    def replace(self, key: Any, val: Any, time: Any = 0, min_compress_len: int = 0) -> bool:
        """set(), only if there is such an item."""
        return self._set("replace", key, val, time, min_compress_len)

    def append(self, key: Any, val: Any, time: Any = 0, min_compress_len: int = 0) -> bool:
        """Puts text or bytes behind the item's bytes."""
        return self._splice("append", key, val, time)

    def prepend(self, key: Any, val: Any, time: Any = 0, min_compress_len: int = 0) -> bool:
        """Puts text or bytes before the item's bytes."""
        return self._splice("prepend", key, val, time)

    def cas(self, key: Any, val: Any, time: Any = 0, min_compress_len: int = 0) -> bool:
        """set(), only if the item is still what gets() saw; a plain set() when no cas id is
        remembered. The id stays: a second cas() is False."""
        return self._set("cas", key, val, time, min_compress_len)

    def set_multi(self, mapping: Mapping[Any, Any], time: Any = 0,
                  min_compress_len: int = 0) -> Optional[List[Any]]:
        """The keys that were not stored."""
        origins = {self.check_key(k): k for k in mapping}
        items = []
        for name, origin in origins.items():
            flags, data = self._val_to_store_info(mapping[origin], min_compress_len)
            items.append((name, data, flags))
        failed = self._call_driver("set_multi", items, time)
        return None if failed is None else [origins[name] for name in failed]

    def _set(self, cmd: str, key: Any, val: Any, time: Any = 0, min_compress_len: int = 0) -> bool:
        name = self.check_key(key)
        flags, data = self._val_to_store_info(val, min_compress_len)
        if cmd == "cas" and name in self.cas_ids:
            return self._call_driver("cas", name, data, self.cas_ids[name], time, flags)
        return self._call_driver("set" if cmd == "cas" else cmd, name, data, time, flags)

    def _splice(self, cmd: str, key: Any, val: Any, time: Any) -> bool:
        if isinstance(val, int):
            val = b"%d" % val
        elif isinstance(val, str):
            val = val.encode("utf-8")
        if not isinstance(val, bytes):
            raise TypeError(f"only text and bytes can be added to, not {type(val).__name__}")
        self._check_length(val)
        return self._call_driver(cmd, self.check_key(key), val, time, 0)

    # --- reading

    def get(self, key: Any) -> Any:
        """The value, or None."""
        return self._get("get", key)

    def gets(self, key: Any) -> Any:
        """The value, or None; with `cache_cas` remembers its cas id for cas()."""
        return self._get("gets", key)

    def get_multi(self, keys: Iterable[Any]) -> Dict[Any, Any]:
        """{key: value} of those that are there."""
        return self._get_multi("get_multi", keys)

    def gets_multi(self, keys: Iterable[Any]) -> Dict[Any, Any]:
        """The same; with `cache_cas` remembers their cas ids."""
        return self._get_multi("gets_multi", keys)

    def _get(self, cmd: str, key: Any) -> Any:
        name = self.check_key(key)
        found = self._call_driver(cmd, name)
        if found is None:
            return None
        if cmd == "gets" and self.cache_cas:
            self.cas_ids[name] = found[2]
        return self._recv_value(found[0], found[1])

    def _get_multi(self, cmd: str, keys: Iterable[Any]) -> Dict[Any, Any]:
        origins = {self.check_key(k): k for k in keys}
        values = {}
        for name, found in (self._call_driver(cmd, list(origins)) or {}).items():
            if cmd == "gets_multi" and self.cache_cas:
                self.cas_ids[name] = found[2]
            values[origins[name]] = self._recv_value(found[0], found[1])
        return values

    # --- keys and values

    def check_key(self, key: Any) -> bytes:
        """The key as it is sent. MemcacheKeyError: none, no text, too long, or with bytes that
        cannot be sent."""
        if isinstance(key, str):
            try:
                key = key.encode("utf-8")
            except UnicodeEncodeError as e:
                raise MemcacheKeyError(f"a key that is no UTF-8: {e}") from e
        if key is None or isinstance(key, bytes) and not key:
            raise MemcacheKeyError("no key: None, or empty")
        if not isinstance(key, bytes):
            raise MemcacheKeyError(f"a key is a str or bytes, not {type(key).__name__}")
        if self.max_key_length and len(key) > self.max_key_length:
            raise MemcacheKeyError(f"the length of the key is {len(key)}, over "
                                   f"{self.max_key_length}")
        if any(c <= 0x20 or c == 0x7f for c in key):
            raise MemcacheKeyError(f"Control characters and spaces cannot be in a key: {key!r}")
        return key

    def _check_length(self, data: bytes) -> None:
        if self.max_value_length and len(data) > self.max_value_length:
            raise MemcacheValueError(f"the value has {len(data)} bytes, over max_value_length, "
                                     f"{self.max_value_length}")

    def _val_to_store_info(self, val: Any, min_compress_len: int) -> Any:
        # (flags, bytes)
        if isinstance(val, str) and (self.native_str or not self.pickle):
            val = val.encode("utf-8")
        elif isinstance(val, bool):
            val = int(val)
        flags, data = self._codec.pack(b"v", val, 0)
        self._check_length(data)
        if min_compress_len and len(data) > min_compress_len:
            return self._codec.pack(b"v", val, min_compress_len)
        return flags, data

    def _recv_value(self, data: bytes, flags: int) -> Any:
        try:
            val = self._codec.unpack(b"v", flags, data)
        except errors.StoredValueError as e:
            raise MemcacheValueError(str(e), e) from e
        if self.native_str and isinstance(val, bytes):
            try:
                return val.decode("utf-8")
            except UnicodeDecodeError:
                pass
        return val


def _dumps(allowed: bool, protocol: int, val: Any) -> bytes:
    if not allowed:
        raise MemcacheValueError(f"{type(val).__name__} would have to be pickled, and pickle=False")
    return _pickle.dumps(val, protocol)


def _refuse_pickle(data: bytes) -> Any:
    raise MemcacheValueError("a pickled value, and pickle=False")
