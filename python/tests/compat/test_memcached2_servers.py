"""memcxx.compat.memcached2: where keys go, failures, and failures that are misses.

The original is not run here; its placement of keys is known from recorded vectors.
"""

from __future__ import annotations

import pickle
import time

import memcxx
import memcxx.compat.memcached2 as memcached2
import pytest
from conftest import ServerProcess
from originals import Scripted, answering, in_threads, owners  # noqa: F401
from silent import FIRST_ANSWERS


KEYS = [f"key:{i}" for i in range(300)]


def uri(address):
    return f"memcached://{address}/"


@pytest.fixture
def mc(flush):
    return memcached2.Memcache([uri(flush)])


@pytest.fixture
def uris4(flush4):
    return [uri(s) for s in flush4]


@pytest.fixture
def mc4(uris4):
    return memcached2.Memcache(uris4)


# --- where keys go

def test_the_hash():
    hasher = memcached2.HasherCMemcache()
    assert [hasher.hash(k) for k in ("x", "y", "foo", "hello", b"foo")] == \
        [3292, 31707, 3187, 13840, 3187]
    assert hasher.hash("ob") == 1  # 0 becomes 1
    assert memcached2.HasherZero().hash("x") == 0
    for base in (memcached2.HasherBase().hash,
                 lambda key: memcached2.SelectorBase().select([], None, key)):
        with pytest.raises(NotImplementedError):
            base("x")


def test_consistent_hashing_is_the_originals():
    class Up:
        def __init__(self, number):
            self.number = number

        def is_up(self):
            return True

    servers = [Up(i) for i in range(3)]
    selector = memcached2.SelectorConsistentHashing()
    hasher = memcached2.HasherCMemcache()
    assert {key: selector.select(servers, hasher.hash, key).number
            for key in ("a", "foo", "bar", "key1", "hello", "ob")} == {
        "a": 1, "foo": 2, "bar": 2, "key1": 1, "hello": 1, "ob": 2}


class Anonymous(memcached2.HasherCMemcache):
    """The same hash under another name: selectors then run in Python."""


@pytest.mark.parametrize("count, selector", [
    (2, None), (3, None), (4, None), (4, memcached2.SelectorRehashDownServers),
    (4, memcached2.SelectorConsistentHashing), (3, memcached2.SelectorConsistentHashing)])
def test_the_core_places_keys_as_the_selectors_do(uris4, server_processes4, count, selector):
    found = []
    for hasher in (None, Anonymous()):
        for process in server_processes4:
            process.flush()
        mc = memcached2.Memcache(uris4[:count], selector=selector and selector(), hasher=hasher)
        assert (mc._cluster is None) == (hasher is not None)
        assert mc.set_multi([(key, "v") for key in KEYS]) == dict.fromkeys(KEYS)
        assert len(mc.get_multi(KEYS)) == len(KEYS)
        assert all(mc.get(key) == "v" for key in KEYS[:20])
        found.append(owners(server_processes4, KEYS))
    assert len(found[0]) == len(KEYS)
    assert found[0] == found[1]


def test_keys_live_where_the_rules_say(mc4, server_processes4):
    hasher = memcached2.HasherCMemcache()
    mc4.set_multi([(key, "v") for key in KEYS])
    assert owners(server_processes4, KEYS) == {key: hasher.hash(key) % 4 for key in KEYS}


def test_values_are_read_by_the_core_and_written_by_it(mc4, flush4):
    core = memcxx.Client(flush4, distribution="memcached2-fractal")
    mc4.set("foo", "bar", flags=3)
    assert core.get_raw("foo")[:2] == (b"bar", 3)
    core.store_raw("set", "foo", b"\xff", 4)
    assert mc4.get("foo") == "\xff"


@pytest.mark.parametrize("selector", [
    None, memcached2.SelectorRehashDownServers, memcached2.SelectorConsistentHashing])
@pytest.mark.parametrize("hasher", [None, Anonymous], ids=["core", "python"])
def test_keys_of_a_server_that_is_down_go_elsewhere(selector, hasher):
    servers = [ServerProcess() for _ in range(3)]
    try:
        mc = memcached2.Memcache([uri(s.address) for s in servers],
                                 selector=selector and selector(), hasher=hasher and hasher())
        mc.set_multi([(key, "v") for key in KEYS])
        mine = next(key for key, i in owners(servers, KEYS).items() if i == 0)
        servers[0].kill()
        for _ in range(5):  # what was connected finds out first
            try:
                mc.set(mine, "moved")
                break
            except memcached2.MemcachedException:
                pass
        assert mc.get(mine) == "moved"
        assert mine in owners(servers[1:], KEYS)
    finally:
        for s in servers:
            s.close()


