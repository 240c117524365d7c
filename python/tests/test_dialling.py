"""Names with several addresses: each is tried, and they share the time for connecting. (The core's
resolver is its own: tests/fault/dial_test.cpp.)"""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from faces import PATIENT, free_port, open_face
from memcxx import _core, errors
from memcxx._dial import Dial
from memcxx._passive import Server
from test_faults import key_of, lines, value

SETTINGS = {**_core.Client("a").settings(), "connect_timeout": 0.9}


class DeadPort:
    """Listens, and never takes a connection: its queue is full, so no connection completes."""

    def __init__(self):
        self._sockets = [socket.create_server(("127.0.0.1", 0), backlog=0)]
        self.port = self._sockets[0].getsockname()[1]
        for _ in range(4):
            filler = socket.socket()
            self._sockets.append(filler)
            filler.settimeout(0.02)
            try:
                filler.connect(("127.0.0.1", self.port))
            except OSError:
                pass

    def close(self):
        for s in self._sockets:
            s.close()


@pytest.fixture
def dead_port():
    port = DeadPort()
    yield port.port
    port.close()


@pytest.fixture
def alive_port(scripted):
    def handle(s):
        for line in lines(s):
            s.sendall(value(key_of(line), b"reached"))
    return scripted(handle).port


@pytest.fixture
def resolve(monkeypatch):
    """resolve(port, …): the ports of 127.0.0.1 that "many.test" leads to, in this order."""
    original = socket.getaddrinfo

    def use(*ports):
        def stand_in(host, port, family=0, type=0, proto=0, flags=0):
            if host != "many.test" or flags & socket.AI_NUMERICHOST:
                return original(host, port, family, type, proto, flags)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", p)) for p in ports]
        monkeypatch.setattr(socket, "getaddrinfo", stand_in)
    return use


@pytest.fixture(params=("python", "asyncio"))
def connect(request):
    """connect(**options): a client of "many.test"."""
    made = []

    def start(**options):
        made.append(open_face(request.param, "many.test", protocol="classic", max_failures=0,
                              **options))
        return made[-1]
    yield start
    for client in made:
        client.close()
        if request.param == "asyncio":
            client.loop.close()


def test_an_address_that_does_not_answer_is_followed_by_the_next(connect, resolve, dead_port,
                                                                 alive_port):
    resolve(dead_port, alive_port)
    begun = time.monotonic()
    assert connect(connect_timeout=0.6).get_raw("k")[0] == b"reached"
    assert time.monotonic() - begun >= 0.25  # its half of the time


def test_those_that_are_left_share_the_time(connect, resolve, dead_port, alive_port):
    resolve(dead_port, free_port(), dead_port, alive_port)
    assert connect(connect_timeout=1.2).get_raw("k")[0] == b"reached"


def test_one_that_refuses_costs_no_time(connect, resolve, alive_port):
    resolve(*(free_port() for _ in range(5)), alive_port)
    begun = time.monotonic()
    assert connect().get_raw("k")[0] == b"reached"
    assert time.monotonic() - begun < PATIENT / 6


def test_when_no_address_answers_the_limit_is_named(connect, resolve, dead_port):
    resolve(dead_port, dead_port)
    begun = time.monotonic()
    with pytest.raises(errors.Timeout, match=r"within 300ms \(connect_timeout\)"):
        connect(connect_timeout=0.3).get("k")
    assert time.monotonic() - begun < PATIENT / 2


def test_when_all_refuse_the_last_is_told(connect, resolve):
    resolve(free_port(), free_port())
    with pytest.raises(errors.ConnectFailed, match="Connection refused"):
        connect().get("k")


def test_a_client_that_is_closed_while_it_dials(resolve, dead_port):
    resolve(dead_port)
    c = open_face("asyncio", "many.test", connect_timeout=PATIENT)
    task = c.loop.create_task(c.client.get("k"))

    async def close():
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.sleep(0)
        c.disconnect()
    c.loop.run_until_complete(close())
    c.close()
    c.loop.close()
    assert task.cancelled()


# --- without a socket


def test_shares_of_the_time():
    dial = Dial(Server("a", SETTINGS), SETTINGS, 10.0, 20.0, 10.0)
    dial.resolved([(2, "a"), (2, "b"), (2, "c")])
    assert dial.next(10.0) == ((2, "a"), pytest.approx(10.3))
    assert dial.next(10.1) == ((2, "b"), pytest.approx(10.5))  # what a left is the others'
    assert dial.next(10.5) == ((2, "c"), pytest.approx(10.9))
    dial.not_connected("Connection refused")
    assert dial.next(10.6) is None
    assert dial.failure(10.6).code == "connect_failed"
    assert dial.failure(10.6).message == "Connection refused"


def test_no_address_is_tried_when_the_time_is_over():
    dial = Dial(Server("a", SETTINGS), SETTINGS, 10.0, 10.5, 2.0)
    dial.resolved([(2, "a"), (2, "b")])
    assert dial.next(10.0) == ((2, "a"), pytest.approx(10.25))
    dial.not_connected("no answer to connect")
    assert dial.next(10.5) is None
    assert str(dial.failure(10.5)) == (
        "timeout at a:11211: no connection within 2000ms (timeout): no answer to connect")
