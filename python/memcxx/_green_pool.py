"""The connections of the green client: a socket with a core Connection, and a pool of them for each
server.

An exception may come out of a signal handler between any two steps. So nothing here is counted up
and down, and no lock is held: what a pool has to know it finds by looking, and what changes does so
in one operation of a dict or a deque, which nothing interrupts.
Never here: calls (_green_engine), what is sent again or elsewhere (_passive).
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from itertools import islice
from typing import Any, Deque, Dict, Generator, List, Optional

from ._passive import Line, Server

_PIECE = 64 << 10
#: how long who waits sleeps before looking again: who comes next, and the others behind; seconds
_WATCH = 0.05
_SLEEP = 1.0


class Link:
    """A socket and its Line. Threads: one at a time."""

    def __init__(self, line: Line, sock: Any):
        self.line = line
        self.sock = sock
        self.last_used = 0.0
        sock.setblocking(False)

    def is_sound(self, now: float) -> bool:
        line = self.line
        if line.core.failed or line.is_out_of_date(now):
            return False
        if now - self.last_used < line.core.trusted_idle:
            return True
        try:
            return bool(self.sock.recv(1, socket.MSG_PEEK)) and line.core.in_flight > 0
        except BlockingIOError:
            return True
        except OSError:
            return False

    def write(self) -> None:
        """As much as the socket takes."""
        core = self.line.core
        while core.has_output and not core.failed:
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


#: what runs a call: a generator that is resumed once, and runs exactly as long as the call does,
#: whatever ends it
Body = Generator[None, None, Any]


class Claim:
    """A call's place in the line for a connection. It is good for as long as the call runs."""

    __slots__ = ("call", "link", "kept", "bell")

    def __init__(self, call: Body):
        self.call = call
        self.link: Optional[Link] = None
        self.kept: Optional[Link] = None  # beside it, while a server is found out about
        self.bell: Any = None  # rung when it is worth looking again; None: it does not wait


class Pool:
    """The connections to one server: idle, or with the claims of a line. Its first `size` claims
    may have one each; claims whose calls run no more are passed over. Threads: safe to share."""

    def __init__(self, server: Server, size: int):
        self.server = server
        self._size = size
        self._line: Dict[Claim, None] = {}   # in the order in which they came
        self._idle: Deque[Link] = deque()    # the last used last
        self.unclaimed = 0

    def links(self) -> List[Link]:
        """All that are open."""
        claimed = [link for claim in list(self._line) for link in (claim.link, claim.kept)]
        return list(self._idle) + [link for link in claimed if link is not None]

    # --- the line

    def enter(self, call: Body) -> Claim:
        claim = Claim(call)
        self._line[claim] = None
        return claim

    def is_granted(self, claim: Claim) -> bool:
        if len(self._line) <= self._size:
            return True
        first = self._first(self._size)
        if claim in first:
            return True
        return self._tidy(first) and self.is_granted(claim)

    def wait(self, claim: Claim, deadline: float) -> bool:
        """Until it is granted. False: it is not, before the deadline."""
        # Looked up when it is needed: it may be gevent's or eventlet's by now.
        claim.bell = bell = threading.Lock()
        bell.acquire()
        while not self.is_granted(claim):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            # Whoever leaves rings. Who was interrupted there, or before, does not: so who comes
            # next keeps watch.
            comes_next = self._first(self._size + 1)[-1] is claim
            bell.acquire(timeout=min(left, _WATCH if comes_next else _SLEEP))
        claim.bell = None
        self._ring()
        return True

    def take_idle(self, claim: Claim, now: float) -> bool:
        """An idle connection for a claim that is granted. False: it may open one. A probe of a
        server that is down has one of its own: the others may be dead without a word."""
        while self._idle:
            try:
                link = self._idle.pop()
            except IndexError:  # another thread was faster
                return False
            if not self.server.health.down and link.is_sound(now):
                claim.link = link
                return True
            self._end(link)
        return False

    def give_back(self, claim: Claim) -> None:
        """The claim, with its connection when that is fit for the next call."""
        link = claim.link
        claim.link = None  # first: nobody may find it in two places
        if link is not None:
            if link.line.core.failed or self.server.left:
                self._end(link)
            else:
                self._idle.append(link)
        self.leave(claim)

    def leave(self, claim: Claim) -> None:
        self._line.pop(claim, None)
        self._ring()

    def drop_link(self, claim: Claim) -> None:
        """The connection is of no more use; the claim stays."""
        link = claim.link
        claim.link = None
        if link is not None:
            self._end(link)

    def drop_kept(self, claim: Claim) -> None:
        kept = claim.kept
        claim.kept = None
        if kept is not None:
            self._end(kept)

    def close_idle(self) -> None:
        self._tidy(list(self._line))
        while self._idle:
            try:
                link = self._idle.pop()
            except IndexError:
                return
            self._end(link)

    def _first(self, many: int) -> List[Claim]:
        while True:
            try:
                return list(islice(self._line, many))
            except RuntimeError:  # another thread came or went meanwhile
                pass

    def _tidy(self, claims: List[Claim]) -> bool:
        """Removes what calls left behind that an exception ended. True: there was something."""
        gone = [claim for claim in claims if not claim.call.gi_running]
        for claim in gone:
            self._line.pop(claim, None)
            self.drop_link(claim)
            self.drop_kept(claim)
        return bool(gone)

    def _ring(self) -> None:
        """Wakes whoever may go on, and who comes next after them."""
        if len(self._line) < self._size:
            return  # nobody waits, who was not woken before
        for claim in self._first(self._size + 1):
            bell = claim.bell
            if bell is not None:
                try:
                    bell.release()
                except RuntimeError:  # it was rung already
                    pass

    def _end(self, link: Link) -> None:
        link.fail("connection_closed", "closed")
        self.unclaimed += link.line.core.unclaimed_errors
        link.close()
