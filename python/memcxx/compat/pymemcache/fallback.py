"""Reads that fall back to older caches, while a new one is filled."""

from __future__ import annotations

from typing import Any, Dict, Sequence


class FallbackClient:
    """Writes go to the first of `caches`; a read that misses there asks the next, and so on.

    Give the older caches `ignore_exc=True`, so that they may go away. Threads: as safe as they are.
    """

    def __init__(self, caches: Sequence[Any]) -> None:
        if not caches:
            raise ValueError("there is no cache")
        self.caches = caches

    def close(self) -> None:
        for cache in self.caches:
            cache.close()

    def set(self, key: Any, value: Any, expire: int = 0, noreply: bool = True) -> Any:
        return self.caches[0].set(key, value, expire, noreply)

    def add(self, key: Any, value: Any, expire: int = 0, noreply: bool = True) -> Any:
        return self.caches[0].add(key, value, expire, noreply)

    def replace(self, key: Any, value: Any, expire: int = 0, noreply: bool = True) -> Any:
        return self.caches[0].replace(key, value, expire, noreply)

    def append(self, key: Any, value: Any, expire: int = 0, noreply: bool = True) -> Any:
        return self.caches[0].append(key, value, expire, noreply)

    def prepend(self, key: Any, value: Any, expire: int = 0, noreply: bool = True) -> Any:
        return self.caches[0].prepend(key, value, expire, noreply)

    def cas(self, key: Any, value: Any, cas: Any, expire: int = 0, noreply: bool = True) -> Any:
        return self.caches[0].cas(key, value, cas, expire, noreply)

    def get(self, key: Any) -> Any:
        for cache in self.caches:
            value = cache.get(key)
            if value is not None:
                return value
        return None

    def gets(self, key: Any) -> Any:
        """(value, token) of the first cache that has it; the token is of use there only."""
        for cache in self.caches:
            found = cache.gets(key)
            if found is not None and found != (None, None):
                return found
        return None

    def get_many(self, keys: Any) -> Dict[Any, Any]:
        """Each key from the first cache that has it."""
        return self._many("get_many", keys)

    def gets_many(self, keys: Any) -> Dict[Any, Any]:
        return self._many("gets_many", keys)

    def _many(self, verb: str, keys: Any) -> Dict[Any, Any]:
        found: Dict[Any, Any] = {}
        wanted = list(keys)
        for cache in self.caches:
            if not wanted:
                break
            found.update(getattr(cache, verb)(wanted))
            wanted = [key for key in wanted if key not in found]
        return found

    def delete(self, key: Any, noreply: bool = True) -> Any:
        return self.caches[0].delete(key, noreply)

    def incr(self, key: Any, value: int, noreply: bool = True) -> Any:
        return self.caches[0].incr(key, value, noreply)

    def decr(self, key: Any, value: int, noreply: bool = True) -> Any:
        return self.caches[0].decr(key, value, noreply)

    def touch(self, key: Any, expire: int = 0, noreply: bool = True) -> Any:
        return self.caches[0].touch(key, expire, noreply)

    def stats(self) -> Any:
        """Of the first cache."""
        return self.caches[0].stats()

    def flush_all(self, delay: int = 0, noreply: bool = True) -> Any:
        return self.caches[0].flush_all(delay, noreply)

    def quit(self) -> None:
        for cache in self.caches:
            cache.quit()
