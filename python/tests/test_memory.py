"""Nothing is kept: reference counts and memory stay flat over many operations.
MEMCXX_TEST_OPERATIONS (30000) says over how many; a million is the full test."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import subprocess
import sys
import textwrap
import weakref

import pytest

import memcxx
from faces import Awaited, free_port, open_face
from memcxx import _core, errors

OPERATIONS = int(os.environ.get("MEMCXX_TEST_OPERATIONS", "30000"))


def resident():
    """Bytes of this process in memory."""
    gc.collect()
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def grown(work, rounds):
    """By how many bytes the process grew over the last half of so many rounds."""
    for _ in range(rounds // 2):
        work()
    before = resident()
    for _ in range(rounds // 2):
        work()
    return resident() - before


def test_memory_stays_flat(make, flush4):
    c = make(flush4, timeout=20, min_compress=5000)
    values = {f"key:{n}": {"n": n, "text": "x" * 100, "list": [n] * 10} for n in range(50)}
    large = "compress me " * 2000

    def work():
        c.set_many(values)
        c.get_many(values)
        for n in range(10):
            c.set("one", large if n == 0 else [n])
            c.get("one")
            c.get("none", n)
            c.add("one", n)
            c.delete("none")
            for bad in (lambda: c.get("bad key"), lambda: c.set("k", object()),
                        lambda: c.store_raw("set", "k", "text")):
                try:
                    bad()
                except (errors.Error, TypeError):
                    pass
        c.stats()
        c.gets("one")
    rounds = max(20, OPERATIONS // 180)
    assert grown(work, rounds) < 3_000_000


def test_references_are_given_back(make, flush):
    c = make(flush)
    key, value = "".join(["a", "key"]), b"".join([b"a", b"value"])
    nested = ["item", {"a": value}]
    things = (key, value, nested, None, True)

    def counts():
        gc.collect()
        return [sys.getrefcount(t) for t in (key, value, nested)]

    def work():
        c.set(key, value)
        assert c.get(key) == value
        c.set(key, nested)
        assert c.get(key) == nested
        c.get_many([key, "other"])
        c.set_many({key: nested})
        c.store_raw("set", key, value)
        c.get_raw(key)
        c.get_many_raw([key])
        c.set_many_raw([(key, value, 0)])
        c.delete_many([key])
        c.touch(key)
        try:
            c.cas(key, nested, 0)
        except errors.InvalidArgument:
            pass
        try:
            c.set(key, [nested, object()])
        except TypeError:
            pass
    work()
    before = counts()
    for _ in range(200):
        work()
    after = counts()
    assert all(b - a <= 1 for a, b in zip(before, after)), (before, after)
    assert things


@pytest.mark.parametrize("transport", ("native", "python"))
def test_clients_are_given_back(flush, transport):
    def descriptors():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    def work():
        c = memcxx.Client(flush, transport=transport, dialect="pymemcache", timeout=30,
                          connect_timeout=30, on_server_down=lambda *_: None)
        c.set("k", (1, 2))
        assert c.within(20).get("k") == (1, 2)
        c.close()
    work()
    before = descriptors()
    for _ in range(100):
        work()
    assert descriptors() == before
    assert grown(work, 200) < 3_000_000


def test_cancelled_calls_leave_nothing_behind(flush):
    from memcxx.aio import Client

    async def main():
        async with Client(flush, timeout=30, connect_timeout=30) as c:
            await c.set("k", "v" * 1000)

            async def work():
                tasks = [asyncio.ensure_future(c.get("k")) for _ in range(100)]
                await asyncio.sleep(0)
                for t in tasks[::2]:
                    t.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            rounds = max(20, OPERATIONS // 400)
            for _ in range(rounds):
                await work()
            before = resident()
            for _ in range(rounds):
                await work()
            assert resident() - before < 3_000_000
            engine = c._engine
            assert engine._calls == 0 and engine._requests == 0 and engine._bytes == 0
            for link in engine.links:
                assert not link.line._legs and link.line.core.in_flight == 0
    asyncio.run(main())


def test_an_asyncio_client_of_many_lives(flush):
    from memcxx import aio

    def work():
        loop = asyncio.new_event_loop()
        with Awaited(aio.Client(flush), loop) as c:
            c.set("k", 1)
            assert c.get("k") == 1
        loop.close()
    work()
    before = len(os.listdir("/proc/self/fd"))
    assert grown(work, 100) < 3_000_000
    assert len(os.listdir("/proc/self/fd")) == before


# --- circles


class Owner:
    """Has a client whose callbacks and picklers are its own methods."""

    def __init__(self, face, servers, **options):
        self.heard = []
        self.client = open_face(face, servers, dialect="pymemcache", dumps=self.dumps,
                                loads=self.loads, on_server_down=self.went_down,
                                on_server_up=self.came_up, **options)
        self.other = self.client.within(5)

    def dumps(self, value):
        return pickle.dumps(value)

    def loads(self, data):
        return pickle.loads(data)

    def went_down(self, server, why):
        self.heard.append((server, type(why)))

    def came_up(self, server):
        self.heard.append((server, None))


def test_a_client_that_calls_back_its_owner_goes_with_it(flush, face):
    owner = Owner(face, flush)
    owner.client.set("k", (1, 2))
    assert owner.other.get("k") == (1, 2)
    owner.client.close()
    if face == "asyncio":
        owner.client.loop.close()
    gone = weakref.ref(owner)
    gc.collect()
    assert gone() is owner
    del owner
    gc.collect()
    assert gone() is None


def test_a_codec_that_pickles_by_its_owner_goes_with_it():
    class Codec:
        def __init__(self):
            self.codec = _core.ValueCodec("dialect=pymemcache", self.dumps, None)

        def dumps(self, value):
            return pickle.dumps(value)
    owner = Codec()
    assert owner.codec.pack("k", (1,)) == (1, pickle.dumps((1,)))
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None


def test_the_collector_leaves_what_is_in_use(flush):
    owner = Owner("native", f"127.0.0.1:{free_port()}", max_failures=1)
    other = owner.other
    heard = owner.heard
    gone = weakref.ref(owner)
    del owner.client, owner
    gc.collect()
    assert gone() is not None  # by what `other` calls back
    with pytest.raises(errors.NetworkError):
        other.get("k")
    assert [why for _, why in heard] == [errors.ConnectFailed]
    copies = [other.within(n + 1) for n in range(5)]
    del other, copies[1:]
    gc.collect()
    assert gone() is not None
    copies.clear()
    gc.collect()
    assert gone() is None


def test_a_callback_may_let_its_client_go(face):
    clients = []
    heard = []

    def went_down(server, why):
        clients.clear()
        gc.collect()
        heard.append(server)
    port = free_port()
    clients.append(open_face(face, f"127.0.0.1:{port}", max_failures=1,
                             on_server_down=went_down))
    loop = clients[0].loop if face == "asyncio" else None
    with pytest.raises(errors.NetworkError):
        clients[0].get("k")
    if loop is not None:
        loop.run_until_complete(asyncio.sleep(0))  # by the loop, soon after
        loop.close()
    assert heard == [f"127.0.0.1:{port}"] and not clients


def test_nothing_is_left_at_the_end_of_a_process(flush):
    script = """
        import sys, threading, asyncio
        import memcxx, memcxx.aio, memcxx.green

        class Owner:
            def __init__(self):
                self.client = memcxx.Client(sys.argv[1], dialect="libmc", on_server_up=self.up)
                self.green = memcxx.green.Client(sys.argv[1], dumps=self.dumps)
            def up(self, server):
                pass
            def dumps(self, value):
                return b""
        kept = Owner()
        kept.client.set("k", {(1,)})
        assert kept.client.get("k") == {(1,)} == kept.client.within(9).get("k")
        kept.green.set("n", 1)

        async def main():
            async with memcxx.aio.Client(sys.argv[1]) as c:
                assert await c.get("n") == 1
        asyncio.run(main())
        """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(script), flush],
                         capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_every_allocation_of_pythons_that_fails(flush):
    """Whatever cannot be made is an error, and nothing else is another value."""
    pytest.importorskip("_testcapi")
    script = """
        import sys, _testcapi
        import memcxx

        made = {}
        def dumps(value):
            data = repr(value).encode()
            made[data] = value
            return data
        def loads(data):
            return made[data]
        c = memcxx.Client(sys.argv[1], dialect="pymemcache", dumps=dumps, loads=loads, timeout=30)
        pairs = {"i": 1, "big": 10**30, "s": "text", "b": b"bytes", "l": [1], "t": (2, 3),
                 "large": b"q" * 100_000, "long": "e" * 3000}
        assert c.set_many(pairs) == {}
        calls = [(lambda: c.get_many(pairs), pairs), (lambda: c.set_many(pairs), {}),
                 (lambda: {k: c.get(k) for k in ("i", "large", "s", "l")},
                  {k: pairs[k] for k in ("i", "large", "s", "l")}),
                 (lambda: c.set_many_raw([("x", b"x", 1)]), {}),
                 (lambda: c.get_raw("large")[0], pairs["large"]),
                 (lambda: c.get_many(pairs, errors_too=True), None)]
        for call, expected in calls:
            for n in range(120):
                try:
                    _testcapi.set_nomemory(n, n + 1)
                    try:
                        found = call()
                    finally:
                        _testcapi.remove_mem_hooks()
                except (MemoryError, SystemError):  # the second is Python's own
                    continue
                if expected is not None:
                    assert found == expected, (n, found)
                    continue
                assert found.keys() == pairs.keys()
                for key, value in found.items():
                    assert value == pairs[key] or isinstance(value, Exception), (n, key, value)
        """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(script), flush],
                         capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, "")