@pytest.mark.parametrize("selector", [
    memcached2.SelectorRehashDownServers, memcached2.SelectorFractalSharding,
    memcached2.SelectorConsistentHashing])
def test_and_to_the_same_server_in_the_core_as_in_python(selector):
    servers = [ServerProcess() for _ in range(4)]
    try:
        uris = [uri(s.address) for s in servers]
        servers[0].kill()
        servers[2].kill()
        found = []
        for hasher in (None, Anonymous()):
            mc = memcached2.Memcache(uris, selector=selector(), hasher=hasher)
            for key in KEYS:
                mc.set(key, "v")
            found.append(owners([servers[1], servers[3]], KEYS))
            servers[1].flush()
            servers[3].flush()
        assert len(found[0]) == len(KEYS)
        assert found[0] == found[1]
    finally:
        for s in servers:
            s.close()


def test_the_first_server_only(uris4, server_processes4):
    mc = memcached2.Memcache(uris4, selector=memcached2.SelectorFirst())
    mc.set_multi([(key, "v") for key in KEYS])
    assert set(owners(server_processes4, KEYS).values()) == {0}
    assert len(mc.get_multi(KEYS)) == len(KEYS) and len(mc.stats()) == 4


def test_a_selector_of_ones_own(uris4, server_processes4):
    class Last(memcached2.SelectorBase):
        def select(self, server_list, hasher, key):
            assert hasher("foo") == 3187
            if not server_list[-1].is_up():
                raise memcached2.NoAvailableServers()
            return server_list[-1]

    mc = memcached2.Memcache(uris4, selector=Last())
    mc.set("foo", "bar")
    assert mc.get("foo") == "bar" and mc.delete("foo") is True
    mc.set_multi([(key, "v") for key in KEYS])
    assert set(owners(server_processes4, KEYS).values()) == {3}
    assert mc.delete_all(KEYS[0]) is True
    mc.flush_all()
    assert mc.get_multi(KEYS) == {}


def test_reconnectors():
    simple = memcached2.ReconnectorSimple()
    simple.had_error("u")
    assert simple.connectable("u") is True
    timed = memcached2.ReconnectorTime(timeout=0.2)
    assert timed.connectable("u") is True
    timed.had_success("u")
    timed.had_error("u")
    timed.had_error("u")
    assert timed.connectable("u") is False
    assert timed.connectable("other") is True
    time.sleep(0.25)
    assert timed.connectable("u") is True
    for call in ("connectable", "had_error", "had_success"):
        with pytest.raises(NotImplementedError):
            getattr(memcached2.ReconnectorBase(), call)("u")


@pytest.mark.parametrize("hasher", [None, Anonymous], ids=["core", "python"])
def test_a_server_that_failed_is_left_alone(hasher):
    pool = memcached2.ServerPool(reconnector=memcached2.ReconnectorTime(timeout=60))
    with ServerProcess() as s:
        options = {} if hasher is None else {
            "hasher": hasher(), "selector": memcached2.SelectorRehashDownServers()}
        mc = memcached2.Memcache([uri(s.address)], server_pool=pool, **options)
        mc.set("foo", "bar")
        s.kill()
        for _ in range(3):
            with pytest.raises(memcached2.MemcachedException):
                mc.get("foo")
        s.restart()
        with pytest.raises(memcached2.NoAvailableServers):
            mc.get("foo")


def test_a_pool_shares_servers(uris4):
    pool = memcached2.ServerPool(uris4[:1])
    one = memcached2.Memcache(uris4, server_pool=pool)
    two = memcached2.Memcache(uris4, server_pool=pool)
    assert one.servers == two.servers
    pool.put(one.servers[0])
    assert pool.get(uris4[0]) is one.servers[0]
    one.set("foo", "bar")
    assert two.get("foo") == "bar"
    assert one.servers[0].is_up() and one.servers[0].backend
    one.servers[0].reset()
    assert not one.servers[0].backend


# --- failures

