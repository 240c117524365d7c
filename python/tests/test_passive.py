"""The rules that the asyncio client and the green client share, without a socket or a clock."""

from __future__ import annotations

import pytest

from memcxx import _core, errors
from memcxx._dial import Dial
from memcxx._passive import Ask, Leg, Line, Reply, Router, Server
from silent import FIRST_ANSWERS

SETTINGS = _core.Client("a").settings()


def router(uri="10.0.0.1,10.0.0.2,10.0.0.3"):
    return Router(_core.Client(uri))


def step(steps, in_time=True, first=False):
    """(legs, None), or (None, what the steps return)."""
    try:
        return (next(steps) if first else steps.send(in_time)), None
    except StopIteration as end:
        return None, end.value


def answer(leg, status="ok", **more):
    while leg.waiting:
        leg.settle(leg.waiting.popleft(), Reply(status, server=leg.server.name, **more))


def test_each_request_goes_to_its_keys_server():
    r = router()
    asks = [Ask(r.core.request("get", f"k{n}"), f"k{n}") for n in range(50)]
    steps = r.by_key(asks, run=True)
    legs, _ = step(steps, first=True)
    assert {leg.server.name for leg in legs} == set(r.core.servers())
    for leg in legs:
        assert leg.run
        assert all(r.core.which(ask.key) == leg.server.name for ask in leg.asks)
        answer(leg)
    assert step(steps) == (None, None)
    assert all(ask.reply.status == "ok" for ask in asks)


def lone(uri="10.0.0.1", verb="get", **parts):
    r = router(uri)
    return r, Ask(r.core.request(verb, "k", **parts), "k")


@pytest.mark.parametrize("verb,parts,repeats", [
    ("get", {}, True), ("version", {}, True), ("ping", {}, True), ("debug", {}, True),
    ("set", {"value": b"v"}, False), ("add", {"value": b"v"}, False), ("incr", {}, False),
    ("remove", {}, False), ("touch", {}, False), ("gat", {}, False), ("flush", {}, False)])
def test_what_was_written_is_sent_again_only_if_it_changes_nothing(verb, parts, repeats):
    r, ask = lone(verb=verb, **parts)
    for reused in (True, False):
        leg = Leg(r.server("10.0.0.1:11211"), (ask,))
        leg.begin(reused)
        leg.waiting.popleft()
        leg.answered(ask, Reply("connection_closed", text=b"gone"))
        again = leg.lost("connection_closed", "gone")
        assert again is (repeats and reused)
        assert leg.open == (1 if again else 0)
        if again:  # once, and no more
            leg.begin(True)
            leg.waiting.popleft()
            leg.answered(ask, Reply("connection_closed", text=b"gone"))
            assert leg.lost("connection_closed", "gone") is False
        assert ask.reply.status == "connection_closed"


def test_what_was_not_written_is_sent_again_whatever_it_is():
    r, ask = lone(verb="incr")
    leg = Leg(r.server("10.0.0.1:11211"), (ask,))
    leg.begin(True)
    leg.waiting.popleft()
    leg.answered(ask, Reply("connection_closed", unsent=True))
    assert leg.lost("connection_closed", "gone") and list(leg.waiting) == [ask]
    leg.give_up("timeout", "too late")
    assert ask.reply.status == "timeout" and ask.reply.unsent and leg.open == 0


@pytest.mark.parametrize("code", ["timeout", "protocol_error"])
def test_only_a_connection_that_was_closed_is_tried_again(code):
    r, ask = lone()
    leg = Leg(r.server("10.0.0.1:11211"), (ask,))
    leg.begin(True)
    leg.waiting.popleft()
    leg.answered(ask, Reply(code))
    assert leg.lost(code, "why") is False and ask.reply.status == code


def test_what_met_another_protocol_than_it_was_made_for_goes_once_more():
    r, ask = lone()
    leg = Leg(r.server("10.0.0.1:11211"), (ask,))
    leg.begin(False)  # a fresh connection
    leg.waiting.popleft()
    leg.answered(ask, Reply("connection_closed", misjudged=True))
    assert leg.lost("connection_closed", "no meta", misjudged=True) and list(leg.waiting) == [ask]
    leg.begin(False)
    leg.waiting.popleft()
    leg.answered(ask, Reply("connection_closed", misjudged=True))
    assert not leg.lost("connection_closed", "no meta", misjudged=True)
    assert ask.reply.status == "connection_closed"


