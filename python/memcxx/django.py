"""A Django cache backend.

    CACHES = {
        "default": {
            "BACKEND": "memcxx.django.MemcxxCache",
            "LOCATION": ["10.0.0.1:11211", "10.0.0.2:11211"],
            "OPTIONS": {"timeout": 0.25},
        }
    }

It behaves as Django's own memcached backends do. Unless OPTIONS say otherwise it reads what
PyMemcacheCache stored, and stores what that reads: its values, and on its servers.
Never here: values, servers, connections; they are memcxx.Client's.
"""

from __future__ import annotations

import contextlib
import contextvars
import re
import threading
import time
import weakref
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional

from asgiref.sync import sync_to_async
from django.core.cache.backends.base import (
    DEFAULT_TIMEOUT,
    BaseCache,
    InvalidCacheKey,
    memcache_key_warnings,
)

from . import errors
from ._verbs import many_of, pairs_of
from .client import Client

__all__ = ["MemcxxCache"]

#: Django makes a backend for each thread; those of the same settings share a client
_clients: "weakref.WeakValueDictionary[str, Client]" = weakref.WeakValueDictionary()
_making = threading.Lock()

#: OPTIONS that are Django's own
_OF_DJANGO = ("MAX_ENTRIES", "CULL_FREQUENCY")
#: PyMemcacheCache's that ask for what is always so
_NOT_NEEDED = ("no_delay", "use_pooling")
#: the protocols' last second, 2038-01-19
_LAST = 2**31 - 1


#: when the call ends that is made of several of the client's
_ends: "contextvars.ContextVar[Optional[float]]" = contextvars.ContextVar("_ends", default=None)


def _untimed(compute: Callable[[], Any]) -> Callable[[], Any]:
    """The same function; what it takes is not the cache's time, and what it asks has its own."""
    def call() -> Any:
        ends = _ends.get()
        begun = time.monotonic()
        _ends.set(None)
        try:
            return compute()
        finally:
            _ends.set(None if ends is None else ends + time.monotonic() - begun)
    return call


def _understood(options: Mapping[str, Any]) -> Dict[str, Any]:
    """OPTIONS as memcxx.Client's: those of PyMemcacheCache, too."""
    out = {name: value for name, value in options.items()
           if name not in _OF_DJANGO and name not in _NOT_NEEDED}
    if out.pop("ignore_exc", False):
        out.setdefault("on_error", "miss")
    pool_size = out.pop("max_pool_size", None)
    if pool_size is not None:
        out.setdefault("pool_size", pool_size)
    if out.setdefault("dialect", "pymemcache") == "pymemcache":
        out.setdefault("distribution", "pymemcache")
    return out


def _shared_client(servers: List[str], options: Mapping[str, Any]) -> Client:
    settings = repr((servers, sorted(options.items())))
    with _making:
        client = _clients.get(settings)
        if client is None:
            client = _clients[settings] = Client(servers, **options)
        return client


