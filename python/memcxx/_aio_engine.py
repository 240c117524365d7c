"""The asyncio engine: calls of all tasks, their deadlines and their end. It waits, and decides
nothing.
Never here: connections (_aio_channel), what is sent again or elsewhere (_passive).
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Dict, Iterable, List, Optional, Set

from . import _fork, errors
from ._aio_channel import Channel, Link
from ._passive import Leg, Server, Steps


class _Trip:
    """The legs of a call that are under way."""

    __slots__ = ("legs", "open", "waiter", "began", "timeout")

    def __init__(self, legs: List[Leg], waiter: "asyncio.Future[None]", began: float,
                 timeout: float):
        self.legs = legs
        self.open = len(legs)
        self.waiter = waiter
        self.began = began
        self.timeout = timeout

    def arrived(self, leg: Leg) -> None:
        channel = leg.tag.channel
        if channel is not None:
            channel.riding.pop(leg, None)
        self.open -= 1
        if not self.open and not self.waiter.done():
            self.waiter.set_result(None)


class _Ride:
    """What the engine knows of a leg."""

    __slots__ = ("trip", "channel", "sent", "fresh")

    def __init__(self, trip: _Trip):
        self.trip = trip
        self.channel: Optional[Channel] = None
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
        self.links: Set[Link] = set()
        self._connections = connections
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._on_down = on_down
        self._on_up = on_up
        self._channels: Dict[Server, List[Channel]] = {}
        self._calls = 0     # under way, and what they consist of
        self._requests = 0
        self._bytes = 0
        self._unclaimed = 0
        self._closing = False
        self._drained: Optional["asyncio.Future[None]"] = None
        _fork.register(self)

    async def run(self, steps: Steps, timeout: float) -> Any:
        """A call, from its first step to its last."""
        if self._closing:
            raise errors.Cancelled("the client is closed")
        self._belong_to(asyncio.get_running_loop())
        began = self.loop.time()
        deadline = began + timeout
        self._calls += 1
        try:
            legs = next(steps)
            while True:
                await self._perform(legs, began, deadline, timeout)
                legs = steps.send(self.loop.time() < deadline)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()
            self._calls -= 1
            if self._drained is not None and not self._calls and not self._drained.done():
                self._drained.set_result(None)

    def _belong_to(self, loop: Any) -> None:
        if loop is self.loop:
            return
        if self.loop is not None and self.loop.is_running():
            raise errors.InvalidArgument("the client belongs to another event loop that runs")
        self._begin_anew()
        self.loop = loop

    def _begin_anew(self) -> None:
        self.links = set()
        self._channels = {}
        self._calls = self._requests = self._bytes = 0
        self.loop = None

    async def _perform(self, legs: List[Leg], began: float, deadline: float,
                       timeout: float) -> None:
        requests = size = 0
        for leg in legs:
            requests += leg.open
            for ask in leg.asks:
                size += ask.request.size
        if self._requests and (self._requests + requests > self._max_requests or
                               self._bytes + size > self._max_bytes):
            for leg in legs:
                leg.give_up("overloaded", "max_requests or max_bytes are under way")
            return
        trip = _Trip(legs, self.loop.create_future(), began, timeout)
        self._requests += requests
        self._bytes += size
        timer = self.loop.call_at(deadline, self._out_of_time, trip, timeout)
        try:
            self._launch(trip)
            if trip.open:
                await trip.waiter
        finally:
            timer.cancel()
            self._requests -= requests
            self._bytes -= size
            if trip.open:  # cancelled
                self._abandon(trip, "cancelled", "")

    def _launch(self, trip: _Trip) -> None:
        now = self.loop.time()
        for leg in trip.legs:
            leg.arrived = trip.arrived
            leg.returned = Channel.board_again
            leg.tag = _Ride(trip)
        probes = []
        for leg in trip.legs:
            health = leg.server.health
            if not health.admit(now):
                leg.give_up("server_down", health.why_down(now))
            elif health.down:
                probes.append(leg)
        for leg in trip.legs:
            if leg.open:
                leg.tag.channel = self._channel_to(leg.server, leg in probes)
                leg.tag.channel.board(leg)

    def _channel_to(self, server: Server, is_probe: bool) -> Channel:
        channels = self._channels.setdefault(server, [])
        if is_probe:
            # What stands still on an old connection tells nothing, and holds up whoever is behind.
            self._retire(channels)
            channels.clear()
        if len(channels) < self._connections and all(c.load() for c in channels):
            channels.append(Channel(self, server))
            return channels[-1]
        return channels[0] if len(channels) == 1 else min(channels, key=Channel.rank)

    def _abandon(self, trip: _Trip, code: str, why: str) -> None:
        for leg in trip.legs:
            if not leg.open:
                continue
            if leg.tag.channel is not None:
                leg.tag.channel.leave(leg, code, why)
            else:
                leg.give_up(code, why)

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

    def ended(self, server: Server, core: Any, replaced: bool, began: float) -> None:
        """A connection has failed."""
        says = server.ended(core, replaced, self.loop.time())
        if says == "failed":
            self.failed(server, *core.failure, began)
        elif says == "answered":
            self.answered(server)

    def answered(self, server: Server) -> None:
        if server.health.answered() and self._on_up is not None:
            self.loop.call_soon(self._on_up, server.name)

    def count_unclaimed(self, link: Link) -> None:
        self._unclaimed += link.line.core.unclaimed_errors

    def unclaimed_errors(self) -> int:
        return self._unclaimed + sum(link.line.core.unclaimed_errors for link in self.links)

    # --- the end

    def _all_channels(self) -> List[Channel]:
        """Those of servers that have left, and what a probe has replaced, as long as they live."""
        known = {c: None for channels in self._channels.values() for c in channels}
        known.update((link.channel, None) for link in self.links)
        return list(known)

    def retire(self, servers: Iterable[Server]) -> None:
        """These have left the list: their connections end when nobody uses them any more."""
        for server in servers:
            self._retire(self._channels.pop(server, ()))

    @staticmethod
    def _retire(channels: Iterable[Channel]) -> None:
        for channel in channels:
            channel.retiring = True
            if not channel.users():
                channel.close()

    def disconnect(self) -> None:
        for channel in self._all_channels():
            if not channel.users():
                channel.close()

    async def close(self) -> None:
        self._closing = True
        loop = asyncio.get_running_loop()
        if loop is not self.loop:
            return
        if self._calls:
            if self._drained is None:
                self._drained = loop.create_future()
            await asyncio.shield(self._drained)
        for channel in self._all_channels():
            channel.close()
        if self.links:
            await asyncio.wait([link.gone for link in self.links])

    def in_child(self) -> None:
        """After a fork: the parent's connections are not this process's."""
        parents = self.links
        self._begin_anew()
        self._closing = False
        self._drained = None
        _fork.let_go([link.descriptor() for link in parents])
