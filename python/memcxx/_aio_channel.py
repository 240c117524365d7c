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
from typing import Any, Deque, Dict, List, Optional, Tuple

from . import errors
from ._dial import Address, Dial
from ._passive import CLOCK, NETWORK, Leg, Line, Server

_PIECE = 256 << 10


class Link(asyncio.Protocol):
    """One connection: asyncio's transport below, a Line above."""

    def __init__(self, channel: "Channel", line: Line):
        self.channel = channel
        self.line = line
        self.transport: Any = None
        self.paused = False
        self._end_timer: Any = None
        self.moved = 0.0  # when a reply came to its end, or something was asked of it when idle
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
        replies = core.replies
        responses = core.received(data)
        if core.replies != replies:
            self.moved = self.channel.engine.loop.time()
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
        while core.has_output and not core.failed and not self.paused:
            piece = core.output(_PIECE)
            self.transport.write(piece)
            core.sent(len(piece))

    def is_sound(self, now: float) -> bool:
        """A link that nobody uses: may it be used? After a pause the server may have left, and the
        event loop not have looked yet."""
        if self.transport.is_closing() or self.line.core.failed or self.line.is_out_of_date(now):
            return False
        if now - self.moved < self.line.core.trusted_idle:
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


class _Until:
    """Ends what its block waits for when the time is over; `passed` says so then."""

    def __init__(self, loop: Any, moment: float):
        self.passed = False
        self._task: Any = asyncio.current_task(loop)
        self._timer = loop.call_at(moment, self._end)

    def _end(self) -> None:
        self.passed = True
        self._task.cancel()

    def __enter__(self) -> "_Until":
        return self

    def __exit__(self, kind: Any, *_: Any) -> bool:
        self._timer.cancel()
        return self.passed and kind is asyncio.CancelledError