def run_of(many, verb="get"):
    r = router("10.0.0.1")
    asks = [Ask(r.core.request(verb, f"k{n}", want_cas=False), f"k{n}") for n in range(many)]
    return Leg(r.server("10.0.0.1:11211"), asks, run=True), asks


def test_reads_that_nobody_knows_about_are_asked_again_alone():
    leg, asks = run_of(3)
    returned = []
    leg.returned = returned.append
    leg.begin(False)
    leg.waiting.clear()
    for ask in asks:
        leg.answered(ask, Reply("unattributed"))
    assert list(leg.waiting) == asks and all(ask.alone for ask in asks) and leg.open == 3
    assert returned == [leg]  # once is enough
    leg, asks = run_of(1, "incr")
    leg.begin(False)
    leg.waiting.clear()
    leg.answered(asks[0], Reply("unattributed"))  # done or not: it is not done twice
    assert asks[0].reply.status == "unattributed" and not leg.waiting


def test_a_line_that_was_closed_at_is_asked_key_by_key_once():
    line, _, _ = talking(0)
    leg, asks = run_of(3)
    leg.begin(False)
    line.fill(leg)
    assert b"get k0 k1 k2\r\n" == line.core.output() and leg.in_line
    line.deliver(line.core.closed())
    assert leg.lost(*line.core.failure) and leg.each and leg.open == 3
    leg.begin(False)
    line, _, _ = talking(0)
    line.fill(leg)
    assert line.core.output() == b"get k0\r\n"  # one after the other: replies do not tell whose
    line.core.sent(8)
    line.deliver(line.core.received(b"END\r\n"))
    line.fill(leg)
    assert line.core.output() == b"get k1\r\n"
    line.deliver(line.core.closed())
    assert not leg.lost(*line.core.failure)
    assert [ask.reply.status for ask in asks] == ["miss", "connection_closed", "connection_closed"]


@pytest.mark.parametrize("verb,parts,status,unsent,moves", [
    ("get", {}, "connect_failed", True, True),
    ("get", {}, "server_down", True, True),
    ("get", {}, "connection_closed", False, True),
    ("get", {}, "timeout", True, True),
    ("get", {}, "timeout", False, False),
    ("get", {}, "miss", False, False),
    ("get", {}, "server_error", False, False),
    ("set", {"value": b"v"}, "connect_failed", True, True),
    ("set", {"value": b"v"}, "connection_closed", False, False),
    ("cas", {"value": b"v", "cas": 5}, "connect_failed", True, False),
    ("incr", {}, "connection_closed", True, True)])
def test_what_goes_elsewhere(verb, parts, status, unsent, moves):
    r, ask = lone("10.0.0.1,10.0.0.2,10.0.0.3?failover=next", verb, **parts)
    steps = r.by_key((ask,))
    (leg,), _ = step(steps, first=True)
    home = leg.server.name
    assert home == r.core.which("k")
    answer(leg, status, unsent=unsent)
    legs, _ = step(steps)
    assert bool(legs) is moves
    if not moves:
        assert ask.reply.status == status
        return
    places = r.core.places("k")
    assert places[0] == home and len(places) == 3 and legs[0].server.name == places[1]
    answer(legs[0], "connect_failed", unsent=True, text=b"the second")
    (leg,), _ = step(steps)
    assert leg.server.name == places[2]
    answer(leg, "connect_failed", unsent=True, text=b"the third")
    assert step(steps)[0] is None
    assert ask.reply.status == status and ask.reply.server == home  # the home's failure is told


