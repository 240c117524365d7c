"""Servers of memcxx.compat.memcache and of python-memcached: their addresses, and what happens when
they fail; threads and processes that share a client. Where memcxx is better on purpose, the test
says so.
"""

from __future__ import annotations

import io
import os
import pickle
import threading
import time

import pytest
from memcache_fixtures import closed_port, mc, module, ours  # noqa: F401
from originals import answering, owners  # noqa: F401


# --- addresses

@pytest.mark.parametrize("form", ["{}", "inet:{}"])
def test_addresses_with_a_port(module, flush, form):
    mc = module.Client([form.format(flush)])
    assert mc.set("k", 1) is True and mc.get("k") == 1


def test_a_unix_socket(module, unix_server):
    mc = module.Client([unix_server])
    assert mc.set("k", 1) is True and mc.get("k") == 1
    assert mc.get_stats()[0][0] == f"{unix_server} (1)"


def test_ipv6(module, new_server):
    server = new_server("::1")
    mc = module.Client([f"inet6:{server.address}"])
    assert mc.set("k", 1) is True and mc.get("k") == 1
    assert mc.get_stats()[0][0] == f"{server.address} (1)"


@pytest.mark.parametrize("text, shown", [
    ("127.0.0.1", "inet:127.0.0.1:11211"), ("h:5", "inet:h:5"), ("inet:h", "inet:h:11211"),
    ("inet6:[::1]", "inet6:[::1]:11211"), ("inet6:[::1]:6", "inet6:[::1]:6"),
    ("unix:/x", "unix:/x"),
    (("h:1", 3), "inet:h:1")])
def test_hosts_are_shown_as_by_the_original(module, text, shown):
    host = module._Host(text)
    assert str(host) == shown
    assert host.weight == (3 if isinstance(text, tuple) else 1)
    assert host.deaduntil == 0 and host.socket is None


@pytest.mark.parametrize("servers", [["a:b"], ["::1"], [""]])
def test_an_address_that_is_none(module, servers):
    with pytest.raises(ValueError):
        module.Client(servers)


@pytest.mark.parametrize("servers", [[5], None, [("h:1", "x")], [b"h:1"]])
def test_a_server_of_a_wrong_type(module, servers):
    with pytest.raises(TypeError):
        module.Client(servers)


@pytest.mark.parametrize("servers", [["h:99999"], ["h:0"], ["unix:"], ["a b:1"], ["a,b:1"],
                                     [("h:1", 70000)], ["h:1\n"]])
def test_a_server_that_cannot_be_is_refused_at_once(servers):
    # The original says so, or nothing, when it connects.
    with pytest.raises(ValueError):
        ours.Client(servers)


def test_a_server_alone_may_be_text(flush):
    # The original takes its letters for servers.
    assert ours.Client(flush).set("k", 1) is True


def test_the_time_out_is_checked(flush):
    for bad in (-1, "x"):
        with pytest.raises((ValueError, TypeError)):
            ours.Client([flush], socket_timeout=bad)
    assert ours.Client([flush], socket_timeout=None).set("k", 1) is True


def test_a_host_can_be_spoken_to_by_hand(module, flush):
    mc = module.Client([flush])
    mc.set("k", "v")
    host, key = mc._get_server(b"k")
    assert key == b"k" and host is mc.servers[0] is mc.buckets[0]
    assert host.connect() == 1
    host.send_cmd("get k")
    assert host.readline() == b"VALUE k 16 1"
    assert host.recv(3) == b"v\r\n"
    assert host.expect(b"END") == b"END"
    host.flush()
    host.quit()
    assert host.socket is None
    assert mc.get("k") is None


# --- failures

def test_a_server_that_is_not_there_is_a_miss(module, closed_port):
    mc = module.Client([closed_port])
    assert mc.set("k", 1) == 0
    assert mc.add("k", 1) == 0
    assert mc.set("k", 1, noreply=True) == 0
    assert mc.cas("k", 1) == 0
    assert mc.get("k") is None
    assert mc.gets("k") is None
    assert mc.get_multi(["k"]) == {}
    assert mc.set_multi({"k": 1, "l": 2}, key_prefix="p") == ["k", "l"]
    assert mc.delete("k") == 0
    assert mc.touch("k", 1) == 0
    assert mc.incr("k") is None and mc.decr("k") is None
    assert mc.get_stats() == [] and mc.get_slab_stats() == []
    assert mc.flush_all() is None
    assert mc.disconnect_all() is None and mc.quit_all() is None
    assert mc.forget_dead_hosts() is None


def test_a_server_that_is_not_there_gives_the_default_and_deletes_nothing(closed_port):
    # The original answers None whatever the default, and 1 to delete_multi.
    mc = ours.Client([closed_port])
    assert mc.get("k", 5) == 5
    assert mc.delete_multi(["k"]) == 0


def test_without_servers_nothing_is_found(module):
    mc = module.Client([])
    assert mc.set("k", 1) == 0
    assert mc.get("k") is None
    assert mc.get_multi(["k"]) == {}
    assert mc.set_multi({"k": 1}) == ["k"]
    assert mc.delete("k") == 0 and mc.touch("k") == 0 and mc.incr("k") is None
    assert mc.get_stats() == []


