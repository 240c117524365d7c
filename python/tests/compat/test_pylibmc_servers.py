"""memcxx.compat.pylibmc against what pylibmc does: behaviors, where keys go, pools, failures.

Tests that take `lib` run against both, so their expectations are the original's.
"""

from __future__ import annotations

import importlib
import queue
import threading
import time

import originals
import pytest
from conftest import ServerProcess
from originals import answering, owners  # noqa: F401


lib, ours, theirs = originals.fixtures(
    "memcxx.compat.pylibmc", "pylibmc", importlib.import_module)


KEYS = [f"key:{i}:" + "x" * (i % 7) for i in range(300)] + [f"\u00e9{i}" for i in range(20)]


# --- behaviors

def test_behaviors_are_read_and_set(lib):
    mc = lib.Client(["h"], behaviors={"ketama": True, "hash": "md5"})
    assert mc.behaviors["hash"] == "md5"
    assert mc.behaviors["distribution"] == "consistent ketama"
    assert mc.behaviors["ketama"] == 1 and mc.behaviors["ketama_weighted"] == 0
    mc.behaviors["cas"] = True
    assert mc.behaviors["cas"] == 1
    mc.behaviors.update({"tcp_nodelay": 1, "connect_timeout": 500})
    assert mc.get_behaviors()["tcp_nodelay"] == 1
    mc.set_behaviors({"_retry_timeout": 7})
    assert mc.behaviors["retry_timeout"] == 7
    assert mc.behaviors.client is mc
    with pytest.raises(ValueError):
        mc.behaviors = {"no_such_thing": 1}
    with pytest.raises(KeyError):
        mc.behaviors = {"hash": "no_such_thing"}
    with pytest.raises(KeyError):
        mc.behaviors = {"distribution": "no_such_thing"}
    with pytest.raises(lib.Error):
        mc.behaviors = {"distribution": "consistent max"}


def test_usual_behaviors_are_the_originals(theirs, ours):
    original, own = dict(theirs.Client(["h"]).behaviors), dict(ours.Client(["h"]).behaviors)
    assert set(own) == set(original)
    for name in ("_socket_send_size", "_socket_recv_size"):  # the system's
        own.pop(name), original.pop(name)
    assert own == original


@pytest.mark.parametrize("given", [
    {"ketama": 1}, {"ketama": 0}, {"ketama_weighted": 1}, {"ketama_weighted": 0},
    {"distribution": "consistent", "hash": "crc"}, {"distribution": "consistent ketama spy"},
    {"distribution": "consistent weighted"}, {"distribution": "modula", "hash": "fnv1_32"}])
def test_what_behaviors_make_of_each_other_is_the_originals(theirs, ours, given):
    original, own = theirs.Client(["h"]), ours.Client(["h"])
    original.behaviors = given
    own.behaviors = given
    for name in ("hash", "distribution", "ketama", "ketama_weighted", "ketama_hash"):
        assert own.behaviors[name] == original.behaviors[name], name


def test_a_namespace(lib, flush4, server_processes4):
    mc = lib.Client(flush4, behaviors={"namespace": b"ns:"})
    assert mc.set("key", "v") is True
    assert mc.get("key") == "v"
    assert mc.get_multi(["key"]) == {"key": "v"}
    assert any(b"VALUE" in p.ask(b"get ns:key\r\n", b"END\r\n") for p in server_processes4)


def test_noreply(lib, flush4):
    mc = lib.Client(flush4, behaviors={"_noreply": 1})
    assert mc.set("key", "v") is True
    assert lib.Client(flush4).get("key") == "v"


@pytest.mark.parametrize("reply", [b"SERVER_ERROR out of memory\r\n",
                                   b"SERVER_ERROR backend failure\r\n", b"CLIENT_ERROR bad\r\n",
                                   b"ERROR\r\n"])
