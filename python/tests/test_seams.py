"""What lies between a client and a healthy server, through each face: connections that end while
idle, proxies that refuse a verb or lose a backend, balancers, answers that do not come to an end.
None of it takes the server away."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

from faces import PATIENT
from memcxx import aio, errors
from test_faults import key_of, lines, old_answer, value

GET = b"get"


def soon(what, limit=PATIENT):
    """The first answer of `what` that raises nothing."""
    deadline = time.monotonic() + limit
    while True:
        try:
            return what()
        except errors.Error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@pytest.fixture
def watched(make):
    """watched(address): a client for which one failure is enough, and what was told of servers."""
    def start(address, **options):
        told = []
        c = make(address, max_failures=1, retry_min=60, retry_max=60,
                 on_server_down=lambda name, why: told.append(str(why)), **options)
        return c, told
    return start


# --- connections that end while nobody uses them


@pytest.mark.parametrize("ends", ("at once", "at the next request"))
def test_an_idle_connection_that_was_closed_is_no_failure(watched, scripted, ends):
    def handle(s):
        reading = lines(s)
        s.sendall(value(key_of(next(reading)), b"here"))
        if ends == "at the next request":
            next(reading, None)
    server = scripted(handle)
    c, told = watched(server.address, protocol="classic")
    for n in range(1, 6):
        assert c.get_raw("k")[0] == b"here"
        assert server.connections == n
        time.sleep(0.06 if n % 2 else 0)
    assert told == []


def test_a_mutation_on_an_idle_connection_that_was_closed_is_no_failure_of_the_server(
        watched, scripted):
    def handle(s):
        reading = lines(s)
        s.sendall(value(key_of(next(reading)), b"here"))
        next(reading, None)
    c, told = watched(scripted(handle).address, protocol="classic")
    for _ in range(3):
        assert c.get_raw("k")[0] == b"here"
        with pytest.raises(errors.ConnectionClosed):  # executed, or not: the caller's to know
            c.incr("n")
    assert told == []


def test_a_connection_that_ends_in_the_middle_of_an_answer_is_one(watched, scripted):
    def handle(s):
        reading = lines(s)
        s.sendall(value(key_of(next(reading)), b"here")[:10])
    c, told = watched(scripted(handle).address, protocol="classic")
    with pytest.raises(errors.ConnectionClosed):
        c.get("k")
    with pytest.raises(errors.ServerDown):
        c.get("k")
    assert len(told) == 1


# --- verbs that end the connection


@pytest.mark.parametrize("verb", [
    lambda c: c.flush_all(), lambda c: c.verbosity(1), lambda c: c.stats(), lambda c: c.version(),
    lambda c: c.gat("k", 5), lambda c: c.touch("k", 5), lambda c: c.set("k", b"", ttl=-1),
], ids=("flush_all", "verbosity", "stats", "version", "gat", "touch", "a negative ttl"))
def test_a_verb_that_a_proxy_refuses_by_closing_says_nothing_about_health(watched, scripted, verb):
    def handle(s):
        for line in lines(s):
            if not line.startswith(GET):
                return
            s.sendall(value(key_of(line), b"here"))
    c, told = watched(scripted(handle).address, protocol="classic")
    for _ in range(3):
        assert c.get_raw("k")[0] == b"here"
        try:
            [found] = verb(c).values()
            assert isinstance(found, errors.ConnectionClosed)
        except errors.ConnectionClosed:
            pass
        assert c.get_raw("k")[0] == b"here"
    assert told == []


# --- a proxy of which a backend is away


def proxied(line: bytes, alone: bytes) -> bytes:
    """The answer to a get: "dead…" are behind the backend that is away, "miss…" are not stored."""
    keys = line.split()[1:]
    out = b""
    for key in keys:
        if key.startswith(b"dead"):
            if len(keys) == 1:
                return alone
            out += b"SERVER_ERROR backend failure\r\n"
        elif not key.startswith(b"miss"):
            out += value(key, b"of " + key)[:-5]
    return out + b"END\r\n"


@pytest.mark.parametrize("alone", (b"SERVER_ERROR backend failure\r\n",
                                   b"SERVER_ERROR backend failure\r\nEND\r\n"),
                         ids=("no END", "END"))
@pytest.mark.parametrize("misses", (0, 5))
def test_only_the_keys_of_the_backend_that_is_away_fail(make, scripted, alone, misses):
    def handle(s):
        for line in lines(s):
            s.sendall(proxied(line, alone) if line.startswith(GET) else old_answer(line))
    server = scripted(handle)
    c = make(server.address, protocol="classic")
    keys = [f"{kind}{n}" for n in range(11) for kind, many in
            (("dead", 11), ("good", 9 - misses), ("miss", misses)) if n < many]
    assert len(keys) == 20
    for _ in range(3):
        found = c.get_many_raw(keys, errors_too=True)
        assert sorted(k for k, v in found.items() if isinstance(v, errors.ServerError)) == sorted(
            k for k in keys if k.startswith("dead"))
        assert {k: v[0] for k, v in found.items() if not isinstance(v, Exception)} == {
            k: b"of " + k.encode() for k in keys if k.startswith("good")}
        assert c.get_raw("good")[0] == b"of good"
        assert c.get_raw("miss") is None
    with pytest.raises(errors.ServerError):
        c.get_many(keys)


def meta_answer(line: bytes) -> bytes:
    """Of a server with meta commands; "dead…" and "miss…" as above."""
    word, *rest = line.split()
    flags = b"".join(b" " + f for f in rest[1:] if f[:1] in b"kO")
    if word == b"mn":
        return b"MN\r\n"
    if word == b"version":
        return b"VERSION 1.6.18\r\n"
    if word == b"ms":
        return b"NS\r\n"
    if word == b"get":
        return proxied(line, b"SERVER_ERROR backend failure\r\n")
    key = rest[0]
    if key.startswith(b"dead"):
        return b"SERVER_ERROR backend failure\r\n"
    if key.startswith(b"miss"):
        return b"" if b"q" in rest[1:] else b"EN\r\n"
    flags = b"".join({b"k": b" k" + key, b"f": b" f0", b"c": b" c5"}.get(f[:1], b" " + f)
                     for f in rest[1:] if f[:1] in (b"k", b"f", b"c", b"O"))
    data = b"of " + key
    return b"VA %d%s\r\n%s\r\n" % (len(data), flags, data)


def serve_meta(s):
    skip = 0
    for line in lines(s):
        if skip:
            skip -= 1
            continue
        if line.startswith(b"ms "):
            skip = 1
        s.sendall(meta_answer(line))


def test_reads_that_stayed_silent_beside_an_error_are_asked_again(make, scripted):
    c = make(scripted(serve_meta).address, protocol="meta")
    keys = [f"{kind}{n}" for n in range(100) for kind in ("good", "miss")] + ["dead"]
    for _ in range(2):
        found = c.get_many_raw(keys, errors_too=True)
        assert isinstance(found.pop("dead"), errors.ServerError)
        assert {k: v[0] for k, v in found.items()} == {
            k: b"of " + k.encode() for k in keys if k.startswith("good")}
        assert c.get_raw("good")[0] == b"of good"


def test_a_line_that_a_server_closes_at_without_a_word_is_asked_key_by_key(make, scripted):
    lengths = []

    def handle(s):
        for line in lines(s):
            keys = line.split()[1:]
            lengths.append(len(keys))
            if len(keys) > 1 and any(k.startswith(b"miss") for k in keys):
                return
            s.sendall(proxied(line, b""))
    c = make(scripted(handle).address, protocol="classic", max_failures=0)
    keys = ["good1", "miss1", "good2", "miss2"]
    for _ in range(2):
        found = c.get_many_raw(keys)
        assert {k: v[0] for k, v in found.items()} == {"good1": b"of good1", "good2": b"of good2"}
        assert c.get_raw("good")[0] == b"of good"
    assert lengths.count(1) == 2 * (4 + 1)


# --- a balancer


class Balancer:
    """Leads to a server, if that is said to be there; else it accepts, and closes."""

    def __init__(self, scripted, server):
        self.is_there = True
        self._server = server
        self._pairs = []
        self.address = scripted(self._serve).address

    def _serve(self, s):
        if not self.is_there:
            return
        with self._server.connect() as behind:
            pair = (s, behind)
            self._pairs.append(pair)
            there = threading.Thread(target=self._pass_on, args=pair, daemon=True)
            there.start()
            self._pass_on(behind, s)
            there.join()

    def _pass_on(self, this, that):
        try:
            while True:
                data = this.recv(65536)
                if not data:
                    break
                that.sendall(data)
        except OSError:
            pass
        for s in (this, that):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def leave(self):
        self.is_there = False
        for pair in self._pairs:
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self._pairs.clear()


@pytest.mark.parametrize("away", (0.05, 0.5))
def test_a_balancer_with_nobody_behind_it_for_a_moment(make, scripted, new_server, away):
    balancer = Balancer(scripted, new_server())
    c = make(balancer.address, max_failures=0)
    assert c.set("k", "before")
    assert c.incr("first", initial=1) == 1
    balancer.leave()
    deadline = time.monotonic() + away
    while time.monotonic() < deadline:
        for call in (lambda: c.get("k"), lambda: c.incr("n", initial=7), lambda: c.set("l", 1)):
            with pytest.raises(errors.NetworkError):  # never the caller's
                call()
    balancer.is_there = True
    begun = time.monotonic()
    assert soon(lambda: c.incr("n", initial=7)) == 7
    assert time.monotonic() - begun < PATIENT / 3  # 2 s, and a loaded machine's time
    assert c.get("k") == "before"
    assert c.get_item("k", ttl=True)[1]["ttl"] == -1
    assert c.set("l", 2) and c.get("l") == 2


def test_what_a_server_was_taken_for_is_asked_anew(make, scripted):
    """At first it closes at the question, as a proxy does; then another takes its place."""
    classic = True
    questions = []

    def handle(s):
        if not classic:
            serve_meta(s)
            return
        for line in lines(s):
            if not line.startswith(GET):
                questions.append(line)
                return
            s.sendall(proxied(line, b"END\r\n"))
    server = scripted(handle)
    c = make(server.address, max_failures=0)
    assert c.get_raw("k")[0] == b"of k"
    asked = len(questions)
    for _ in range(20):
        with pytest.raises(errors.NotSupported):  # classic has no such thing
            c.get_item("k", ttl=True)
        assert c.get_raw("k")[0] == b"of k"
    assert len(questions) == asked == 2
    classic = False
    # What is refused here is no answer, and does not make the guess last.
    assert soon(lambda: c.get_item("k", ttl=True))[0] == b"of k"


# --- answers that do not come to an end (asyncio: calls share connections)


def dripping(asked):
    """A server of which "slow" is answered a byte at a time, without an end."""
    def handle(s):
        for line in lines(s):
            if key_of(line) == b"slow":
                asked.set()
                s.sendall(b"VALUE slow 0 10000000\r\n")
                while True:
                    s.sendall(b"x")
                    time.sleep(0.005)
            s.sendall(value(key_of(line), b"of " + key_of(line)))
    return handle


def with_a_drip(scripted, then, **options):
    """`then(client, server)`, after a call for what never ends was given up."""
    asked = threading.Event()
    server = scripted(dripping(asked))

    async def main():
        options.setdefault("timeout", PATIENT)
        async with aio.Client(server.address, protocol="classic", connect_timeout=PATIENT,
                              **options) as c:
            leaves = asyncio.ensure_future(c.within(PATIENT).get("slow"))
            await asyncio.get_running_loop().run_in_executor(None, asked.wait, PATIENT)
            leaves.cancel()
            await asyncio.sleep(0)
            await then(c, server)
            server.close()
    asyncio.run(main())


def test_others_go_beside_what_was_left_behind(scripted):
    async def then(c, server):
        small = [f"k{n}" for n in range(59)]
        found = await asyncio.gather(*(c.within(PATIENT / 3).get_raw(k) for k in small))
        assert [f[0] for f in found] == [b"of " + k.encode() for k in small]
        for k in small:
            assert (await c.within(PATIENT / 3).get_raw(k))[0] == b"of " + k.encode()
        assert server.connections <= 4
    with_a_drip(scripted, then, connections=4)


def test_a_connection_that_completes_no_reply_ends(scripted):
    async def then(c, server):
        small = [f"k{n}" for n in range(59)]
        found = await asyncio.gather(*(c.within(PATIENT).get_raw(k) for k in small))
        assert [f[0] for f in found] == [b"of " + k.encode() for k in small]
        assert server.connections == 2
    with_a_drip(scripted, then, timeout=0.4)


def test_one_call_that_waits_in_vain_is_one_failure(scripted):
    def handle(s):
        for n, line in enumerate(lines(s)):
            if n:
                time.sleep(PATIENT)
            s.sendall(value(key_of(line), b"v"))
    server = scripted(handle)

    async def main():
        async with aio.Client(server.address, protocol="classic", timeout=0.1, max_failures=2,
                              connect_timeout=PATIENT, retry_min=30, retry_max=30) as c:
            assert (await c.get_raw("a"))[0] == b"v"
            with pytest.raises(errors.Timeout):
                await c.get_raw("b")
            await asyncio.sleep(0.3)  # the connection has ended for its silence
            assert (await c.get_raw("c"))[0] == b"v"
            assert server.connections == 2
    asyncio.run(main())


def test_a_slow_reply_that_somebody_waits_for_may_take_its_time(scripted):
    def handle(s):
        for line in lines(s):
            for byte in value(key_of(line), b"of " + key_of(line)):
                s.sendall(bytes([byte]))
                time.sleep(0.02)
    server = scripted(handle)

    async def main():
        async with aio.Client(server.address, protocol="classic", timeout=0.1,
                              connect_timeout=PATIENT) as c:
            assert (await c.within(PATIENT).get_raw("k"))[0] == b"of k"
            assert server.connections == 1
    asyncio.run(main())


def test_a_probe_has_a_connection_of_its_own(scripted):
    async def then(c, server):
        with pytest.raises(errors.Timeout):
            await c.within(0.05).get("k0")  # behind what drips: that marks it down
        deadline = time.monotonic() + PATIENT
        while True:
            try:
                assert (await c.within(PATIENT / 3).get_raw("k1"))[0] == b"of k1"
                break
            except errors.ServerDown:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
        assert server.connections == 2
        assert (await c.within(PATIENT / 3).get_raw("k2"))[0] == b"of k2"
    with_a_drip(scripted, then, max_failures=1, retry_min=0.05)