def test_nothing_goes_elsewhere_without_failover_or_without_time():
    r, ask = lone("10.0.0.1,10.0.0.2")
    steps = r.by_key((ask,))
    (leg,), _ = step(steps, first=True)
    answer(leg, "connect_failed", unsent=True)
    assert step(steps)[0] is None and ask.reply.status == "connect_failed"
    r, ask = lone("10.0.0.1,10.0.0.2?failover=next")
    steps = r.by_key((ask,))
    (leg,), _ = step(steps, first=True)
    answer(leg, "connect_failed", unsent=True)
    assert step(steps, in_time=False)[0] is None and ask.reply.status == "connect_failed"


@pytest.mark.parametrize("status,server,then", [
    ("connect_failed", "s", "miss"), ("timeout", "s", "miss"), ("out_of_memory", "s", "miss"),
    ("value_too_large", "s", "miss"), ("value_too_large", "", "value_too_large"),
    ("not_supported", "", "not_supported"), ("exists", "s", "exists"), ("ok", "s", "ok")])
def test_failures_as_misses(status, server, then):
    r, ask = lone("10.0.0.1?on_error=miss")
    steps = r.by_key((ask,))
    (leg,), _ = step(steps, first=True)
    leg.settle(leg.waiting.popleft(), Reply(status, server=server))
    step(steps)
    assert ask.reply.status == then


# --- a server, by what its connections tell


def opening(server, now=0.0):
    dial = Dial(server, SETTINGS, now, now + 100.0, 100.0)
    dial.resolved([(2, "first"), (2, "second")])
    return dial


def next_line(dial, now=0.0):
    assert dial.next(now)[0] == (2, "first")  # it accepts: no other address would say more
    line = dial.line(now)
    line.core.open()
    return line, line.core.output()


def test_what_closes_at_the_question_and_answers_classic_is_taken_for_classic_for_a_while():
    server = Server("a", SETTINGS)
    dial = opening(server)
    line, asked = next_line(dial)
    assert b"mn\r\n" in asked
    line.core.closed()
    assert dial.judge(line, 0.0) == "again"
    kept, asked = next_line(dial)
    assert asked.startswith(b"get ")
    kept.core.received(b"END\r\n")
    assert dial.judge(kept, 0.0) == "keep_and_ask"
    line, asked = next_line(dial)
    assert b"mn\r\n" in asked  # it may just have been restarted
    line.core.closed()
    assert dial.judge(line, 0.0) == "use_kept"
    assert kept.guessed and not kept.is_out_of_date(0.5) and kept.is_out_of_date(60.0)
    # The next is not asked, until that is out of date.
    dial = opening(server, 0.5)
    line, asked = next_line(dial, 0.5)
    assert asked == b"" and line.core.ready and dial.judge(line, 0.5) == "use" and line.guessed
    line, asked = next_line(opening(server, 60.0), 60.0)
    assert b"mn\r\n" in asked


def test_what_was_only_restarted_is_asked_again():
    server = Server("a", SETTINGS)
    dial = opening(server)
    line, _ = next_line(dial)
    line.core.closed()
    assert dial.judge(line, 0.0) == "again"
    kept, _ = next_line(dial)
    kept.core.received(b"END\r\n")
    assert dial.judge(kept, 0.0) == "keep_and_ask"
    line, _ = next_line(dial)
    line.core.received(b"NS\r\nMN\r\nVERSION 1.6.18\r\n")
    assert line.core.speaks == "meta" and dial.judge(line, 0.0) == "use" and not line.guessed


def test_what_was_kept_will_do_when_no_other_can_be_opened():
    dial = opening(Server("a", SETTINGS))
    assert not dial.may_use_kept(0.0)
    line, _ = next_line(dial)
    line.core.closed()
    dial.judge(line, 0.0)
    kept, _ = next_line(dial)
    kept.core.received(b"END\r\n")
    dial.judge(kept, 0.0)
    dial.next(0.0)
    dial.not_connected("Connection refused")
    assert dial.may_use_kept(0.0) and kept.guessed


@pytest.mark.parametrize("another", (True, False))
def test_what_was_kept_and_was_closed_meanwhile_will_not_do(another):
    dial = opening(Server("a", SETTINGS))
    line, _ = next_line(dial)
    line.core.closed()
    dial.judge(line, 0.0)
    kept, _ = next_line(dial)
    kept.core.received(b"END\r\n")
    dial.judge(kept, 0.0)
    kept.core.closed()
    if another:
        line, _ = next_line(dial)
        line.core.closed()
        assert dial.judge(line, 0.0) == "give_up"
        assert dial.handshake_failed(line.core).code == "connect_failed"
    else:
        assert not dial.may_use_kept(0.0)


