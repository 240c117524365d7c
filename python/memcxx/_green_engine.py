"""The engine of the green client: calls that wait with poll (where there is none, as under
eventlet, with select), over Python's sockets. It decides nothing.

Modules' functions are looked up when they are called, so that it does not matter whether gevent or
eventlet patched them before or after this was imported.
Never here: pools (_green_pool), encoding, parsing, what is sent again or elsewhere (_passive).
"""

from __future__ import annotations

import errno
import math
import os
import select
import socket
import threading
import time
from typing import Any, Callable, List, Optional, Sequence, Tuple

from . import _fork, errors
from ._green_pool import Link, Pool
from ._passive import SILENCE, Leg, Line, Router, Server, Steps


class _Run:
    """One leg, and the connection that it has or is opening."""

    def __init__(self, engine: "Engine", leg: Leg, pool: Pool, began: float, deadline: float,
                 events: List[Callable[[], None]]):
        self.engine = engine
        self.leg = leg
        self.pool = pool
        self.over = False
        self.link: Optional[Link] = None
        self._began = began
        self._deadline = deadline
        self._events = events
        self._opening = False     # connecting, or in the handshake
        self._connecting = False
        self._until = deadline
        self._address_until = deadline
        self._addresses: List[Tuple[int, Any]] = []  # that were not tried yet
        self._tried: Tuple[int, Any] = (0, None)
        self._closed_when_asked = 0
        self._last_failure = ""

    def begin(self, link: Optional[Link], now: float) -> None:
        if link is None:
            self._dial(now)
            return
        self.link = link
        self.leg.begin(reused=True)
        self._go_on(now)

    # --- what the loop asks

    def descriptor(self) -> int:
        return self.link.sock.fileno()

    def writes(self) -> bool:
        return self._connecting or self.link.line.core.has_output

    def wake_at(self) -> float:
        return self._address_until if self._connecting else self._until

    def ready(self, now: float) -> None:
        """Its socket is ready for something, or its time to wake up has come."""
        if self._connecting:
            self._connected(now)
        elif self.link.read() or self.link.line.core.failed or self.link.line.core.has_output:
            self._go_on(now)
        elif self._opening and now >= self._until:
            self._not_opened("timeout", "no answer to the handshake" + self._limit(), now)

    # --- opening

    def _limit(self) -> str:
        ms = round(self.engine.settings["connect_timeout"] * 1000)
        return f" within {ms}ms (connect_timeout)"

    def _dial(self, now: float) -> None:
        self._opening = True
        server = self.leg.server
        self._until = min(now + self.engine.settings["connect_timeout"], self._deadline)
        try:
            if server.port is None:
                self._addresses = [(socket.AF_UNIX, server.host)]
            else:
                self._addresses = [
                    (family, address) for family, _, _, _, address in socket.getaddrinfo(
                        server.host, server.port, type=socket.SOCK_STREAM)]
        except OSError as why:
            self._not_opened("resolve_failed", why.strerror or str(why), now)
            return
        self._next_address(time.monotonic())

    def _next_address(self, now: float) -> None:
        while self._addresses and now < self._until:
            self._drop_link()
            family, address = self._addresses[0]
            self._address_until = now + (self._until - now) / len(self._addresses)
            line = Line(self.leg.server, self.engine.settings, now,
                        ask=self._closed_when_asked < 2)
            del self._addresses[0]
            self._tried = (family, address)
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
            except OSError as why:
                self._last_failure = why.strerror or str(why)
                continue
            self.link = Link(line, sock)
            self.pool.links.add(self.link)
            try:
                if family != socket.AF_UNIX:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    if self.engine.settings["keepalive"]:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.connect(address)
            except OSError as why:
                if why.errno == errno.EINPROGRESS:
                    self._connecting = True
                    return
                self._last_failure = why.strerror or str(why)
                continue
            self._shake_hands(now)
            return
        if now >= self._until:
            why = f": {self._last_failure}" if self._last_failure else ""
            self._not_opened("timeout", "no connection" + self._limit() + why, now)
        else:
            self._not_opened("connect_failed", self._last_failure, now)

    def _connected(self, now: float) -> None:
        code = self.link.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._last_failure = os.strerror(code)
        elif _is_connected(self.link.sock):
            self._connecting = False
            self._shake_hands(now)
            return
        elif now < self._address_until:
            return
        else:
            self._last_failure = "no answer to connect"
        self._connecting = False
        self._next_address(now)

    def _shake_hands(self, now: float) -> None:
        self.link.line.core.open()
        self._go_on(now)

    def _not_opened(self, code: str, why: str, now: float) -> None:
        self._drop_link()
        self.engine.failed(self.leg.server, code, why, self._began, now, self._events)
        self.leg.give_up(code, why)
        self._finish(None)

    def _drop_link(self) -> None:
        link, self.link = self.link, None
        if link is not None:
            self.pool.discard(link)

    # --- running

    def _go_on(self, now: float) -> None:
        """As far as it can without waiting."""
        core = self.link.line.core
        if self._opening:
            self.link.write()
            if core.failed:
                self._handshake_failed(now)
                return
            if not core.ready:
                return
            self._opening = False
            self._until = self._deadline
            self.leg.begin(reused=False)
        while True:
            self.link.line.fill(self.leg)
            self.link.write()
            if core.failed or core.has_output or not self.leg.waiting or not core.has_room:
                break
        self._settle(now)

    def _handshake_failed(self, now: float) -> None:
        core = self.link.line.core
        if core.retry_as_classic:
            self._closed_when_asked += 1
            self._addresses.insert(0, self._tried)
            self._next_address(now)
            return
        code, why = core.failure
        if code == "connection_closed":
            code = "connect_failed"
        self._not_opened(code, f"handshake: {why}", now)

    def _settle(self, now: float) -> None:
        link, leg = self.link, self.leg
        core = link.line.core
        if core.failed:
            code, why = core.failure
            another = leg.lost(code, why)
            if not another:
                if code == "connection_closed" and leg.heard:
                    self.engine.answered(leg.server, link, now, self._events)
                elif code in SILENCE:
                    self.engine.failed(leg.server, code, why, self._began, now, self._events)
            self._drop_link()
            if another and now < self._deadline:
                self._dial(now)
                return
            leg.give_up("timeout", "no time left to send it again")
            self._finish(None)
        elif not leg.open and not core.in_flight:
            self.engine.answered(leg.server, link, now, self._events)
            self._release(now)
        elif leg.quiet and not leg.waiting and not core.has_output and leg.server.health.spotless:
            link.line.forget(leg)
            leg.finish_unanswered()
            self._release(now)

    def out_of_time(self, why: str, now: float) -> None:
        if self._opening:
            self._not_opened("timeout", why, now)
            return
        self.link.fail("timeout", why)
        self._settle(now)

    def drop(self) -> None:
        """The call ends by an exception: nothing may stay behind."""
        if not self.over:
            self._drop_link()
            self._finish(None)

    def _release(self, now: float) -> None:
        link, self.link = self.link, None
        link.last_used = now
        self._finish(link)

    def _finish(self, link: Optional[Link]) -> None:
        self.over = True
        self.pool.give_back(link)


