"""Signals that arrive while a call waits: Python's handlers run at once. What a handler raises ends
the call, and harms no other; otherwise the call goes on with what is left of its time."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import socket
import threading
import time

import pytest

import memcxx
from faces import PATIENT
from memcxx import errors

#: seconds: when the signal comes, when the call has to be over, and its own time
AFTER, PROMPT, PLENTY = 0.2, 0.5, 4.0


class Interrupted(Exception):
    """What a handler raises."""


@pytest.fixture(params=["native", "python"])
def blocking(request):
    """A face whose calls wait on the thread that signals are handled on."""
    return request.param


@pytest.fixture
def on_alarm():
    """on_alarm(handler, first, every=0): SIGALRM, after so many seconds and then again and again"""
    before = signal.getsignal(signal.SIGALRM)

    def start(handler, first, every=0.0):
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, first, every)
    yield start
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def interrupt(*_):
    raise Interrupted


def is_interrupted(on_alarm, call):
    """The call ends by what a handler raises, soon after its signal."""
    on_alarm(interrupt, AFTER)
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        call()
    assert AFTER * 0.9 < time.monotonic() - begun < PROMPT


def lines(s):
    with s.makefile("rb") as reading:
        yield from reading


def hung(s):
    """Answers the question for meta, and then nothing."""
    for line in lines(s):
        if line == b"mn\r\n":
            s.sendall(b"MN\r\n")


def client(face, servers, **options):
    return memcxx.Client(servers, transport=face,
                         **{"timeout": PLENTY, "connect_timeout": PLENTY, **options})


CALLS = {
    "get": lambda c: c.get("k"),
    "gat": lambda c: c.gat("k", 5),
    "gets": lambda c: c.gets("k"),
    "get_raw": lambda c: c.get_raw("k"),
    "get_many": lambda c: c.get_many(["a", "b", "c", "d", "e"]),
    "get_many_raw": lambda c: c.get_many_raw(["a", "b", "c", "d", "e"]),
    "set": lambda c: c.set("k", 1),
    "add": lambda c: c.add("k", 1),
    "cas": lambda c: c.cas("k", 1, 2),
    "append": lambda c: c.append("k", "x"),
    "store_raw": lambda c: c.store_raw("set", "k", b""),
    "set_many": lambda c: c.set_many({"a": 1, "b": 2, "c": 3, "d": 4}),
    "set_many_raw": lambda c: c.set_many_raw([("a", b"", 0), ("b", b"", 0)]),
    "delete": lambda c: c.delete("k"),
    "delete_many": lambda c: c.delete_many(["a", "b", "c"]),
    "delete_everywhere": lambda c: c.delete_everywhere("k"),
    "touch": lambda c: c.touch("k", 5),
    "incr": lambda c: c.incr("k"),
    "flush_all": lambda c: c.flush_all(),
    "stats": lambda c: c.stats(),
    "stats as text": lambda c: c.stats(text=True),
    "version": lambda c: c.version(),
    "ping": lambda c: c.ping(),
}


@pytest.mark.parametrize("servers", [1, 2])
@pytest.mark.parametrize("name", CALLS)
def test_a_handler_that_raises_ends_the_call(blocking, scripted, on_alarm, name, servers):
    c = client(blocking, [scripted(hung).address for _ in range(servers)])
    is_interrupted(on_alarm, lambda: CALLS[name](c))


@pytest.mark.parametrize("restarts", [False, True])
def test_also_where_system_calls_are_restarted(blocking, scripted, on_alarm, restarts):
    c = client(blocking, scripted(hung).address)

    def call():
        signal.siginterrupt(signal.SIGALRM, not restarts)
        c.get("k")
    is_interrupted(on_alarm, call)


def test_ctrl_c(blocking, scripted):
    c = client(blocking, scripted(hung).address)
    threading.Timer(AFTER, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        c.get("k")
    assert time.monotonic() - begun < PROMPT


def test_a_signal_that_another_thread_takes(scripted):
    """The thread that waits is not interrupted then, and sees it all the same."""
    c = client("native", scripted(hung).address)
    taken = threading.Event()

    def other():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        taken.wait(PATIENT)
    before = signal.signal(signal.SIGUSR1, interrupt)
    thread = threading.Thread(target=other)
    thread.start()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        threading.Timer(AFTER, signal.pthread_kill, (thread.ident, signal.SIGUSR1)).start()
        begun = time.monotonic()
        with pytest.raises(Interrupted):
            c.get("k")
        assert time.monotonic() - begun < PLENTY / 2
    finally:
        taken.set()
        thread.join()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        signal.signal(signal.SIGUSR1, before)


# --- whatever it is that a call waits for

def test_the_handshake(blocking, scripted, on_alarm):
    c = client(blocking, scripted(lambda s: s.recv(1 << 20) and s.recv(1)).address)
    is_interrupted(on_alarm, lambda: c.get("k"))


def test_a_connection_that_is_never_made(blocking, on_alarm):
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # its queue is full, and nobody takes one
            s = stack.enter_context(socket.socket())
            s.setblocking(False)
            s.connect_ex(listener.getsockname())
        time.sleep(0.05)
        c = client(blocking, "%s:%d" % listener.getsockname())
        is_interrupted(on_alarm, lambda: c.get("k"))


@pytest.mark.parametrize("pool_size", [1, 2])
def test_a_connection_of_the_pool(blocking, scripted, on_alarm, pool_size):
    """All of them are in use, one by one or by threads that share one."""
    server = scripted(hung)
    c = client(blocking, server.address, pool_size=pool_size)
    others = [threading.Thread(target=pytest.raises, args=(errors.Error, c.set, "k", n))
              for n in range(8)]
    for thread in others:
        thread.start()
    try:
        time.sleep(0.3)
        is_interrupted(on_alarm, lambda: c.get("k"))
        is_interrupted(on_alarm, lambda: c.get_many(["k", "l"]))
    finally:
        for thread in others:
            thread.join()


def test_the_rest_of_a_value(blocking, scripted, on_alarm):
    def handle(s):
        for line in lines(s):
            s.sendall(b"VALUE k 0 1000000\r\n" + b"x" * 500_000)
    c = client(blocking, scripted(handle).address, protocol="classic")
    is_interrupted(on_alarm, lambda: c.get("k"))
    is_interrupted(on_alarm, lambda: c.get("k"))


def test_room_to_write(blocking, scripted, on_alarm):
    def handle(s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while s.recv(1, socket.MSG_PEEK):
            time.sleep(0.1)
    c = client(blocking, scripted(handle).address, protocol="classic")
    is_interrupted(on_alarm, lambda: c.set("k", b"x" * 50_000_000))


# --- what becomes of the others, and of the next one

def test_the_connection_is_closed_and_the_next_call_has_its_own_answer(blocking, scripted,
                                                                       on_alarm):
    closed = threading.Semaphore(0)

    def handle(s):
        for line in lines(s):
            key = line.split()[1]
            if key == b"slow":
                time.sleep(AFTER + 0.3)
            with contextlib.suppress(OSError):
                s.sendall(b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(key), key))
        closed.release()
    server = scripted(handle)
    c = client(blocking, server.address, protocol="classic", pool_size=1)
    for n in range(1, 4):
        assert c.get("quick") == b"quick"  # the slow one finds a connection that was used before
        is_interrupted(on_alarm, lambda: c.get("slow"))
        assert c.get("quick") == b"quick"
        assert server.connections == n + 1
        assert closed.acquire(timeout=PATIENT)


def test_a_handler_that_does_not_raise_ends_nothing(blocking, scripted, on_alarm):
    seen = []

    def handle(s):
        for line in lines(s):
            for byte in b"VALUE k 0 3\r\nyes\r\nEND\r\n":
                time.sleep(0.02)
                s.sendall(bytes([byte]))
    c = client(blocking, scripted(handle).address, protocol="classic")
    on_alarm(lambda *_: seen.append(1), 0.01, 0.01)
    for _ in range(2):
        assert c.get("k") == b"yes"
        assert c.get_many(["k"]) == {"k": b"yes"}
    assert len(seen) > 20


@pytest.mark.parametrize("what", [
    lambda c: c.get("k"), lambda c: c.get_many(["k", "l", "m"]), lambda c: c.set("k", 1)])
def test_a_handler_that_does_not_raise_lengthens_nothing(blocking, scripted, on_alarm, what):
    seen = []
    c = client(blocking, [scripted(hung).address, scripted(hung).address], timeout=0.4)
    on_alarm(lambda *_: seen.append(1), 0.01, 0.01)
    for _ in range(2):
        begun = time.monotonic()
        with pytest.raises(errors.Timeout):
            what(c)
        assert 0.39 < time.monotonic() - begun < 0.4 + PROMPT
    assert len(seen) > 20


def test_a_handler_may_use_the_client(blocking, scripted, on_alarm):
    def handle(s):
        for line in lines(s):
            key = line.split()[1]
            if key == b"slow":
                time.sleep(0.4)
            s.sendall(b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(key), key))
    c = client(blocking, scripted(handle).address, protocol="classic")
    seen = []
    on_alarm(lambda *_: seen.append(c.get("quick")), 0.05, 0.05)
    assert c.get("slow") == b"slow"
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert seen and set(seen) == {b"quick"}


def storm(servers, seconds, wanted, others=0, **options):
    """Calls of all kinds, each with a signal at a random moment; returns how many were ended."""
    c = client("native", servers, **{"timeout": PATIENT, "connect_timeout": PATIENT, **options})
    keys = [f"key:{n}" for n in range(8)]
    values = {key: key.encode() * (1 if n % 4 else 5000) for n, key in enumerate(keys)}
    for key, value in values.items():
        c.set(key, value)
    over = threading.Event()
    wrong = []

    def check(key, value):
        if value != values[key]:
            wrong.append((key, value))

    def other():
        rnd = random.Random(1)
        while not over.is_set():
            key = rnd.choice(keys)
            check(key, c.get(key))
    threads = [threading.Thread(target=other) for _ in range(others)]
    for thread in threads:
        thread.start()

    armed = [False]

    def handler(*_):
        if armed[0]:
            armed[0] = False
            raise Interrupted

    rnd = random.Random(2)
    count = slowest = 0
    before = signal.signal(signal.SIGALRM, handler)
    deadline = time.monotonic() + seconds
    try:
        for n in itertools.count():
            if count >= wanted or time.monotonic() > deadline:
                break
            key = keys[n % len(keys)]
            begun = time.monotonic()
            try:
                armed[0] = True
                signal.setitimer(signal.ITIMER_REAL, rnd.uniform(1e-6, 150e-6))
                if n % 3 == 0:
                    check(key, c.get(key))
                elif n % 3 == 1:
                    for k, v in c.get_many(keys[:1 + n % 5]).items():
                        check(k, v)
                else:
                    c.set(key, values[key])
                armed[0] = False
            except Interrupted:
                count += 1
            slowest = max(slowest, time.monotonic() - begun)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        over.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    # Nothing was lost: a call finds a connection at once.
    assert c.within(PLENTY).get_many(keys) == values
    return count, slowest


@pytest.mark.parametrize("protocol", ["meta", "classic", "binary"])
def test_many_thousand_interruptions(flush, protocol):
    count, slowest = storm(flush, 5, 100_000, pool_size=1, protocol=protocol)
    print(f"{count} interruptions, the slowest call {slowest:.3f} s")
    assert count > 2000
    assert slowest < PLENTY


def test_many_thousand_interruptions_over_several_servers(flush4):
    count, slowest = storm(flush4, 4, 100_000, pool_size=1)
    print(f"{count} interruptions, the slowest call {slowest:.3f} s")
    assert count > 1000
    assert slowest < PLENTY


def test_interruptions_among_threads_that_share_connections(flush):
    count, slowest = storm(flush, 4, 100_000, others=8, pool_size=2)
    print(f"{count} interruptions, the slowest call {slowest:.3f} s")
    assert count > 100
    assert slowest < PLENTY