@pytest.mark.parametrize("reply, error", [
    (b"", memcached2.ServerDisconnect), (b"VALUE foo 0 9\r\nabc", memcached2.ServerDisconnect),
    (b"garbage\r\n", memcached2.ServerDisconnect),
    (b"SERVER_ERROR out of memory\r\n", memcached2.UnexpectedReply),
    (b"CLIENT_ERROR bad\r\n", memcached2.UnexpectedReply),
    (b"ERROR\r\n", memcached2.UnexpectedReply)])
def test_answers_that_are_errors(reply, error):
    with Scripted(reply) as s:
        with pytest.raises(error):
            memcached2.Memcache([uri(s.address)]).get("foo")
        assert memcached2.ExceptionsAreMissesMemcache([uri(s.address)]).get("foo") is None
        with pytest.raises(KeyError):
            memcached2.ExceptionsAreMissesMapping([uri(s.address)])["foo"]


def test_a_value_that_is_too_large(mc):
    with pytest.raises(NotImplementedError) as caught:
        mc.set("foo", "x" * (2 << 20))
    assert isinstance(caught.value, memcxx.errors.ValueTooLarge)
    mc.set("foo", "bar")
    assert mc.get("foo") == "bar"


def test_refused_connections():
    with ServerProcess() as s:
        address = s.address
    mc = memcached2.Memcache([uri(address)])
    for call in (lambda: mc.get("foo"), lambda: mc.set("foo", "bar"), lambda: mc.delete("foo"),
                 lambda: mc.incr("foo"), lambda: mc.get_multi(["foo"]), lambda: mc.flush_all(),
                 lambda: mc.delete_all("foo"), lambda: mc.touch("foo", 1)):
        with pytest.raises(memcached2.NoAvailableServers) as caught:
            call()
        assert isinstance(caught.value, OSError)  # who caught socket.error goes on catching it
    with pytest.raises(memcached2.MultiStorageException) as caught:
        mc.set_multi([("foo", "bar")])
    assert caught.value.results == {}
    assert mc.stats() == [None]


def test_set_multi_tells_what_came_through():
    with ServerProcess() as a, ServerProcess() as b:
        mc = memcached2.Memcache([uri(a.address), uri(b.address)],
                                 selector=memcached2.SelectorRehashDownServers(hashing_retries=0))
        mine = {key: memcached2.HasherCMemcache().hash(key) % 2 for key in KEYS}
        mc.set_multi([(key, "v") for key in KEYS])
        b.kill()
        with pytest.raises(memcached2.MultiStorageException) as caught:
            mc.set_multi([(key, "w") for key in KEYS])
        assert caught.value.results == {key: None for key, i in mine.items() if i == 0}
        assert isinstance(caught.value.__cause__, memcached2.MemcachedException)


# --- exceptions are misses

def test_misses_memcache(flush):
    mc = memcached2.ExceptionsAreMissesMemcache([uri(flush)])
    assert mc.get("foo") is None
    mc.set("foo", "bar")
    assert mc.get("foo") == "bar"
    assert mc.set("foo", "x", cas_unique=1) is None and mc.get("foo") == "bar"
    assert mc.delete("foo") is True and mc.delete("foo") is False
    assert mc.cache("foo", lambda key: key + "!") == "foo!"
    assert mc.get("foo") == "foo!"
    with pytest.raises(memcached2.NotStored):
        mc.add("foo", "x")


def test_misses_memcache_without_a_server():
    with ServerProcess() as s:
        address = s.address
    mc = memcached2.ExceptionsAreMissesMemcache([uri(address)])
    assert mc.get("foo") is None
    assert mc.set("foo", "bar") is None
    assert mc.delete("foo") is False
    assert mc.get_multi(["foo"]) == {}
    assert mc.set_multi([("foo", "bar")]) == {}
    assert mc.cache("foo", lambda key: "computed") == "computed"


def test_misses_mapping(flush):
    d = memcached2.ExceptionsAreMissesMapping([uri(flush)])
    with pytest.raises(NotImplementedError):
        list(d)
    with pytest.raises(KeyError):
        d["foo"]
    assert d.get("foo") is None and d.get("foo", 5) == 5
    d["foo"] = "hello"
    assert d["foo"] == "hello" and "foo" in d and "qux" not in d
    del d["foo"]
    del d["bar"]
    assert "foo" not in d
    d.update({"a": "1", "b": "2"})
    assert d.setdefault("a", "x") == "1" and d.pop("b") == "2" and "b" not in d
    assert isinstance(d.memcache, memcached2.Memcache)
    with pytest.raises(memcached2.NoValue):
        d.memcache.get("foo")