class MemcxxCache(BaseCache):
    """LOCATION: a server, several separated by "," or ";", or a list: "host:port", "unix:/path".

    OPTIONS are memcxx.Client's. `dialect` is "pymemcache" unless given, and with it `distribution`;
    for data of PyLibMCCache: dialect="pylibmc", distribution="libmemcached-modula". Of
    PyMemcacheCache's ignore_exc (on_error="miss") and max_pool_size (pool_size) are understood, and
    no_delay and use_pooling, which are always so.

    A server that fails raises memcxx.errors (which are ConnectionError or TimeoutError); with
    on_error="miss" it reads as empty. Threads: safe to share. Connections stay open between
    requests. Asynchronous methods run the others on a thread, each in one go: aincr is atomic.
    """

    def __init__(self, server: Any, params: Dict[str, Any]) -> None:
        super().__init__(params)
        names = re.split("[;,]", server) if isinstance(server, str) else list(server)
        options = _understood(params.get("OPTIONS") or {})
        servers = [f"unix:{name}" if name.startswith("/") else name for name in names]
        self._client = _shared_client(servers, options)

    @property
    def _cache(self) -> Client:
        """The client, with what is left of the call's time."""
        ends = _ends.get()
        if ends is None:
            return self._client
        return self._client.within(max(ends - time.monotonic(), 0.001))

    @contextlib.contextmanager
    def _one_call(self) -> Iterator[None]:
        """What is asked in here has one deadline."""
        if _ends.get() is not None:
            yield
            return
        _ends.set(time.monotonic() + self._client.timeout)
        try:
            yield
        finally:
            _ends.set(None)

    def get_backend_timeout(self, timeout: Any = DEFAULT_TIMEOUT) -> Optional[int]:
        """The ttl: None for never, -1 for at once. What ends after 2038-01-19 never does."""
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        if timeout is None:
            return None
        seconds = int(timeout)
        if seconds <= 0:
            return -1
        return seconds if seconds + time.time() < _LAST else None

    def validate_key(self, key: str) -> None:
        for warning in memcache_key_warnings(key):
            raise InvalidCacheKey(warning)

    def get(self, key: Any, default: Any = None, version: Optional[int] = None) -> Any:
        return self._cache.get(self.make_and_validate_key(key, version), default)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT,
            version: Optional[int] = None) -> bool:
        return self._cache.add(self.make_and_validate_key(key, version), value,
                               self.get_backend_timeout(timeout))

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT,
            version: Optional[int] = None) -> None:
        name = self.make_and_validate_key(key, version)
        with self._one_call():
            try:
                stored = self._cache.set(name, value, self.get_backend_timeout(timeout))
            except errors.ValueTooLarge:
                self._cache.delete(name)
                raise
            if not stored:
                self._cache.delete(name)  # rather nothing than the old value

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT,
              version: Optional[int] = None) -> bool:
        return self._cache.touch(self.make_and_validate_key(key, version),
                                 self.get_backend_timeout(timeout))

    def delete(self, key: Any, version: Optional[int] = None) -> bool:
        return self._cache.delete(self.make_and_validate_key(key, version))

    def get_many(self, keys: Iterable[Any], version: Optional[int] = None) -> Dict[Any, Any]:
        given = {self.make_and_validate_key(key, version): key for key in many_of(keys)}
        found = self._cache.get_many(given)
        return {given[name]: value for name, value in found.items()}

    def set_many(self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT,
                 version: Optional[int] = None) -> List[Any]:
        """The keys that were not stored."""
        data = pairs_of(data)
        given = {self.make_and_validate_key(key, version): key for key in data}
        with self._one_call():
            failed = self._cache.set_many({name: data[key] for name, key in given.items()},
                                          self.get_backend_timeout(timeout))
            too_large = [name for name, why in failed.items()
                         if isinstance(why, errors.ValueTooLarge)]
            if too_large:
                self._cache.delete_many(too_large)
        return [given[name] for name in failed]

    def delete_many(self, keys: Iterable[Any], version: Optional[int] = None) -> None:
        failed = self._cache.delete_many([self.make_and_validate_key(key, version)
                                          for key in many_of(keys)])
        for why in failed.values():
            if why is not False:  # there was none
                raise why

    def incr(self, key: Any, delta: int = 1, version: Optional[int] = None) -> int:
        """The new value; ValueError when there is none. It never gets below 0."""
        name = self.make_and_validate_key(key, version)
        count = self._cache.incr(name, delta) if delta >= 0 else self._cache.decr(name, -delta)
        if count is None:
            raise ValueError(f"there is no key {key!r}")
        return count

    # Django's own are right, but for their time: they ask several times.

    def get_or_set(self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT,
                   version: Optional[int] = None) -> Any:
        with self._one_call():
            default = _untimed(default) if callable(default) else default
            return super().get_or_set(key, default, timeout, version)

    def incr_version(self, key: Any, delta: int = 1, version: Optional[int] = None) -> int:
        with self._one_call():
            return super().incr_version(key, delta, version)

    async def aget_or_set(self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT,
                          version: Optional[int] = None) -> Any:
        with self._one_call():
            default = _untimed(default) if callable(default) else default
            return await super().aget_or_set(key, default, timeout, version)

    async def aincr_version(self, key: Any, delta: int = 1, version: Optional[int] = None) -> int:
        with self._one_call():
            return await super().aincr_version(key, delta, version)

    def clear(self) -> None:
        for outcome in self._cache.flush_all().values():
            if isinstance(outcome, Exception):
                raise outcome

    # Django's own would ask key by key, and count by get and set.

    async def aget_many(self, keys: Iterable[Any], version: Optional[int] = None) -> Dict[Any, Any]:
        return await sync_to_async(self.get_many)(keys, version)

    async def aset_many(self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT,
                        version: Optional[int] = None) -> List[Any]:
        return await sync_to_async(self.set_many)(data, timeout, version)

    async def adelete_many(self, keys: Iterable[Any], version: Optional[int] = None) -> None:
        await sync_to_async(self.delete_many)(keys, version)

    async def aincr(self, key: Any, delta: int = 1, version: Optional[int] = None) -> int:
        return await sync_to_async(self.incr)(key, delta, version)
