"""The two faces of Memcache that take failures for misses.

What the caller did wrong (a bad key, a value that is no string) still raises.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Callable, Dict, Iterable, Iterator, Mapping, Optional, Sequence

from ... import errors
from ._exceptions import MemcachedException, MultiStorageException, UnexpectedReply, translated
from ._memcache import Memcache
from ._servers import ServerPool


def _raise_callers(e: Exception) -> None:
    """Raises what was the caller's fault: not the server's, the network's or the clock's."""
    if isinstance(e, errors.CallerError) and not isinstance(e, UnexpectedReply):
        raise e


class ExceptionsAreMissesMemcache(Memcache):
    """A Memcache whose get, get_multi, set, set_multi, delete and cache take failures of servers
    for misses."""

    def get(self, key: Any, get_cas: bool = False) -> Any:
        """The value, or None."""
        try:
            return super().get(key, get_cas)
        except MemcachedException as e:
            _raise_callers(e)
            return None

    def get_multi(self, keys: Iterable[Any], get_cas: bool = False) -> Dict[Any, Any]:
        """{key: value} of those that could be read."""
        try:
            found, failed = self._get_multi(keys, get_cas)
        except MemcachedException as e:
            _raise_callers(e)
            return {}
        for each in failed:
            _raise_callers(translated(each))
        return found

    def set(self, key: Any, value: Any, flags: int = 0, exptime: Any = 0,
            cas_unique: Optional[int] = None) -> None:
        """Stores, if it can."""
        try:
            super().set(key, value, flags, exptime, cas_unique)
        except MemcachedException as e:
            _raise_callers(e)

    def set_multi(self, data: Iterable[Sequence[Any]], options: Optional[Mapping[str, Any]] = None,
                  return_successful: bool = True, return_failed: bool = True
                  ) -> Dict[Any, Optional[str]]:
        """What the servers answered that did."""
        try:
            return super().set_multi(data, options, return_successful, return_failed)
        except MultiStorageException as e:
            return e.results

    def delete(self, key: Any) -> bool:
        """Whether there was an item, and it could be deleted."""
        try:
            return super().delete(key)
        except MemcachedException as e:
            _raise_callers(e)
            return False

    def cache(self, key: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The value; or what function(key, …) returns, which is stored if it can."""
        value = self.get(key)
        if value is None:
            value = function(key, *args, **kwargs)
            self.set(key, value)
        return value


class ExceptionsAreMissesMapping(MutableMapping):
    """A mapping of strings in memcached; failures of servers are missing keys.

    len() is the number of items on the servers that answer, whoever stored them. It cannot be
    iterated: NotImplementedError. `memcache` is the Memcache behind it.
    """

    def __init__(self, servers: Iterable[str], selector: Any = None, hasher: Any = None,
                 server_pool: Optional[ServerPool] = None) -> None:
        self.memcache = Memcache(servers, None, selector, hasher, server_pool)

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.memcache.get(key)
        except MemcachedException as e:
            _raise_callers(e)
            raise KeyError(key) from None

    def __setitem__(self, key: Any, value: Any) -> None:
        try:
            self.memcache.set(key, value)
        except MemcachedException as e:
            _raise_callers(e)

    def __delitem__(self, key: Any) -> None:
        try:
            self.memcache.delete(key)
        except MemcachedException as e:
            _raise_callers(e)

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError("memcached does not tell its keys")

    def __len__(self) -> int:
        return sum(s.get("curr_items", 0) for s in self.memcache.stats() if s is not None)
