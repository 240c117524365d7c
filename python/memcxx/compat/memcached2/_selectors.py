"""memcached2's hashers and selectors: which server a key belongs to.

The usual ones are run by the core, as its memcached2-… distributions; what is here serves those who
bring a hasher or selector of their own, and places keys alike.
"""

from __future__ import annotations

import threading
import zlib
from bisect import bisect
from typing import Any, Callable, List, Optional, Sequence, Tuple, Union

from ._exceptions import NoAvailableServers
from ._servers import ServerConnection

Hash = Callable[[str], int]


class HasherBase:
    """Makes a number of a key. For subclasses of one's own."""

    def hash(self, key: str) -> int:
        """The same number for the same key, always."""
        raise NotImplementedError("This class is only meant to be subclassed")


class HasherZero(HasherBase):
    """0: for one server."""

    def hash(self, key: str) -> int:
        return 0


class HasherCMemcache(HasherBase):
    """Fifteen bits of the key's CRC-32, 1 instead of 0, as libmemcache has it."""

    def hash(self, key: Union[str, bytes]) -> int:
        data = key if isinstance(key, bytes) else key.encode("latin-1")
        return (zlib.crc32(data) >> 16 & 0x7FFF) or 1


class SelectorBase:
    """Chooses a server. For subclasses of one's own."""

    def select(self, server_list: Sequence[ServerConnection], hasher: Hash,
               key: str) -> ServerConnection:
        """One of the servers; `hasher` makes a number of a key. NoAvailableServers: there is none
        that is_up()."""
        raise NotImplementedError("This class is only meant to be subclassed")


class SelectorFirst(SelectorBase):
    """The first server, always."""

    def select(self, server_list: Sequence[ServerConnection], hasher: Hash,
               key: str) -> ServerConnection:
        return server_list[0]


class SelectorRehashDownServers(SelectorBase):
    """The key's hash modulo the number of servers; while that is down, the hash of the key with
    0, 1, … behind it, up to `hashing_retries` times."""

    def __init__(self, hashing_retries: int = 10) -> None:
        self.hashing_retries = hashing_retries

    def select(self, server_list: Sequence[ServerConnection], hasher: Hash,
               key: str) -> ServerConnection:
        for name in (key, *(f"{key}{i}" for i in range(self.hashing_retries))):
            server = server_list[hasher(name) % len(server_list)]
            if server.is_up():
                return server
        raise NoAvailableServers(f"no server for {key!r}")


class SelectorFractalSharding(SelectorBase):
    """The key's hash modulo the number of servers; while that is down, the same among the others,
    with another hash: what a server had is spread over all of them."""

    def select(self, server_list: Sequence[ServerConnection], hasher: Hash,
               key: str) -> ServerConnection:
        left = list(server_list)
        name = key
        for i in range(len(server_list)):
            server = left.pop(hasher(name) % len(left))
            if server.is_up():
                return server
            name = f"{key}{i}"
        raise NoAvailableServers(f"no server for {key!r}")


class SelectorConsistentHashing(SelectorBase):
    """A ring of `total_buckets` buckets (None: the square of the number of servers), which the
    servers take in turn."""

    def __init__(self, total_buckets: Optional[int] = None) -> None:
        self.total_buckets = total_buckets
        self.buckets: Optional[List[Tuple[int, int]]] = None
        self._lock = threading.Lock()

    def _ring(self, count: int, hasher: Hash) -> List[Tuple[int, int]]:
        with self._lock:
            if self.buckets is None:
                total = self.total_buckets or count * count
                self.buckets = sorted({hasher(str(i)): i % count for i in range(total)}.items())
            return self.buckets

    def select(self, server_list: Sequence[ServerConnection], hasher: Hash,
               key: str) -> ServerConnection:
        ring = self._ring(len(server_list), hasher)
        number = hasher(key)
        start = bisect(ring, (number, 0))
        tried = set()
        for step in range(len(ring)):
            at = (start + step) % len(ring)
            # Below the first bucket the last one answers.
            owner = ring[-1 if at == 0 and number < ring[0][0] else at][1]
            if owner in tried:
                continue
            tried.add(owner)
            if server_list[owner].is_up():
                return server_list[owner]
        raise NoAvailableServers(f"no server for {key!r}")


def usual_distribution(selector: Any, hasher: Any) -> Optional[str]:
    """The core's distribution that places keys alike; None when there is none."""
    if type(hasher) is not HasherCMemcache:
        return None
    if type(selector) is SelectorRehashDownServers and selector.hashing_retries == 10:
        return "memcached2-rehash"
    if type(selector) is SelectorFractalSharding:
        return "memcached2-fractal"
    if type(selector) is SelectorConsistentHashing and not selector.total_buckets:
        return "memcached2-consistent"
    return None