def test_a_server_that_closes_whatever_is_asked_gives_up_with_advice():
    dial = opening(Server("a", SETTINGS))
    line, _ = next_line(dial)
    line.core.closed()
    assert dial.judge(line, 0.0) == "again"
    line, _ = next_line(dial)
    line.core.closed()
    assert dial.judge(line, 0.0) == "give_up"
    why = dial.handshake_failed(line.core)
    assert why.code == "connect_failed" and "protocol=binary" in why.message


@pytest.mark.parametrize("replaced,says", [(False, "failed"), (True, "nothing")])
def test_an_end_in_the_middle_of_an_answer_is_a_failure_unless_a_fresh_connection_will_tell(
        replaced, says):
    line, _, _ = talking(1)
    line.core.received(b"VALUE k0 0 2\r\n")
    line.core.closed()
    assert line.server.ended(line.core, replaced, 0.0) == says


def test_an_end_of_what_was_idle_says_nothing():
    line, _, _ = talking(1)
    line.core.sent(len(line.core.output()))
    line.deliver(line.core.received(b"END\r\n"))
    ask = Ask(line.server and router().core.request("incr", "n"), "n")
    leg = Leg(line.server, (ask,))
    leg.begin(True)
    line.fill(leg)
    line.core.closed()
    assert line.server.ended(line.core, False, 0.0) == "nothing"


def test_what_nobody_waits_for_is_counted():
    line, legs, _ = talking(3)
    assert line.core.abandoned == 0
    line.forget(legs[1])
    assert line.core.abandoned == 1 and line.core.in_flight == 3
    line.core.sent(len(line.core.output()))
    line.deliver(line.core.received(b"END\r\nVALUE k1 0 50\r\nvvv"))
    assert line.core.replies == 1 and line.core.abandoned == 1


# --- a line: the core's Connection, and whose requests are on it


def talking(leg_count=1):
    r = router("10.0.0.1?protocol=classic")
    server = r.server("10.0.0.1:11211")
    line = Line(server, r.settings, 0.0)
    line.core.open()
    assert line.core.ready
    asks = [Ask(r.core.request("get", f"k{n}", want_cas=False), f"k{n}")
            for n in range(leg_count)]
    legs = [Leg(server, (ask,)) for ask in asks]
    for leg in legs:
        leg.begin(False)
        line.fill(leg)
    return line, legs, asks


def test_replies_find_their_legs_split_at_every_byte():
    stream = b"".join(b"VALUE k%d 0 2\r\nv%d\r\nEND\r\n" % (n, n) for n in range(4))
    for cut in range(len(stream) + 1):
        line, legs, asks = talking(4)
        line.core.sent(len(line.core.output()))
        line.deliver(line.core.received(stream[:cut]))
        line.deliver(line.core.received(stream[cut:]))
        assert [ask.reply.value for ask in asks] == [b"v0", b"v1", b"v2", b"v3"]
        assert not any(leg.open for leg in legs) and line.core.in_flight == 0


def test_what_is_forgotten_is_read_and_dropped_at_every_byte():
    stream = b"".join(b"VALUE k%d 0 2\r\nv%d\r\nEND\r\n" % (n, n) for n in range(4))
    for cut in range(len(stream) + 1):
        line, legs, asks = talking(4)
        line.core.sent(len(line.core.output()))
        line.deliver(line.core.received(stream[:cut]))
        line.forget(legs[1])
        legs[1].give_up("cancelled", "")
        line.deliver(line.core.received(stream[cut:]))
        assert [asks[n].reply.value for n in (0, 2, 3)] == [b"v0", b"v2", b"v3"]
        assert asks[1].reply.status in ("cancelled", "ok") and not line.core.failed
        assert line.core.in_flight == 0 and line.core.unclaimed_errors == 0


