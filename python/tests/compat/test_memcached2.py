"""memcxx.compat.memcached2: names, verbs and values as memcached2 promises them, in Python 3.

The original is not run here; what it does is known from its documentation.
"""

from __future__ import annotations

import time

import memcxx.compat.memcached2 as memcached2
import pytest
from conftest import ServerProcess
from originals import owners


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


# --- names

def test_exceptions_form_the_originals_tree():
    m = memcached2
    for child, parent in [
            (m.UnknownProtocol, m.MemcachedException), (m.InvalidURI, m.MemcachedException),
            (m.ServerDisconnect, m.MemcachedException),
            (m.NoAvailableServers, m.MemcachedException),
            (m.StoreException, m.MemcachedException), (m.RetrieveException, m.MemcachedException),
            (m.NotStored, m.StoreException), (m.NotFound, m.StoreException),
            (m.NonNumeric, m.StoreException), (m.CASFailure, m.StoreException),
            (m.CASRefreshFailure, m.CASFailure), (m.MultiStorageException, m.StoreException),
            (m.NoValue, m.RetrieveException), (m.UnexpectedReply, NotImplementedError)]:
        assert issubclass(child, parent), child
    assert set(memcached2.__all__) <= set(dir(memcached2))


@pytest.mark.parametrize("bad", ["localhost", "memcached:/localhost", "http://localhost/",
                                 "memcached://", "memcached://:11211/", "memcached://h:x/",
                                 "memcached://h:0/", "memcached://h:99999/", "memcached://a b/", 5])
def test_bad_uris(bad):
    with pytest.raises(memcached2.InvalidURI):
        memcached2.Memcache([bad])


@pytest.mark.parametrize("good, host, port", [
    ("memcached://localhost/", "localhost", 11211), ("memcached://h:5/", "h", 5),
    ("memcached://10.0.0.1:5/", "10.0.0.1", 5), ("memcached://[::1]:5/", "::1", 5)])
def test_good_uris(good, host, port):
    server = memcached2.ServerConnection(good)
    assert server.parsed_uri == {"protocol": "memcached", "host": host, "port": port}
    assert repr(server) == f"<ServerConnection to {good}>"


def test_no_servers():
    with pytest.raises(memcached2.InvalidURI):
        memcached2.Memcache([])


# --- verbs

def test_set_and_get(mc):
    with pytest.raises(memcached2.NoValue):
        mc.get("foo")
    assert mc.set("foo", "bar") is None
    assert mc.get("foo") == "bar"
    assert type(mc.get("foo")) is str


def test_flags_and_exptime(mc, server_process):
    mc.set("foo", "xXx", flags=12, exptime=100)
    assert server_process.ask(b"get foo\r\n", b"END\r\n") == b"VALUE foo 12 3\r\nxXx\r\nEND\r\n"
    mc.set("gone", "x", exptime=-1)
    with pytest.raises(memcached2.NoValue):
        mc.get("gone")
    mc.set("date", "x", 0, int(time.time()) + 1000)
    assert mc.get("date") == "x"


def test_conditional_stores(mc):
    mc.set("foo", "bar")
    with pytest.raises(memcached2.NotStored):
        mc.add("foo", "2")
    assert mc.add("other", "xyzzy") is None
    assert mc.replace("foo", "new") is None
    with pytest.raises(memcached2.NotStored):
        mc.replace("nothing", "x")
    assert mc.append("foo", ">>>") is None
    assert mc.prepend("foo", "<<<") is None
    assert mc.get("foo") == "<<<new>>>"
    for verb in (mc.append, mc.prepend):
        with pytest.raises(memcached2.NotStored):
            verb("nothing", "x")


def test_cas(flush):
    mc = memcached2.Memcache([uri(flush)], value_wrapper=memcached2.ValueSuperStr)
    mc.set("foo", "bar")
    first = mc.get("foo", get_cas=True)
    mc.set("foo", "baz", cas_unique=first.cas_unique)
    assert mc.get("foo") == "baz"
    with pytest.raises(memcached2.CASFailure):
        mc.set("foo", "qux", cas_unique=first.cas_unique)
    assert mc.get("foo") == "baz"
    with pytest.raises(memcached2.NotFound):
        mc.set("nothing", "x", cas_unique=first.cas_unique)


def test_delete_and_touch(mc):
    mc.set("foo", "bar")
    assert mc.touch("foo", 100) is None
    with pytest.raises(memcached2.NotFound):
        mc.touch("nothing", exptime=0)
    assert mc.delete("foo") is True
    assert mc.delete("foo") is False


