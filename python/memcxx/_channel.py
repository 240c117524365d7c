"""The asyncio engine: calls of all tasks over a few shared connections to each server. It waits, and
decides nothing.
Never here: encoding, parsing, what is sent again or elsewhere (_passive).
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterable, List, Optional, Set

from . import _fork, errors
from ._passive import CLOCK, NETWORK, SILENCE, Leg, Line, Server, Steps

#: a connection that was idle for longer is looked at before it is used; seconds
_TRUSTED_IDLE = 0.05
_PIECE = 256 << 10


class _Trip:
    """The legs of a call that are under way."""

    __slots__ = ("legs", "open", "waiter", "began", "requests", "bytes")

    def __init__(self, legs: List[Leg], waiter: "asyncio.Future[None]", began: float):
        self.legs = legs
        self.open = len(legs)
        self.waiter = waiter
        self.began = began

    def arrived(self, leg: Leg) -> None:
        channel = leg.tag.channel
        if channel is not None:
            channel.riding.pop(leg, None)
        self.open -= 1
        if not self.open and not self.waiter.done():
            self.waiter.set_result(None)


class _Link(asyncio.Protocol):
    """One connection: asyncio's transport below, a Line above."""

    def __init__(self, channel: "_Channel", line: Line):
        self.channel = channel
        self.line = line
        self.transport: Any = None
        self.paused = False
        self._end_timer: Any = None
        self.heard = 0.0      # when something came, or when it was last idle
        self.answered = False  # something was, by what came last
        self.shaken: "asyncio.Future[None]" = channel.engine.loop.create_future()
        self.gone: "asyncio.Future[None]" = channel.engine.loop.create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        engine = self.channel.engine
        engine.links.add(self)
        sock = transport.get_extra_info("socket")
        if engine.settings["keepalive"] and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.line.core.open()
        self.write()
        self._shake()

    def data_received(self, data: bytes) -> None:
        core = self.line.core
        if core.failed:
            return
        self.heard = self.channel.engine.loop.time()
        responses = core.received(data)
        if not self.shaken.done():
            self._shake()
            return
        self.channel.received(self, responses)
        self._end_if_idle()

    def eof_received(self) -> None:
        return None  # the transport closes itself, and connection_lost says so

    def connection_lost(self, why: Optional[Exception]) -> None:
        self.channel.engine.links.discard(self)
        self.channel.engine.count_unclaimed(self)
        if self._end_timer is not None:
            self._end_timer.cancel()
        if not self.gone.done():
            self.gone.set_result(None)
        core = self.line.core
        if core.failed:
            return
        responses = core.closed() if why is None else core.fail("connection_closed", str(why))
        if not self.shaken.done():
            self._shake()
            return
        self.channel.received(self, responses)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self._end_timer is None:
            self.channel.flush_soon()
        else:
            self.write()
            self._end_if_idle()

    def _shake(self) -> None:
        core = self.line.core
        if core.ready or core.failed:
            self.shaken.set_result(None)

    def write(self) -> None:
        core = self.line.core
        while core.has_output and not self.paused:
            piece = core.output(_PIECE)
            self.transport.write(piece)
            core.sent(len(piece))

    def is_sound(self, now: float) -> bool:
        """A link that nobody uses: may it be used? After a pause the server may have left, and the
        event loop not have looked yet."""
        if self.transport.is_closing():
            return False
        if now - self.heard < _TRUSTED_IDLE:
            return True
        look = select.poll()
        look.register(self.descriptor(), select.POLLIN)
        return not look.poll(0)

    def descriptor(self) -> int:
        return self.transport.get_extra_info("socket").fileno()

    def end(self) -> None:
        self.transport.abort()

    def end_soon(self) -> None:
        """When what quiet calls left was written and answered; a socket that is closed before may
        take it along."""
        engine = self.channel.engine
        self._end_timer = engine.loop.call_later(engine.settings["timeout"], self.end)
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        core = self.line.core
        if self._end_timer is not None and not core.has_output and not core.in_flight:
            self.transport.close()


