"""Sixteen threads, one client: every answer is verified. MEMCXX_TEST_SECONDS (5) says for how long
each test runs."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import memcxx

SECONDS = float(os.environ.get("MEMCXX_TEST_SECONDS", "5"))


def value_of(key, version):
    """A value that says whose it is, of one of the types there are."""
    kind = version % 5
    if kind == 0:
        return f"{key}/{version}/" + "t" * (version * 13 % 4000)
    if kind == 1:
        return f"{key}/{version}/".encode() + b"b" * (version * 17 % 20_000)
    if kind == 2:
        return {"key": key, "version": version, "list": list(range(version % 50))}
    if kind == 3:
        return [key, version, None, True, 2.5]
    return version


@pytest.mark.parametrize("transport,seconds", [("native", SECONDS), ("python", SECONDS)])
def test_random_operations_of_sixteen_threads(flush4, transport, seconds):
    c = memcxx.Client(flush4, transport=transport, timeout=30, connect_timeout=30,
                      pool_size=8, min_compress=2000)
    wrong = []
    done = [0] * 16
    end = time.monotonic() + seconds

    def one(n):
        rng = random.Random(n)
        mine = {}  # what this thread's keys hold
        while time.monotonic() < end and not wrong:
            key = f"thread:{n}:{rng.randrange(200)}"
            verb = rng.randrange(9)
            done[n] += 1
            if verb == 0:
                version = rng.randrange(1_000_000)
                ok = c.set(key, value_of(key, version)) is True
                mine[key] = value_of(key, version)
            elif verb == 1:
                ok = c.delete(key) is (mine.pop(key, None) is not None)
            elif verb == 2:
                version = rng.randrange(1_000_000)
                ok = c.add(key, value_of(key, version)) is (key not in mine)
                mine.setdefault(key, value_of(key, version))
            elif verb == 3:
                pairs = {f"thread:{n}:{rng.randrange(200)}": rng.randrange(10_000)
                         for _ in range(20)}
                pairs = {k: value_of(k, v) for k, v in pairs.items()}
                ok = c.set_many(pairs) == {}
                mine.update(pairs)
            elif verb == 4:
                keys = [f"thread:{n}:{i}" for i in rng.sample(range(200), 60)]
                ok = c.get_many(keys) == {k: mine[k] for k in keys if k in mine}
            elif verb == 5:
                found = c.gets(key)
                ok = (found is None) == (key not in mine)
                if found is not None:
                    ok = ok and found[0] == mine[key] and c.cas(key, "cas", found[1])
                    mine[key] = "cas"
            elif verb == 6:
                counter = f"counter:{n}"
                expected = mine.get(counter, 0) + 3
                if counter not in mine:
                    c.set(counter, 0)
                ok = c.incr(counter, 3) == expected
                mine[counter] = expected
            else:
                ok = c.get(key, "missing") == mine.get(key, "missing")
            if not ok:
                wrong.append((n, verb, key))

    def guarded(n):
        try:
            one(n)
        except BaseException as why:
            wrong.append((n, repr(why)))
    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(seconds + 60)
    assert not any(t.is_alive() for t in threads), "a thread hangs"
    assert not wrong
    assert min(done) > 10


def test_a_call_lets_other_threads_run(new_server):
    server = new_server()
    c = memcxx.Client(server.address, timeout=30, connect_timeout=30)
    c.set("k", 1)
    c = c.within(1)
    server.stop()
    try:
        counted = 0
        waiting = threading.Thread(target=lambda: pytest.raises(memcxx.Error, c.get, "k"))
        waiting.start()
        while waiting.is_alive():
            counted += 1
        waiting.join()
        assert counted > 1000
    finally:
        server.cont()


def test_callbacks_from_many_threads(new_server):
    server = new_server()
    events = []
    c = memcxx.Client(server.address, timeout=1, max_failures=1, retry_min=0.01, retry_max=0.02,
                      on_server_down=lambda name, why: events.append(("down", name)),
                      on_server_up=lambda name: events.append(("up", name)))
    stop = False

    def load():
        while not stop:
            try:
                c.get("k")
            except memcxx.Error:
                pass
    threads = [threading.Thread(target=load) for _ in range(8)]
    for t in threads:
        t.start()
    for _ in range(3):
        time.sleep(0.1)
        server.restart()
    deadline = time.monotonic() + 30
    while ("up", server.address) not in events and time.monotonic() < deadline:
        time.sleep(0.01)
    stop = True
    for t in threads:
        t.join(10)
    assert ("down", server.address) in events and ("up", server.address) in events


def test_a_callback_that_raises_harms_nobody(new_server):
    server = new_server()
    seen = []
    before, sys.unraisablehook = sys.unraisablehook, lambda what: seen.append(what.exc_type)
    try:
        def bad(*_):
            raise RuntimeError("a callback's own")
        c = memcxx.Client(server.address, max_failures=1, on_server_down=bad)
        server.kill()
        for _ in range(3):
            with pytest.raises(memcxx.errors.NetworkError):
                c.get("k")
    finally:
        sys.unraisablehook = before
    assert seen == [RuntimeError]


DAEMONS = """
    import threading, time
    import memcxx
    c = memcxx.Client("memory://")
    c.set("a", b"x" * 100_000)
    def work():
        while True:
            c.get("a"), c.get_many(["a", "b"]), c.set_many({"a": b"y" * 100_000, "b": [1]})
    for _ in range(6):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(0.1)
"""


def test_python_ends_while_daemon_threads_are_in_calls():
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(DAEMONS)], timeout=60,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
