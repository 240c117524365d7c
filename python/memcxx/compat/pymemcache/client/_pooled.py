"""pymemcache's PooledClient: a Client with a bound on its connections.

Never here: the verbs.
"""

from __future__ import annotations

import functools
import socket
import threading
from types import ModuleType
from typing import Any, Dict, Iterable, Optional, Tuple, Union

from ._address import KeepaliveOpts, Key, ServerSpec, check_key_helper
from ._client import Client

_MOST_CONNECTIONS = 10_000


def _passed_on(name: str) -> Any:
    """A method that the pool's client runs."""

    @functools.wraps(getattr(Client, name))
    def call(self: "PooledClient", *args: Any, **kwargs: Any) -> Any:
        return getattr(self._client, name)(*args, **kwargs)

    return call


class PooledClient:
    """A Client with a bound on its connections; both may be shared between threads.

    Arguments as Client's, and `max_pool_size`: connections, at most 10000, which is also what None
    is. A call that finds all of them in use waits for one, at most for its timeout, and then raises
    a RuntimeError. With `ignore_exc` reads turn every error into a miss, a bad key's as well.
    `pool_idle_timeout` and `lock_generator` are understood, and not needed.
    """

    #: what runs the calls: one instance, made for the first of them
    client_class = Client

    def __init__(self, server: ServerSpec, serde: Any = None, serializer: Any = None,
                 deserializer: Any = None, connect_timeout: Optional[float] = None,
                 timeout: Optional[float] = None, no_delay: bool = False, ignore_exc: bool = False,
                 socket_module: ModuleType = socket,
                 socket_keepalive: Optional[KeepaliveOpts] = None,
                 key_prefix: Union[bytes, str] = b"", max_pool_size: Optional[int] = None,
                 pool_idle_timeout: float = 0, lock_generator: Any = None,
                 default_noreply: bool = True, allow_unicode_keys: bool = False,
                 encoding: str = "ascii", tls_context: Any = None) -> None:
        if not (max_pool_size is None or isinstance(max_pool_size, int) and max_pool_size >= 0):
            raise ValueError('"max_pool_size" must be a positive integer')
        self.ignore_exc = ignore_exc
        self.max_pool_size = min(max_pool_size or _MOST_CONNECTIONS, _MOST_CONNECTIONS)
        self._arguments: Dict[str, Any] = {
            "serde": serde, "serializer": serializer, "deserializer": deserializer,
            "connect_timeout": connect_timeout, "timeout": timeout, "no_delay": no_delay,
            "socket_module": socket_module, "socket_keepalive": socket_keepalive,
            "key_prefix": key_prefix, "default_noreply": default_noreply,
            "allow_unicode_keys": allow_unicode_keys, "encoding": encoding,
            "tls_context": tls_context,
        }
        self._lock = threading.Lock()
        self._made: Any = None
        # Refuses what cannot be at once, and says how the arguments were understood.
        usual = Client(server, **self._arguments)
        self.server = usual.server
        self.serde = usual.serde
        self.connect_timeout = connect_timeout
        self.timeout = timeout
        self.no_delay = no_delay
        self.socket_module = socket_module
        self.socket_keepalive = socket_keepalive
        self.key_prefix = usual.key_prefix
        self.default_noreply = default_noreply
        self.allow_unicode_keys = allow_unicode_keys
        self.encoding = encoding
        self.tls_context = tls_context

    @property
    def _client(self) -> Any:
        made = self._made
        if made is None:
            with self._lock:
                if self._made is None:
                    made = self.client_class(self.server, **self._arguments)
                    if isinstance(made, Client):
                        made._pool_size = self.max_pool_size
                        made._connect()
                    self._made = made
                made = self._made
        return made

    def check_key(self, key: Key) -> bytes:
        """The key's bytes behind the prefix. MemcacheIllegalInputError: it cannot be sent."""
        return check_key_helper(key, self.allow_unicode_keys, self.key_prefix)

    def _read(self, otherwise: Any, verb: str, *args: Any) -> Any:
        try:
            return getattr(self._client, verb)(*args)
        except Exception:
            if self.ignore_exc:
                return otherwise
            raise

    def get(self, key: Key, default: Any = None) -> Any:
        """The value, or `default`."""
        return self._read(default, "get", key, default)

    def gets(self, key: Key, default: Any = None, cas_default: Any = None) -> Tuple[Any, Any]:
        """(value, token for cas), or (default, cas_default)."""
        return self._read((default, cas_default), "gets", key, default, cas_default)

    def get_many(self, keys: Iterable[Key]) -> Dict[Key, Any]:
        """{key: value} of the hits."""
        return self._read({}, "get_many", keys)

    get_multi = get_many

    def gets_many(self, keys: Iterable[Key]) -> Dict[Key, Tuple[Any, Any]]:
        """{key: (value, token for cas)} of the hits."""
        return self._read({}, "gets_many", keys)

    def stats(self, *args: Any) -> Dict[bytes, Any]:
        """{name: value}; words for "stats" as arguments."""
        return self._read({}, "stats", *args)

    set = _passed_on("set")
    add = _passed_on("add")
    replace = _passed_on("replace")
    append = _passed_on("append")
    prepend = _passed_on("prepend")
    cas = _passed_on("cas")
    set_many = set_multi = _passed_on("set_many")
    delete = _passed_on("delete")
    delete_many = delete_multi = _passed_on("delete_many")
    incr = _passed_on("incr")
    decr = _passed_on("decr")
    touch = _passed_on("touch")
    version = _passed_on("version")
    flush_all = _passed_on("flush_all")
    raw_command = _passed_on("raw_command")
    shutdown = _passed_on("shutdown")
    unclaimed_errors = _passed_on("unclaimed_errors")
    close = disconnect_all = _passed_on("close")
    quit = _passed_on("quit")

    def __setitem__(self, key: Key, value: Any) -> None:
        self.set(key, value, noreply=True)

    def __getitem__(self, key: Key) -> Any:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __delitem__(self, key: Key) -> None:
        self.delete(key, noreply=True)
