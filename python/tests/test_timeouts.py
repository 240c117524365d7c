"""Time limits, through each face: which are taken, which are refused, and what is said of the one
that expired."""

from __future__ import annotations

import decimal
import fractions
import math
import socket
import time
from datetime import timedelta

import pytest

from faces import PATIENT
from memcxx import errors
from silent import hung

WRONG = [0, 0.0, -1, -0.001, math.nan, math.inf, -math.inf, 86_401, timedelta(0),
         timedelta(seconds=-1), timedelta(days=2), decimal.Decimal("1e999"),
         pytest.param(10**5000, id="10**5000"),  # too long for a float, and to be printed
         pytest.param(fractions.Fraction(10**400), id="Fraction")]
OPTIONS = ["timeout", "connect_timeout", "retry_min", "retry_max"]


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("value", WRONG, ids=str)
def test_a_limit_that_is_none_is_refused(make, name, value):
    with pytest.raises(errors.InvalidArgument, match=name):
        make("127.0.0.1:1", **{name: value})


@pytest.mark.parametrize("value", WRONG, ids=str)
def test_also_by_within(make, value):
    c = make("127.0.0.1:1")
    with pytest.raises(errors.InvalidArgument, match="timeout"):
        c.within(value)


@pytest.mark.parametrize("value", ["1", b"1", None, [1], True, object()],
                         ids=["str", "bytes", "None", "list", "bool", "object"])
def test_what_is_no_time_at_all(make, value):
    with pytest.raises(TypeError):
        make("127.0.0.1:1").within(value)


@pytest.mark.parametrize("text", ["0", "0ms", "-1s", "nan", "inf", "2d"])
def test_the_same_in_a_uri(make, text):
    with pytest.raises(errors.InvalidArgument):
        make(f"127.0.0.1:1?timeout={text}", timeout=None)


@pytest.mark.parametrize("value", [math.nan, math.inf, 0, -1, timedelta(0), timedelta(days=31)],
                         ids=str)
def test_how_long_a_gutter_keeps_its_items(value):
    import memcxx
    with pytest.raises(errors.InvalidArgument, match="gutter_ttl"):
        memcxx.Client("127.0.0.1:1", failover="gutter", gutter=["127.0.0.1:2"], gutter_ttl=value)


@pytest.mark.parametrize("value, seconds", [
    (2, 2.0), (0.25, 0.25), (timedelta(milliseconds=250), 0.25), (timedelta(minutes=1), 60.0),
    (decimal.Decimal("0.5"), 0.5), (86_400, 86_400.0), (0.0001, 0.001)], ids=str)
def test_a_limit_is_told_as_it_was_given(make, value, seconds):
    assert make("127.0.0.1:1", timeout=value).timeout == pytest.approx(seconds)
    c = make("127.0.0.1:1", timeout=3)
    assert c.within(value).timeout == pytest.approx(seconds)
    assert c.within(5).within(value).timeout == pytest.approx(seconds)
    assert c.timeout == 3


def test_a_timedelta_holds(make, scripted):
    c = make(scripted(lambda s: s.recv(1 << 16) and s.recv(1)).address,
             timeout=timedelta(milliseconds=200))
    begun = time.monotonic()
    with pytest.raises(errors.Timeout):
        c.get("k")
    with pytest.raises(errors.Timeout):
        c.within(timedelta(milliseconds=100)).get("k")
    assert 0.29 < time.monotonic() - begun < PATIENT / 2


def mute(s):
    while s.recv(1 << 16):
        pass


@pytest.fixture
def full_port():
    """A port whose queue of connections is full, so that none is made."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = []
    for _ in range(4):
        waiting.append(socket.socket())
        waiting[-1].setblocking(False)
        waiting[-1].connect_ex(listener.getsockname())
    time.sleep(0.05)
    yield "%s:%d" % listener.getsockname()
    for s in (listener, *waiting):
        s.close()


CALLS = {"get": lambda c: c.get("k"), "set": lambda c: c.set("k", 1),
         "get_many": lambda c: c.get_many(["k", "l"])}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("where", ["answer", "handshake", "connecting"])
def test_the_error_names_the_limit_that_expired(make, scripted, full_port, where, call):
    address = {"answer": lambda: scripted(hung).address, "connecting": lambda: full_port,
               "handshake": lambda: scripted(mute).address}[where]()
    c = make(address, timeout=20, connect_timeout=10, max_failures=0)
    with pytest.raises(errors.Timeout) as caught:
        CALLS[call](c.within(0.15))
    assert "150ms" in str(caught.value), caught.value
    assert "connect_timeout" not in str(caught.value)
    assert caught.value.server == address


@pytest.mark.parametrize("where", ["handshake", "connecting"])
def test_also_when_it_is_the_connect_timeout(make, scripted, full_port, where):
    address = full_port if where == "connecting" else scripted(mute).address
    c = make(address, timeout=20, connect_timeout=0.15, max_failures=0)
    with pytest.raises(errors.Timeout, match=r"150ms \(connect_timeout\)"):
        c.within(10).get("k")


@pytest.mark.parametrize("where", ["handshake", "connecting"])
def test_a_limit_that_is_longer_than_the_clients_is_kept(make, scripted, full_port, where):
    address = full_port if where == "connecting" else scripted(mute).address
    c = make(address, timeout=0.2, connect_timeout=10, max_failures=0)
    begun = time.monotonic()
    with pytest.raises(errors.Timeout, match="800ms"):
        c.within(0.8).get("k")
    assert time.monotonic() - begun > 0.75


def test_also_when_no_connection_became_free(make, scripted, face):
    if face == "asyncio":
        pytest.skip("its tasks share a connection")
    import threading
    c = make(scripted(hung).address, timeout=1.0, pool_size=1, protocol="classic")
    other = threading.Thread(target=pytest.raises, args=(errors.Timeout, c.get, "k"))
    other.start()
    try:
        time.sleep(0.3)
        with pytest.raises(errors.Overloaded, match="150ms"):
            c.within(0.15).get("k")
    finally:
        other.join()