def test_a_name_that_does_not_resolve_is_a_miss(module):
    mc = module.Client(["no-such-host.invalid:11211"])
    assert mc.set("k", 1) == 0
    assert mc.get("k") is None


def test_a_restarted_server_is_used_again_at_once(new_server):
    # The original fails the first call, and leaves the server alone for dead_retry seconds.
    server = new_server()
    mc = ours.Client([server.address])
    assert mc.set("k", 1) is True
    for call in (lambda: mc.set("k", 2) is True, lambda: mc.get("k") is None,
                 lambda: mc.set_multi({"k": 3}) == [], lambda: mc.delete("k") == 0,
                 lambda: mc.delete_multi(["k"]) == 1, lambda: mc.touch("k", 5) == 0,
                 lambda: mc.get_multi(["k"]) == {}):
        mc.set("before", 1)
        server.restart()
        assert call()
        assert mc.set("after", 1) is True


def test_what_may_not_be_repeated_is_not(scripted):
    seen = []

    def handle(s):
        lines = s.makefile("rb")
        for line in lines:
            seen.append(line.split()[0])
            if seen[-1] in (b"set", b"add", b"append"):
                lines.readline()
            if seen[-1] != b"set":
                return  # it may have been done by then
            s.sendall(b"STORED\r\n")
    address = scripted(handle).address
    for verb, call in ((b"add", lambda mc: mc.add("k", 1) == 0),
                       (b"append", lambda mc: mc.append("k", "x") == 0),
                       (b"incr", lambda mc: mc.incr("k") is None)):
        mc = ours.Client([address])
        assert mc.set("before", 1)  # the connection has been used before
        assert call(mc)
        assert seen.count(verb) == 1


def test_a_dead_server_is_left_alone_and_then_tried_again(module, new_server):
    server = new_server()
    mc = module.Client([server.address], dead_retry=1)
    mc.set("k", 1)
    server.kill()
    assert [mc.set("k", 1) for _ in range(3)] == [0, 0, 0]
    assert mc.servers[0].deaduntil > time.time()
    server.restart()
    assert mc.set("k", 1) == 0
    deadline = time.monotonic() + 5
    while not mc.set("k", 1) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert mc.get("k") == 1
    assert mc.servers[0].deaduntil == 0


def test_dead_hosts_can_be_forgotten(module, new_server):
    server = new_server()
    mc = module.Client([server.address])
    server.kill()
    assert [mc.set("k", 1) for _ in range(3)] == [0, 0, 0]
    server.restart()
    assert mc.set("k", 1) == 0
    mc.forget_dead_hosts()
    assert mc.set("k", 1) is True


def test_a_host_that_is_marked_dead_is_left_alone(module, flush4):
    mc = module.Client(flush4[:1])
    mc.set("k", 1)
    mc.servers[0].mark_dead("by hand")
    assert mc.servers[0].connect() == 0
    assert mc.set("k", 2) == mc.add("l", 2) == mc.delete("k") == mc.touch("k") == 0
    assert mc.get("k") is None and mc.gets("k") is None and mc.incr("k") is None
    assert mc.get_multi(["k"]) == {}
    assert mc.set_multi({"k": 2}) == ["k"]
    assert mc.delete_multi(["k"]) == 1
    assert mc.get_stats() == []
    mc.flush_all()
    mc.forget_dead_hosts()
    assert mc.get("k") == 1


def test_keys_of_a_host_that_is_marked_dead_go_to_others(module, flush4, server_processes4):
    mc = module.Client(flush4[:2])
    keys = [f"key:{i}" for i in range(50)]
    mc.servers[0].mark_dead("by hand")
    assert all(mc.set(key, "v") for key in keys[:25])
    assert mc.set_multi(dict.fromkeys(keys[25:], "v")) == []
    assert set(owners(server_processes4, keys).values()) == {1}
    assert len(mc.get_multi(keys)) == len(keys)
    mc.servers[0].deaduntil = 0
    assert mc.set_multi(dict.fromkeys(keys, "v")) == []
    assert set(owners(server_processes4[:1], keys).values()) == {0}


def test_a_mark_ends_by_itself(module, flush):
    mc = module.Client([flush], dead_retry=0.5)
    mc.servers[0].mark_dead("by hand")
    assert mc.set("k", 1) == 0
    deadline = time.monotonic() + 20
    while not mc.set("k", 1) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert mc.get("k") == 1
    assert mc.servers[0].connect() == 1