def test_what_was_not_sent_is_told_as_unsent():
    line, legs, asks = talking(2)
    first = len(b"get k0\r\n")
    line.core.sent(first)
    line.deliver(line.core.fail("connection_closed", "gone"))
    assert [ask.reply.unsent for ask in asks] == [False, True]
    assert line.core.failure == ("connection_closed", "gone")


def test_a_request_that_the_protocol_cannot_carry_has_no_server():
    r = router("10.0.0.1?protocol=classic")
    line = Line(r.server("10.0.0.1:11211"), r.settings, 0.0)
    line.core.open()
    ask = Ask(r.core.item_request("k", ttl=True), "k")
    leg = Leg(line.server, (ask,))
    line.fill(leg)
    assert leg.open == 0 and ask.reply.status == "not_supported" and ask.reply.server == ""
    assert isinstance(ask.reply.error(), errors.NotSupported)


def test_garbage_for_every_byte_of_an_answer_is_never_a_value():
    good = b"VALUE k0 0 2\r\nv0\r\nEND\r\n"
    for at in range(len(good)):
        for byte in (0, 10, 13, 32, 48, 57, 86, 255):
            bad = good[:at] + bytes([byte]) + good[at + 1:]
            line, _, asks = talking(1)
            line.core.sent(len(line.core.output()))
            line.deliver(line.core.received(bad))
            line.deliver(line.core.closed())
            reply = asks[0].reply
            changed = 14 <= at < 16 or at == 9  # value and flags are the server's to say
            if reply.status == "ok" and bad != good and not changed:
                assert at >= 18 and reply.value == b"v0"  # it had come whole before


def test_the_core_refuses_what_is_no_request():
    r = router()
    for bad in (lambda: r.core.request("no such verb", "k"), lambda: r.core.request("get", None),
                lambda: r.core.request("set", "k", value="text"),
                lambda: r.core.request("set", "k", value=b"", ttl="soon"),
                lambda: r.core.request("cas", "k", value=b"", cas=0),
                lambda: r.core.request("incr", "k", number=-1),
                lambda: _core.Connection("smtp"), lambda: _core.parse_server("a b"),
                lambda: Line(r.server("10.0.0.1:11211"), r.settings, 0.0).core.send(1, None)):
        with pytest.raises((errors.CallerError, TypeError, ValueError)):
            bad()
    line = Line(r.server("10.0.0.1:11211"), r.settings, 0.0)
    with pytest.raises(errors.InvalidArgument):  # the handshake is not over
        line.core.send(1, r.core.request("get", "k"))
    line.core.forget(99)  # nobody's
    assert line.core.received(b"") == []


def test_settings_are_those_of_the_core():
    s = _core.Client("a?timeout=250ms&max_failures=7&on_error=miss").settings()
    assert s["timeout"] == 0.25 and s["max_failures"] == 7 and s["errors_are_misses"] is True
    assert SETTINGS["protocol"] == "auto" and SETTINGS["pool_size"] == 32
    assert _core.parse_server("[::1]:5") == ("[::1]:5", "::1", 5)
    assert _core.parse_server("unix:/run/m.sock")[1:] == ("/run/m.sock", None)


# --- bystanders: of a connection that ended at another request, which has its outcome

REFUSED = b"CLIENT_ERROR not here\r\n"


def leg_of(*verbs):
    r = router("10.0.0.1")
    asks = [Ask(r.core.request(verb, f"k{n}", value=b"v" if verb == "set" else None), f"k{n}")
            for n, verb in enumerate(verbs)]
    return Leg(r.server("10.0.0.1:11211"), asks), asks


def ride(protocol, *legs, most=1 << 20):
    """These over a fresh connection, and what was written."""
    line = Line(legs[0].server, router(f"a?protocol={protocol}").settings, 0.0)
    line.core.open()
    if protocol == "meta":
        line.core.sent(len(line.core.output()))
        line.core.received(FIRST_ANSWERS["meta"])
    for leg in legs:
        leg.begin(False)
        line.fill(leg)
    written = line.core.output(most)
    line.core.sent(len(written))
    return line, written


def goes_again(line, leg):
    core = line.core
    assert core.failed
    return leg.lost(*core.failure, core.retry_as_classic, core.says == "answered")