def _let_go(link: Link, sock: Any) -> None:
    if link.transport is not None:
        link.end()
    elif sock is not None:
        sock.close()


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
        self._doubt: Any = None  # the timer that looks whether replies come

    def users(self) -> int:
        return len(self.queue) + len(self.riding)

    def load(self) -> int:
        """How much is on its way, that of users who left included."""
        return self.users() + (self.link.line.core.abandoned if self.link is not None else 0)

    def rank(self) -> Tuple[bool, int]:
        """The least is the one to choose. Behind what somebody left before it came, others may
        wait as long."""
        return self.link is not None and self.link.line.core.abandoned > 0, self.load()

    # --- legs

    def board(self, leg: Leg) -> None:
        leg.tag.fresh = self.link is None
        self.queue.append(leg)
        self.pump()

    @staticmethod
    def board_again(leg: Leg) -> None:
        """Something of a leg that rides waits once more."""
        channel = leg.tag.channel
        if leg not in channel.queue:
            channel.queue.append(leg)
        channel.flush_soon()

    def pump(self) -> None:
        """Goes as far as it can without waiting."""
        link = self.link
        if link is not None and not self.riding and not link.line.core.in_flight:
            now = self.engine.loop.time()
            if not link.is_sound(now):
                self._end_link()
                link = None
            else:
                link.moved = now
        if link is None:
            if self.queue and self._dialling is None:
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
        if line.guessed and self.queue and line.is_out_of_date(self.engine.loop.time()):
            # It is to be asked anew, once those on their way have arrived.
            if not core.in_flight:
                self._end_link()
                self.pump()
            return
        if not core.in_flight:
            link.moved = self.engine.loop.time()
        while True:
            before = core.in_flight
            for _ in range(len(self.queue)):
                if not core.has_room or core.failed or link.paused:
                    break
                leg = self.queue.popleft()
                if leg.open and self._submit(line, leg):
                    break
            link.write()
            if (core.failed or link.paused or not self.queue or not core.has_room
                    or core.in_flight == before):
                break
        if core.failed:
            self._lost(link)

    def _submit(self, line: Line, leg: Leg) -> bool:
        """True: nobody else may board now."""
        ride = leg.tag
        if not ride.sent:
            ride.sent = True
            leg.begin(reused=not ride.fresh)
        self.riding[leg] = None
        line.fill(leg)
        if line.asks_apart(leg):
            self.queue.appendleft(leg)
            return True
        if leg.waiting:
            self.queue.append(leg)  # no room for all of it: the others' turn
        elif leg.open and leg.quiet and self.server.health.spotless:
            line.forget(leg)
            leg.finish_unanswered()
            self._suspect()
        return False

    def received(self, link: Link, responses: List[Any]) -> None:
        """Replies came, or the connection ended."""
        link.line.deliver(responses)
        for response in responses:
            if response[1] not in NETWORK and response[1] not in CLOCK:
                self.engine.answered(self.server)
                break
        link.write()  # what the core has to ask for by itself
        if link is not self.link:
            return
        if link.line.core.failed:
            self._lost(link)
        elif self.queue:
            self.flush_soon()
        else:
            self._close_if_retired()

    def leave(self, leg: Leg, code: str, why: str) -> None:
        """The leg ends before its time; each of its requests gets this outcome."""
        if leg in self.riding:
            del self.riding[leg]
            if self.link is not None:
                self.link.line.forget(leg)
        leg.give_up(code, why)  # in the queue it is passed over
        self._suspect()
        self._close_if_retired()

    def _close_if_retired(self) -> None:
        if self.retiring and not any(leg.open for leg in self.queue) and not self.riding:
            self.close()

    def _suspect(self) -> None:
        """Somebody left before the reply came: ends the connection when no reply comes to its end
        for long, while such are owed."""
        link = self.link
        if link is None or not link.line.core.abandoned or self._doubt is not None:
            return
        patience = self.engine.settings["timeout"]
        if self.engine.loop.time() - link.moved < patience:
            self._doubt = self.engine.loop.call_at(link.moved + patience, self._suspect_again)
            return
        # Who waited for it in vain, and waits no more, has said so.
        in_use = any(leg.open for leg in (*self.riding, *self.queue))
        link.line.deliver(link.line.core.fail(
            "connection_closed", f"no reply came to its end within {round(patience * 1000)}ms",
            "failed" if in_use else "nothing"))
        self._lost(link)

    def _suspect_again(self) -> None:
        self._doubt = None
        self._suspect()

    def _lost(self, link: Link) -> None:
        """The connection has failed, and has told so to those whose requests were in flight."""
        core = link.line.core
        code, why = core.failure
        legs = list(self.riding)
        waiting = [leg for leg in self.queue if leg.open and leg not in self.riding]
        self.riding.clear()
        self._end_link()
        began = min((leg.tag.trip.began for leg in legs or waiting),
                    default=self.engine.loop.time())
        another = False  # a fresh connection tells about the server
        for leg in legs:
            if leg.lost(code, why, core.retry_as_classic, core.says == "answered"):
                another = True
                leg.tag.sent = False
                waiting.append(leg)
        self.engine.ended(self.server, core, another, began)
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
        now = engine.loop.time()
        # It is for whoever waits longest; each of them has a limit of its own.
        timeout = max([engine.settings["timeout"]]
                      + [leg.tag.trip.timeout for leg in self.queue if leg.open])
        dial = Dial(self.server, engine.settings, now, now + timeout, timeout)
        task = asyncio.current_task()
        why: Optional[errors.Error] = None
        link: Optional[Link] = None
        try:
            link = await self._connect(dial)
        except errors.Error as error:
            why = error
        except Exception as error:  # nobody may wait for a dial that is no more
            why = errors.exception_of("connect_failed", repr(error), self.server.name, None)
        if self._dialling is not task:  # nobody waits for this one any more
            if link is not None:
                link.end()
            return
        self._dialling = None
        if link is not None:
            self.link = link
            link.moved = engine.loop.time()
            for leg in self.queue:
                leg.tag.fresh = True
            if not any(leg.open for leg in self.queue):
                link.line.core.rest()
            self.flush()
            self._close_if_retired()
            return
        legs, self.queue = self.queue, deque()
        legs = deque(leg for leg in legs if leg.open)
        if legs:
            engine.failed(self.server, why.code, why.message,
                          min(leg.tag.trip.began for leg in legs))
        for leg in legs:
            leg.give_up(why.code, why.message)

    async def _connect(self, dial: Dial) -> Link:
        """A connection after its handshake."""
        loop = self.engine.loop
        dial.resolved(await self._resolve(dial))
        link: Optional[Link] = None
        kept: Optional[Link] = None
        try:
            while True:
                found = dial.next(loop.time())
                why = dial.failure(loop.time()) if found is None else None
                if found is not None:
                    link = await self._reach(dial, *found)
                    if link is None:
                        continue
                    with _Until(loop, dial.until) as limit:
                        await link.shaken
                    if limit.passed:
                        why = dial.late("no answer to the handshake")
                if why is not None:
                    if not dial.may_use_kept(loop.time()):
                        raise why
                    step = "use_kept"
                else:
                    step = dial.judge(link.line, loop.time())
                if step == "give_up":
                    raise dial.handshake_failed(link.line.core)
                if step == "keep_and_ask":
                    kept, link = link, None
                    continue
                if step == "use":
                    chosen, link = link, None
                    return chosen
                if step == "use_kept":
                    chosen, kept = kept, None
                    return chosen
                link.end()
        finally:
            for unused in (link, kept):
                if unused is not None:
                    unused.end()

    async def _resolve(self, dial: Dial) -> List[Address]:
        server, loop = self.server, self.engine.loop
        if server.port is None:
            return [(socket.AF_UNIX, server.host)]
        try:
            try:  # an address needs no thread
                found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM,
                                           flags=socket.AI_NUMERICHOST)
            except socket.gaierror:
                with _Until(loop, dial.until) as limit:
                    found = await loop.getaddrinfo(server.host, server.port,
                                                   type=socket.SOCK_STREAM)
                if limit.passed:
                    raise dial.late("the name did not resolve") from None
        except OSError as error:
            raise dial.not_resolved(error.strerror or str(error)) from None
        return [(family, address) for family, _, _, _, address in found]

    async def _reach(self, dial: Dial, to: Address, until: float) -> Optional[Link]:
        """A connection to one address, or None."""
        loop = self.engine.loop
        family, address = to
        link = Link(self, dial.line(loop.time()))
        sock: Any = None
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            with _Until(loop, until) as limit:
                await loop.sock_connect(sock, address)
            if limit.passed:
                dial.not_connected("no answer to connect")
                sock.close()
                return None
            if family == socket.AF_UNIX:
                await loop.create_unix_connection(lambda: link, sock=sock)
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.create_connection(lambda: link, sock=sock)
            return link
        except OSError as error:
            dial.not_connected(os.strerror(error.errno) if error.errno else str(error))
            _let_go(link, sock)
            return None
        except BaseException:
            _let_go(link, sock)
            raise

    # --- the end

    def close(self) -> None:
        """Lets go of the connection."""
        if self._dialling is not None:
            self._dialling.cancel()
            self._dialling = None
        if self._doubt is not None:
            self._doubt.cancel()
            self._doubt = None
        link, self.link = self.link, None
        if link is not None:
            link.end_soon()