def test_a_read_that_the_server_refuses_is_a_miss(lib, answering, reply):
    mc = lib.Client([answering(b"OK\r\n", reply)], behaviors={"cas": True})
    assert mc.get("key") is None

    def fresh():  # the original leaves its server alone now
        return lib.Client([answering(b"OK\r\n", reply)], behaviors={"cas": True})

    assert fresh().get("key", "default") == "default"
    assert fresh().gets("key") == (None, None)
    assert fresh().get_multi(["a", "b"]) == {}
    assert "key" not in fresh()
    with pytest.raises(KeyError):
        fresh()["key"]


@pytest.mark.parametrize("reply, error", [(b"SERVER_ERROR backend failure\r\n", "ServerError"),
                                          (b"CLIENT_ERROR bad\r\n", "ClientError")])
@pytest.mark.parametrize("verb, arguments", [
    ("set", ("k", "v")), ("add", ("k", "v")), ("cas", ("k", "v", 5)), ("delete", ("k",)),
    ("touch", ("k", 5)), ("incr", ("k",)), ("set_multi", ({"a": 1},)), ("delete_multi", (["k"],))])
def test_anything_else_that_the_server_refuses_raises(lib, answering, reply, error, verb, arguments):
    mc = lib.Client([answering(reply)], behaviors={"cas": True})
    with pytest.raises(getattr(lib, error)):
        getattr(mc, verb)(*arguments)


def test_not_stored_is_no_exception(lib, answering):
    mc = lib.Client([answering(b"NOT_STORED\r\n")])
    for verb in ("set", "add", "replace", "append", "prepend"):
        assert getattr(mc, verb)("k", "v") is False
    assert mc.set_multi({"a": 1, "b": 2}) == ["a", "b"]
    assert mc.set_multi({"a": 1, "": 2}, key_prefix="p:") == ["a", ""]
    assert mc.add_multi({"a": 1}) == ["a"]


def test_names_of_client(lib):
    assert lib.client.server_type_map == {"tcp": 1, "udp": 2, "unix": 4}
    for name in ("BehaviorDict", "Client", "all_behaviors", "all_callbacks", "distributions",
                 "distributions_rvs", "hashers", "hashers_rvs", "server_type_map",
                 "translate_server_spec", "translate_server_specs"):
        assert hasattr(lib.client, name), name


# --- where keys go

def place(lib, processes, behaviors, weights=False, changes=(), prefix=b""):
    specs = [p.address for p in processes]
    if weights:
        specs = [f"{s}:{w}" for s, w in zip(specs, (1, 2, 3, 1))]
    mc = lib.Client(specs, behaviors=behaviors)
    for change in changes:
        mc.behaviors = change
    for key in KEYS:
        assert mc.set(key, "v") is True
    assert len(mc.get_multi(KEYS)) == len(KEYS)
    found = owners(processes, KEYS, prefix)
    for process in processes:
        process.flush()
    assert len(found) == len(KEYS)
    assert [mc.hash(key) for key in KEYS] == [found[key] for key in KEYS]
    return found


PLACES = [
    {}, {"hash": "md5"}, {"hash": "crc"}, {"hash": "murmur"}, {"hash": "fnv1a_64"},
    {"hash": "jenkins"}, {"ketama": True}, {"ketama": True, "hash": "md5"},
    {"ketama": True, "hash": "fnv1_32"}, {"ketama_weighted": True},
    {"ketama": True, "ketama_weighted": True}, {"ketama": True, "ketama_hash": "md5"},
    {"distribution": "consistent"}, {"distribution": "consistent", "hash": "murmur"},
    {"distribution": "consistent ketama spy"}, {"distribution": "consistent weighted"},
    {"distribution": "consistent weighted", "hash": "fnv1a_32"},
    {"ketama": True, "distribution": "modula"},
]


@pytest.mark.parametrize("weights", [False, True], ids=["equal", "weights"])
@pytest.mark.parametrize("behaviors", PLACES, ids=str)
def test_keys_live_where_the_original_puts_them(theirs, ours, server_processes4, behaviors,
                                                weights):
    for process in server_processes4:
        process.flush()
    assert place(ours, server_processes4, behaviors, weights) == \
        place(theirs, server_processes4, behaviors, weights)