@pytest.mark.parametrize("protocol, hit", [("classic", b"VALUE k0 0 1\r\nx\r\nEND\r\n"),
                                           ("meta", b"VA 1 f0 O1\r\nx\r\n")])
@pytest.mark.parametrize("closes", [False, True])
def test_behind_anothers_refusal_a_read_is_asked_again_and_again(protocol, hit, closes):
    leg, (ask,) = leg_of("get")
    for _ in range(10):
        other, (its,) = leg_of("gat" if closes else "incr")
        line, _ = ride(protocol, other, leg)
        line.deliver(line.core.closed() if closes else line.core.received(REFUSED))
        assert its.reply.status == ("connection_closed" if closes else "client_error")
        assert not its.reply.bystander and not goes_again(line, other)
        assert leg.open == 1 and goes_again(line, leg)
    line, _ = ride(protocol, leg)
    line.deliver(line.core.received(hit))
    assert ask.reply.value == b"x" and leg.open == 0


def test_behind_ones_own_refusal_what_changes_nothing_goes_again():
    leg, asks = leg_of("incr", "get", "incr", "get", "set", "get")
    line, _ = ride("meta", leg)
    line.deliver(line.core.received(REFUSED))
    assert goes_again(line, leg) and [ask.key for ask in leg.waiting] == ["k1", "k3", "k5"]
    assert [asks[n].reply.status for n in (0, 2, 4)] == ["client_error"] + ["connection_closed"] * 2
    line, written = ride("meta", leg)
    assert written.count(b"mg ") == 3 and b"ms " not in written and b"ma " not in written
    line.deliver(line.core.received(b"VA 1 f0 O1\r\nx\r\n"))
    line.deliver(line.core.closed())  # at nobody's request that is answered, of a fresh connection
    assert not goes_again(line, leg)
    assert [asks[n].reply.status for n in (1, 3, 5)] == ["ok"] + ["connection_closed"] * 2


def test_what_was_not_submitted_yet_goes_on_and_comes_to_an_end():
    leg, asks = leg_of(*["incr"] * 4099)  # 4096 are in flight at most
    for rounds in range(3):
        line, _ = ride("classic", leg)
        line.deliver(line.core.received(REFUSED))
        assert goes_again(line, leg) is (rounds == 0)
        if not leg.open:
            break
    assert rounds == 1 and not leg.open
    assert [n for n, ask in enumerate(asks) if ask.reply.status == "client_error"] == [0, 4096]


def test_at_its_own_a_few_times():
    leg, asks = leg_of(*["incr"] * 20)
    for left in (19, 18, 17, 0):
        line, _ = ride("classic", leg, most=len(b"incr k0 1\r\n"))  # what is behind stays unwritten
        line.deliver(line.core.received(REFUSED))
        assert goes_again(line, leg) is (left > 0) and leg.open == left
    assert [ask.reply.status for ask in asks] == ["client_error"] * 4 + ["connection_closed"] * 16


def test_at_others_not_for_ever():
    leg, (ask,) = leg_of("get")
    for rounds in range(19):
        line, _ = ride("meta", leg_of("incr")[0], leg)
        line.deliver(line.core.received(REFUSED))
        assert goes_again(line, leg) is (rounds < 18)
    assert ask.reply.status == "connection_closed"


def test_to_have_stood_by_counts_once():
    leg, asks = leg_of(*["get"] * 4099)  # some of them are not submitted either time
    line, _ = ride("classic", leg_of("incr")[0], leg)
    line.deliver(line.core.received(REFUSED))
    assert goes_again(line, leg) and leg.open == len(asks)
    line, _ = ride("classic", leg)
    line.deliver(line.core.closed())
    assert not goes_again(line, leg) and leg.open == 0
    assert {ask.reply.status for ask in asks} == {"connection_closed"}


def test_where_nothing_was_answered_nobody_stood_by():
    for reads in (["get"], ["get"] * 3):
        leg, asks = leg_of(*reads)
        line, _ = ride("classic", leg)
        line.deliver(line.core.closed())
        assert not goes_again(line, leg) and not any(ask.reply.bystander for ask in asks)