def test_the_length_of_a_mapping():
    with ServerProcess() as a, ServerProcess() as b:
        d = memcached2.ExceptionsAreMissesMapping([uri(a.address), uri(b.address)])
        d.update({key: "x" for key in KEYS})
        assert len(d) == len(KEYS)


def test_misses_mapping_without_a_server():
    with ServerProcess() as s:
        address = s.address
    d = memcached2.ExceptionsAreMissesMapping([uri(address)])
    d["foo"] = "bar"
    with pytest.raises(KeyError):
        d["foo"]
    del d["foo"]
    assert "foo" not in d and len(d) == 0


@pytest.mark.parametrize("key", ["two words", "line\r\nflush_all", "k" * 251, "", "\u20ac"])
def test_what_the_caller_did_wrong_still_raises(flush, key):
    for mc in (memcached2.Memcache([uri(flush)]),
               memcached2.ExceptionsAreMissesMemcache([uri(flush)])):
        for call in (lambda: mc.get(key), lambda: mc.set(key, "x"), lambda: mc.get_multi([key]),
                     lambda: mc.delete(key)):
            with pytest.raises(ValueError):
                call()
    with pytest.raises(ValueError):
        memcached2.ExceptionsAreMissesMapping([uri(flush)])[key]


# --- better on purpose: see docs/migrating/memcached2.md

def test_exceptions_are_memcxx_exceptions_as_well():
    with ServerProcess() as s:
        mc = memcached2.Memcache([uri(s.address)])
    with pytest.raises(memcxx.errors.ConnectFailed) as caught:
        mc.get("foo")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(copy, memcached2.NoAvailableServers) and copy.server == s.address


def test_a_connection_is_never_out_of_step(mc):
    with pytest.raises(memcached2.UnexpectedReply):
        mc.set("large", "x" * (2 << 20))
    mc.set("foo", "bar")
    for _ in range(10):
        assert mc.get("foo") == "bar"


def test_calls_end():
    with ServerProcess() as s:
        mc = memcached2.Memcache([uri(s.address)], timeout=0.2)
        mc.set("a", "A")
        mc.set("b", "B")
        s.stop()
        try:
            began = time.monotonic()
            with pytest.raises(memcached2.ServerDisconnect) as caught:
                mc.get("a")
            assert isinstance(caught.value, memcxx.errors.Timeout)
            assert time.monotonic() - began < 2
        finally:
            s.cont()
        assert mc.get("b") == "B"


def test_values_that_are_no_strings(mc):
    for value in (5, None, ["x"]):
        with pytest.raises(TypeError):
            mc.set("foo", value)
    with pytest.raises(UnicodeEncodeError):
        mc.set("foo", "\u20ac")


def test_options_of_one_entry_are_its_own(flush, server_process):
    mc = memcached2.Memcache([uri(flush)])
    mc.set_multi([("a", "1", {"flags": 7}), ("b", "2")])
    assert b"VALUE b 0 1" in server_process.ask(b"get b\r\n", b"END\r\n")


def test_a_memcache_is_shared_between_threads(mc4):
    wrong = []

    def work(t):
        for i in range(200):
            key = f"t{t}:{i}"
            mc4.set(key, key)
            if mc4.get(key) != key or mc4.get_multi([key]) != {key: key}:
                wrong.append(key)

    in_threads(work)
    assert not wrong


def test_delete_all_goes_on_without_the_servers_that_are_down():
    with ServerProcess() as a, ServerProcess() as b:
        mc = memcached2.Memcache([uri(a.address), uri(b.address)])
        b.ask(b"set foo 0 0 1\r\nx\r\n")
        a.kill()
        assert mc.delete_all("foo") is True
        assert mc.delete_all("foo") is False


@pytest.mark.parametrize("order", [(0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0, 1)], ids=str)
def test_a_server_that_is_listed_twice_counts_twice(server_processes4, order):
    # As in the original, whose selectors take the key's hash modulo the length of the list.
    for process in server_processes4:
        process.flush()
    mc = memcached2.Memcache([uri(server_processes4[i].address) for i in order])
    for key in KEYS:
        mc.set(key, "v")
    hashed = memcached2.HasherCMemcache().hash
    assert owners(server_processes4, KEYS) == {key: order[hashed(key) % len(order)] for key in KEYS}
    assert mc.set_multi([(key, "w") for key in KEYS]) == dict.fromkeys(KEYS)
    assert mc.get_multi(KEYS) == dict.fromkeys(KEYS, "w")
    assert len(mc.stats()) == len(order)
    mc.flush_all()
    assert mc.get_multi(KEYS) == {}