@pytest.mark.parametrize("changes", [
    [{"ketama": True}], [{"ketama_weighted": True}], [{"hash": "md5"}, {"ketama": True}],
    [{"ketama_weighted": True}, {"ketama": True}], [{"ketama_weighted": True}, {"hash": "default"}],
    [{"ketama_weighted": True}, {"ketama_weighted": False}], [{"ketama": True}, {"ketama": False}],
    [{"distribution": "consistent ketama spy"}], [{"ketama_weighted": 0}],
    [{"ketama_weighted": 1}, {"distribution": "consistent ketama spy"}],
    [{"hash": "crc"}, {"ketama_weighted": 0}],
], ids=str)
@pytest.mark.parametrize("weights", [False, True], ids=["equal", "weights"])
def test_and_where_it_puts_them_after_changes(theirs, ours, server_processes4, changes, weights):
    for process in server_processes4:
        process.flush()
    assert place(ours, server_processes4, {}, weights, changes) == \
        place(theirs, server_processes4, {}, weights, changes)


@pytest.mark.parametrize("hashed", [0, 1])
def test_whether_the_namespace_is_hashed(theirs, ours, server_processes4, hashed):
    for process in server_processes4:
        process.flush()
    behaviors = {"namespace": b"ns:", "_hash_with_prefix_key": hashed}
    mc = theirs.Client([p.address for p in server_processes4], behaviors=behaviors)
    for key in KEYS:
        mc.set(key, "v")
    wanted = owners(server_processes4, KEYS, b"ns:")
    for process in server_processes4:
        process.flush()
    assert place(ours, server_processes4, behaviors, prefix=b"ns:") == wanted


def test_keys_of_multi_gets_with_a_prefix_are_hashed_whole(theirs, ours, flush4):
    writer = theirs.Client(flush4, behaviors={"ketama": True})
    writer.set_multi({key: "v" for key in KEYS}, key_prefix="some:")
    reader = ours.Client(flush4, behaviors={"ketama": True})
    assert len(reader.get_multi(KEYS, key_prefix="some:")) == len(KEYS)
    assert reader.get("some:" + KEYS[0]) == "v"


RINGS = [{"ketama": True}, {"ketama": True, "hash": "md5"}, {"ketama_weighted": True},
         {"distribution": "consistent"}, {"distribution": "consistent ketama spy"}]


@pytest.mark.parametrize("order", [(0, 0, 1), (0, 1, 0), (0, 0)], ids=str)
@pytest.mark.parametrize("behaviors", RINGS, ids=str)
def test_a_server_that_is_listed_twice_is_taken_once(theirs, ours, server_processes4, behaviors,
                                                     order):
    listed = [server_processes4[i] for i in order]
    found = []
    for lib in (ours, theirs):
        for process in server_processes4:
            process.flush()
        mc = lib.Client([p.address for p in listed], behaviors=behaviors)
        assert all(mc.set(key, "v") for key in KEYS)
        assert len(mc.get_multi(KEYS)) == len(KEYS)
        found.append(owners(server_processes4, KEYS))
        assert [order[mc.hash(key)] for key in KEYS] == [found[-1][key] for key in KEYS]
    assert found[0] == found[1]


@pytest.mark.parametrize("binary", [False, True])
def test_and_without_a_ring_too(ours, flush4, server_processes4, binary):
    # The original counts it twice there: keys are then on other servers.
    mc = ours.Client([flush4[0], flush4[1], flush4[0]], binary=binary)
    assert mc.set_multi({key: "v" for key in KEYS}) == []
    assert len(mc.get_multi(KEYS)) == len(KEYS)
    once = ours.Client(flush4[:2], binary=binary)
    assert len(once.get_multi(KEYS)) == len(KEYS)
    assert [mc.hash(key) for key in KEYS] == [once.hash(key) for key in KEYS]
    assert len(mc.get_stats()) == 2
    assert mc.flush_all() is True and once.get_multi(KEYS) == {}


