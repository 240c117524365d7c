"""The asyncio client: thousands of tasks, cancelled at any moment, over one connection."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
import warnings

import pytest

from faces import PATIENT
from memcxx import aio, errors
from test_faults import key_of, lines, value


def Client(servers, **options):
    return aio.Client(servers, **{"timeout": PATIENT, "connect_timeout": PATIENT, **options})


def run(main, *args, debug=False):
    gc.collect()  # what other tests left behind
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a coroutine or a transport that was left behind
        result = asyncio.run(main(*args), debug=debug)
        gc.collect()
        return result


def test_five_thousand_gets_some_of_them_cancelled(flush4):
    async def main():
        rng = random.Random(7)
        values = {f"key:{n}": f"{n}:" + "v" * rng.randrange(3000) for n in range(2000)}
        async with Client(flush4) as c:
            assert await c.set_many(values) == {}
            for _ in range(3):
                wanted = [rng.choice(list(values)) for _ in range(5000)]
                tasks = [asyncio.ensure_future(c.get(k)) for k in wanted]

                chosen = rng.sample(tasks, 2500)
                for n, task in enumerate(chosen):
                    if n in (800, 1600, 2200):  # asked, in flight, on their way back
                        await asyncio.sleep(0)
                    task.cancel()
                found = await asyncio.gather(*tasks, return_exceptions=True)
                cancelled = 0
                for k, v in zip(wanted, found):
                    if isinstance(v, asyncio.CancelledError):
                        cancelled += 1
                    else:
                        assert v == values[k]
                assert 800 <= cancelled <= 2500
                for k in rng.sample(list(values), 300):
                    assert await c.get(k) == values[k]
            assert await c.get_many(values) == values
            assert c.unclaimed_errors() == 0
    run(main)


def test_every_verb_cancelled_at_any_moment_leaves_the_connection_sound(flush4):
    async def main():
        rng = random.Random(11)
        async with Client(flush4) as c:
            keys = [f"key:{n}" for n in range(50)]
            for k in keys:
                await c.set(k, k * 500)

            async def one(k):
                verb = rng.randrange(6)
                if verb == 0:
                    return await c.set(k, k * 500)
                if verb == 1:
                    found = await c.get_many(rng.sample(keys, 20))
                    assert all(v == its * 500 for its, v in found.items())
                    return None
                if verb == 2:
                    return await c.incr("n:" + k, initial=1)
                if verb == 3:
                    return await c.delete("none:" + k)
                if verb == 4:
                    return await c.stats()
                found = await c.get(k)
                assert found is None or found == k * 500
                return None
            for _ in range(60):
                tasks = [asyncio.ensure_future(one(rng.choice(keys))) for _ in range(40)]
                for _ in range(rng.randrange(6)):
                    await asyncio.sleep(0)
                if rng.random() < 0.5:
                    await asyncio.sleep(rng.random() * 0.005)
                for task in tasks:
                    if rng.random() < 0.7:
                        task.cancel()
                for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                    assert not isinstance(outcome, Exception), outcome
                k = rng.choice(keys)
                assert await c.get(k) == k * 500
    run(main)


@pytest.mark.parametrize("warm", (False, True), ids=("while it dials", "over open connections"))
def test_a_call_cancelled_at_each_step_of_the_loop_leaves_nothing_behind(flush4, warm):
    """From its first step on: one step later each time, until it ends before."""
    values = {f"key:{n}": f"{n}:" * 300 for n in range(60)}
    calls = [lambda c: c.get("key:1"), lambda c: c.get_many(values), lambda c: c.set_many(values),
             lambda c: c.incr("n", initial=1), lambda c: c.version()]

    async def cancelled_after(c, call, steps):
        task = asyncio.ensure_future(call(c))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return True
        return False

    async def main():
        async with Client(flush4) as c:
            assert await c.set_many(values) == {}
        for call in calls:
            steps, was_cancelled = 0, True
            while was_cancelled and steps < 500:
                async with Client(flush4, connections=2) as c:
                    if warm:
                        await c.get_many(values)
                    was_cancelled = await cancelled_after(c, call, steps)
                    steps += 1
                    some = await asyncio.wait_for(c.get_many(values), PATIENT)
                    assert some == values
                    assert await c.get("key:2") == values["key:2"]
                    assert c._engine._requests == 0 == c._engine._bytes
                assert not c._engine.links
    run(main)


@pytest.mark.parametrize("sent", [0, 1, 10, 14, 30, 49, 50, 51])
def test_a_cancelled_read_is_drained_at_every_byte(scripted, sent):
    first = value(b"a", b"the first value, for nobody any more")
    asked, go_on = threading.Event(), threading.Event()

    def handle(s):
        reading = lines(s)
        next(reading)
        s.sendall(first[:sent])
        asked.set()
        go_on.wait(PATIENT)
        s.sendall(first[sent:])
        for line in reading:
            s.sendall(value(key_of(line), b"of " + key_of(line)))
    server = scripted(handle)

    async def main():
        async with Client(server.address, protocol="classic") as c:
            task = asyncio.ensure_future(c.get_raw("a"))
            await asyncio.get_running_loop().run_in_executor(None, asked.wait, PATIENT)
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            second = asyncio.ensure_future(c.get_raw("b"))
            await asyncio.sleep(0.02)
            go_on.set()
            assert (await second)[0] == b"of b"
            assert (await c.get_raw("c"))[0] == b"of c"
        assert server.connections == 1
    run(main)


def test_requests_of_all_tasks_leave_before_any_answer_comes(scripted):
    def handle(s):
        reading = lines(s)
        asked = [key_of(next(reading)) for _ in range(200)]
        for key in asked:
            s.sendall(value(key, b"of " + key))
    server = scripted(handle)

    async def main():
        async with Client(server.address, protocol="classic") as c:
            found = await asyncio.gather(*(c.get_raw(f"k{n}") for n in range(200)))
            assert [f[0] for f in found] == [b"of k%d" % n for n in range(200)]
        assert server.connections == 1
    run(main)


def test_a_call_out_of_time_leaves_its_connection_to_the_others(scripted):
    given_up = threading.Event()

    def handle(s):
        for line in lines(s):
            if key_of(line) == b"slow":
                given_up.wait(PATIENT)
            s.sendall(value(key_of(line), b"of " + key_of(line)))
    server = scripted(handle)

    async def main():
        async with Client(server.address, protocol="classic") as c:
            async def slow():
                with pytest.raises(errors.Timeout):
                    await c.within(0.1).get("slow")
                given_up.set()
            waiting = asyncio.gather(slow(), *(c.get_raw(f"k{n}") for n in range(5)))
            assert [f[0] for f in (await waiting)[1:]] == [b"of k%d" % n for n in range(5)]
        assert server.connections == 1
    run(main)


def refuses_to_count(s):
    """In classic: the client closes the connection at each refusal of a counter."""
    for line in lines(s):
        s.sendall(b"CLIENT_ERROR not here\r\n" if line.startswith(b"incr") else
                  value(key_of(line), b"of " + key_of(line)))


def test_refusals_are_not_noticed_by_those_who_share_the_connection(scripted):
    server = scripted(refuses_to_count)

    async def main():
        async with Client(server.address, protocol="classic", max_failures=1) as c:
            calls = [c.incr(f"n{n}") if n % 3 else c.get_raw(f"k{n}") for n in range(90)]
            return await asyncio.gather(*calls, return_exceptions=True)
    outcomes = run(main)
    assert [o[0] for o in outcomes[::3]] == [b"of k%d" % n for n in range(0, 90, 3)]
    # Those behind the first over a connection were sent, and may have been executed.
    wrong = {type(o) for n, o in enumerate(outcomes) if n % 3}
    assert wrong <= {errors.ClientError, errors.ConnectionClosed} and server.connections > 1


def test_who_always_stands_by_has_its_deadline(scripted):
    def refuses(s):
        while b"incr" in s.recv(1 << 16):
            s.sendall(b"CLIENT_ERROR not here\r\n")  # and never gets as far as to the read

    async def main():
        async with Client(scripted(refuses).address, protocol="classic", timeout=0.5) as c:
            async def count():
                while True:
                    with pytest.raises(errors.Error):
                        await c.incr("n")
            counting = [asyncio.ensure_future(count()) for _ in range(3)]
            await asyncio.sleep(0)
            begun = time.monotonic()
            with pytest.raises(errors.Timeout):
                await c.get("k")
            assert 0.45 < time.monotonic() - begun < PATIENT / 2
            for task in counting:
                task.cancel()
            await asyncio.gather(*counting, return_exceptions=True)
    run(main)


def test_a_server_that_says_nothing_is_given_up_even_if_callers_only_cancel(scripted):
    def handle(s):
        if server.connections > 1:
            for line in lines(s):
                s.sendall(value(key_of(line), b"at last"))
        else:
            s.recv(1)
            found.wait(2 * PATIENT)
    found = threading.Event()
    server = scripted(handle)

    async def main():
        async with Client(server.address, protocol="classic", timeout=0.5) as c:
            begun = time.monotonic()
            while True:
                try:
                    answer = await asyncio.wait_for(c.get_raw("k"), 0.1)
                    break
                except (asyncio.TimeoutError, errors.Timeout, errors.NetworkError):
                    assert time.monotonic() - begun < PATIENT
            assert answer[0] == b"at last"
    try:
        run(main)
    finally:
        found.set()


def test_one_stopped_server_does_not_stall_the_others(new_server):
    servers = [new_server() for _ in range(4)]

    async def main():
        async with Client([s.address for s in servers]) as c:
            keys = [f"key:{n}" for n in range(400)]
            assert await c.set_many({k: k for k in keys}) == {}
            frozen = servers[2]
            dead = [k for k in keys if c.which(k) == frozen.address]
            alive = [k for k in keys if c.which(k) != frozen.address]
            frozen.stop()
            try:
                waiting = [asyncio.ensure_future(c.get(k)) for k in dead]
                for _ in range(3):
                    assert await asyncio.gather(*(c.get(k) for k in alive)) == alive
                found = await c.within(1.5).get_many(keys, errors_too=True)
                assert all(found[k] == k for k in alive)
                assert all(isinstance(found[k], errors.Timeout) for k in dead)
                assert not any(task.done() for task in waiting)
            finally:
                frozen.cont()
            assert await asyncio.gather(*waiting) == dead
    run(main)


def test_a_server_that_is_killed_and_restarted_under_load(new_server):
    server = new_server()

    async def main():
        async with Client(server.address, timeout=2) as c:
            stop = False
            wrong = []
            served = 0

            async def one(n):
                nonlocal served
                while not stop:
                    key = f"key:{n}"
                    try:
                        await c.set(key, key * 100)
                        found = await c.get(key)
                        if found not in (None, key * 100):
                            wrong.append(found)
                        served += 1
                    except (errors.NetworkError, errors.Timeout):
                        await asyncio.sleep(0.005)
            tasks = [asyncio.ensure_future(one(n)) for n in range(100)]
            loop = asyncio.get_running_loop()
            for _ in range(3):
                await asyncio.sleep(0.2)
                await loop.run_in_executor(None, server.restart)
            before = served
            deadline = time.monotonic() + PATIENT
            while served == before and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            stop = True
            await asyncio.gather(*tasks)
            assert not wrong and served > before
    run(main)


def test_more_than_may_be_under_way_is_refused_at_once(new_server):
    server = new_server()

    async def main():
        async with Client(server.address, max_requests=50, max_bytes=10_000) as c:
            await c.set("k", 1)
            server.stop()
            try:
                tasks = [asyncio.ensure_future(c.get("k")) for _ in range(60)]
                await asyncio.sleep(0.05)
                refused = [t for t in tasks if t.done()]
                assert len(refused) == 10
                assert all(isinstance(t.exception(), errors.Overloaded) for t in refused)
                for t in tasks:
                    t.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            finally:
                server.cont()
    run(main)


def test_requests_wait_for_room_and_are_all_served(flush):
    async def main():
        async with Client(flush) as c:
            # More than a connection takes at once.
            many = {f"key:{n}": n for n in range(10_000)}
            assert await c.set_many(many) == {}
            found = await asyncio.gather(*(c.get(k) for k in many),
                                         c.set("big", b"x" * 1_000_000), c.get_many(many))
            assert found[:10_000] == list(many.values())
            assert found[-2:] == [True, many]
            assert await asyncio.gather(*(c.get("big") for _ in range(50))) == [
                b"x" * 1_000_000] * 50
    run(main)


def test_close_waits_for_what_is_under_way(scripted):
    def handle(s):
        for line in lines(s):
            time.sleep(0.1)
            s.sendall(value(key_of(line), b"of " + key_of(line)))
    server = scripted(handle)

    async def main():
        c = Client(server.address, protocol="classic")
        task = asyncio.ensure_future(c.get_raw("a"))
        await asyncio.sleep(0.02)
        closing = asyncio.gather(c.close(), c.close())
        await asyncio.sleep(0)
        with pytest.raises(errors.Cancelled):
            await c.get("b")
        assert (await task)[0] == b"of a"
        await closing
        await c.close()
        await Client(server.address).close()  # nothing to close
    run(main)


def test_close_waits_for_all_steps_of_a_call(flush4):
    async def main():
        async with Client(flush4, split_over=2000) as c:
            await c.set("long", b"x" * 100_000)
        c = Client(flush4)
        task = asyncio.ensure_future(c.get("long"))
        await asyncio.sleep(0)
        await c.close()
        assert task.done() and task.result() == b"x" * 100_000
    run(main)


def test_what_a_quiet_call_left_is_written_before_the_end(flush):
    async def main():
        async with Client(flush) as c:
            for n in range(100):
                await c.store_raw("set", f"quiet:{n}", b"x" * 50_000, quiet=True)
        async with Client(flush) as c:
            await asyncio.sleep(0.1)
            assert len(await c.get_many([f"quiet:{n}" for n in range(100)])) == 100
    run(main)


def test_a_client_goes_from_one_loop_to_the_next(flush):
    def twice():
        c = Client(flush)

        async def use():
            await c.set("k", 1)
            return await c.get("k")
        assert asyncio.run(use()) == 1
        assert asyncio.run(use()) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the loops ended before their connections
        twice()
        gc.collect()


def test_a_client_is_not_shared_by_two_loops_that_run(flush):
    async def main():
        async with Client(flush) as c:
            await c.set("k", 1)

            def elsewhere():
                async def use():
                    with pytest.raises(errors.InvalidArgument):
                        await c.get("k")
                asyncio.run(use())
            await asyncio.get_running_loop().run_in_executor(None, elsewhere)
            assert await c.get("k") == 1
    run(main)


def test_several_connections_when_asked_for(scripted):
    def handle(s):
        for line in lines(s):
            time.sleep(0.05)
            s.sendall(value(key_of(line), b"of " + key_of(line)))
    server = scripted(handle)

    async def main():
        async with Client(server.address, protocol="classic", connections=3) as c:
            found = await asyncio.gather(*(c.get_raw(f"k{n}") for n in range(9)))
            assert [f[0] for f in found] == [b"of k%d" % n for n in range(9)]
            assert server.connections == 3
        with pytest.raises(errors.InvalidArgument):
            Client(server.address, connections=0)
    run(main)


def test_it_has_no_thread(flush):
    async def main():
        before = threading.active_count()
        async with Client(flush) as c:
            await asyncio.gather(*(c.set(f"k{n}", n) for n in range(100)))
            assert threading.active_count() == before
    run(main)


def test_asyncios_debug_mode_has_nothing_to_say(flush4, caplog):
    async def main():
        async with Client(flush4) as c:
            await asyncio.gather(*(c.set(f"k{n}", n) for n in range(100)))
            tasks = [asyncio.ensure_future(c.get(f"k{n}")) for n in range(100)]
            await asyncio.sleep(0)
            for t in tasks[::2]:
                t.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    run(main, debug=True)
    assert not [r for r in caplog.records if "memcxx" in r.getMessage() and "took" not in
                r.getMessage()]


def test_servers_that_left_are_let_go(flush4):
    async def main():
        async with Client(flush4) as c:
            keys = [f"key:{n}" for n in range(200)]
            await c.set_many({k: k for k in keys})
            under_way = [asyncio.ensure_future(c.get(k)) for k in keys]
            await asyncio.sleep(0)
            c.replace_servers(flush4[:1])
            assert await asyncio.gather(*under_way) == keys
            await asyncio.sleep(0.05)
            assert len(c._engine.links) == 1
            assert await c.get("key:none") is None
    run(main)


def test_uvloop_will_do(flush4):
    uvloop = pytest.importorskip("uvloop")

    async def main():
        async with Client(flush4) as c:
            await asyncio.gather(*(c.set(f"k{n}", "v" * n) for n in range(1000)))
            tasks = [asyncio.ensure_future(c.get(f"k{n}")) for n in range(1000)]
            await asyncio.sleep(0)
            for t in tasks[::3]:
                t.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.1)  # idle: looked at before it is used again
            assert await c.get_many([f"k{n}" for n in range(1000)]) == {
                f"k{n}": "v" * n for n in range(1000)}
    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
