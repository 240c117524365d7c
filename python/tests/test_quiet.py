"""Calls that do not wait for their answers, through each face: they end when they are written, and
what goes wrong then is counted, and is nobody else's."""

from __future__ import annotations

import contextlib

import pytest

from faces import PATIENT
from memcxx import errors
from silent import AT_ONCE, Monotonous, SilentServer, seconds_of

#: verb, arguments, what it answers, how its lines begin in meta and in classic
CALLS = [
    ("store_raw", ("set", "k", b"v"), "stored", b"ms k", b"set k"),
    ("set_many_raw", ([("a", b"1", 0), ("b", b"2", 7)],), {}, b"ms b", b"set b"),
    ("delete", ("k",), True, b"md k", b"delete k"),
    ("delete_many", (["a", "b"],), {}, b"md b", b"delete b"),
    ("touch", ("k", 60), True, b"mg k", b"touch k"),
    ("incr", ("k", 2), None, b"ma k", b"incr k"),
    ("decr", ("k", 2), None, b"ma k", b"decr k"),
    ("flush_all", (), None, b"flush_all", b"flush_all"),
]


@pytest.fixture(params=["meta", "classic"])
def silent(request):
    with contextlib.closing(SilentServer(request.param)) as s:
        s.speaks = request.param
        yield s


@pytest.mark.parametrize("verb, arguments, answer, meta, classic", CALLS, ids=[c[0] for c in CALLS])
def test_a_quiet_call_returns_at_once(make, silent, verb, arguments, answer, meta, classic):
    c = make(silent.address)
    answers = []
    for _ in range(2):  # the second goes over the connection on which the first was not answered
        took = seconds_of(lambda: answers.append(getattr(c, verb)(*arguments, quiet=True)))
        assert took < AT_ONCE < PATIENT
    if verb == "flush_all":
        answer = {silent.address: True}
    assert answers == [answer, answer]
    assert silent.was_told(meta if silent.speaks == "meta" else classic)
    assert silent.connections == 1


def test_without_quiet_it_waits(make, silent):
    c = make(silent.address, timeout=0.2, max_failures=0)
    for verb, arguments, *_ in CALLS:
        try:
            found = list(getattr(c, verb)(*arguments).values())
        except errors.Error as e:
            found = [e]
        # asyncio's connection is shared, and is closed when nothing comes for as long
        assert {type(e) for e in found} <= {errors.Timeout, errors.ConnectionClosed} and found


@pytest.mark.parametrize("protocol", ["auto", "classic", "binary"])
def test_failures_of_quiet_calls_are_counted_and_are_nobody_elses(make, flush, protocol):
    c = make(flush, protocol=protocol)
    assert c.set_many_raw([("large", b"x" * (2 << 20), 0), ("k", b"v", 0)], quiet=True) == {}
    assert c.get_raw("k")[0] == b"v"
    assert c.get_raw("large") is None
    assert c.unclaimed_errors() == 1


@pytest.mark.parametrize("verb, arguments, answer, meta, classic", CALLS, ids=[c[0] for c in CALLS])
def test_what_a_server_refuses_is_counted(make, verb, arguments, answer, meta, classic):
    with contextlib.closing(Monotonous(b"SERVER_ERROR no\r\n")) as s:
        c = make(s.address)
        getattr(c, verb)(*arguments, quiet=True)
        assert c.get_raw("other") is None  # whose answer comes behind theirs
        assert c.unclaimed_errors() == (2 if "many" in verb else 1)


def test_a_miss_of_a_quiet_call_is_no_failure(make, flush):
    c = make(flush)
    assert c.touch("none", 5, quiet=True) is True
    assert c.incr("none", quiet=True) is None
    assert c.delete_many(["none", "nor-this"], quiet=True) == {}
    assert c.get("none") is None
    assert c.unclaimed_errors() == 0


def test_quiet_calls_are_done(make, flush4):
    c = make(flush4)
    keys = [f"key:{i}" for i in range(100)]
    assert c.set_many_raw([(k, b"1", 0) for k in keys], quiet=True) == {}
    for k in keys:
        c.incr(k, 2, quiet=True)
    assert {k: v[0] for k, v in c.get_many_raw(keys).items()} == {k: b"3" for k in keys}
    assert c.delete_many(keys[:50], quiet=True) == {}
    assert sorted(c.get_many_raw(keys)) == sorted(keys[50:])
    assert c.flush_all(quiet=True) == {s: True for s in flush4}
    assert c.get_many_raw(keys) == {}


def test_what_cannot_be_sent_is_told_all_the_same(make, flush):
    c = make(flush)
    failed = c.set_many_raw([("a b", b"1", 0), ("k", b"2", 0)], quiet=True)
    assert list(failed) == ["a b"] and isinstance(failed["a b"], errors.InvalidKey)
    failed = c.delete_many(["a b", "k"], quiet=True)
    assert list(failed) == ["a b"] and isinstance(failed["a b"], errors.InvalidKey)
    for verb in (c.touch, c.incr, c.decr):
        with pytest.raises(errors.InvalidKey):
            verb("a b", quiet=True)
    assert c.get_raw("k") is None


def test_a_server_that_cannot_be_reached_is_told_all_the_same(make, new_server):
    server = new_server()
    server.kill()
    c = make(server.address, max_failures=0)
    for verb in (c.touch, c.incr, c.decr):
        with pytest.raises(errors.ConnectFailed):
            verb("k", quiet=True)
    for failed in (c.delete_many(["k"], quiet=True), c.set_many_raw([("k", b"v", 0)], quiet=True),
                   c.flush_all(quiet=True)):
        assert [type(e) for e in failed.values()] == [errors.ConnectFailed]


def test_not_stored_is_false_for_many(make):
    # No memcached says so to a set, but proxies do.
    with contextlib.closing(Monotonous(b"NOT_STORED\r\n")) as s:
        c = make(s.address)
        assert c.set_many_raw([("a", b"1", 0), ("b", b"2", 0)]) == {"a": False, "b": False}
        assert c.set_many({"a": 1, "b": 2}) == {"a": False, "b": False}
        assert c.store_raw("set", "a", b"1") == "not_stored"


def test_many_more_than_are_in_flight_at_once(make, flush):
    c = make(flush)
    n = 20_000
    assert c.set_many_raw([(f"k{i}", b"%d" % i, 0) for i in range(n)], quiet=True) == {}
    assert c.get_many_raw([f"k{i}" for i in range(0, n, 999)]) == {
        f"k{i}": (b"%d" % i, 0, 0) for i in range(0, n, 999)}
