"""What a driver is, and what those over a Python socket have in common.

A driver is made as `driver(host, port, timeout=…, connect_timeout=…, disable_nagle=…)`. Keys and
values come to it as bytes. It raises OSError for a connection that failed, and RuntimeError or one
of memcxx.errors for an answer of the server.

Never here: a protocol. Bytes are made and read by memcxx's passive connection, which never touches
the socket; so a socket that gevent or eventlet replaced works as well.
"""

from __future__ import annotations

import os
import re
import select
import socket
import threading
import time as _time
from socket import socket as Socket
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .... import _core, errors
from ....client import Client
from ..._cluster import tcp_address, unix_address
from ..._values import expiry

#: of _core.Connection: number, and then
Response = Tuple[Any, ...]
_STATUS, _VALUE, _FLAGS, _CAS, _COUNT, _TEXT, _EXTRA = 1, 2, 3, 4, 5, 6, 8
_LARGEST_PIECE = 1 << 16
#: bytes; what is longer is not stored quietly: should it be refused, it is certain which
_SURELY_ACCEPTED = 1 << 15
#: how queue servers (kestrel, darner) are told what to do; they answer with the queue's name alone
_OF_A_QUEUE = re.compile(rb"/(?:t=\d+|open|close|abort|peek)(?:/|$)")


class Driver:
    """To be subclassed. A method that a subclass leaves out raises NotImplementedError."""

    def is_connected(self) -> bool:
        """Whether there is a connection."""
        raise NotImplementedError

    def connect(self, reconnect: bool = False) -> None:
        """Connects; when it is connected only with `reconnect`, and then anew."""
        raise NotImplementedError

    @property
    def socket(self) -> Optional[Any]:
        """The socket, or None."""
        raise NotImplementedError

    def close(self) -> None:
        """Disconnects."""
        raise NotImplementedError

    def stats(self) -> Dict[str, str]:
        """The server's statistics."""
        raise NotImplementedError

    def version(self) -> str:
        """The server's version."""
        raise NotImplementedError

    def flush_all(self) -> bool:
        """Drops every item."""
        raise NotImplementedError

    def delete(self, key: bytes) -> bool:
        """False when there is no item."""
        raise NotImplementedError

    def incr(self, key: bytes, val: int) -> Optional[int]:
        """The new number, or None when there is no item."""
        raise NotImplementedError

    def decr(self, key: bytes, val: int) -> Optional[int]:
        """The new number, or None when there is no item."""
        raise NotImplementedError

    def get(self, key: bytes) -> Optional[Sequence[Any]]:
        """[value, flags], or None."""
        raise NotImplementedError

    def gets(self, key: bytes) -> Optional[Sequence[Any]]:
        """[value, flags, cas id], or None."""
        raise NotImplementedError

    def get_multi(self, keys: List[bytes]) -> Dict[bytes, Any]:
        """{key: [value, flags]} of those that are there."""
        raise NotImplementedError

    def gets_multi(self, keys: List[bytes]) -> Dict[bytes, Any]:
        """{key: [value, flags, cas id]} of those that are there."""
        raise NotImplementedError

    def set(self, key: bytes, val: bytes, time: Any, flags: int) -> bool:
        """Whether it was stored."""
        raise NotImplementedError

    def add(self, key: bytes, val: bytes, time: Any, flags: int) -> bool:
        """Whether it was stored: only if there is no such item."""
        raise NotImplementedError

    def replace(self, key: bytes, val: bytes, time: Any, flags: int) -> bool:
        """Whether it was stored: only if there is such an item."""
        raise NotImplementedError

    def append(self, key: bytes, val: bytes, time: Any, flags: int) -> bool:
        """Whether it was put behind an item."""
        raise NotImplementedError

    def prepend(self, key: bytes, val: bytes, time: Any, flags: int) -> bool:
        """Whether it was put before an item."""
        raise NotImplementedError

    def cas(self, key: bytes, val: bytes, cas_id: int, time: Any, flags: int) -> bool:
        """Whether it was stored: only if the item is still the one with this cas id."""
        raise NotImplementedError

    def set_multi(self, items: Sequence[Tuple[bytes, bytes, int]], time: Any) -> List[bytes]:
        """Stores (key, value, flags) each; the keys that were not stored."""
        return [key for key, val, flags in items if not self.set(key, val, time, flags)]