def test_what_was_missed_can_be_flushed_on_reconnect(module, new_server):
    servers = [new_server(), new_server()]
    mc = module.Client([s.address for s in servers], dead_retry=0.2, socket_timeout=0.3,
                       flush_on_reconnect=1)
    key = next(k for k in (f"key:{i}" for i in range(1000))
               if mc._get_server(k.encode())[0].port == servers[0].port)
    mc.disconnect_all()
    assert mc.set(key, "old") is True
    servers[0].stop()
    deadline = time.monotonic() + 10
    while mc.set(key, "new") is not True and time.monotonic() < deadline:
        pass
    servers[0].cont()
    line = b"get " + key.encode() + b"\r\n"
    assert servers[0].ask(line, b"END\r\n") != b"END\r\n"  # what is out of date is still there
    deadline = time.monotonic() + 10
    while servers[0].ask(line, b"END\r\n") != b"END\r\n" and time.monotonic() < deadline:
        assert mc.get(key) in ("new", None)
        time.sleep(0.05)
    assert servers[0].ask(line, b"END\r\n") == b"END\r\n"


def test_a_silent_server_costs_the_time_out_and_no_more(module, new_server):
    server = new_server()
    mc = module.Client([server.address], socket_timeout=0.4)
    mc.set("k", 1)
    server.stop()
    began = time.monotonic()
    assert mc.get("k") is None
    took = time.monotonic() - began
    server.cont()
    assert 0.3 < took < 3


def test_an_answer_that_comes_too_late_is_nobody_elses(scripted):
    def handle(s):
        lines = s.makefile("rb")
        for line in lines:
            key = line.split()[1]
            if key == b"slow":
                time.sleep(0.6)
            s.sendall(b"VALUE %s 16 %d\r\n%s\r\nEND\r\n" % (key, len(key), key))

    mc = ours.Client([scripted(handle).address], socket_timeout=0.3)
    for _ in range(3):
        assert mc.get("slow") is None
        mc.forget_dead_hosts()
        assert mc.get("quick") == "quick"


def test_a_value_that_is_cut_off_is_a_miss(scripted):
    answer = b"VALUE k 16 10\r\n0123456789\r\nEND\r\n"
    whole = answer.index(b"END")

    def handle(s):
        s.recv(100)
        s.sendall(answer[:cut])

    for cut in range(len(answer)):
        found = ours.Client([scripted(handle).address], socket_timeout=1).get("k", "miss")
        assert found == "miss" or cut >= whole and found == "0123456789"


def test_garbage_is_a_miss(module, scripted):
    def handle(s):
        s.recv(100)
        s.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    mc = module.Client([scripted(handle).address], socket_timeout=1)
    assert mc.get("k") is None
    assert not mc.set("k", 1)


@pytest.mark.parametrize("reply", [b"SERVER_ERROR backend failure\r\n", b"NOT_STORED\r\n"])
def test_what_a_server_will_not_store(module, answering, reply):
    mc = module.Client([answering(reply)])
    for verb in ("set", "add", "replace", "append", "prepend", "cas"):
        assert getattr(mc, verb)("k", "v") is False
    assert mc.set_multi({"a": 1, "b": 2}) == ["a", "b"]
    assert mc.set_multi({"a": 1, "b": 2}, key_prefix="p:") == ["a", "b"]
    assert mc.set_multi({(1, "a"): 1}) == [(1, "a")]


def test_servers_can_be_changed(module, new_server):
    first, second = new_server(), new_server()
    mc = module.Client([first.address])
    mc.set("k", 1)
    mc.set_servers([second.address])
    assert mc.get("k") is None
    assert mc.set("k", 2) is True
    mc.set_servers([])
    assert mc.get("k") is None
    mc.set_servers([(first.address, 2)])
    assert mc.get("k") == 1
    assert len(mc.buckets) == 2


# --- threads, fork

def test_threads_share_a_client(flush4):
    mc = ours.Client(flush4, cache_cas=True)
    wrong = []

    def work(number):
        for i in range(150):
            key = f"{number}-{i % 20}"
            mc.set(key, key)
            if mc.get(key) != key:
                wrong.append(key)
            many = [f"{number}-{j}" for j in range(20)]
            wrong.extend(k for k, v in mc.get_multi(many).items() if k != v)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(60)
    assert not any(w.is_alive() for w in workers)
    assert wrong == []


def test_a_child_process_has_connections_of_its_own(module, flush):
    mc = module.Client([flush])
    mc.set("k", "parent")
    if module is not ours:
        return  # the original shares its socket with the child
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if all(mc.set(f"child-{i}", i) and mc.get(f"child-{i}") == i
                            for i in range(200)) else 2
        finally:
            os._exit(code)
    assert all(mc.set("k", i) and mc.get("k") == i for i in range(200))
    assert os.waitpid(child, 0)[1] == 0


def test_no_client_keeps_itself_alive(flush):
    import gc
    import weakref

    mc = ours.Client([flush])
    mc.set("k", 1)
    gone = weakref.ref(mc)
    del mc
    gc.collect()
    assert gone() is None


def test_unpickling_reads_from_a_file(module, flush):
    class Unpickler(pickle.Unpickler):
        def __init__(self, file):
            assert isinstance(file, io.BytesIO)
            super().__init__(file)

    mc = module.Client([flush], unpickler=Unpickler)
    mc.set("k", [1])
    assert mc.get("k") == [1]
