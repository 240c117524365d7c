"""Fork, through each face: a child has connections of its own and none of its parent's."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback

import pytest

import memcxx
from faces import Awaited, open_face

# A process with threads that forks may deserve the warning; that is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def sockets():
    """The inodes of this process's sockets."""
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


def in_child(work, *args):
    """Runs `work` in a child; its assertions are this process's."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reading)
            signal.alarm(60)
            work(*args)
            status = 0
        except BaseException:
            os.write(writing, traceback.format_exc().encode()[:4000])
        finally:
            os._exit(status)
    os.close(writing)
    said = b""
    while piece := os.read(reading, 4096):
        said += piece
    os.close(reading)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, said.decode()


def in_a_child_of(c):
    """The same client, as a child uses it: with an event loop of its own."""
    if isinstance(c, Awaited):
        import asyncio
        return Awaited(c.client, asyncio.new_event_loop())
    return c


def test_a_child_has_none_of_its_parents_connections(make, flush4):
    c = make(flush4)
    before = sockets()  # an event loop has some, too
    values = {f"key:{n}": f"value:{n}" * 50 for n in range(200)}
    assert c.set_many(values) == {}
    parents = sockets() - before
    assert len(parents) >= 4

    def child():
        assert not sockets() & parents
        mine = in_a_child_of(c)
        assert mine.get_many(values) == values
        assert mine.set("from-the-child", 1)
        assert not sockets() & parents
    in_child(child)
    assert parents <= sockets()
    assert c.get_many(values) == values  # over the same connections
    assert parents <= sockets()
    assert c.get("key:1") == values["key:1"]


def test_parent_and_children_at_the_same_time(make, flush4):
    c = make(flush4, timeout=20)
    values = {f"key:{n}": f"value:{n}" * 50 for n in range(200)}
    assert c.set_many(values) == {}

    def work(client, who):
        for n in range(100):
            key = f"key:{n}"
            assert client.get(key) == values[key]
            own = f"{who}:{n}"
            assert client.set(own, own) and client.get(own) == own
        assert client.get_many(values) == values

    pids = []
    for n in range(4):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                signal.alarm(60)
                work(in_a_child_of(c), f"child-{n}")
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        pids.append(pid)
    work(c, "parent")
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 4


def _pool_work(n):
    key = f"pool:{n}"
    c = in_a_child_of(_SHARED)
    assert c.set(key, n) is True
    return c.get(key)


_SHARED = None


def test_a_pool_of_processes(make, flush4):
    global _SHARED
    _SHARED = make(flush4, timeout=20)
    assert _SHARED.set("k", 1)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert pool.map(_pool_work, range(60)) == list(range(60))
    assert _SHARED.get("k") == 1
    _SHARED = None


@pytest.mark.parametrize("transport", ("native", "python"))
def test_a_fork_while_other_threads_are_in_calls(new_server, transport):
    servers = [new_server() for _ in range(2)]
    c = memcxx.Client([s.address for s in servers], transport=transport, timeout=30,
                      connect_timeout=30, pool_size=4)
    values = {f"key:{n}": f"value:{n}" * 100 for n in range(100)}
    assert c.set_many(values) == {}
    stop = threading.Event()
    wrong = []

    def load():
        while not stop.is_set():
            if c.get_many(values) != values:
                wrong.append("many")
            if c.get("key:7") != values["key:7"]:
                wrong.append("one")
    threads = [threading.Thread(target=load) for _ in range(6)]
    for t in threads:
        t.start()
    try:
        for _ in range(15):
            time.sleep(0.01)

            def child():
                assert c.get_many(values) == values
                assert c.set("child", "x" * 1000) and c.get("child") == "x" * 1000
            in_child(child)
    finally:
        stop.set()
        for t in threads:
            t.join(30)
    assert not wrong


def test_a_server_that_forks_its_workers_before_it_serves(flush, face):
    """The usual pattern: a client made and used at import, workers forked, which fork again."""
    c = open_face(face, flush, timeout=10)
    c.set("config", {"workers": 3})

    def worker(n):
        mine = in_a_child_of(c)
        assert mine.get("config") == {"workers": 3}

        def grandchild():
            theirs = in_a_child_of(c)
            assert theirs.get("config") == {"workers": 3}
        in_child(grandchild)
        for _ in range(50):
            assert mine.set(f"worker:{n}", n) and mine.get(f"worker:{n}") == n
    for n in range(6):
        in_child(worker, n)
    assert c.get("config") == {"workers": 3}
    c.close()
    if isinstance(c, Awaited):
        c.loop.close()


def test_a_child_of_gevent(flush4):
    from test_green import GEVENT, in_process
    out = in_process(GEVENT, """
        import os, sys, gevent
        import memcxx
        c = memcxx.Client(sys.argv[1:], timeout=30, connect_timeout=30)
        values = {"key:%d" % n: "v" * n for n in range(100)}
        assert c.set_many(values) == {}
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            ok = c.get_many(values) == values and c.set("child", 1) and c.get("child") == 1
            os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert c.get_many(values) == values
        print("fine")
        """, *flush4)
    assert out == "fine\n"


def test_a_child_forked_by_a_coroutine(flush4):
    import asyncio
    from memcxx.aio import Client
    values = {f"key:{n}": f"value:{n}" for n in range(100)}

    async def main():
        async with Client(flush4, timeout=30, connect_timeout=30) as c:
            assert await c.set_many(values) == {}
            under_way = [asyncio.ensure_future(c.get(k)) for k in values]
            await asyncio.sleep(0)

            def child():
                async def use():
                    assert await c.get_many(values) == values
                    await c.close()
                asyncio.run(use())
            in_child(child)
            assert await asyncio.gather(*under_way) == list(values.values())
            assert await c.get_many(values) == values
    asyncio.run(main())