class TCPDriver(Driver):
    """A connection over a Python socket. `host`: a name, an IPv4 or IPv6 address, or "unix:/path".
    `timeout` (seconds) bounds a whole call, `connect_timeout` connecting.

    Threads: calls wait for each other. Fork: a child opens a socket of its own.
    """

    protocol = "classic"  #: of _core.Connection: "classic", "binary", "meta" or "auto"

    def __init__(self, host: str, port: int, timeout: Optional[float] = 3,
                 connect_timeout: Optional[float] = 3, disable_nagle: bool = True):
        if not isinstance(host, str) or not isinstance(port, int):
            raise TypeError(f"a host is text and a port a number, not {host!r}, {port!r}")
        address = (unix_address(host[5:]) if host.startswith("unix:")
                   else tcp_address(host.strip("[]"), port))
        self._requests = Client([address], protocol=self.protocol, transport="native")
        self._queues = False  # whether a queue was asked for
        self.host = host
        self.port = port
        self.timeout = timeout
        self.connect_timeout = connect_timeout
        self.disable_nagle = disable_nagle
        self._sock: Optional[socket.socket] = None
        self._connection: Any = None
        self._memory = _core.ProtocolMemory()
        self._process = os.getpid()
        self._sockets = socket.socket
        self._lock = threading.RLock()

    # --- the connection

    def is_connected(self) -> bool:
        return self._sock is not None and self._process == os.getpid()

    @property
    def socket(self) -> Optional[Socket]:
        return self._sock

    def _alone(self) -> Any:
        """The lock. In a child process a new one: nobody there lets go of the parent's, and the
        connection is the parent's, too. Or where gevent or eventlet came: the old one does not keep
        greenlets apart, and the connection would hold them up."""
        if self._process != os.getpid() or self._sockets is not socket.socket:
            self._process = os.getpid()
            self._sockets = socket.socket
            self._lock = threading.RLock()
            self._drop()
        return self._lock

    def connect(self, reconnect: bool = False) -> None:
        with self._alone():
            if self._sock is not None and not reconnect:
                return
            self.close()
            self._connect(_deadline(self.connect_timeout))

    def _connect(self, deadline: Optional[float]) -> None:
        """What the server speaks may take several connections to find out."""
        asking = _core.Negotiation(self._memory)
        kept: Any = None  # a socket and its connection, ready, while another asks
        try:
            while True:
                made, wrong = None, None
                try:
                    self._sock = self._open()
                    made = self._connection = _core.Connection(
                        self.protocol, check_keys=not self._queues, negotiation=asking,
                        now=_time.monotonic())
                    made.open()
                    self._exchange(deadline)
                except Exception as why:
                    self._drop()
                    wrong = why
                now = _time.monotonic()
                if made is not None and (made.ready or made.failed):
                    step = asking.next(made, now)
                else:
                    step = "use_kept" if kept is not None and asking.use_kept(now) else "give_up"
                if step == "use":
                    return
                if step == "keep_and_ask":
                    kept = self._sock, self._connection
                    self._sock = self._connection = None
                elif step == "use_kept":
                    self._drop()
                    (self._sock, self._connection), kept = kept, None
                    return
                elif step == "give_up":
                    assert wrong is not None
                    raise wrong
                else:
                    self._drop()
        except BaseException:
            self._drop()
            raise
        finally:
            if kept is not None:
                kept[0].close()

    def _open(self) -> Socket:
        if self.host.startswith("unix:"):
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                made.settimeout(self.connect_timeout)
                made.connect(self.host[5:])
            except BaseException:
                made.close()
                raise
            return made
        try:
            made = socket.create_connection((self.host.strip("[]"), self.port),
                                            self.connect_timeout)
        except UnicodeError as e:
            raise errors.ResolveFailed(f"not the name of a host: {e}", self._name()) from e
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self.disable_nagle:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def close(self) -> None:
        with self._alone():
            self._drop()

    def _drop(self) -> None:
        made, self._sock, self._connection = self._sock, None, None
        if made is not None:
            made.close()

    # --- an exchange: requests out, responses in

    def _ask(self, verb: str, key: bytes = b"", **more: Any) -> Response:
        """The response to one request. Raises what went wrong; a miss, and what was not stored, is
        not wrong."""
        request = self._requests.request(verb, key, **more)
        with self._alone():
            if verb == "get" and not self._queues and _OF_A_QUEUE.search(key):
                # From now on the connection takes a value with another name than it asked for.
                self._queues = True
                self._drop()
            self.connect()
            deadline = _deadline(self.timeout)
            self._connection.send(0, request)
            [response] = self._exchange(deadline)
        _raise_if_wrong(response)
        return response

    def _ask_many(self, requests: List[Any]) -> List[Response]:
        """One response to each request, in their order; those may have gone wrong."""
        found: List[Response] = []
        with self._alone():
            self.connect()
            deadline = _deadline(self.timeout)
            try:
                while len(found) < len(requests):
                    last = len(found)
                    while last < len(requests) and (last == len(found)
                                                    or self._connection.has_room):
                        request = requests[last]
                        self._connection.send(last, request, request.size <= _SURELY_ACCEPTED)
                        last += 1
                    self._connection.fence()
                    found += sorted(self._exchange(deadline), key=lambda r: r[0])
                    if len(found) != last:
                        raise errors.ProtocolError("a request without a response", self._name())
            except BaseException:
                self._drop()  # with requests that nobody waits for any more
                raise
        return found

    def _name(self) -> str:
        return self.host if self.host.startswith("unix:") else f"{self.host}:{self.port}"

    def _exchange(self, deadline: Optional[float]) -> List[Response]:
        """Writes and reads until nothing is in flight. When the connection fails it is closed, and
        that is raised."""
        connection, sock = self._connection, self._sock
        assert sock is not None
        responses: List[Response] = []
        sure_to_fit = True  # into the socket's empty buffer
        try:
            while connection.has_output or connection.in_flight or not connection.ready:
                left = _left(deadline)
                sock.settimeout(left)
                unsent = connection.output(_LARGEST_PIECE)
                sure_to_fit = sure_to_fit and len(unsent) <= 4096
                if unsent and (sure_to_fit or not _has_bytes(sock, left)):
                    connection.sent(sock.send(unsent))
                    sure_to_fit = False
                else:
                    data = sock.recv(_LARGEST_PIECE)
                    responses += connection.received(data) if data else connection.closed()
                if connection.failed:
                    code, why = connection.failure
                    raise errors.exception_of(code, why, self._name(), None)
        except BaseException:
            # Whatever it was, an answer may still come: nobody may take it for his own.
            self._drop()
            raise
        return responses

    # --- the verbs

    def stats(self) -> Dict[str, str]:
        return {name: str(value) for name, value in self._ask("stats")[_EXTRA].items()}

    def version(self) -> str:
        return _text(self._ask("version")[_TEXT])

    def flush_all(self) -> bool:
        return self._ask("flush", number=0)[_STATUS] == "ok"

    def delete(self, key: bytes) -> bool:
        return self._ask("remove", key)[_STATUS] == "ok"

    def incr(self, key: bytes, val: int) -> Optional[int]:
        return self._count("incr", key, number=val)

    def decr(self, key: bytes, val: int) -> Optional[int]:
        return self._count("decr", key, number=val)

    def _count(self, verb: str, key: bytes, **more: Any) -> Optional[int]:
        r = self._ask(verb, key, **more)
        return r[_COUNT] if r[_STATUS] == "ok" else None

    def get(self, key: bytes) -> Optional[List[Any]]:
        r = self._ask("get", key)
        return [r[_VALUE], r[_FLAGS]] if r[_STATUS] == "ok" else None

    def gets(self, key: bytes) -> Optional[List[Any]]:
        r = self._ask("get", key, want_cas=True)
        return [r[_VALUE], r[_FLAGS], r[_CAS]] if r[_STATUS] == "ok" else None

    def get_multi(self, keys: List[bytes]) -> Dict[bytes, List[Any]]:
        return {k: v[:2] for k, v in self._many(keys, False).items()}

    def gets_multi(self, keys: List[bytes]) -> Dict[bytes, List[Any]]:
        return self._many(keys, True)

    def _many(self, keys: List[bytes], want_cas: bool) -> Dict[bytes, List[Any]]:
        keys = list(dict.fromkeys(keys))
        make: Callable[..., Any] = self._requests.request
        found: Dict[bytes, List[Any]] = {}
        for key, r in zip(keys, self._ask_many([make("get", k, want_cas=want_cas) for k in keys])):
            _raise_if_wrong(r)
            if r[_STATUS] == "ok":
                found[key] = [r[_VALUE], r[_FLAGS], r[_CAS]]
        return found

    def _store(self, verb: str, key: bytes, val: bytes, time: Any, flags: int,
               cas: int = 0) -> bool:
        return self._ask(verb, key, value=val, ttl=expiry(time), flags=flags,
                         cas=cas)[_STATUS] == "ok"

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
        ttl = expiry(time)
        make: Callable[..., Any] = self._requests.request
        responses = self._ask_many([
            make("set", key, value=val, flags=flags, ttl=ttl) for key, val, flags in items])
        return [item[0] for item, r in zip(items, responses) if r[_STATUS] != "ok"]


def _raise_if_wrong(r: Response) -> None:
    if r[_STATUS] not in ("ok", "miss", "not_stored", "exists"):
        raise errors.exception_of(r[_STATUS], _text(r[_TEXT]), "", None)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _deadline(timeout: Optional[float]) -> Optional[float]:
    return None if timeout is None else _time.monotonic() + timeout


def _left(deadline: Optional[float]) -> Optional[float]:
    if deadline is None:
        return None
    left = deadline - _time.monotonic()
    if left <= 0:
        raise errors.Timeout("the deadline passed")
    return left


def _has_bytes(sock: socket.socket, left: Optional[float]) -> bool:
    """Whether to read before writing on: a server that cannot get rid of its answers reads no more
    requests. Waits until one or the other is possible."""
    if hasattr(select, "poll"):
        both = select.poll()
        both.register(sock, select.POLLIN | select.POLLOUT)
        events = both.poll(None if left is None else max(1, int(left * 1000)))
        if not events:
            raise errors.Timeout("the deadline passed")
        return bool(events[0][1] & ~select.POLLOUT)
    readable, writable, _ = select.select([sock], [sock], [], left)
    if not readable and not writable:
        raise errors.Timeout("the deadline passed")
    return bool(readable)
