"""What the clients over Python's own sockets decide, written once for all of them: where a request
goes and where else, what is sent again, which reply is whose, when a server is left alone.

Passive: told what happened and when, it answers what to do next. The rules are those of the C++
engines (docs/design.md, docs/errors.md); replies are matched by the core's Connection.
Never here: sockets, waiting, threads, the clock.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any, Callable, Deque, Dict, Generator, Iterable, List, Optional, Sequence, Tuple

from . import _core, errors

NETWORK = frozenset({"resolve_failed", "connect_failed", "server_down", "connection_closed",
                     "protocol_error"})
CLOCK = frozenset({"timeout", "overloaded"})
ANSWER = frozenset({"miss", "not_stored", "exists", "not_a_number"})
SERVER = frozenset({"out_of_memory", "server_error", "client_error", "unattributed"})

#: beside reads that change nothing, what may be sent twice
_REPEATABLE = frozenset({"version", "ping"})

#: Connections end at the requests of others now and then, and rarely so often while one request
#: waits for its answer. At its own, a call would open one for each of them: after a few the rest
#: fails, or goes to other servers where it may.
_MOST_ENDS = 18
_COST_OF_OURS = 6


class Reply:
    """The last word to one request: an answer, or why there is none."""

    __slots__ = ("status", "value", "flags", "cas", "count", "text", "unsent", "extra", "server",
                 "misjudged", "bystander")

    def __init__(self, status: str, value: bytes = b"", flags: int = 0, cas: int = 0,
                 count: int = 0, text: bytes = b"", unsent: bool = False, extra: Any = None,
                 server: str = "", misjudged: bool = False, bystander: bool = False):
        self.status = status
        self.value = value
        self.flags = flags
        self.cas = cas
        self.count = count
        self.text = text
        self.unsent = unsent  # not one byte of the request was written
        self.extra = extra    # an item's attributes, or statistics
        self.server = server  # who was asked; empty: nobody
        self.misjudged = misjudged  # the server does not speak what it was taken for
        self.bystander = bystander  # the connection ended at another request, which is answered

    def error(self) -> errors.Error:
        text = self.text.decode("utf-8", "backslashreplace")
        return errors.exception_of(self.status, text, self.server, None)


class Ask:
    """One request of a call, until it has its reply. `key` is what it is routed by."""

    __slots__ = ("request", "key", "reply", "first", "elsewhere", "alone")

    def __init__(self, request: Optional[_core.Request], key: Any = None):
        self.request = request
        self.key = key
        self.reply: Reply = _PENDING
        self.first: Optional[Reply] = None           # the home's failure, while others are asked
        self.elsewhere: Optional[List[str]] = None   # servers that were not asked yet
        self.alone = False                           # asked again, in no run


_PENDING = Reply("cancelled")


class Leg:
    """The part of a call that goes to one server."""

    __slots__ = ("server", "quiet", "run", "asks", "waiting", "riding", "open", "reused", "heard",
                 "in_line", "each", "_again", "_resent", "_stood_by", "_failed", "_ends", "arrived",
                 "returned", "tag")

    def __init__(self, server: "Server", asks: Sequence[Ask], quiet: bool = False,
                 run: bool = False):
        self.server = server
        self.quiet = quiet                     # the caller does not wait for the answers
        self.run = run                         # plain gets that are answered together
        self.asks = asks
        self.waiting: Deque[Ask] = deque(asks)  # not submitted yet
        self.riding: Dict[int, Ask] = {}       # submitted, by number
        self.open = len(asks)                  # how many have no reply yet
        self.reused = False
        self.heard = False                     # the server has answered something
        self.in_line = False                   # gets were, or may have been, one classic line
        self.each = False                      # what is left is asked one by one
        self._again: List[Ask] = []
        self._resent = False
        self._stood_by = False                 # something goes again that was lost with another's
        self._failed = False                   # one had an error since the last connection ended
        self._ends = 0                         # of connections, at which something stood by
        self.arrived: Optional[Callable[["Leg"], None]] = None  # called when `open` gets 0
        self.returned: Optional[Callable[["Leg"], None]] = None  # … when something waits again
        self.tag: Any = None                   # the engine's

    def begin(self, reused: bool) -> None:
        """A connection was found; `reused`: it was open before, and may have died unnoticed."""
        self.reused = reused
        self.heard = False

    def settle(self, ask: Ask, reply: Reply) -> None:
        ask.reply = reply
        self.open -= 1
        if not self.open and self.arrived is not None:
            self.arrived(self)

    def answered(self, ask: Ask, reply: Reply) -> None:
        status = reply.status
        if status not in NETWORK and status not in CLOCK:
            self.heard = True
        closed = (status == "connection_closed"
                  and (reply.bystander or self._goes_again(reply.misjudged)))
        if closed or status == "unattributed":
            what = ask.request
            if ((closed and reply.unsent) or what.changes_nothing or what.verb in _REPEATABLE):
                if closed:
                    self._again.append(ask)
                    self._stood_by = self._stood_by or reply.bystander
                else:
                    self._ask_alone(ask)
                return
        if not reply.bystander and status != "ok" and status not in ANSWER:
            self._failed = True
        self.settle(ask, reply)

    def _goes_again(self, misjudged: bool) -> bool:
        """After a connection was closed, may what changes nothing be sent over a fresh one? When
        that was at another request (Reply.bystander), as often as _MOST_ENDS says. Else once; and
        where several gets were one line, of which the server said nothing at all, once more, each
        by itself: some servers close at a line of which one key is missing."""
        return (((self.reused or misjudged) and not self._resent)
                or (self.in_line and not self.heard and not self.each))

    def _ask_alone(self, ask: Ask) -> None:
        """A read that stayed silent beside errors that named nobody."""
        ask.alone = True
        self.waiting.append(ask)
        if len(self.waiting) == 1 and self.returned is not None:
            self.returned(self)

    def lost(self, code: str, why: str, misjudged: bool = False, at_answer: bool = False) -> bool:
        """The connection failed, and its requests in flight were told so. True: what is left may be
        sent once more, over a fresh connection. False: the leg is done. `misjudged`: its server
        does not speak what it was taken for; `at_answer`: it ended at what the server answered."""
        if not self.open:
            return False
        self.waiting.extendleft(reversed(self._again))
        self._again.clear()
        ours = at_answer and self.heard and len(self.waiting) != 0
        stood_by, at_ours = self._stood_by or ours, self._failed
        self._stood_by = self._failed = False
        if stood_by and self._ends < _MOST_ENDS:
            self._ends += _COST_OF_OURS if at_ours else 1
            return True
        if code == "connection_closed" and self._goes_again(misjudged):
            self.each = self.each or self._resent or not (self.reused or misjudged)
            self._resent = True
            return True
        self.give_up(code, why)
        return False

    def give_up(self, code: str, why: str) -> None:
        """Whatever has no reply gets this one."""
        text = why.encode()
        server = self.server.name
        unsent = self.waiting
        self.waiting = deque()
        unsent.extendleft(reversed(self._again))
        self._again.clear()
        riding = self.riding
        self.riding = {}
        for ask in unsent:
            self.settle(ask, Reply(code, text=text, unsent=True, server=server))
        for ask in riding.values():
            self.settle(ask, Reply(code, text=text, server=server))

    def finish_unanswered(self) -> None:
        """Of a quiet call: what was submitted counts as done."""
        riding = self.riding
        self.riding = {}
        for ask in riding.values():
            self.settle(ask, Reply("ok", server=self.server.name))


class Line:
    """A core Connection, and whose the requests are that are on their way over it. `opening`: the
    core's Negotiation that it is part of."""

    def __init__(self, server: "Server", settings: Dict[str, Any], now: float, opening: Any = None):
        self.server = server
        self.core = _core.Connection(settings["protocol"], settings["max_value_size"],
                                     settings["check_keys"], opening, now)
        self.guessed = False  # taken for classic, and not asked
        self._legs: Dict[int, Leg] = {}
        self._last = 0

    def is_out_of_date(self, now: float) -> bool:
        """What the server was taken for is to be asked anew, over another connection."""
        return self.guessed and not self.server.memory.takes_for_classic(now)

    def asks_apart(self, leg: Leg) -> bool:
        """What is left of it is asked key by key, each with nothing else in flight: nobody else may
        board before it is through."""
        left = leg.waiting[0] if leg.waiting else next(iter(leg.riding.values()), None)
        return left is not None and (left.alone or leg.each) and self.core.speaks == "classic"

    def fill(self, leg: Leg) -> None:
        """Submits as much of the leg as there is room for."""
        core = self.core
        waiting = leg.waiting
        classic = core.speaks == "classic"
        if classic and leg.run and not leg.each:
            leg.in_line = True
        while waiting and core.has_room and not core.failed:
            ask = waiting[0]
            # In classic a reply does not tell what it answers: an error among others would be
            # nobody's again.
            alone = ask.alone or leg.each
            if alone and classic and core.in_flight:
                break
            waiting.popleft()
            number = self._number()
            try:
                core.send(number, ask.request, leg.run and not alone)
            except errors.Error as why:  # the protocol cannot carry it; no server was asked
                leg.settle(ask, Reply(why.code, text=why.message.encode(), unsent=True))
                continue
            self._legs[number] = leg
            leg.riding[number] = ask
        if leg.run:
            core.fence()

    def _number(self) -> int:
        number = self._last
        while True:
            number = number + 1 if number < 0xFFFFFFFF else 1
            if number not in self._legs:
                self._last = number
                return number

    def deliver(self, responses: Iterable[Tuple]) -> None:
        """Gives the core's responses to the legs."""
        server = self.server.name
        for number, status, value, flags, cas, count, text, unsent, extra, misjudged, \
                bystander in responses:
            leg = self._legs.pop(number, None)
            if leg is None:
                continue
            ask = leg.riding.pop(number)
            leg.answered(ask, Reply(status, value, flags, cas, count, text, unsent, extra, server,
                                    misjudged, bystander))

    def forget(self, leg: Leg) -> None:
        """Nobody waits for the leg's replies any more: they are read, and dropped."""
        for number in leg.riding:
            del self._legs[number]
            self.core.forget(number)


