"""Calls of the green client that an exception ends at a random moment: one out of a signal handler
between any two steps, a timeout or a kill of a greenlet where it waits. No value is ever wrong, and
afterwards every call works. Each test runs in a process of its own."""

from __future__ import annotations

import pytest

from test_green import EVENTLET, GEVENT, in_process

CALLS = """
    import os, random, sys, time
    import memcxx
    from memcxx import errors
    address, size = sys.argv[1], int(sys.argv[2])
    LIMIT = 10  # seconds; whoever waits for a slot that is lost fails
    c = memcxx.Client(address, transport="python", timeout=LIMIT, connect_timeout=LIMIT,
                      pool_size=size)
    rng = random.Random(15)
    values = {{"key:%d" % n: "%d:" % n + "v" * rng.randrange(4000) for n in range(100)}}
    assert c.set_many(values) == {{}}
    keys = list(values)

    def call():
        what, k = rng.randrange(5), rng.choice(keys)
        if what == 0:
            some = rng.sample(keys, 10)
            assert c.get_many(some) == {{k: values[k] for k in some}}
        elif what == 1:
            assert c.set(k, values[k]) is True
        elif what == 2:
            assert c.store_raw("set", "raw:" + k, k.encode(), quiet=True) == "stored"
        else:
            assert c.get(k) == values[k]

    def sockets():
        names = ["/proc/self/fd/" + n for n in os.listdir("/proc/self/fd")]
        return [n for n in names if os.path.exists(n) and os.readlink(n).startswith("socket:")]
    before = len(sockets())
    {body}
    """

SIGNALS = """
    import signal, threading

    class Interrupted(Exception):
        pass

    def interrupt(*_):
        raise Interrupted
    signal.signal(signal.SIGALRM, interrupt)
    kept, interrupted = [], 0
    while interrupted < 10_000:
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-6 + rng.random() * 4e-4)
                call()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except Interrupted as why:
            interrupted += 1
            if interrupted % 100 == 0:
                kept.append(why)  # with the frames that it has ended, and what they knew
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    kept.clear()
    wrong = []

    def all_of_them():
        try:
            for k in keys:
                if c.get(k) != values[k]:
                    wrong.append(k)
        except errors.Error as why:
            wrong.append(why)
    many = [threading.Thread(target=all_of_them) for _ in range(3 * size)]
    for t in many:
        t.start()
    for t in many:
        t.join()
    assert not wrong, wrong
    assert len(sockets()) <= before + size
    print("fine")
    """

GREENLETS = """
    {spawn}
    ended = 0

    def one():
        global ended
        try:
            with Timeout(rng.random() * 0.004):
                for _ in range(5):
                    call()
        except Timeout:
            ended += 1
    while ended < 2_000:
        many = [spawn(one) for _ in range(30)]
        sleep(rng.random() * 0.003)
        for g in rng.sample(many, 5):
            kill(g)
        for g in many:
            join(g)
    wrong = []

    def all_of_them():
        try:
            for k in keys:
                if c.get(k) != values[k]:
                    wrong.append(k)
        except errors.Error as why:
            wrong.append(why)
    for g in [spawn(all_of_them) for _ in range(3 * size)]:
        join(g)
    assert not wrong, wrong
    assert len(sockets()) <= before + size
    print("fine")
    """


@pytest.mark.parametrize("size", (1, 3))
def test_a_signal_handler_that_raises_at_any_moment(flush, size):
    script = CALLS.format(body=SIGNALS)
    assert in_process("", script, flush, str(size)) == "fine\n"


@pytest.mark.parametrize("size", (1, 4))
@pytest.mark.parametrize("patch,spawn", [
    (GEVENT, "import gevent; from gevent import Timeout, sleep, spawn; kill = gevent.kill; "
             "join = gevent.Greenlet.get"),
    (EVENTLET, """import eventlet; from eventlet import Timeout, sleep, spawn; kill = eventlet.kill
    import greenlet

    def join(g):
        try:
            g.wait()
        except greenlet.GreenletExit:
            pass"""),
], ids=("gevent", "eventlet"))
def test_a_timeout_or_a_kill_at_any_moment(flush, patch, spawn, size):
    script = CALLS.format(body=GREENLETS.format(spawn=spawn))
    assert in_process(patch, script, flush, str(size)) == "fine\n"