class _Channel:
    """One shared connection to a server: who waits for it, and who rides on it."""

    def __init__(self, engine: "Engine", server: Server):
        self.engine = engine
        self.server = server
        self.link: Optional[_Link] = None
        self.queue: Deque[Leg] = deque()
        self.riding: Dict[Leg, None] = {}
        self.retiring = False
        self._dialling: Optional["asyncio.Task[None]"] = None
        self._flush_is_due = False

    def load(self) -> int:
        return len(self.queue) + len(self.riding)

    # --- legs

    def board(self, leg: Leg) -> None:
        leg.tag.fresh = self.link is None
        self.queue.append(leg)
        self.pump()

    def pump(self) -> None:
        """Goes as far as it can without waiting."""
        link = self.link
        if link is not None and not self.riding and not link.line.core.in_flight:
            now = self.engine.loop.time()
            if not link.is_sound(now):
                self._end_link()
                link = None
            else:
                link.heard = now
        if link is None:
            if self._dialling is None and self.queue:
                self._dialling = self.engine.loop.create_task(self._dial())
        elif link.line.core.in_flight:
            self.flush_soon()  # others are likely to be followed by more
        else:
            self.flush()

    def flush_soon(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            self.engine.loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flush_is_due = False
        self.flush()

    def flush(self) -> None:
        """Submits what waits, as far as there is room, and writes it."""
        link = self.link
        if link is None:
            return
        line, core = link.line, link.line.core
        while True:
            while self.queue and core.has_room and not core.failed and not link.paused:
                leg = self.queue.popleft()
                if leg.open:
                    self._submit(line, leg)
            link.write()
            if core.failed or link.paused or not self.queue or not core.has_room:
                break
        if core.failed:
            self._lost(link)

    def _submit(self, line: Line, leg: Leg) -> None:
        ride = leg.tag
        if not ride.sent:
            ride.sent = True
            leg.begin(reused=not ride.fresh)
        self.riding[leg] = None
        line.fill(leg)
        if leg.waiting:
            self.queue.append(leg)  # no room for all of it: the others' turn
        elif leg.open and leg.quiet and self.server.health.spotless:
            line.forget(leg)
            leg.finish_unanswered()

    def received(self, link: _Link, responses: List[Any]) -> None:
        """Replies came, or the connection ended."""
        link.answered = False
        for response in responses:
            if response[1] not in NETWORK and response[1] not in CLOCK:
                link.answered = True
                break
        link.line.deliver(responses)
        if link.answered:
            self.engine.answered(self.server, link)
        if link is not self.link:
            return
        if link.line.core.failed:
            self._lost(link)
        elif self.queue:
            self.flush_soon()
        elif self.retiring and not self.load():
            self.close()

    def leave(self, leg: Leg, code: str, why: str) -> None:
        """The leg ends before its time; each of its requests gets this outcome."""
        if leg in self.riding:
            del self.riding[leg]
            if self.link is not None:
                self.link.line.forget(leg)
        leg.give_up(code, why)  # in the queue it is passed over
        self._suspect()

    def _suspect(self) -> None:
        """Somebody gave up: closes the connection if nothing came over it for long."""
        link = self.link
        if link is None or not link.line.core.in_flight:
            return
        patience = self.engine.settings["timeout"]
        if self.engine.loop.time() - link.heard < patience:
            return
        link.answered = False
        link.line.deliver(link.line.core.fail(
            "connection_closed", f"nothing came for {round(patience * 1000)}ms"))
        self._lost(link)

    def _lost(self, link: _Link) -> None:
        """The connection has failed, and has told so to those whose requests were in flight."""
        code, why = link.line.core.failure
        legs = list(self.riding)
        waiting = [leg for leg in self.queue if leg.open and leg not in self.riding]
        self.riding.clear()
        self._end_link()
        # One that ended after an answer (a refused store) says that the server is there.
        there = code == "connection_closed" and link.answered
        if legs and code in SILENCE and not there:
            self.engine.failed(self.server, code, why, min(leg.tag.trip.began for leg in legs))
        for leg in legs:
            if leg.lost(code, why):
                leg.tag.sent = False
                waiting.append(leg)
        self.queue = deque(waiting)
        if self.queue:
            self.pump()

    def _end_link(self) -> None:
        link, self.link = self.link, None
        if link is not None:
            link.end()

    # --- opening

    async def _dial(self) -> None:
        engine = self.engine
        limit = min(engine.settings["connect_timeout"], engine.settings["timeout"])
        late = False

        def too_late(task: "asyncio.Task[Any]") -> None:
            nonlocal late
            late = True
            task.cancel()

        timer = engine.loop.call_later(limit, too_late, asyncio.current_task())
        code, why = "connect_failed", ""
        try:
            self.link = await self._connect()
        except asyncio.CancelledError:
            if not late:  # the client is closed
                self._dialling = None
                raise
            code, why = "timeout", f"no connection within {round(limit * 1000)}ms (connect_timeout)"
        except socket.gaierror as error:
            code, why = "resolve_failed", error.strerror or str(error)
        except OSError as error:
            why = error.strerror or str(error)
        except errors.Error as error:
            code, why = error.code, error.message
        except Exception as error:  # nobody may wait for a dial that is no more
            why = repr(error)
        finally:
            timer.cancel()
        self._dialling = None
        if self.link is not None:
            for leg in self.queue:
                leg.tag.fresh = True
            self.flush()
            return
        legs, self.queue = self.queue, deque()
        legs = deque(leg for leg in legs if leg.open)
        if legs:
            engine.failed(self.server, code, why, min(leg.tag.trip.began for leg in legs))
        for leg in legs:
            leg.give_up(code, why)

    async def _connect(self) -> _Link:
        """A connection after its handshake."""
        loop, server = self.engine.loop, self.server
        closed_when_asked = 0
        while True:
            # Once may be a bad moment of the server's.
            line = Line(server, self.engine.settings, loop.time(), ask=closed_when_asked < 2)
            link = _Link(self, line)
            try:
                if server.port is None:
                    await loop.create_unix_connection(lambda: link, server.host)
                else:
                    await loop.create_connection(lambda: link, server.host, server.port)
                await link.shaken
            except BaseException:
                if link.transport is not None:
                    link.end()
                raise
            if line.core.ready:
                link.heard = loop.time()
                return link
            link.end()
            if not line.core.retry_as_classic:
                code, why = line.core.failure
                if code == "connection_closed":
                    code = "connect_failed"
                raise errors.exception_of(code, f"handshake: {why}", server.name, None)
            closed_when_asked += 1

    # --- the end

    def close(self) -> None:
        """Lets go of the connection."""
        if self._dialling is not None:
            self._dialling.cancel()
        link, self.link = self.link, None
        if link is not None:
            link.end_soon()


class _Ride:
    """What the engine knows of a leg."""

    __slots__ = ("trip", "channel", "sent", "fresh")

    def __init__(self, trip: _Trip):
        self.trip = trip
        self.channel: Optional[_Channel] = None
        self.sent = False
        self.fresh = True  # it has waited for its connection to be opened


class Engine:
    """Threads: one, that of the loop it belongs to."""

    def __init__(self, settings: Dict[str, Any], connections: int, max_requests: int,
                 max_bytes: int, on_down: Optional[Callable[..., None]],
                 on_up: Optional[Callable[..., None]]):
        if connections < 1:
            raise errors.InvalidArgument("connections: at least 1")
        self.settings = settings
        self.loop: Any = None
        self.links: Set[_Link] = set()
        self._connections = connections
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._on_down = on_down
        self._on_up = on_up
        self._channels: Dict[Server, List[_Channel]] = {}
        self._trips: Set[_Trip] = set()
        self._requests = 0
        self._bytes = 0
        self._unclaimed = 0
        self._closing = False
        self._drained: Optional["asyncio.Future[None]"] = None
        _fork.register(self)

    async def run(self, steps: Steps, timeout: float) -> Any:
        """A call, from its first step to its last."""
        self._belong_to(asyncio.get_running_loop())
        began = self.loop.time()
        deadline = began + timeout
        try:
            legs = next(steps)
            while True:
                await self._perform(legs, began, deadline, timeout)
                legs = steps.send(self.loop.time() < deadline)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()

    def _belong_to(self, loop: Any) -> None:
        if loop is self.loop:
            return
        if self.loop is not None and self.loop.is_running():
            raise errors.InvalidArgument("the client belongs to another event loop, which still runs")
        self._begin_anew()
        self.loop = loop

    def _begin_anew(self) -> None:
        self.links = set()
        self._channels = {}
        self._trips = set()
        self._requests = self._bytes = 0
        self.loop = None

    async def _perform(self, legs: List[Leg], began: float, deadline: float,
                       timeout: float) -> None:
        requests = size = 0
        for leg in legs:
            requests += leg.open
            for ask in leg.asks:
                size += ask.request.size
        refusal = self._refusal(requests, size)
        if refusal is not None:
            for leg in legs:
                leg.give_up(*refusal)
            return
        trip = _Trip(legs, self.loop.create_future(), began)
        self._trips.add(trip)
        self._requests += requests
        self._bytes += size
        timer = self.loop.call_at(deadline, self._out_of_time, trip, timeout)
        try:
            self._launch(trip)
            if trip.open:
                await trip.waiter
        finally:
            timer.cancel()
            self._trips.discard(trip)
            self._requests -= requests
            self._bytes -= size
            if trip.open:  # cancelled
                self._abandon(trip, "cancelled", "")
            if self._drained is not None and not self._trips and not self._drained.done():
                self._drained.set_result(None)

    def _refusal(self, requests: int, size: int) -> Any:
        if self._closing:
            return "cancelled", "the client is closed"
        if (self._requests + requests > self._max_requests or
                self._bytes + size > self._max_bytes):
            return "overloaded", "max_requests or max_bytes are under way"
        return None

    def _launch(self, trip: _Trip) -> None:
        now = self.loop.time()
        for leg in trip.legs:
            leg.arrived = trip.arrived
            leg.tag = _Ride(trip)
            health = leg.server.health
            if not health.admit(now):
                leg.give_up("server_down", health.why_down(now))
        for leg in trip.legs:
            if leg.open:
                leg.tag.channel = self._channel_to(leg.server)
                leg.tag.channel.board(leg)

    def _channel_to(self, server: Server) -> _Channel:
        all_of_it = self._channels.setdefault(server, [])
        if len(all_of_it) < self._connections and (not all_of_it or
                                                   min(c.load() for c in all_of_it)):
            all_of_it.append(_Channel(self, server))
            return all_of_it[-1]
        return all_of_it[0] if len(all_of_it) == 1 else min(all_of_it, key=_Channel.load)

    def _abandon(self, trip: _Trip, code: str, why: str) -> None:
        for leg in trip.legs:
            if leg.open:
                leg.tag.channel.leave(leg, code, why)

    def _out_of_time(self, trip: _Trip, timeout: float) -> None:
        why = f"no answer within {round(timeout * 1000)}ms"
        for leg in trip.legs:
            if leg.open:
                self.failed(leg.server, "timeout", why, trip.began)
        self._abandon(trip, "timeout", why)

    # --- what was found out about servers

    def failed(self, server: Server, code: str, why: str, began: float) -> None:
        if server.health.failed(why, began, self.loop.time()) and self._on_down is not None:
            error = errors.exception_of(code, why, server.name, None)
            self.loop.call_soon(self._on_down, server.name, error)

    def answered(self, server: Server, link: _Link) -> None:
        if not link.line.asked:
            server.closes_when_asked(self.loop.time())
        if server.health.answered() and self._on_up is not None:
            self.loop.call_soon(self._on_up, server.name)

    def count_unclaimed(self, link: _Link) -> None:
        self._unclaimed += link.line.core.unclaimed_errors

    def unclaimed_errors(self) -> int:
        return self._unclaimed + sum(link.line.core.unclaimed_errors for link in self.links)

    # --- the end

    def _all_channels(self) -> List[_Channel]:
        return [c for channels in self._channels.values() for c in channels]

    def retire(self, servers: Iterable[Server]) -> None:
        """These have left the list: their connections end when nobody uses them any more."""
        for server in servers:
            for channel in self._channels.pop(server, ()):
                channel.retiring = True
                if not channel.load():
                    channel.close()

    def disconnect(self) -> None:
        for channel in self._all_channels():
            if not channel.load():
                channel.close()

    async def close(self) -> None:
        self._closing = True
        loop = asyncio.get_running_loop()
        if loop is not self.loop:
            return
        if self._trips:
            if self._drained is None:
                self._drained = loop.create_future()
            await asyncio.shield(self._drained)
        for channel in self._all_channels():
            channel.close()
        if self.links:
            await asyncio.wait([link.gone for link in self.links])

    def in_child(self) -> None:
        """After a fork: the parent's connections are not this process's."""
        _fork.let_go([link.descriptor() for link in self.links])
        self._begin_anew()
        self._closing = False
        self._drained = None