def _is_connected(sock: Any) -> bool:
    try:
        sock.getpeername()
        return True
    except OSError:
        return False


def _wait(runs: Sequence[_Run], seconds: float) -> List[_Run]:
    """Those whose sockets are ready, after so long at most."""
    if hasattr(select, "poll"):
        polled = select.poll()
        by_descriptor = {}
        for run in runs:
            descriptor = run.descriptor()
            by_descriptor[descriptor] = run
            polled.register(descriptor,
                            select.POLLIN | (select.POLLOUT if run.writes() else 0))
        return [by_descriptor[d] for d, _ in polled.poll(math.ceil(seconds * 1000))]
    reading = [run.link.sock for run in runs]
    writing = [run.link.sock for run in runs if run.writes()]
    ready = set()
    for sockets in select.select(reading, writing, [], seconds):
        ready.update(id(sock) for sock in sockets)
    return [run for run in runs if id(run.link.sock) in ready]


class Engine:
    """Threads: safe to share."""

    def __init__(self, router: Router, on_down: Optional[Callable[..., None]],
                 on_up: Optional[Callable[..., None]]):
        self.settings = router.settings
        self._router = router
        self._on_down = on_down
        self._on_up = on_up
        self._lock = threading.Lock()  # guards the making of pools, and what follows
        self._unclaimed = 0  # of servers that have left
        _fork.register(self)

    def run(self, steps: Steps, timeout: float) -> Any:
        """A call, from its first step to its last."""
        began = time.monotonic()
        deadline = began + timeout
        events: List[Callable[[], None]] = []
        try:
            legs = next(steps)
            while True:
                self._perform(legs, began, deadline, timeout, events)
                legs = steps.send(time.monotonic() < deadline)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()
            for tell in events:
                tell()

    def _perform(self, legs: List[Leg], began: float, deadline: float, timeout: float,
                 events: List[Callable[[], None]]) -> None:
        runs: List[_Run] = []
        waiting: List[_Run] = []
        now = time.monotonic()
        try:
            for leg in legs:
                health = leg.server.health
                if not health.admit(now):
                    leg.give_up("server_down", health.why_down(now))
                    continue
                pool = self._pool_of(leg.server)
                run = _Run(self, leg, pool, began, deadline, events)
                link, granted = pool.take(now)
                if granted:
                    runs.append(run)
                    run.begin(link, now)
                else:
                    waiting.append(run)
            self._work(runs, deadline, timeout)
            # For one pool at a time and holding no connection, so that calls cannot wait for each
            # other in a circle.
            for run in waiting:
                link, granted = run.pool.wait(deadline)
                if not granted:
                    run.leg.give_up("overloaded",
                                    f"no connection became free within {round(timeout * 1000)}ms")
                    continue
                runs.append(run)
                run.begin(link, time.monotonic())
                self._work(runs, deadline, timeout)
        finally:
            for run in runs:
                run.drop()

    def _work(self, runs: List[_Run], deadline: float, timeout: float) -> None:
        """Until none of them has anything under way."""
        while True:
            active = [run for run in runs if not run.over]
            if not active:
                return
            now = time.monotonic()
            if now >= deadline:
                why = f"no answer within {round(timeout * 1000)}ms"
                for run in active:
                    run.out_of_time(why, now)
                continue
            wake = min(deadline, min(run.wake_at() for run in active))
            ready = _wait(active, max(0.0, wake - now))
            now = time.monotonic()
            for run in active:
                if run in ready or now >= run.wake_at():
                    run.ready(now)

    def _pool_of(self, server: Server) -> Pool:
        pool = server.engine
        if pool is None:
            with self._lock:
                pool = server.engine
                if pool is None:
                    pool = server.engine = Pool(self.settings["pool_size"])
        return pool

    # --- what was found out about servers: told after the call, on its thread

    def failed(self, server: Server, code: str, why: str, began: float, now: float,
               events: List[Callable[[], None]]) -> None:
        if server.health.failed(why, began, now) and self._on_down is not None:
            error = errors.exception_of(code, why, server.name, None)
            events.append(lambda: self._on_down(server.name, error))

    def answered(self, server: Server, link: Link, now: float,
                 events: List[Callable[[], None]]) -> None:
        if not link.line.asked:
            server.closes_when_asked(now)
        if server.health.answered() and self._on_up is not None:
            events.append(lambda: self._on_up(server.name))

    def unclaimed_errors(self) -> int:
        pools = [s.engine for s in self._router.servers.values() if s.engine is not None]
        return self._unclaimed + sum(
            pool.unclaimed + sum(link.line.core.unclaimed_errors for link in list(pool.links))
            for pool in pools)

    # --- servers, the end

    def change(self, edit: Callable[..., None], what: Any) -> None:
        with self._lock:
            gone = self._router.change(edit, what)
        for server in gone:
            if server.engine is not None:
                server.engine.retired = True
                server.engine.close_idle()
                self._unclaimed += server.engine.unclaimed

    def disconnect(self) -> None:
        for server in list(self._router.servers.values()):
            if server.engine is not None:
                server.engine.close_idle()

    def in_child(self) -> None:
        """After a fork: the parent's connections are not this process's, and whoever held a lock is
        not here to let go of it."""
        pools = [s.engine for s in self._router.servers.values() if s.engine is not None]
        self._lock = threading.Lock()
        self._router.forget_servers()
        _fork.let_go([link.sock.fileno() for pool in pools for link in pool.links])