class _Record:
    """What a Health knows at a moment. It does not change: another follows it, and only one."""

    __slots__ = ("down", "incidents", "last_incident", "backoff", "next_try", "trying_since", "why",
                 "_then")

    def __init__(self) -> None:
        self.down = False
        self.incidents = 0
        self.last_incident = float("-inf")
        self.backoff = 0.0
        self.next_try = 0.0
        self.trying_since: Optional[float] = None
        self.why = ""
        self._then: Dict[str, _Record] = {}

    def copy(self) -> "_Record":
        other = _Record()
        for name in _RECORDED:
            setattr(other, name, getattr(self, name))
        return other

    def wait(self, now: float, backoff: float) -> None:
        self.backoff = backoff
        self.next_try = now + backoff * random.uniform(0.75, 1.25)

    def latest(self) -> "_Record":
        record = self
        while record._then:
            record = record._then["then"]
        return record

    def follow(self, new: "_Record") -> bool:
        """Whether `new` follows this one; no, when another was first. One operation: threads may
        race, and an exception out of a signal handler comes before it or after it."""
        return self._then.setdefault("then", new) is new


_RECORDED = tuple(name for name in _Record.__slots__ if name != "_then")


class Health:
    """When a server is left alone: docs/clusters.md, "When a server counts as down".

    Failures in a row, of which those that overlap in time count once, mark it down; then one call
    in a while tries it, after retry_min, twice as long, … up to retry_max, each varied by up to a
    quarter.
    """

    def __init__(self, settings: Dict[str, Any]):
        self._most = settings["max_failures"]
        self._retry_min = settings["retry_min"]
        self._retry_max = settings["retry_max"]
        self._record = _Record()

    def _now(self) -> _Record:
        record = self._record
        if record._then:
            record = self._record = record.latest()
        return record

    @property
    def down(self) -> bool:
        return self._now().down

    @property
    def spotless(self) -> bool:
        record = self._now()
        return not record.down and record.incidents == 0

    def admit(self, now: float) -> bool:
        """May a call that begins now use the server?"""
        record = self._now()
        if not record.down:
            return True
        if now < record.next_try:
            return False
        new = record.copy()
        new.trying_since = now
        new.wait(now, min(record.backoff * 2, self._retry_max))
        return record.follow(new)

    def failed(self, why: str, began: float, now: float) -> bool:
        """A call that began at `began` got no connection, or no answer. True: it went down."""
        if self._most == 0:
            return False
        while True:
            record = self._now()
            new = record.copy()
            went_down = self._count(new, why, began, now)
            if record.follow(new):
                return went_down

    def _count(self, record: _Record, why: str, began: float, now: float) -> bool:
        record.why = why
        if record.down:
            if record.trying_since is not None and began >= record.trying_since:
                record.trying_since = None
                record.wait(now, record.backoff)
            return False
        if began >= record.last_incident:
            record.incidents += 1
            record.last_incident = now
        if record.incidents < self._most:
            return False
        record.down = True
        record.trying_since = None
        record.wait(now, self._retry_min)
        return True

    def answered(self) -> bool:
        """The server answered. True: it came up."""
        while True:
            record = self._now()
            if not record.down and record.incidents == 0:
                return False
            new = record.copy()
            new.incidents = 0
            new.down = False
            new.trying_since = None
            if record.follow(new):
                return record.down

    def why_down(self, now: float) -> str:
        record = self._now()
        return f"{record.why}; tried again in {max(0, round((record.next_try - now) * 1000))}ms"


