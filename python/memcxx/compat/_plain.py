"""A plain socket to one server, for what people do by hand: a command's line, lines back.

Never here: values that a client hands to its user; they come by way of the core.
"""

from __future__ import annotations

import os
import socket
import time
from typing import Dict, List, Optional, Tuple, Union

_LONGEST_LINE = 1 << 16

#: Of statistics, as in the core: a server full of connections has fewer to tell.
MOST_LINES = 1 << 18
MOST_BYTES = 16 << 20

Address = Union[str, Tuple[str, int]]


class PlainSocket:
    """`address`: (host, port), or the path of a unix socket. `timeout`: seconds, for connecting and
    for each wait for the server; None waits for ever.

    Raises OSError. Threads: one at a time.
    """

    def __init__(self, address: Address, timeout: Optional[float]):
        self.address = address
        self.timeout = timeout
        self.socket: Optional[socket.socket] = None
        self.buffer = b""
        self._process = 0

    def connect(self) -> socket.socket:
        # Not a parent process's, which goes on with it; nor one of before gevent or eventlet
        # patched them, which would hold up all greenlets.
        if (self.socket is not None and self._process == os.getpid()
                and isinstance(self.socket, socket.socket)):
            return self.socket
        self.close()
        if isinstance(self.address, str):
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                made.settimeout(self.timeout)
                made.connect(self.address)
            except BaseException:
                made.close()
                raise
        else:
            made = socket.create_connection(self.address, self.timeout)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._process = os.getpid()
        self.socket = made
        return made

    def close(self) -> None:
        self.buffer = b""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def send(self, data: bytes) -> None:
        self.connect().sendall(data)

    def readline(self, deadline: Optional[float] = None) -> Optional[bytes]:
        """One line without its end; None when the connection has ended.

        `deadline`: of time.monotonic(), for the whole line.
        """
        found = self.buffer.find(b"\r\n")
        while found < 0:
            if len(self.buffer) > _LONGEST_LINE:
                raise OSError("a line without an end")
            start = max(0, len(self.buffer) - 1)
            if not self._more(4096, deadline):
                return None
            found = self.buffer.find(b"\r\n", start)
        line, self.buffer = self.buffer[:found], self.buffer[found + 2:]
        return line

    def read(self, size: int) -> bytes:
        """So many bytes; fewer only when the connection has ended."""
        while len(self.buffer) < size and self._more(max(size - len(self.buffer), 4096)):
            pass
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def _more(self, size: int, deadline: Optional[float] = None) -> bool:
        made = self.socket
        if made is None:
            return False
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise socket.timeout("timed out")
            made.settimeout(left)
        try:
            data = made.recv(min(size, 1 << 20))
        finally:
            if deadline is not None:
                made.settimeout(self.timeout)
        self.buffer += data
        return bool(data)

    def statistics(self, group: str = "") -> List[List[str]]:
        """The lines of "stats", each as [word, name, rest]: STAT, or ITEM for a cachedump.

        ValueError: a group that is no words, or that the server does not know.
        """
        if any(c < "!" and c != " " or c == "\x7f" for c in group):
            raise ValueError(f"not a group of statistics: {group!r}")
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        try:
            self.send(f"stats {group}".rstrip().encode() + b"\r\n")
            lines: List[List[str]] = []
            left = MOST_BYTES
            for _ in range(MOST_LINES):
                raw = self.readline(deadline)
                if raw is None:
                    raise ConnectionError("the connection ended within the statistics")
                left -= len(raw)
                if left < 0:
                    break
                line = raw.decode("utf-8", "backslashreplace")
                words = line.split(" ", 2)
                if words[0] in ("STAT", "ITEM") and len(words) > 1:
                    lines.append(words if len(words) == 3 else words + [""])
                elif line.strip() in ("END", "RESET", "OK"):
                    return lines
                else:
                    raise ValueError(f"stats {group}: {line}")
            raise OSError("statistics without an end")
        finally:
            self.close()

    def by_name(self, group: str = "") -> Dict[str, str]:
        """The same as {name: text}."""
        return {name: text for _, name, text in self.statistics(group)}
