"""The servers in a python-memcached Client's list: how their addresses are written, and the plain
socket that each has for those who speak to it by hand.

Never here: what the client asks; that goes by way of the core.
"""

from __future__ import annotations

import re
import socket
import sys
import time as _time
from socket import socket as Socket
from typing import Any, Callable, Optional, Tuple, Union

from ._cluster import tcp_address, unix_address
from ._plain import PlainSocket

_DEAD_RETRY = 30
_SOCKET_TIMEOUT = 3


class _Error(Exception):
    pass


class _ConnectionDeadError(Exception):
    pass


_ADDRESSES = [re.compile(p) for p in (
    r"(?P<proto>unix):(?P<path>.*)",
    r"(?:(?P<proto>inet6):)?\[(?P<host>[^\[\]]+)\](?::(?P<port>[0-9]+))?",
    r"(?:(?P<proto>inet):)?(?P<host>[^:]+)(?::(?P<port>[0-9]+))?")]


class _Host:
    """One server of a Client's list, with a plain socket of its own for those who speak to it by
    hand; the client does not use it.

    `address` is (ip, port), or the path of a unix socket; `deaduntil` the time until which it is
    left alone, by the client too; 0 for now.
    """

    def __init__(self, host: Any, debug: int = 0, dead_retry: float = _DEAD_RETRY,
                 socket_timeout: Optional[float] = _SOCKET_TIMEOUT, flush_on_reconnect: Any = 0):
        self.dead_retry = dead_retry
        self.socket_timeout = socket_timeout
        self.debug = debug
        self.flush_on_reconnect = flush_on_reconnect
        self.weight = 1
        if isinstance(host, tuple):
            host, self.weight = host
        if not isinstance(host, str) or not isinstance(self.weight, int):
            raise TypeError(f"a server is text, or (text, a whole number): {host!r}, "
                            f"{self.weight!r}")
        found = next((m for m in (p.fullmatch(host) for p in _ADDRESSES) if m), None)
        if not found:
            raise ValueError(f"not the address of a server: {host!r}")
        parts = found.groupdict()
        self.address: Union[str, Tuple[str, int]]
        if parts.get("proto") == "unix":
            self.family = socket.AF_UNIX
            self.address = parts["path"]
            self.core_address = unix_address(self.address)
        else:
            self.ip = parts["host"]
            self.port = int(parts["port"] or 11211)
            self.family = socket.AF_INET6 if ":" in self.ip else socket.AF_INET
            self.address = (self.ip, self.port)
            self.core_address = tcp_address(self.ip, self.port)
        self._deaduntil: float = 0
        self.when_marked: Optional[Callable[[float], None]] = None  # the client's; told deaduntil
        self._plain = PlainSocket(self.address, socket_timeout)

    @property
    def deaduntil(self) -> float:
        return self._deaduntil

    @deaduntil.setter
    def deaduntil(self, until: float) -> None:
        self._deaduntil = until
        if self.when_marked is not None:
            self.when_marked(until)

    def found_down(self, until: float) -> None:
        """The client found it so, and leaves it alone by itself. 0: it is up."""
        self._deaduntil = until

    @property
    def name(self) -> str:
        """As get_stats() names it."""
        if self.family == socket.AF_UNIX:
            return f"unix:{self.address} ({self.weight})"
        ip = f"[{self.ip}]" if self.family == socket.AF_INET6 else self.ip
        return f"{ip}:{self.port} ({self.weight})"

    @property
    def socket(self) -> Optional[Socket]:
        return self._plain.socket

    @property
    def buffer(self) -> bytes:
        return self._plain.buffer

    def debuglog(self, str: str) -> None:
        if self.debug:
            sys.stderr.write(f"MemCached: {str}\n")

    def _check_dead(self) -> int:
        if self.deaduntil and self.deaduntil > _time.time():
            return 1
        self.deaduntil = 0
        return 0

    def connect(self) -> int:
        """1 when the plain socket is connected, else 0."""
        return 1 if self._get_socket() else 0

    def _get_socket(self) -> Optional[Socket]:
        if self._check_dead():
            return None
        try:
            return self._plain.connect()
        except OSError as e:
            self.mark_dead(f"connect: {e}")
            return None

    def mark_dead(self, reason: Any) -> None:
        """The plain socket is closed, and neither it nor the client uses the server for `dead_retry`
        seconds."""
        self.debuglog(f"{self}: {reason}. Left alone for {self.dead_retry} seconds.")
        self.deaduntil = _time.time() + self.dead_retry
        self.close_socket()

    def close_socket(self) -> None:
        self._plain.close()

    def send_cmd(self, cmd: Union[str, bytes]) -> None:
        """Writes a line. OSError."""
        self.send_cmds((cmd.encode("utf8") if isinstance(cmd, str) else cmd) + b"\r\n")

    def send_cmds(self, cmds: Union[str, bytes]) -> None:
        """Writes lines that have their ends. OSError."""
        self._plain.send(cmds.encode("utf8") if isinstance(cmds, str) else cmds)

    def readline(self, raise_exception: bool = False) -> bytes:
        """A line without its end; b"" when the connection has ended, or _ConnectionDeadError."""
        line = self._plain.readline()
        if line is not None:
            return line
        self.mark_dead("the connection ended")
        if raise_exception:
            raise _ConnectionDeadError()
        return b""

    def expect(self, text: bytes, raise_exception: bool = False) -> bytes:
        """readline(), with a word to the log when it is another."""
        line = self.readline(raise_exception)
        if line != text:
            self.debuglog(f"expected {text!r}, and got {line!r}")
        return line

    def recv(self, rlen: int) -> bytes:
        """So many bytes. _Error when the connection ends before."""
        data = self._plain.read(rlen)
        if len(data) < rlen:
            raise _Error(f"the connection ended after {len(data)} of {rlen} bytes")
        return data

    def quit(self) -> None:
        """Says "quit" on the plain socket, and waits for its end."""
        if self._plain.socket is None:
            return
        try:
            self.send_cmd("quit")
            self._plain.read(1)
        finally:
            self.close_socket()

    def flush(self) -> None:
        """flush_all by the plain socket."""
        self.send_cmd("flush_all")
        self.expect(b"OK")

    def __str__(self) -> str:
        dead = f" (dead until {int(self.deaduntil)})" if self.deaduntil else ""
        if isinstance(self.address, str):
            return f"unix:{self.address}{dead}"
        ip = f"inet6:[{self.ip}]" if self.family == socket.AF_INET6 else f"inet:{self.ip}"
        return f"{ip}:{self.port}{dead}"
