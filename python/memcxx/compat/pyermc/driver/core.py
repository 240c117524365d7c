"""The driver that is memcxx's own client, with its pool of connections, to one server or many.

Never here: a Python socket to hand out.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

from .... import errors
from ....client import Client
from ..._cluster import tcp_address, unix_address
from ..._values import expiry
from .base import Driver

_A_DAY = 86400.0


class CoreDriver(Driver):
    """`host`: a name, an address, "unix:/path", or several with commas between them, each with a
    ":port" of its own or without; `port` is for those without. Keys are then spread as
    `distribution` says.

    Threads: safe to share. Fork: a child gets connections of its own.
    """

    distribution = "ketama"  #: for several servers; see docs/clusters.md
    options: Dict[str, Any] = {}  #: more options of memcxx.Client, for subclasses

    def __init__(self, host: str, port: int, timeout: Optional[float] = 3,
                 connect_timeout: Optional[float] = 3, disable_nagle: bool = True):
        if not isinstance(host, str):
            raise TypeError(f"a host is text, not {host!r}")
        self.host = host
        self.port = port
        self.timeout = timeout
        self.connect_timeout = connect_timeout
        self._client = Client(
            [_address(h, port) for h in host.split(",")], distribution=self.distribution,
            timeout=_A_DAY if timeout is None else timeout,
            connect_timeout=_A_DAY if connect_timeout is None else connect_timeout, **self.options)
        self._connected = False

    def is_connected(self) -> bool:
        return self._connected

    @property
    def socket(self) -> None:
        """None: there may be many, and they are the client's."""
        return None

    def connect(self, reconnect: bool = False) -> None:
        if self._connected and not reconnect:
            return
        self.close()
        for reply in self._client.ping().values():
            if isinstance(reply, Exception):
                raise reply
        self._connected = True

    def close(self) -> None:
        self._connected = False
        self._client.disconnect()

    def _core(self) -> Client:
        if not self._connected:
            self.connect()
        return self._client

    def stats(self) -> Dict[str, Any]:
        """Of one server its own; of several {server: its own}."""
        replies = self._core().stats()
        for reply in replies.values():
            if isinstance(reply, Exception):
                raise reply
        if len(replies) > 1:
            return replies
        return {name: str(value) for name, value in next(iter(replies.values())).items()}

    def version(self) -> str:
        """The first server's."""
        reply = next(iter(self._core().version().values()))
        if isinstance(reply, Exception):
            raise reply
        return reply

    def flush_all(self) -> bool:
        for reply in self._core().flush_all().values():
            if isinstance(reply, Exception):
                raise reply
        return True

    def delete(self, key: bytes) -> bool:
        return self._core().delete(key)

    def incr(self, key: bytes, val: int) -> Optional[int]:
        return self._core().incr(key, val)

    def decr(self, key: bytes, val: int) -> Optional[int]:
        return self._core().decr(key, val)

    def get(self, key: bytes) -> Optional[Sequence[Any]]:
        found = self._core().get_raw(key)
        return None if found is None else found[:2]

    def gets(self, key: bytes) -> Optional[Sequence[Any]]:
        return self._core().get_many_raw([key], cas=True).get(key)

    def get_multi(self, keys: List[bytes]) -> Dict[bytes, Sequence[Any]]:
        return {k: v[:2] for k, v in self._core().get_many_raw(keys).items()}

    def gets_multi(self, keys: List[bytes]) -> Dict[bytes, Sequence[Any]]:
        return self._core().get_many_raw(keys, cas=True)

    def _store(self, verb: str, key: bytes, val: bytes, time: Any, flags: int,
               cas: int = 0) -> bool:
        return self._core().store_raw(verb, key, val, flags, expiry(time), cas) == "stored"

    def set(self, key: bytes, val: bytes, time: Any, flags: int) -> bool:
        return self._store("set", key, val, time, flags)

    def add(self, key: bytes, val: bytes, time: Any, flags: int) -> bool:
        return self._store("add", key, val, time, flags)

    def replace(self, key: bytes, val: bytes, time: Any, flags: int) -> bool:
        return self._store("replace", key, val, time, flags)

    def append(self, key: bytes, val: bytes, time: Any, flags: int) -> bool:
        return self._store("append", key, val, time, flags)

    def prepend(self, key: bytes, val: bytes, time: Any, flags: int) -> bool:
        return self._store("prepend", key, val, time, flags)

    def cas(self, key: bytes, val: bytes, cas_id: int, time: Any, flags: int) -> bool:
        return self._store("cas", key, val, time, flags, cas_id)

    def set_multi(self, items: Sequence[Tuple[bytes, bytes, int]], time: Any) -> List[bytes]:
        failed = self._core().set_many_raw(list(items), expiry(time))
        for why in failed.values():
            if isinstance(why, (errors.NetworkError, errors.Timeout, errors.Overloaded)):
                raise why
        return list(failed)


def _address(host: str, port: int) -> str:
    if host.startswith("unix:"):
        return unix_address(host[5:])
    if host.startswith("["):
        host, _, tail = host[1:].partition("]")
        return tcp_address(host, _port(tail[1:], port))
    if host.count(":") == 1:
        host, _, tail = host.partition(":")
        return tcp_address(host, _port(tail, port))
    return tcp_address(host, port)


def _port(text: str, otherwise: int) -> int:
    if not text:
        return otherwise
    if not text.isdecimal():
        raise ValueError(f"not a port: {text!r}")
    return int(text)