def test_counters(mc):
    with pytest.raises(memcached2.NotFound):
        mc.incr("foo", 1)
    mc.set("foo", "a")
    with pytest.raises(memcached2.NonNumeric):
        mc.incr("foo", 1)
    mc.set("foo", "1")
    assert mc.incr("foo") == 2
    assert mc.incr("foo", 5) == 7
    assert mc.decr("foo") == 6
    assert mc.decr("foo", 100) == 0
    with pytest.raises(memcached2.NotFound):
        mc.decr("nothing")
    with pytest.raises(ValueError):
        mc.incr("foo", -1)


def test_get_multi(mc4):
    for key in KEYS:
        mc4.set(key, key)
    assert mc4.get_multi(KEYS + ["nothing"]) == {key: key for key in KEYS}
    assert mc4.get_multi([]) == {}


def test_set_multi(mc4):
    assert mc4.set_multi([(key, key) for key in KEYS]) == dict.fromkeys(KEYS)
    assert mc4.get_multi(KEYS) == {key: key for key in KEYS}
    assert mc4.set_multi([("a", "1")], return_successful=False) == {}
    large = "x" * (2 << 20)
    found = mc4.set_multi([("a", "1"), ("large", large)])
    assert found["a"] is None and found["large"].startswith("SERVER_ERROR")
    assert list(mc4.set_multi([("a", "1"), ("large", large)], return_successful=False)) == ["large"]
    assert mc4.set_multi([("a", "1"), ("large", large)], return_failed=False) == {"a": None}


def test_set_multi_with_options(flush, server_process):
    mc = memcached2.Memcache([uri(flush)], value_wrapper=memcached2.ValueDictionary)
    mc.set("old", "1")
    token = mc.get("old", get_cas=True)["cas_unique"]
    found = mc.set_multi(
        [("a", "1"), ("b", "2", {"flags": 7, "exptime": -1}), ("c", "3", {"flags": 8}),
         ("old", "2", {"cas_unique": token}), ("none", "x", {"cas_unique": token}), ("d", "4")],
        {"flags": 5})
    assert found == {"a": None, "b": None, "c": None, "old": None, "none": "NOT_FOUND", "d": None}
    assert mc.set_multi([("old", "3", {"cas_unique": token})]) == {"old": "EXISTS"}
    read = mc.get_multi(["a", "b", "c", "d", "old"])
    assert {key: (v["value"], v["flags"]) for key, v in read.items()} == {
        "a": ("1", 5), "c": ("3", 8), "d": ("4", 5), "old": ("2", 5)}


def test_cache(mc):
    calls = []

    def compute(key, *args, **kwargs):
        calls.append((key, args, kwargs))
        return "computed"

    assert mc.cache("foo", compute, 1, two=2) == "computed"
    assert mc.cache("foo", compute) == "computed"
    assert calls == [("foo", (1,), {"two": 2})]
    assert mc.get("foo") == "computed"


def test_delete_all(mc4, server_processes4):
    for process in server_processes4[1:]:
        process.ask(b"set foo 0 0 1\r\nx\r\n")
    assert mc4.delete_all("foo") is True
    assert mc4.delete_all("foo") is False
    assert owners(server_processes4, ["foo"]) == {}


def test_flush_all_and_close(mc4):
    mc4.set_multi([(key, "x") for key in KEYS])
    assert mc4.flush_all() is None
    assert mc4.get_multi(KEYS) == {}
    mc4.set("foo", "bar")
    assert mc4.close() is None
    assert mc4.get("foo") == "bar"


def test_statistics():
    with ServerProcess() as a, ServerProcess() as b:
        mc = memcached2.Memcache([uri(a.address), uri(b.address)])
        mc.set_multi([(key, "x") for key in KEYS])
        stats = mc.stats()
        assert [s["pid"] for s in stats] == [a.pid, b.pid]
        assert isinstance(stats[0]["rusage_user"], float) and stats[0]["version"].startswith("1.")
        assert sum(s["curr_items"] for s in stats) == len(KEYS)
        settings = mc.stats_settings()
        assert settings[0]["growth_factor"] == 1.25 and settings[0]["cas_enabled"] is True
        assert settings[0]["detail_enabled"] is False and settings[0]["evictions"] == "on"
        items = mc.stats_items()
        assert len(items) == 2
        assert sum(slab["number"] for server in items for slab in server.values()) == len(KEYS)
        slabs = mc.stats_slabs()
        assert slabs[0]["active_slabs"] >= 1
        assert all(slab["chunk_size"] > 0 for slab in slabs[0]["slabs"].values())
        assert mc.stats_sizes() == [[], []]  # not kept by servers, unless asked to


