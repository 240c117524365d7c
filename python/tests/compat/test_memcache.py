"""memcxx.compat.memcache, and python-memcached where it is installed: every test whose expectation
is the original's runs against both. Where memcxx is better on purpose, the test says so. Here are
names and verbs.
"""

from __future__ import annotations

import datetime
import inspect
import threading
import time

import pytest
from memcache_fixtures import closed_port, mc, module, module_named, ours  # noqa: F401


# --- names

METHODS = [
    "set_servers", "get_stats", "get_slab_stats", "quit_all", "get_slabs", "flush_all", "debuglog",
    "forget_dead_hosts", "disconnect_all", "delete_multi", "delete", "touch", "incr", "decr", "add",
    "append", "prepend", "replace", "set", "cas", "set_multi", "get", "gets", "get_multi",
    "check_key", "reset_cas", "__init__"]


@pytest.mark.parametrize("name", METHODS)
def test_methods_have_the_originals_parameters(name):
    original = module_named("python-memcached")
    theirs = inspect.signature(getattr(original.Client, name)).parameters.values()
    mine = inspect.signature(getattr(ours.Client, name)).parameters.values()
    assert [(p.name, p.default) for p in mine] == [(p.name, p.default) for p in theirs]


def test_the_module_has_the_originals_names(module):
    assert module.SERVER_MAX_KEY_LENGTH == 250
    assert module.SERVER_MAX_VALUE_LENGTH == 1024 * 1024
    assert module.cmemcache_hash(b"foo") == 3187
    assert module.serverHashFunction is module.cmemcache_hash
    for name in ("Length", "Character", "None", "Type"):
        error = getattr(module.Client, f"MemcachedKey{name}Error")
        assert issubclass(error, module.Client.MemcachedKeyError)
    assert issubclass(module.Client.MemcachedStringEncodingError, Exception)


def test_no_public_name_is_missing():
    original = module_named("python-memcached")
    for owner, mine in ((original.Client, ours.Client), (original._Host, ours._Host)):
        for name in vars(owner):
            if not name.startswith("_"):
                assert hasattr(mine, name), name


# --- storing

def test_add_and_replace(mc):
    assert mc.replace("k", 1) is False
    assert mc.add("k", 1) is True
    assert mc.add("k", 2) is False
    assert mc.replace("k", 3) is True
    assert mc.get("k") == 3


def test_append_and_prepend(mc):
    assert mc.append("k", "x") is False
    assert mc.prepend("k", "x") is False
    mc.set("k", "b")
    assert mc.append("k", "c") is True
    assert mc.prepend("k", b"a") is True
    assert mc.get("k") == "abc"


def test_what_is_too_long_is_not_stored(mc):
    assert mc.set("k", "x" * (1024 * 1024 + 1)) == 0
    assert mc.set("k", "x" * (1024 * 1024)) is False  # the server's own limit
    assert mc.set("k", "x" * (1024 * 1024 - 200)) is True


def test_the_limit_can_be_set(module, flush):
    assert module.Client([flush], server_max_value_length=5).set("k", "x" * 6) == 0
    assert module.Client([flush], server_max_value_length=0).set("k", "x" * 6) is True


def test_positional_arguments_are_in_the_originals_order(mc, stored):
    assert mc.set("k", "x" * 100, 10, 5, False) is True
    assert stored("k")[0] == 24
    assert mc.set("k", "x", 0, 0, True) is True
    assert mc.get("k") == "x"


@pytest.mark.parametrize("when", [100, 60 * 60 * 24 * 30, lambda: int(time.time()) + 100, 1.5,
                                  datetime.timedelta(minutes=1), True, 2**31 - 1])
def test_times_that_keep_an_item(mc, when):
    assert mc.set("k", "v", when() if callable(when) else when) is True
    assert mc.get("k") == "v"


@pytest.mark.parametrize("when", [-1, 60 * 60 * 24 * 31, lambda: int(time.time()) - 10])
def test_times_that_are_over(mc, when):
    assert mc.set("k", "v", when() if callable(when) else when) is True
    assert mc.get("k") is None


@pytest.mark.parametrize("when", [None, "5"])
def test_what_is_no_time(mc, when):
    with pytest.raises(TypeError):
        mc.set("k", "v", when)
    assert mc.get("k") is None


@pytest.mark.parametrize("when", [2**31, 2**40, float("nan"), float("inf")])
def test_a_time_that_a_server_cannot_keep_is_refused(flush, when):
    # The original sends it, and the item is gone at once, or stays for ever.
    with pytest.raises(ValueError):
        ours.Client([flush]).set("k", "v", when)


def test_half_a_second_is_not_for_ever(flush, server_process):
    # The original cuts it to 0, which is never.
    ours.Client([flush]).set("k", "v", 0.5)
    assert b" t=-1" not in server_process.ask(b"mg k t v\r\n").replace(b"t-1", b" t=-1")


# --- cas

def test_cas_stores_once(mc):
    mc.set("k", 1)
    assert mc.gets("k") == 1
    assert mc.cas("k", 2) is True
    assert mc.cas("k", 3) is False
    assert mc.get("k") == 2
    assert list(mc.cas_ids) == [b"k"]


