"""Opening a connection, as far as that can be decided without a socket: which address is tried and
until when, what a handshake that failed asks for next, and how a dial that came to nothing is told.

Passive, and the same for the clients over Python's own sockets; the rules are those of the C++
engines (src/engine/dial.cpp).
Never here: sockets, resolving, waiting, the clock.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Deque, Dict, Iterable, Optional, Tuple

from . import _core, errors
from ._passive import Line, Server

#: (family, what a socket of that family connects to)
Address = Tuple[int, Any]


class Dial:
    """One try to get a connection to a server, over all of its addresses. `timeout`: that of the
    whole call, which ends at `deadline`."""

    def __init__(self, server: Server, settings: Dict[str, Any], now: float, deadline: float,
                 timeout: float):
        self.server = server
        own = settings["connect_timeout"]
        left = deadline - now
        self.until = now + min(own, left)
        #: the limit that may be met, by name
        limit, name = (own, "connect_timeout") if own <= left else (timeout, "timeout")
        self._limit = f" within {round(limit * 1000)}ms ({name})"
        self._settings = settings
        self._opening = _core.Negotiation(server.memory)
        self._addresses: Deque[Address] = deque()
        self._tried: Optional[Address] = None
        self._kept: Optional[Line] = None  # while another asks
        self._last_failure = ""

    def resolved(self, addresses: Iterable[Address]) -> None:
        self._addresses.extend(addresses)

    def next(self, now: float) -> Optional[Tuple[Address, float]]:
        """The address to try now, and how long connecting may take: those that are left share what
        is left of the time. None: there is no more to try."""
        if not self._addresses or now >= self.until:
            return None
        share = (self.until - now) / len(self._addresses)
        self._tried = self._addresses.popleft()
        return self._tried, now + share

    def line(self, now: float) -> Line:
        """For the address that is tried."""
        return Line(self.server, self._settings, now, self._opening)

    def not_connected(self, why: str) -> None:
        """To the address that was tried. Then comes the next."""
        self._last_failure = why

    def judge(self, line: Line, now: float) -> str:
        """Its handshake is over. "use" it; "again" and "keep_and_ask": close it or keep it, and try
        what is next; "use_kept": the one that was kept; "give_up": see `handshake_failed`."""
        step = self._opening.next(line.core, now)
        if step in ("again", "keep_and_ask") and self._tried is not None:
            self._addresses.appendleft(self._tried)
        if step == "keep_and_ask":
            self._kept = line
        if step == "use_kept" and (self._kept is None or self._kept.core.failed):
            return "give_up"  # it was closed meanwhile
        used = self._kept if step == "use_kept" else line
        if used is not None:
            used.guessed = self._opening.guessed
        return step

    def may_use_kept(self, now: float) -> bool:
        """There is no more to try: whether the connection that was kept will do."""
        if self._kept is None or self._kept.core.failed or not self._opening.use_kept(now):
            return False
        self._kept.guessed = self._opening.guessed
        return True

    # --- what it came to

    def not_resolved(self, why: str) -> errors.Error:
        return self._error("resolve_failed", why)

    def failure(self, now: float) -> errors.Error:
        """No address connected."""
        if now < self.until:
            return self._error("connect_failed", self._last_failure)
        return self.late("no connection", self._last_failure)

    def handshake_failed(self, core: Any) -> errors.Error:
        """The server accepted the connection, so another address of it would say the same."""
        code, why = core.failure
        if code == "connection_closed":
            code = "connect_failed"
        return self._error(code, f"handshake: {why}{self._opening.advice}")

    def late(self, what: str, why: str = "") -> errors.Error:
        """The time is over, and `what` has not come."""
        return self._error("timeout", f"{what}{self._limit}{': ' if why else ''}{why}")

    def _error(self, code: str, why: str) -> errors.Error:
        return errors.exception_of(code, why, self.server.name, None)