# --- pools, clones

def test_client_pool(lib, flush):
    pool = lib.ClientPool(lib.Client([flush]), 2)
    with pool.reserve() as a, pool.reserve(block=True) as b:
        assert a is not b
        assert a.set("key", "v") is True and b.get("key") == "v"
        with pytest.raises(queue.Empty):
            with pool.reserve():
                pass
    assert pool.qsize() == 2
    empty = lib.ClientPool()
    empty.fill(lib.Client([flush]), 3)
    assert empty.qsize() == 3


def test_thread_mapped_pool(lib, flush):
    pool = lib.ThreadMappedPool(lib.Client([flush]))
    with pool.reserve() as mc:
        assert mc.set("key", "v") is True
    assert list(pool) == [threading.current_thread().ident]
    with pool.reserve() as again:
        assert again is mc
    seen = []

    def work():
        with pool.reserve() as own:
            seen.append((own is mc, own.get("key")))
        assert pool.relinquish() is own

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, "v")]
    assert pool.relinquish() is mc
    assert pool.relinquish() is None


def test_clones_have_behaviors_of_their_own(lib, flush4):
    mc = lib.Client(flush4, behaviors={"ketama": True})
    mc.set("key", "v")
    clone = mc.clone()
    assert type(clone) is lib.Client and clone.addresses == mc.addresses
    assert clone.behaviors["ketama"] == 1 and clone.get("key") == "v"
    clone.behaviors = {"cas": 1}
    assert mc.behaviors["cas"] == 0


# --- failures

def test_refused_connections(lib):
    with ServerProcess() as s:
        address = s.address
    for call in (lambda mc: mc.get("key"), lambda mc: mc.set("key", "v"),
                 lambda mc: mc.delete("key"), lambda mc: mc.incr("key"),
                 lambda mc: mc.touch("key", 1), lambda mc: mc.set_multi({"key": "v"}),
                 lambda mc: mc.flush_all(), lambda mc: mc.get_stats()):
        with pytest.raises(lib.Error):
            call(lib.Client([address]))
    with pytest.raises(lib.ConnectionError):
        lib.Client([address]).get("key")
    with pytest.raises(lib.SomeErrors):
        lib.Client([address]).flush_all()


def test_names_that_do_not_resolve(lib):
    with pytest.raises(lib.HostLookupError):
        lib.Client(["nosuchhost.invalid"]).get("key")


def test_a_server_that_is_down_is_left_alone(lib):
    with ServerProcess() as s:
        address = s.address
    mc = lib.Client([address])
    for _ in range(3):
        with pytest.raises((lib.ConnectionError, lib.ServerDown)):
            mc.get("key")
    with pytest.raises(lib.ServerDown):
        mc.get("key")


def test_the_other_servers_keys_are_read_all_the_same(lib):
    with ServerProcess() as a, ServerProcess() as b:
        mc = lib.Client([a.address, b.address])
        mc.set_multi({key: "v" for key in KEYS})
        mine = [key for key in KEYS if mc.hash(key) == 1]
        a.kill()
        assert mc.get(mine[0]) == "v"
        with pytest.raises(lib.Error):
            mc.get(next(key for key in KEYS if mc.hash(key) == 0))
        found = mc.get_multi(KEYS)
        assert found == {key: "v" for key in mine}


def test_when_nobody_has_them_the_servers_that_answer_decide(lib):
    with ServerProcess() as a, ServerProcess() as b:
        mc = lib.Client([a.address, b.address])
        a.kill()
        assert mc.get_multi(KEYS) == {}


def test_goes_on_after_a_restart(lib):
    with ServerProcess() as s:
        mc = lib.Client([s.address], behaviors={"retry_timeout": 1})
        assert mc.set("key", "v") is True
        s.restart()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                if mc.set("key", "again"):
                    break
            except lib.Error:
                time.sleep(0.05)
        assert mc.get("key") == "again"