def slowly_connecting(s):
    """Takes 0.8 s for the handshake, and answers one get."""
    with s.makefile("rb") as lines:
        for line in lines:
            if line.startswith(b"version"):
                time.sleep(0.8)
                s.sendall(FIRST_ANSWERS["classic"])
            elif line.startswith(b"get"):
                s.sendall(b"VALUE foo 0 3 1\r\nbar\r\nEND\r\n")


def test_connecting_may_take_what_the_call_may(scripted):
    address = scripted(slowly_connecting).address
    for options in ({}, {"hasher": Anonymous()}):
        assert memcached2.Memcache([uri(address)], **options).get("foo") == "bar"
    with pytest.raises(memcached2.ServerDisconnect):
        memcached2.Memcache([uri(address)], timeout=0.2).get("foo")


def test_of_many_servers_connecting_leaves_time_for_the_next():
    mc = memcached2.Memcache([uri("h:1"), uri("h:2")], timeout=7)
    assert mc._cluster.settings()["connect_timeout"] == 3.5


# --- set_multi: what servers say to single keys

BAD = [("badkey" * 512, "x"), ("bad key", "x"), ("", "x")]


@pytest.mark.parametrize("options", [{}, {"hasher": Anonymous()}], ids=["core", "by hand"])
@pytest.mark.parametrize("bad, value", BAD, ids=["long", "space", "empty"])
def test_set_multi_with_a_bad_key(flush, bad, value, options):
    data = [("a", "1"), (bad, value), ("b", "2")]
    mc = memcached2.Memcache([uri(flush)], **options)
    with pytest.raises(memcached2.MultiStorageException, match="CLIENT_ERROR") as caught:
        mc.set_multi(data)
    assert caught.value.message and list(caught.value.results) == ["a", bad, "b"]
    assert caught.value.results["a"] is None and caught.value.results["b"] is None
    assert caught.value.results[bad].startswith("CLIENT_ERROR")
    assert mc.get_multi(["a", "b"]) == {"a": "1", "b": "2"}  # the original loses what follows
    with pytest.raises(memcached2.MultiStorageException) as caught:
        mc.set_multi(data, return_successful=False)
    assert list(caught.value.results) == [bad]
    with pytest.raises(memcached2.MultiStorageException) as caught:
        mc.set_multi(data, return_failed=False)
    assert caught.value.results == {"a": None, "b": None}
    with pytest.raises(memcached2.MultiStorageException):
        mc.set_multi([(bad, value, {"cas_unique": 5})])
    misses = memcached2.ExceptionsAreMissesMemcache([uri(flush)])
    assert list(misses.set_multi(data, return_successful=False)) == [bad]


@pytest.mark.parametrize("line", ["NOT_STORED", "SERVER_ERROR backend failure",
                                  "SERVER_ERROR object too large for cache"])
def test_set_multi_tells_what_the_server_said(answering, line):
    mc = memcached2.Memcache([uri(answering(line.encode() + b"\r\n"))])
    assert mc.set_multi([("a", "1"), ("b", "2")]) == {"a": line, "b": line}
    assert mc.set_multi([("a", "1")], return_failed=False) == {}


@pytest.mark.parametrize("line", ["ERROR", "CLIENT_ERROR bad"])
def test_set_multi_and_a_command_that_is_refused(answering, line):
    # What follows is not sent, so that no value is ever read as a command.
    mc = memcached2.Memcache([uri(answering(line.encode() + b"\r\n"))])
    with pytest.raises(memcached2.MultiStorageException) as caught:
        mc.set_multi([("a", "1"), ("b", "2")])
    assert caught.value.results == {"a": line}


def test_not_stored(answering):
    mc = memcached2.Memcache([uri(answering(b"NOT_STORED\r\n"))])
    for verb in ("set", "add", "replace", "append", "prepend"):
        with pytest.raises(memcached2.NotStored):
            getattr(mc, verb)("foo", "bar")


def test_the_version():
    assert memcached2.__version__ == memcxx.__version__