def test_cas_sees_what_others_did(module, mc, flush):
    mc.set("k", 1)
    mc.gets("k")
    module.Client([flush]).set("k", 9)
    assert mc.cas("k", 2) is False
    assert mc.get("k") == 9


def test_cas_of_a_deleted_item_stores_nothing(mc):
    mc.set("k", 1)
    mc.gets("k")
    mc.delete("k")
    assert mc.cas("k", 2) is False
    assert mc.gets("k") is None


def test_cas_without_an_id_is_a_set(module, mc, flush):
    assert mc.cas("new", 1) is True
    mc.gets("new")
    mc.reset_cas()
    assert mc.cas_ids == {}
    mc.set("new", 2)
    assert mc.cas("new", 3) is True
    plain = module.Client([flush])
    plain.gets("new")
    mc.set("new", 4)
    assert plain.cas("new", 5) is True


def test_cas_with_a_tuple_key(mc):
    mc.set("k", 1)
    assert mc.gets((3, "k")) == 1
    assert mc.cas((3, "k"), 2) is True
    assert mc.cas("k", 3) is False


def test_each_thread_has_cas_ids_of_its_own(mc):
    mc.set("k", 1)
    mc.gets("k")
    seen = []
    worker = threading.Thread(target=lambda: seen.append(dict(mc.cas_ids)))
    worker.start()
    worker.join()
    assert seen == [{}]


# --- reading

def test_a_default_is_for_misses_only(mc):
    assert mc.get("absent") is None
    assert mc.get("absent", 7) == 7
    assert mc.gets("absent") is None
    mc.set("none", None)
    assert mc.get("none", 7) is None


def test_text_and_bytes_are_the_same_key(mc):
    mc.set("ü", 1)
    assert mc.get("ü".encode()) == 1


def test_get_multi_returns_the_keys_that_it_was_given(mc):
    mc.set_multi({"a": 1, "b": 2, "c": 3})
    assert mc.get_multi(["a", b"b", (7, "c"), "absent"]) == {"a": 1, b"b": 2, (7, "c"): 3}
    assert mc.get_multi(iter(["a", "a"])) == {"a": 1}
    assert mc.get_multi([]) == {}


@pytest.mark.parametrize("prefix", ["p_", b"p_", "ü"])
def test_a_prefix_is_put_before_and_taken_off(mc, prefix):
    assert mc.set_multi({"a": 1, b"b": 2, (1, "c"): 3, 4: 5, 1.5: 6}, key_prefix=prefix) == []
    keys = ["a", b"b", (1, "c"), 4, 1.5]
    assert mc.get_multi(keys, key_prefix=prefix) == dict(zip(keys, [1, 2, 3, 5, 6]))
    whole = prefix if isinstance(prefix, str) else prefix.decode()
    assert mc.get(whole + "a") == 1 and mc.get(whole + "4") == 5
    assert mc.delete_multi(keys, key_prefix=prefix) == 1
    assert mc.get_multi(keys, key_prefix=prefix) == {}


def test_numbers_are_keys_where_there_are_many(mc):
    assert mc.set_multi({1: "a", 2: "b"}) == []
    assert mc.get_multi([1, 2]) == {1: "a", 2: "b"}
    assert mc.get("1") == "a"


def test_many_keys(mc):
    mapping = {f"key-{i}": i for i in range(3000)}
    assert mc.set_multi(mapping) == []
    assert mc.get_multi(list(mapping) + ["absent"]) == mapping


# --- set_multi, delete_multi

def test_set_multi_tells_what_was_not_stored(module, mc):
    failed = mc.set_multi({"big": "x" * (1024 * 1024 + 1), "a": 1})
    assert failed == ["big"]
    if module is ours:
        # The original then waits for an answer that does not come, and gives its server up.
        assert mc.get_multi(["big", "a"]) == {"a": 1}


def test_set_multi_tells_what_the_server_refused(mc):
    big = "x" * (1024 * 1024)
    assert mc.set_multi({"big": big}, key_prefix="p_") == ["big"]


def test_set_multi_takes_time_and_compression(mc, stored):
    assert mc.set_multi({"k": "x" * 100}, 100, "p_", 10) == []
    assert stored("p_k")[0] == 24
    assert mc.set_multi({"k": 1}, time=-1) == []
    assert mc.get("k") is None
    assert mc.set_multi({}) == []
    assert mc.set_multi({"k": 1}, noreply=True) == []


def test_delete_multi_is_done_whether_or_not_there_was_anything(mc):
    mc.set_multi({"a": 1, "b": 2})
    assert mc.delete_multi(["a", "b", "absent"]) == 1
    assert mc.get_multi(["a", "b"]) == {}
    assert mc.delete_multi([]) == 1
    assert mc.delete_multi([1]) == 1
    assert mc.delete_multi(["a"], noreply=True) == 1


