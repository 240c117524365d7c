"""One shared connection of the asyncio client to a server: who waits for it and who rides on it;
and asyncio's transport below, with the core's Connection above.
Never here: calls and their deadlines (_aio_engine), what is sent again or elsewhere (_passive).
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections import deque
from typing import Any, Deque, Dict, List, Optional

from . import errors
from ._passive import CLOCK, NETWORK, SILENCE, Leg, Line, Server

#: a connection that was idle for longer is looked at before it is used; seconds
_TRUSTED_IDLE = 0.05
_PIECE = 256 << 10


class Link(asyncio.Protocol):
    """One connection: asyncio's transport below, a Line above."""

    def __init__(self, channel: "Channel", line: Line):
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


class Channel:
    """One shared connection to a server: who waits for it, and who rides on it."""

    def __init__(self, engine: Any, server: Server):
        self.engine = engine
        self.server = server
        self.link: Optional[Link] = None
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
            if self.queue and (self._dialling is None or self._dialling.done()):
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
        if link is None or link.transport.is_closing():  # connection_lost is on its way
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

    def received(self, link: Link, responses: List[Any]) -> None:
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

    def _lost(self, link: Link) -> None:
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
            why = os.strerror(error.errno) if error.errno else str(error)
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

    async def _connect(self) -> Link:
        """A connection after its handshake."""
        loop, server = self.engine.loop, self.server
        closed_when_asked = 0
        while True:
            # Once may be a bad moment of the server's.
            line = Line(server, self.engine.settings, loop.time(), ask=closed_when_asked < 2)
            link = Link(self, line)
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
