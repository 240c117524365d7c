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
import time
from typing import Any, Callable, List, Optional, Sequence

from . import _fork, errors
from ._dial import Dial
from ._green_pool import Body, Link, Pool
from ._passive import Leg, Router, Server, Steps


class _Call:
    """One call. It runs for as long as `body` does."""

    __slots__ = ("began", "timeout", "deadline", "events", "body")

    def __init__(self, timeout: float):
        self.began = time.monotonic()
        self.timeout = timeout
        self.deadline = self.began + timeout
        self.events: List[Callable[[], None]] = []  # what is told when it has ended
        self.body: Any = None


class _Run:
    """One leg, and the connection that it has or is opening."""

    def __init__(self, engine: "Engine", call: _Call, leg: Leg, pool: Pool):
        self.engine = engine
        self.call = call
        self.leg = leg
        self.pool = pool
        self.claim = pool.enter(call.body)
        self.over = False
        self.link: Any = None  # the claim's
        self._dial: Optional[Dial] = None  # connecting, or in the handshake
        self._connecting = False
        self._address_until = 0.0

    def may_begin(self) -> bool:
        """Whether there is a connection, or the right to open one. Else it is not in the line: who
        has a connection waits for no other, so that calls cannot wait for each other in a circle.
        """
        if self.pool.is_granted(self.claim):
            return True
        self.pool.leave(self.claim)
        return False

    def wait(self) -> bool:
        self.claim = self.pool.enter(self.call.body)
        return self.pool.wait(self.claim, self.call.deadline)

    def begin(self, now: float) -> None:
        if not self.pool.take_idle(self.claim, now):
            self._open(now)
            return
        self.link = self.claim.link
        self.leg.begin(reused=True)
        self._go_on(now)

    def refuse(self, code: str, why: str) -> None:
        self.leg.give_up(code, why)
        self._finish()

    # --- what the loop asks

    def descriptor(self) -> int:
        return self.link.sock.fileno()

    def writes(self) -> bool:
        return self._connecting or self.link.line.core.has_output

    def wake_at(self) -> float:
        if self._connecting:
            return self._address_until
        return self.call.deadline if self._dial is None else self._dial.until

    def ready(self, now: float) -> None:
        """Its socket is ready for something, or its time to wake up has come."""
        if self._connecting:
            self._connected(now)
        elif self.link.read() or self.link.line.core.failed or self.link.line.core.has_output:
            self._go_on(now)
        elif self._dial is not None and now >= self._dial.until:
            self._no_address(self._dial.late("no answer to the handshake"), now)

    # --- opening

    def _open(self, now: float) -> None:
        server = self.leg.server
        dial = self._dial = Dial(server, self.engine.settings, now, self.call.deadline,
                                 self.call.timeout)
        try:
            if server.port is None:
                dial.resolved([(socket.AF_UNIX, server.host)])
            else:
                dial.resolved((family, address) for family, _, _, _, address in socket.getaddrinfo(
                    server.host, server.port, type=socket.SOCK_STREAM))
        except OSError as why:
            self._not_opened(dial.not_resolved(why.strerror or str(why)), now)
            return
        self._next_address(time.monotonic())

    def _next_address(self, now: float) -> None:
        dial = self._dial
        while True:
            self._drop_link()
            found = dial.next(now)
            if found is None:
                self._no_address(dial.failure(now), now)
                return
            (family, address), self._address_until = found
            line = dial.line(now)
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
            except OSError as why:
                dial.not_connected(why.strerror or str(why))
                continue
            self.link = self.claim.link = Link(line, sock)
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
                dial.not_connected(why.strerror or str(why))
                continue
            self._shake_hands(now)
            return

    def _connected(self, now: float) -> None:
        code = self.link.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._dial.not_connected(os.strerror(code))
        elif _is_connected(self.link.sock):
            self._connecting = False
            self._shake_hands(now)
            return
        elif now < self._address_until:
            return
        else:
            self._dial.not_connected("no answer to connect")
        self._connecting = False
        self._next_address(now)

    def _shake_hands(self, now: float) -> None:
        self.link.line.core.open()
        self._go_on(now)

    def _no_address(self, why: errors.Error, now: float) -> None:
        """Nothing more is tried."""
        if self._dial.may_use_kept(now):
            self._use_kept()
            self._opened()
            self._go_on(now)
        else:
            self._not_opened(why, now)

    def _use_kept(self) -> None:
        self._drop_link()
        self.link = self.claim.link = self.claim.kept
        self.claim.kept = None

    def _not_opened(self, why: errors.Error, now: float) -> None:
        self.engine.failed(self.leg.server, why.code, why.message, self.call, now)
        self.leg.give_up(why.code, why.message)
        self._drop_links()
        self._finish()

    def _drop_links(self) -> None:
        self.pool.drop_kept(self.claim)
        self._drop_link()

    def _drop_link(self) -> None:
        self.link = None
        self.pool.drop_link(self.claim)

    # --- running

    def _go_on(self, now: float) -> None:
        """As far as it can without waiting."""
        if self._dial is not None:
            self.link.write()
            core = self.link.line.core
            if not core.ready and not core.failed or not self._is_open(now):
                return
        core = self.link.line.core
        while True:
            before = core.in_flight
            self.link.line.fill(self.leg)
            self.link.write()
            if (core.failed or core.has_output or not self.leg.waiting or not core.has_room
                    or core.in_flight == before):
                break
        self._settle(now)

    def _is_open(self, now: float) -> bool:
        """The handshake is over: whether that was all."""
        step = self._dial.judge(self.link.line, now)
        if step == "give_up":
            self._not_opened(self._dial.handshake_failed(self.link.line.core), now)
            return False
        if step in ("again", "keep_and_ask"):
            if step == "keep_and_ask":
                self.claim.kept = self.link
                self.link = self.claim.link = None
            self._next_address(now)
            return False
        if step == "use_kept":
            self._use_kept()
        self._opened()
        return True

    def _opened(self) -> None:
        self.pool.drop_kept(self.claim)
        self._dial = None
        self.leg.begin(reused=False)

    def _settle(self, now: float) -> None:
        leg = self.leg
        core = self.link.line.core
        if core.failed:
            another = leg.lost(*core.failure, core.retry_as_classic, core.says == "answered")
            self.engine.ended(leg.server, core, another, self.call, now)
            self._drop_link()
            if another and now < self.call.deadline:
                self._open(now)
                return
            leg.give_up("timeout", "no time left to send it again")
            self._finish()
        elif not leg.open and not core.in_flight:
            if leg.heard:  # what was refused here says nothing of the server
                self.engine.answered(leg.server, self.call)
            self._release()
        elif leg.quiet and not leg.waiting and not core.has_output and leg.server.health.spotless:
            self.link.line.forget(leg)
            leg.finish_unanswered()
            self._release()

    def out_of_time(self, why: str, now: float) -> None:
        if self._dial is not None:
            self._not_opened(self._dial.late("no connection"), now)
            return
        self.link.fail("timeout", why)
        self._settle(now)

    def drop(self) -> None:
        """The call ends by an exception: nothing may stay behind."""
        if not self.over:
            self._drop_links()
            self._finish()

    def _release(self) -> None:
        self.link.last_used = time.monotonic()
        self._finish()

    def _finish(self) -> None:
        self.over = True
        self.link = None
        self.pool.give_back(self.claim)


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
        self._unclaimed = 0  # of servers that have left
        _fork.register(self)

    def run(self, steps: Steps, timeout: float) -> Any:
        """A call, from its first step to its last."""
        call = _Call(timeout)
        call.body = self._body(call, steps)
        try:
            next(call.body)
        except StopIteration as end:
            return end.value
        finally:
            for tell in call.events:
                tell()

    def _body(self, call: _Call, steps: Steps) -> Body:
        yield from ()  # what makes it a generator; it runs to its end
        try:
            legs = next(steps)
            while True:
                self._perform(call, legs)
                legs = steps.send(time.monotonic() < call.deadline)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()

    def _perform(self, call: _Call, legs: List[Leg]) -> None:
        runs: List[_Run] = []
        try:
            begun: List[_Run] = []
            waiting: List[_Run] = []
            now = time.monotonic()
            for leg in legs:
                health = leg.server.health
                if not health.admit(now):
                    leg.give_up("server_down", health.why_down(now))
                    continue
                run = _Run(self, call, leg, self._pool_of(leg.server))
                runs.append(run)
                if run.may_begin():
                    begun.append(run)
                    run.begin(now)
                else:
                    waiting.append(run)
            self._work(call, begun)
            for run in waiting:  # for one pool at a time, and holding no connection
                if run.wait():
                    run.begin(time.monotonic())
                    self._work(call, [run])
                else:
                    run.refuse("overloaded", f"no connection became free within "
                                             f"{round(call.timeout * 1000)}ms")
        finally:
            for run in runs:
                run.drop()

    def _work(self, call: _Call, runs: List[_Run]) -> None:
        """Until none of them has anything under way."""
        while True:
            active = [run for run in runs if not run.over]
            if not active:
                return
            now = time.monotonic()
            if now >= call.deadline:
                why = f"no answer within {round(call.timeout * 1000)}ms"
                for run in active:
                    run.out_of_time(why, now)
                continue
            wake = min(call.deadline, min(run.wake_at() for run in active))
            ready = _wait(active, max(0.0, wake - now))
            now = time.monotonic()
            for run in active:
                if run in ready or now >= run.wake_at():
                    run.ready(now)

    def _pool_of(self, server: Server) -> Pool:
        known = vars(server)
        pool = known.get("pool")
        if pool is None:
            pool = known.setdefault("pool", Pool(server, self.settings["pool_size"]))
        return pool

    def _pools(self) -> List[Pool]:
        return [vars(s)["pool"] for s in list(self._router.servers.values()) if "pool" in vars(s)]

    # --- what was found out about servers: told after the call, on its thread

    def failed(self, server: Server, code: str, why: str, call: _Call, now: float) -> None:
        if server.health.failed(why, call.began, now) and self._on_down is not None:
            error = errors.exception_of(code, why, server.name, None)
            call.events.append(lambda: self._on_down(server.name, error))

    def ended(self, server: Server, core: Any, replaced: bool, call: _Call, now: float) -> None:
        """A connection has failed."""
        says = server.ended(core, replaced, now)
        if says == "failed":
            self.failed(server, *core.failure, call, now)
        elif says == "answered":
            self.answered(server, call)

    def answered(self, server: Server, call: _Call) -> None:
        if server.health.answered() and self._on_up is not None:
            call.events.append(lambda: self._on_up(server.name))

    def unclaimed_errors(self) -> int:
        return self._unclaimed + sum(
            pool.unclaimed + sum(link.line.core.unclaimed_errors for link in pool.links())
            for pool in self._pools())

    # --- servers, the end

    def change(self, edit: Callable[..., None], what: Any) -> None:
        for server in self._router.change(edit, what):
            pool = vars(server).get("pool")
            if pool is not None:
                pool.close_idle()
                self._unclaimed += pool.unclaimed

    def disconnect(self) -> None:
        for pool in self._pools():
            pool.close_idle()

    def in_child(self) -> None:
        """After a fork: the parent's connections are not this process's, and its calls do not run
        here."""
        pools = self._pools()
        self._router.forget_servers()
        _fork.let_go([link.sock.fileno() for pool in pools for link in pool.links()])