def test_the_time_of_a_delete_is_no_hindrance(mc):
    # The original sends it, servers refuse it, and the item stays.
    mc.set("a", 1)
    assert mc.delete_multi(["a"], time=5) == 1
    if isinstance(mc, ours.Client):
        assert mc.get("a") is None


# --- delete, touch, counters

def test_delete_and_touch_answer_with_numbers(mc):
    mc.set("k", 1)
    assert mc.touch("k", 100) == 1
    assert mc.touch("absent", 100) == 0
    assert mc.delete("k") == 1
    assert mc.delete("k") == 0
    assert mc.delete("k", noreply=True) == 1
    assert mc.touch("k", 5, True) == 1


def test_touch_ends_an_item(mc):
    mc.set("k", 1)
    assert mc.touch("k", -1) == 1
    assert mc.get("k") is None


def test_counters(mc):
    assert mc.incr("absent") is None and mc.decr("absent") is None
    mc.set("n", 10)
    assert [mc.incr("n"), mc.incr("n", 5), mc.decr("n", 7), mc.decr("n")] == [11, 16, 9, 8]
    assert mc.get("n") == 8
    assert mc.decr("n", 100) == 0
    assert mc.incr("n", "3") == 3
    assert mc.incr("n", delta=0) == 3
    assert mc.incr("n", 1, True) is None
    mc.set("n", "5")
    assert mc.incr("n") == 6
    assert mc.get("n") == "6"
    mc.set("n", 2**64 - 1)
    assert mc.incr("n", 2) == 1


def test_a_counter_that_is_no_number(mc):
    mc.set("k", "x")
    for count in (mc.incr, mc.decr):
        with pytest.raises(ValueError):
            count("k")
    assert mc.get("k") == "x"


@pytest.mark.parametrize("delta", [-1, 2**64, 1.5, None, "x"])
def test_what_is_no_amount(mc, delta):
    mc.set("n", 1)
    for count in (mc.incr, mc.decr):
        with pytest.raises(ValueError):
            count("n", delta)
    assert mc.get("n") == 1


def test_noreply_is_done_before_the_next_call(mc):
    for i in range(50):
        assert mc.set("k", i, noreply=True) is True
        assert mc.get("k") == i
        assert mc.delete("k", noreply=True) == 1
        assert mc.get("k") is None


# --- every server

def test_statistics(mc, server):
    [(name, stats)] = mc.get_stats()
    assert name == f"{server} (1)"
    assert stats["threads"] == "1" and all(isinstance(v, str) for v in stats.values())
    mc.set("k", 1)
    assert int(mc.get_stats("items")[0][1]["items:1:number"]) >= 1
    [(name, slabs)] = mc.get_slab_stats()
    assert name == f"{server} (1)"
    assert slabs["1"]["chunk_size"] == "96" and "active_slabs" in slabs


def test_the_statistics_of_items_by_slab(flush):
    # The original fails here on Python 3.
    mc = ours.Client([flush])
    mc.set("k", 1)
    assert int(mc.get_slabs()[0][1]["1"]["number"]) >= 1


def test_a_cachedump_by_statistics(module, new_server):
    # without the maintainer an item is at once in the list that is dumped
    mc = module.Client([new_server(options=["-o", "no_lru_maintainer"]).address])
    mc.set("some-key", 1)
    assert "some-key" in mc.get_stats("cachedump 1 10")[0][1]


def test_statistics_that_there_are_not(flush):
    with pytest.raises(ValueError):
        ours.Client([flush]).get_stats("nonsense")
    with pytest.raises(ValueError):
        ours.Client([flush]).get_stats("items\r\nflush_all")


def test_flush_all_drops_everything_everywhere(module, flush4):
    mc = module.Client(flush4)
    mapping = {f"k{i}": i for i in range(100)}
    mc.set_multi(mapping)
    assert mc.flush_all() is None
    assert mc.get_multi(mapping) == {}


def test_after_disconnecting_the_next_call_connects(mc):
    mc.set("k", 1)
    assert mc.disconnect_all() is None
    assert mc.get("k") == 1
    assert mc.quit_all() is None
    assert mc.get("k") == 1


def test_calls_are_counted(mc):
    mc.set("k", 1)
    mc.get("k")
    mc.get("k")
    mc.get_multi(["k"])
    assert mc.stats == {"set": 1, "get": 2, "get_multi": 1}


def test_what_is_wrong_is_logged_when_debugging(module, closed_port, capsys):
    module.Client([closed_port], debug=1).set("k", 1)
    assert "MemCached: " in capsys.readouterr().err
    module.Client([closed_port], debug=0).set("k", 1)
    assert capsys.readouterr().err == ""


def test_the_log_can_be_overridden(module, closed_port):
    lines = []

    class Client(module.Client):
        def debuglog(self, str):
            lines.append(str)

    mc = Client([closed_port], debug=1)
    mc.debuglog("mine")
    assert lines == ["mine"]


def test_a_subclass_may_change_how_values_are_written(module, flush, stored):
    class Client(module.Client):
        def _val_to_store_info(self, val, min_compress_len):
            return (16, 5, b"other")

    assert Client([flush]).set("k", "v") is True
    assert stored("k") == (16, b"other")
