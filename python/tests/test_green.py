"""The client over Python's sockets under gevent and eventlet, each in a process of its own:
whatever one greenlet waits for, the others go on."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import memcxx
from memcxx import errors, green

GEVENT = "from gevent import monkey; monkey.patch_all()"
EVENTLET = "import eventlet; eventlet.monkey_patch()"


def in_process(patch: str, script: str, *args: str) -> str:
    """Runs a script after `patch`; skips where that package is not installed."""
    package = {GEVENT: "gevent", EVENTLET: "eventlet"}.get(patch)
    # Importing it here would change this process.
    if package is not None and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    head = "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n"
    whole = head + patch + "\n" + textwrap.dedent(script)
    ran = subprocess.run([sys.executable, "-c", whole, *args], capture_output=True, text=True,
                         timeout=90)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("patch", (GEVENT, EVENTLET), ids=("gevent", "eventlet"))
def test_the_client_chooses_by_itself(flush, patch):
    out = in_process(patch, """
        import sys, memcxx
        c = memcxx.Client(sys.argv[1])
        print(type(c).__module__, c.set("k", {"a": [1, None]}), c.get("k"), c.get_many(["k", "l"]))
        print(type(memcxx.Client(sys.argv[1], transport="native")).__module__,
              type(memcxx.Client("memory://")).__module__)
        """, flush)
    assert out.splitlines() == ["memcxx.green True {'a': [1, None]} {'k': {'a': [1, None]}}",
                                "memcxx.client memcxx.client"]


@pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="gevent is not installed")
def test_it_does_not_matter_which_is_imported_first(flush):
    script = """
        import sys, memcxx, memcxx.green
        from gevent import monkey; monkey.patch_all()
        import gevent, time
        c = memcxx.Client(sys.argv[1])
        print(type(c).__module__, c.set("k", 1), c.get("k"), c.get_many(["k"]))
        """
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(script), flush],
                         capture_output=True, text=True, timeout=60)
    assert ran.stdout == "memcxx.green True 1 {'k': 1}\n", ran.stderr


HUNDRED = """
    import signal, os, sys, time
    import memcxx
    from memcxx import errors
    {spawn}
    frozen_pid, frozen, *addresses = sys.argv[1:]
    # Whoever held up the hub for a frozen server would do so for LONG.
    LONG = 60
    c = memcxx.Client(addresses, timeout=LONG, connect_timeout=LONG, pool_size=200,
                      max_failures=0)
    assert type(c).__module__ == "memcxx.green"
    keys = ["key:%d" % n for n in range(400)]
    assert c.set_many({{k: k for k in keys}}) == {{}}
    alive = [k for k in keys if c.which(k) != frozen]
    dead = [k for k in keys if c.which(k) == frozen]
    assert len(alive) > 100 and len(dead) > 50
    longest_pause, served, thawed, gathered, late = 0.0, 0, 0, 0, 0
    running = True

    def heart():
        global longest_pause
        last = time.monotonic()
        while running:
            time.sleep(0.005)
            now = time.monotonic()
            longest_pause = max(longest_pause, now - last)
            last = now

    def reads(n):
        global served
        for i in range(20):
            k = alive[(n * 7 + i) % len(alive)]
            assert c.get(k) == k
            served += 1

    def waits(k):
        global thawed
        assert c.get(k) == k
        thawed += 1

    def gathers():
        global gathered
        assert c.get_many(keys) == {{k: k for k in keys}}
        gathered += 1

    def runs_out_of_time(k):
        global late
        try:
            c.within(0.1).get(k)
        except errors.Timeout:
            late += 1

    def is_frozen():
        states = [open("/proc/%s/task/%s/stat" % (frozen_pid, task)).read().rpartition(")")[2]
                  for task in os.listdir("/proc/%s/task" % frozen_pid)]
        return all(state.split()[0] == "T" for state in states)

    os.kill(int(frozen_pid), signal.SIGSTOP)
    while not is_frozen():  # its threads stop one by one
        time.sleep(0.001)
    try:
        beating = spawn(heart)
        waiting = [spawn(waits, k) for k in dead[:40]] + [spawn(gathers) for _ in range(3)]
        short = [spawn(runs_out_of_time, k) for k in dead[40:45]]
        for each in [spawn(reads, n) for n in range(100)] + short:
            wait(each)
        print(served, late, thawed, gathered)
    finally:
        os.kill(int(frozen_pid), signal.SIGCONT)
    for each in waiting:
        wait(each)
    running = False
    wait(beating)
    print(thawed, gathered, longest_pause < LONG / 2)
    """


@pytest.mark.parametrize("patch,spawn", [
    (GEVENT, "import gevent; spawn = gevent.spawn; wait = lambda g: g.get()"),
    (EVENTLET, "spawn = eventlet.spawn; wait = lambda g: g.wait()"),
], ids=("gevent", "eventlet"))
def test_a_hundred_greenlets_go_on_while_a_server_is_stopped(new_server, patch, spawn):
    servers = [new_server() for _ in range(4)]
    frozen = servers[1]
    out = in_process(patch, HUNDRED.format(spawn=spawn), str(frozen.pid), frozen.address,
                     *(s.address for s in servers))
    assert out.splitlines() == ["2000 5 0 0", "40 3 True"]


def test_a_greenlet_that_is_killed_leaves_nothing_behind(flush4):
    out = in_process(GEVENT, """
        import random, sys, gevent
        import memcxx
        c = memcxx.Client(sys.argv[1:], timeout=30, connect_timeout=30, pool_size=4)
        values = {"key:%d" % n: "%d:" % n + "v" * 3000 for n in range(300)}
        assert c.set_many(values) == {}
        rng = random.Random(5)

        def read():
            k = rng.choice(list(values))
            assert c.get(k) == values[k]
            found = c.get_many(rng.sample(list(values), 30))
            assert all(values[k] == v for k, v in found.items()) and len(found) == 30
        for _ in range(40):
            many = [gevent.spawn(read) for _ in range(20)]
            gevent.sleep(rng.random() * 0.01)
            gevent.killall(rng.sample(many, 10), block=rng.random() < 0.5)
            gevent.joinall(many)
            assert all(g.successful() for g in many), [g.exception for g in many]
        with gevent.Timeout(0.0001, False):
            c.get_many(values)
        assert c.get_many(values) == values
        for s in c._engine._router.servers.values():
            assert not s.pool._line and len(s.pool._idle) <= 4, "a slot is missing"
        print("fine")
        """, *flush4)
    assert out == "fine\n"


def test_threads_share_it(flush4):
    c = memcxx.Client(flush4, transport="python", timeout=30, connect_timeout=30,
                      pool_size=3)
    assert isinstance(c, green.Client)
    wrong = []

    def work(n):
        for i in range(60):
            pairs = {f"{n}:{i}:{j}": f"{n}:{i}:{j}" * 20 for j in range(10)}
            if c.set_many(pairs) or c.get_many(pairs) != pairs:
                wrong.append((n, i))
            if c.get(f"{n}:{i}:3") != f"{n}:{i}:3" * 20:
                wrong.append((n, i))
    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not wrong
    for server in c._engine._router.servers.values():
        assert 1 <= len(server.pool.links()) <= 3


def test_a_pool_that_is_in_use_makes_others_wait(new_server):
    server = new_server()
    c = memcxx.Client(server.address, transport="python", timeout=60, connect_timeout=60,
                      pool_size=1)
    c.set("k", 1)
    found = []
    first = threading.Thread(target=lambda: found.append(c.get("k")))
    server.stop()
    try:
        first.start()
        while c._engine._router.server(server.address).pool._idle:
            time.sleep(0.001)  # it has not taken the one connection yet
        with pytest.raises(errors.Overloaded):
            c.within(0.2).get("k")
        assert not found
    finally:
        server.cont()
    first.join(60)
    assert found == [1] and c.get("k") == 1