class Server:
    """What is known of one server. `port` is None for a unix socket, whose path `host` is."""

    def __init__(self, name: str, settings: Dict[str, Any]):
        self.name, self.host, self.port = _core.parse_server(name)
        self.health = Health(settings)
        self.memory = _core.ProtocolMemory()
        self.left = False  # the client's list of servers

    def ended(self, core: Any, replaced: bool, now: float) -> str:
        """A connection has failed: what that says of the server, and is to be heeded. "nothing",
        "failed" or "answered". `replaced`: a fresh connection will tell more."""
        if core.retry_as_classic:
            self.memory.refused_meta(now)
        says = core.says
        return "nothing" if replaced and says == "failed" else says


#: what a client yields: legs to be brought to an end; it is sent whether there is time left
Steps = Generator[List[Leg], bool, Any]


class Router:
    """The servers of a client, and where the requests of a call go."""

    def __init__(self, core: _core.Client):
        self.core = core
        self.settings = core.settings()
        self._refuse_what_is_not_here()
        self.servers: Dict[str, Server] = {}  # those that were asked, or are about to be

    def _refuse_what_is_not_here(self) -> None:
        s = self.settings
        for option, wanted in (("failover=gutter", s["gutter"]), ("replicas", s["replicas"] > 1),
                               ("flush_on_reconnect", s["flush_on_reconnect"]),
                               ("max_failure_rate", s["max_failure_rate"] > 0),
                               ("drivers other than the network", not s["network"])):
            if wanted:
                raise errors.NotSupported(f"{option}: not over Python's sockets (aio, green)")

    def forget_servers(self) -> None:
        """Nothing is known of any server, and no engine has anything to do with them."""
        self.servers = {}

    def change(self, edit: Callable[..., None], *args: Any) -> List[Server]:
        """Changes the core's list of servers; returns those that have left."""
        edit(*args)
        stay = set(self.core.servers())
        gone = [server for name, server in list(self.servers.items()) if name not in stay]
        for server in gone:
            server.left = True
            self.servers.pop(server.name, None)
        return gone

    def server(self, name: str) -> Server:
        found = self.servers.get(name)
        if found is None:
            found = self.servers.setdefault(name, Server(name, self.settings))
        return found

    # --- one call

    def by_key(self, asks: Sequence[Ask], quiet: bool = False, run: bool = False) -> Steps:
        """Each request to the server of its key; where failover says so, on to the next."""
        legs = self._deal(asks, quiet, run)
        while legs:
            in_time = yield legs
            legs = self._elsewhere(legs, in_time)
        if self.settings["errors_are_misses"]:
            for ask in asks:
                _as_miss(ask)

    def everywhere(self, make: Callable[[], _core.Request], quiet: bool = False) -> Steps:
        """A request for every server; returns [(name, reply), …]."""
        asks = {name: Ask(make()) for name in self.core.servers()}
        yield [Leg(self.server(name), (ask,), quiet) for name, ask in asks.items()]
        return [(name, ask.reply) for name, ask in asks.items()]

    def _deal(self, asks: Sequence[Ask], quiet: bool, run: bool) -> List[Leg]:
        which = self.core.which
        if len(asks) == 1:
            return [Leg(self.server(which(asks[0].key)), asks, quiet)]
        names = self.core.servers()
        if len(names) == 1:
            return [Leg(self.server(names[0]), asks, quiet, run)] if asks else []
        groups: Dict[str, List[Ask]] = {}
        for ask in asks:
            groups.setdefault(which(ask.key), []).append(ask)
        return [Leg(self.server(name), group, quiet, run and len(group) > 1)
                for name, group in groups.items()]

    def _elsewhere(self, legs: Sequence[Leg], in_time: bool) -> List[Leg]:
        if len(legs) == 1 and len(self.core.servers()) == 1:
            return []
        groups: Dict[Tuple[str, bool], List[Ask]] = {}
        for leg in legs:
            for ask in leg.asks:
                name = self._next_place(ask) if _may_go_elsewhere(ask) else None
                if name is not None and in_time:
                    groups.setdefault((name, leg.quiet), []).append(ask)
                elif ask.first is not None and _is_failure(ask.reply):
                    ask.reply = ask.first  # nobody answered: the home's failure is told
        return [Leg(self.server(name), group, quiet) for (name, quiet), group in groups.items()]

    def _next_place(self, ask: Ask) -> Optional[str]:
        if ask.elsewhere is None:
            ask.elsewhere = self.core.places(ask.key)[1:]
            ask.first = ask.reply
        return ask.elsewhere.pop(0) if ask.elsewhere else None


def _is_failure(reply: Reply) -> bool:
    return reply.status in NETWORK or reply.status in CLOCK or reply.status in SERVER


def _may_go_elsewhere(ask: Ask) -> bool:
    """The server could not be reached, or did not answer a read. Never with a cas token: it is of
    one server, and may be the number of something else on another."""
    reply = ask.reply
    out_of_reach = reply.status in NETWORK or (reply.status == "timeout" and reply.unsent)
    if not out_of_reach:
        return False
    what = ask.request
    return what.cas == 0 and (reply.unsent or what.changes_nothing)


def _as_miss(ask: Ask) -> None:
    """on_error=miss: failures of server, network and clock turn into misses."""
    reply = ask.reply
    if _is_failure(reply) or (reply.status == "value_too_large" and reply.server):
        ask.reply = Reply("miss", server=reply.server)
