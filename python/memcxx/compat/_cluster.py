"""The servers of a client that may be told a key's hash: the core over all of them, and over each
by itself for the keys whose server the caller chose.

Never here: values, flags, addresses as other clients write them.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, TypeVar, Union

from .. import errors
from ..client import Client

T = TypeVar("T")
#: bytes, or (hash, bytes)
Key = Union[bytes, Tuple[int, bytes]]

#: what the clients that count an unreachable server as a miss count as one
FAILURES = (errors.NetworkError, errors.Timeout, errors.Overloaded, errors.ServerError,
            errors.NotSupported)
_NOTHING_SENT = (errors.ConnectFailed, errors.ResolveFailed, errors.ServerDown)
_IN_HOST_NAMES = frozenset(" \t\r\n,;*?%/@[]\"'\\")


def tcp_address(host: str, port: int) -> str:
    """"host:port" as the core reads it. ValueError."""
    if not host or _IN_HOST_NAMES.intersection(host):
        raise ValueError(f"not the name of a host: {host!r}")
    if not 1 <= port <= 65535:
        raise ValueError(f"not a port: {port}")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def unix_address(path: str) -> str:
    """"unix:/path" as the core reads it. ValueError."""
    if not path or "\0" in path:
        raise ValueError(f"not the path of a socket: {path!r}")
    ends_in_slash = path.endswith("/")
    path = "".join(f"%{ord(c):02X}" if c in " %*,;?\t\r\n" else c for c in path)
    return "unix:" + (path[:-1] + "%2F" if ends_in_slash else path)


class Cluster:
    """`servers`: (address as the core reads it, weight); `buckets` has each as often as its weight.
    `hash_of`: key to number, for keys that are placed by hand; `tries`: how many servers such a key
    may go to while they cannot be reached.

    Raises as the core does: ValueError for servers or options that cannot be. Threads: safe to
    share.
    """

    def __init__(self, servers: Sequence[Tuple[str, int]], *, distribution: str,
                 hash_of: Callable[[bytes], int], tries: int, options: Dict[str, Any],
                 on_down: Optional[Callable[[int, errors.Error], None]] = None,
                 on_up: Optional[Callable[[int], None]] = None):
        for address, weight in servers:
            if weight > 65535:
                raise ValueError(f"the weight of {address} is {weight}, over 65535")
        self._addresses = [address for address, _ in servers]
        self._hash_of = hash_of
        self._tries = tries
        self._options = options
        self._on_down = on_down
        self._on_up = on_up
        self._singles: Dict[int, Client] = {}
        self._alone: Dict[int, float] = {}  # servers, and until when they are left alone
        self.buckets = [i for i, (_, weight) in enumerate(servers) for _ in range(weight)]
        used = [i for i, (_, weight) in enumerate(servers) if weight > 0]
        # The core takes a server once. A list that repeats one is gone through by hand.
        self._all: Optional[Client] = None
        if used and len({self._addresses[i] for i in used}) == len(used):
            self._all = self._client(used, [f"{self._addresses[i]}*{servers[i][1]}" for i in used],
                                     distribution=distribution, **options)

    def _client(self, which: Sequence[int], addresses: List[str], **options: Any) -> Client:
        index: Dict[str, int] = {}
        on_down, on_up = self._on_down, self._on_up
        made = Client(
            addresses,
            on_server_down=on_down and (lambda name, why: on_down(index.get(name, which[0]), why)),
            on_server_up=on_up and (lambda name: on_up(index.get(name, which[0]))), **options)
        index.update(zip(made.servers(), which))
        return made

    def single(self, index: int) -> Client:
        """The client of one server alone."""
        made = self._singles.get(index)
        if made is None:
            alone = {k: v for k, v in self._options.items() if k != "failover"}
            # Without a lock, which a child could find taken by a thread that it does not have.
            made = self._singles.setdefault(
                index, self._client([index], [self._addresses[index]], **alone))
        return made

    def leave_alone(self, index: int, until: float) -> None:
        """No key goes to this server before this time, of time.time(); 0: now."""
        if until:
            self._alone[index] = until
        else:
            self._alone.pop(index, None)

    def _is_alone(self, index: int) -> bool:
        if self._alone.get(index, 0) > time.time():
            return True
        self._alone.pop(index, None)
        return False

    def candidates(self, key: Key) -> Iterator[int]:
        """The servers of a key that is placed by hand, in the order in which they are tried."""
        if not self.buckets:
            return
        number = key[0] if isinstance(key, tuple) else self._hash_of(key)
        for attempt in range(self._tries):
            index = self.buckets[number % len(self.buckets)]
            if not self._is_alone(index):
                yield index
            number = self._hash_of(f"{number}{attempt}".encode())

    def _whole(self, by_hand: bool) -> Optional[Client]:
        """The client of all servers, unless keys are placed by hand."""
        if by_hand or self._alone and any([self._is_alone(i) for i in list(self._alone)]):
            return None
        return self._all

    def call(self, key: Key, verb: Callable[[Client, bytes], T], by_hand: bool = False,
             again: bool = False) -> T:
        """What `verb` makes of the client and the key's bytes. Raises what it raises; ServerDown
        without any server. `again`: it may be repeated, and is once when a connection turns out to
        have ended; the server may have been restarted."""
        try:
            return self._call(key, verb, by_hand)
        except errors.ConnectionClosed:
            if not again:
                raise
        return self._call(key, verb, by_hand)

    def _call(self, key: Key, verb: Callable[[Client, bytes], T], by_hand: bool) -> T:
        whole = self._whole(by_hand)
        if whole is not None and not isinstance(key, tuple):
            return verb(whole, key)
        name = key[1] if isinstance(key, tuple) else key
        last: errors.Error = errors.ServerDown("there is no server")
        for index in self.candidates(key):
            try:
                return verb(self.single(index), name)
            except _NOTHING_SENT as e:
                last = e
        try:
            raise last
        finally:
            del last  # a circle: it holds this frame

    def group(self, keys: Sequence[Key], by_hand: bool = False) -> List[Tuple[Client, List[int]]]:
        """The clients to ask for these keys, each with the positions of its keys."""
        groups: Dict[int, Tuple[Client, List[int]]] = {}
        plain: List[int] = []
        up: Dict[int, bool] = {}
        whole = self._whole(by_hand)
        for position, key in enumerate(keys):
            if whole is not None and not isinstance(key, tuple):
                plain.append(position)
                continue
            index = self._first_up(key, up)
            if index is not None:
                groups.setdefault(index, (self.single(index), []))[1].append(position)
        return ([(whole, plain)] if whole is not None and plain else []) + list(groups.values())

    def _first_up(self, key: Key, up: Dict[int, bool]) -> Optional[int]:
        # A key of many goes where a call for it alone would: past servers that cannot be reached.
        for index in self.candidates(key):
            if index not in up:
                up[index] = self._tries == 1 or self._answers(index)
            if up[index]:
                return index
        return None

    def _answers(self, index: int) -> bool:
        reply = next(iter(self.single(index).ping().values()))
        return not isinstance(reply, _NOTHING_SENT)

    def unclaimed_errors(self) -> int:
        """Failures that nobody waited for."""
        made = list(self._singles.values()) + ([self._all] if self._all is not None else [])
        return sum(client.unclaimed_errors() for client in made)

    @staticmethod
    def repeated(verb: Callable[[List[Any]], Dict[Any, Any]], entries: List[Any],
                 key_of: Callable[[Any], bytes]) -> Dict[Any, Any]:
        """What `verb` could not do of these entries, by key. Those whose connection turned out to
        have ended are tried once more."""
        failed = verb(entries)
        ended = [e for e in entries if isinstance(failed.get(key_of(e)), errors.ConnectionClosed)]
        if ended:
            for entry in ended:
                del failed[key_of(entry)]
            failed.update(verb(ended))
        return failed

    def disconnect(self) -> None:
        """Closes idle connections; the next call opens what it needs."""
        for client in [*self._singles.values(), *([self._all] if self._all is not None else [])]:
            client.disconnect()
