"""The connections of the green client: a socket with a core Connection, and a pool of them for each
server.
Never here: calls (_green_engine), what is sent again or elsewhere (_passive).
"""

from __future__ import annotations

import socket
import threading
import time
from typing import Any, List, Optional, Set, Tuple

from ._passive import Line

#: a connection that was idle for longer is looked at before it is used; seconds
_TRUSTED_IDLE = 0.05
_PIECE = 64 << 10


class Link:
    """A socket and its Line. Threads: one at a time."""

    def __init__(self, line: Line, sock: Any):
        self.line = line
        self.sock = sock
        self.last_used = 0.0
        sock.setblocking(False)

    def is_sound(self, now: float) -> bool:
        if self.line.core.failed:
            return False
        if now - self.last_used < _TRUSTED_IDLE:
            return True
        try:
            return bool(self.sock.recv(1, socket.MSG_PEEK)) and self.line.core.in_flight > 0
        except BlockingIOError:
            return True
        except OSError:
            return False

    def write(self) -> None:
        """As much as the socket takes."""
        core = self.line.core
        while core.has_output:
            piece = core.output(_PIECE)
            try:
                sent = self.sock.send(piece)
            except BlockingIOError:
                return
            except OSError as why:
                self._deliver(core.fail("connection_closed", f"write: {why.strerror or why}"))
                return
            core.sent(sent)
            if sent < len(piece):
                return

    def read(self) -> bool:
        """What there is. False when nothing came."""
        core = self.line.core
        try:
            data = self.sock.recv(_PIECE)
        except BlockingIOError:
            return False
        except OSError as why:
            self._deliver(core.fail("connection_closed", f"read: {why.strerror or why}"))
            return False
        self._deliver(core.received(data) if data else core.closed())
        return bool(data)

    def fail(self, code: str, why: str) -> None:
        self._deliver(self.line.core.fail(code, why))

    def _deliver(self, responses: List[Any]) -> None:
        if responses:
            self.line.deliver(responses)

    def close(self) -> None:
        self.sock.close()


class Pool:
    """The connections to one server. A slot is the right to have one. Threads: safe to share."""

    def __init__(self, slots: int):
        self._freed = threading.Condition()
        self._slots = slots  # not taken
        self._idle: List[Link] = []  # the last used last
        self.links: Set[Link] = set()  # all that are open
        self.retired = False  # its server has left: connections close when they come back
        self.unclaimed = 0

    def take(self, now: float) -> Tuple[Optional[Link], bool]:
        """(an idle connection, or None; whether there is that or the right to open one)"""
        with self._freed:
            while self._idle:
                link = self._idle.pop()
                if link.is_sound(now):
                    return link, True
                self._drop(link)
                self._slots += 1
            if self._slots:
                self._slots -= 1
                return None, True
            return None, False

    def wait(self, deadline: float) -> Tuple[Optional[Link], bool]:
        """The same, when one becomes free before the deadline."""
        while True:
            link, granted = self.take(time.monotonic())
            if granted:
                return link, True
            with self._freed:
                left = deadline - time.monotonic()
                if left <= 0:
                    return None, False
                if not self._idle and not self._slots:
                    self._freed.wait(left)

    def give_back(self, link: Optional[Link]) -> None:
        """The slot, with its connection when that is fit for the next call."""
        with self._freed:
            if link is not None and not link.line.core.failed and not self.retired:
                self._idle.append(link)
            else:
                if link is not None:
                    self._drop(link)
                self._slots += 1
            self._freed.notify()

    def discard(self, link: Link) -> None:
        """The connection is of no more use; the slot stays taken."""
        with self._freed:
            self._drop(link)

    def _drop(self, link: Link) -> None:
        link.fail("connection_closed", "closed")
        self.unclaimed += link.line.core.unclaimed_errors
        self.links.discard(link)
        link.close()

    def close_idle(self) -> None:
        with self._freed:
            while self._idle:
                self._drop(self._idle.pop())
                self._slots += 1
            self._freed.notify_all()