def test_statistics_of_sizes():
    with ServerProcess(options=["-o", "track_sizes"]) as s:
        mc = memcached2.Memcache([uri(s.address)])
        mc.set("foo", "a")
        (sizes,) = mc.stats_sizes()
        assert len(sizes) == 1 and sizes[0][1] == 1 and sizes[0][0] % 32 == 0


def test_statistics_of_a_server_that_is_down():
    with ServerProcess() as a, ServerProcess() as b:
        mc = memcached2.Memcache([uri(a.address), uri(b.address)])
        a.kill()
        first, second = mc.stats()
        assert first is None and second["pid"] == b.pid


# --- values

def test_super_str(flush):
    mc = memcached2.Memcache([uri(flush)], value_wrapper=memcached2.ValueSuperStr)
    mc.set("foo", "1", flags=7)
    value = mc.get("foo")
    assert value == "1" and isinstance(value, str)
    assert (value.key, value.flags, value.cas_unique) == ("foo", 7, None)
    assert value.incr() == 2 and value.incr(2) == 4 and value.decr() == 3
    value.append("0")
    value.prepend("1")
    assert mc.get("foo") == "130" and value == "1"
    value.touch(100)
    value.set("new", flags=1, exptime=100)
    value.set("newer")
    assert mc.get("foo") == "newer"
    assert value.delete() is True and value.delete_all() is False


def test_super_str_with_a_token_is_set_once(flush):
    mc = memcached2.Memcache([uri(flush)], value_wrapper=memcached2.ValueSuperStr)
    mc.set("foo", "1")
    value = mc.get("foo", get_cas=True)
    assert isinstance(value.cas_unique, int)
    for call in (lambda: value.append("x"), lambda: value.prepend("x"), lambda: value.incr(),
                 lambda: value.decr(), lambda: value.delete(), lambda: value.delete_all(),
                 lambda: value.touch(5)):
        with pytest.raises(memcached2.CASFailure):
            call()
    value.set("2")
    with pytest.raises(memcached2.CASFailure):
        value.set("3")
    assert mc.get("foo") == "2"
    stale = mc.get("foo", get_cas=True)
    mc.set("foo", "other")
    with pytest.raises(memcached2.CASFailure):
        stale.set("3")
    assert mc.get("foo") == "other"


def test_super_str_refreshes_its_token(flush):
    mc = memcached2.Memcache([uri(flush)], value_wrapper=memcached2.ValueSuperStr)
    mc.set("foo", "1")
    value = mc.get("foo", get_cas=True)
    for new in ("2", "3", "4"):
        value.set(new, update_cas=True)
    assert mc.get("foo") == "4"
    mc.set("foo", "somebody else's")
    with pytest.raises(memcached2.CASFailure):
        value.set("5", update_cas=True)
    assert mc.get("foo") == "somebody else's"


def test_super_str_sees_that_somebody_came_in_between(flush):
    class Busy(memcached2.Memcache):
        def set(self, key, value, *args, **kwargs):
            super().set(key, value, *args, **kwargs)
            super().set(key, "somebody else's")

    mc = Busy([uri(flush)], value_wrapper=memcached2.ValueSuperStr)
    mc.set("foo", "1")
    value = mc.get("foo", get_cas=True)
    with pytest.raises(memcached2.CASRefreshFailure):
        value.set("2", update_cas=True)
    with pytest.raises(memcached2.CASFailure):
        value.set("3")


def test_value_dictionary(flush):
    mc = memcached2.Memcache([uri(flush)], memcached2.ValueDictionary)
    mc.set("foo", "bar", flags=3)
    assert mc.get("foo") == {"key": "foo", "value": "bar", "flags": 3, "cas_unique": None}
    assert isinstance(mc.get("foo", True)["cas_unique"], int)
    assert mc.get_multi(["foo"], True)["foo"]["cas_unique"] == mc.get("foo", True)["cas_unique"]


def test_a_wrapper_of_ones_own(flush):
    mc = memcached2.Memcache([uri(flush)], lambda *args, memcache: (args, memcache))
    mc.set("foo", "bar", flags=3)
    assert mc.get("foo") == (("bar", "foo", 3, None), mc)


def test_any_bytes_come_back_as_latin_1(mc, server_process):
    everything = bytes(range(256))
    mc.set("foo", everything.decode("latin-1"))
    assert mc.get("foo").encode("latin-1") == everything
    assert everything in server_process.ask(b"get foo\r\n", b"END\r\n")
    mc.set("foo", everything)
    assert mc.get("foo").encode("latin-1") == everything
    mc.set("k\xe9y", "v")
    assert b"VALUE k\xe9y 0 1" in server_process.ask(b"get k\xe9y\r\n", b"END\r\n")
    assert mc.get_multi(["k\xe9y"]) == {"k\xe9y": "v"}
