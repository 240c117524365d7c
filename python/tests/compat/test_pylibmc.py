"""memcxx.compat.pylibmc against what pylibmc does: names, servers, verbs.

Tests that take `lib` run against both, so their expectations are the original's.
"""

from __future__ import annotations

import importlib
import time

import originals
import pytest


lib, ours, theirs = originals.fixtures(
    "memcxx.compat.pylibmc", "pylibmc", importlib.import_module)


KEYS = [f"key:{i}:" + "x" * (i % 7) for i in range(300)] + [f"\u00e9{i}" for i in range(20)]


@pytest.fixture(params=[False, True], ids=["text", "binary"])
def mc(request, lib, flush4):
    return lib.Client(flush4, binary=request.param)


# --- names

def test_has_every_public_name_of_the_original(theirs, ours):
    left_over = {"name", "exc", "key", "value", "modpkg", "modself", "sys", "Queue",
                 "contextmanager", "threading", "pylibmc"}
    for part in ("", ".consts", ".pools", ".autoconf"):
        names = {n for n in vars(importlib.import_module("pylibmc" + part))
                 if not n.startswith("_")} - left_over
        assert names <= set(dir(importlib.import_module(ours.__name__ + part))), part
    for name in ("Client", "translate_server_spec", "translate_server_specs"):
        assert hasattr(ours.client, name)
    assert set(ours.__all__) <= set(dir(ours))


def test_constants_are_the_originals(theirs, ours):
    for name, value in vars(theirs).items():
        if isinstance(value, (int, str, dict, list)) and not name.startswith("_") \
                and name not in ("support_sasl", "exceptions"):
            assert getattr(ours, name) == value, name
    assert [(n, getattr(c, "retcode", None)) for n, c in theirs.exceptions] == \
        [(n, c.retcode) for n, c in ours.exceptions]
    assert ours.MemcachedError is ours.Error
    assert all(issubclass(c, ours.Error) for _, c in ours.exceptions)
    assert ours.consts.errors == tuple(c for _, c in ours.exceptions)


@pytest.mark.parametrize("name", ["Client", "ClientPool", "ThreadMappedPool"])
def test_has_every_public_method_of_the_original(theirs, ours, name):
    def methods(lib):
        return {n for n in dir(getattr(lib, name))
                if not n.startswith("_") or n in ("__getitem__", "__contains__")}

    assert methods(theirs) <= methods(ours)


def test_describes_itself(lib):
    made = lib.Client(["h:1", "g"], binary=True)
    assert repr(made) == "Client(['h:1', 'g'], binary=True)"
    assert str(made) == "<Client for h:1, g, binary=True>"
    assert "pylibmc" in lib.build_info()
    with pytest.raises(AttributeError):
        made.behaviours


# --- servers

def test_servers_are_read_as_the_original_reads_them(lib):
    read = lib.client.translate_server_spec
    for given, wanted in [
            ("h", (1, "h", 11211, 1)), ("h:5", (1, "h", 5, 1)), ("h:5:3", (1, "h", 5, 3)),
            ("udp:h", (2, "h", 11211, 1)), ("/p", (4, "/p", 0, 1)), ("[::1]", (1, "::1", 11211, 1)),
            ("[::1]:5", (1, "::1", 5, 1)), ("[::1]:5:3", (1, "::1", 5, 3))]:
        assert read(given) == wanted
    assert read("h", port=5, weight=2) == (1, "h", 5, 2)
    assert read("/p", weight=2) == (4, "/p", 0, 2)
    with pytest.raises(ValueError):
        read("h:x")
    with pytest.raises(ValueError):
        read("[::1")
    assert lib.client.translate_server_specs(["h", (1, "g", 5)])[0] == (1, "h", 11211, 1)


def test_servers_that_cannot_be(lib):
    with pytest.raises(lib.Error):
        lib.Client([])
    with pytest.raises(TypeError):
        lib.Client(None)
    with pytest.raises((AttributeError, TypeError)):
        lib.Client([5])
    with pytest.raises(TypeError):
        lib.Client(["h"], username="u", password="p")


def test_unix_socket(lib, unix_server):
    path = unix_server[len("unix:"):]
    for spec in (path, (lib.server_type_unix, path, 0)):
        mc = lib.Client([spec])
        assert mc.set("key", "v") is True
        assert mc.get("key") == "v"


# --- verbs

def test_set_and_get(mc):
    assert mc.set("key", "value") is True
    assert mc.get("key") == "value"
    assert mc.get(b"key") == "value"
    assert mc.get("nothing") is None
    assert mc.get("nothing", 5) == 5
    assert mc.set("stays", "x", int(time.time()) + 1000) is True
    assert mc.get("stays") == "x"


def test_a_negative_time_is_now(lib, flush4):
    mc = lib.Client(flush4)
    assert mc.set("gone", "x", time=-1) is True
    assert mc.get("gone") is None


def test_conditional_stores(lib, flush4):
    mc = lib.Client(flush4)
    assert mc.add("key", "1") is True
    assert mc.add("key", "2") is False
    assert mc.replace("key", "3") is True
    assert mc.replace("nothing", "3") is False
    assert mc.append("key", "4") is True
    assert mc.prepend("key", "2") is True
    assert mc.get("key") == "234"
    assert mc.append("nothing", "4") is False
    assert mc.prepend("nothing", "4") is False


def test_what_is_appended_keeps_the_items_type(lib, flush4):
    mc = lib.Client(flush4)
    mc.set("number", 1)
    assert mc.append("number", b"2") is True
    assert mc.get("number") == 12


def test_gets_and_cas(lib, mc):
    with pytest.raises(ValueError):
        mc.gets("key")
    with pytest.raises(ValueError):
        mc.cas("key", "v", 1)
    mc.behaviors = {"cas": True}
    mc.set("key", "1")
    value, token = mc.gets("key")
    assert value == "1" and isinstance(token, int)
    assert mc.cas("key", "2", token) is True
    assert mc.cas("key", "3", token) is False
    assert mc.cas("key", "3", mc.gets("key")[1], time=100) is True
    assert mc.gets("nothing") == (None, None)
    with pytest.raises(lib.NotFound):
        mc.cas("nothing", "3", token)


def test_counters(lib, mc):
    mc.set("key", 5)
    assert mc.incr("key") == 6
    assert mc.incr("key", 4) == 10
    assert mc.decr("key") == 9
    assert mc.decr("key", 100) == 0
    assert mc.incr("key", 0) == 0
    with pytest.raises(lib.NotFound):
        mc.incr("nothing")
    with pytest.raises(lib.NotFound):
        mc.decr("nothing")
    with pytest.raises(ValueError):
        mc.incr("key", -1)
    with pytest.raises(OverflowError):
        mc.incr("key", 2**64)
    with pytest.raises(TypeError):
        mc.incr("key", 1.5)
    mc.set("text", "abc")
    with pytest.raises(lib.Error):
        mc.incr("text")


def test_counting_many(lib, mc):
    mc.set_multi({"pa": 1, "pb": 2})
    assert mc.incr_multi(["pa", "pb"]) is None
    assert mc.incr_multi(["a", "b"], key_prefix="p", delta=5) is None
    assert mc.get_multi(["pa", "pb"]) == {"pa": 7, "pb": 8}
    with pytest.raises(lib.NotFound):
        mc.incr_multi(["pa", "nothing"])
    assert mc.get("pa") == 8


def test_delete_and_touch(mc):
    mc.set("key", "v")
    assert mc.touch("key", 100) is True
    assert mc.touch("nothing", 100) is False
    assert mc.delete("key") is True
    assert mc.delete("key") is False


def test_many(mc):
    assert mc.set_multi({"a": 1, "b": "2"}) == []
    assert mc.get_multi(["a", "b", "nothing"]) == {"a": 1, "b": "2"}
    assert mc.get_multi(("a", "a")) == {"a": 1}
    assert mc.get_multi([b"a", "b"]) == {b"a": 1, "b": "2"}
    assert mc.get_multi([]) == {}
    assert mc.set_multi({}) == []
    assert mc.delete_multi(["a", "b"]) is True
    assert mc.delete_multi(["a", "b"]) is False
    assert mc.delete_multi([]) is True
    for bad in ([("a", 1)], "a"):
        with pytest.raises(TypeError):
            mc.set_multi(bad)
    with pytest.raises(TypeError):
        mc.delete_multi({"a": 1})


def test_adding_many(lib, flush4):
    mc = lib.Client(flush4)
    mc.set("a", 1)
    assert mc.add_multi({"a": 2, "b": 3}) == ["a"]
    assert mc.add_multi({"a": 2, "b": 3}, key_prefix="p") == []
    assert mc.get_multi(["a", "b", "pa", "pb"]) == {"a": 1, "b": 3, "pa": 2, "pb": 3}


def test_many_with_a_prefix(mc):
    assert mc.set_multi({"a": 1, "b": 2}, 100, "p:") == []
    assert mc.get("p:a") == 1
    assert mc.get_multi(["a", "b", "c"], key_prefix="p:") == {"a": 1, "b": 2}
    assert mc.get_multi([b"a"], key_prefix=b"p:") == {b"a": 1}
    assert mc.delete_multi(["a", "b"], key_prefix="p:") is True
    assert mc.get("p:a") is None


def test_as_a_mapping(mc):
    mc["key"] = "v"
    assert mc["key"] == "v"
    assert "key" in mc
    del mc["key"]
    assert "key" not in mc
    with pytest.raises(KeyError):
        mc["key"]
    with pytest.raises(KeyError):
        del mc["key"]
    mc["none"] = None
    assert mc["none"] is None and "none" in mc


def test_flush_all(mc):
    mc.set_multi({key: "v" for key in KEYS})
    assert mc.flush_all() is True
    assert mc.get_multi(KEYS) == {}
    mc.set("key", "v")
    assert mc.flush_all(time=10_000) is True
    assert mc.get("key") == "v"
    assert mc.disconnect_all() is None
    assert mc.get("key") == "v"


def test_stats(lib, flush4):
    mc = lib.Client(flush4)
    found = mc.get_stats()
    assert [name for name, _ in found] == [f"{s} ({i})".encode() for i, s in enumerate(flush4)]
    assert all(values["version"].startswith(b"1.") for _, values in found)
    assert int(found[0][1]["pid"]) > 0
    with pytest.raises(lib.Error):
        mc.get_stats("bogus")


def test_bad_keys(lib, flush4):
    for key in ("k" * 251, b"k" * 251):
        mc = lib.Client(flush4)
        for call in (lambda: mc.get(key), lambda: mc.set(key, 1), lambda: mc.delete(key),
                     lambda: mc.incr(key), lambda: mc.get_multi([key]),
                     lambda: mc.set_multi({key: 1})):
            with pytest.raises(ValueError):
                call()
    for key in (5, None, 1.5, ("a",)):
        mc = lib.Client(flush4)
        for call in (lambda: mc.get(key), lambda: mc.set(key, 1), lambda: mc.delete(key),
                     lambda: mc.incr(key), lambda: mc.get_multi([key]),
                     lambda: mc.set_multi({key: 1})):
            with pytest.raises(TypeError):
                call()


@pytest.mark.parametrize("binary", [False, True])
def test_the_empty_key_is_never_there(lib, flush, binary):
    mc = lib.Client([flush], binary=binary, behaviors={"cas": True})
    assert mc.get("") is None
    assert mc.get("", 5) == 5
    assert mc.gets("") == (None, None)
    assert "" not in mc
    for verb in ("set", "add", "replace", "append", "prepend"):
        assert getattr(mc, verb)("", 1) is False
    assert mc.delete("") is False
    assert mc.touch("", 5) is False
    assert mc.get_multi([""]) == {}
    assert mc.set_multi({"": 1, "n": 1}) == [""]
    for call in (lambda: mc.incr(""), lambda: mc.decr(""), lambda: mc.cas("", 1, 5)):
        with pytest.raises(lib.BadKeyProvided):
            call()
    with pytest.raises(lib.Error):
        mc.incr_multi(["", "n"])
    assert mc.get("n") == 2


def test_keys_with_spaces_in_the_binary_protocol(lib, flush):
    mc = lib.Client([flush], binary=True)
    assert mc.set("two words", 1) is True
    assert mc.get("two words") == 1
    assert mc.get_multi(["two words"]) == {"two words": 1}
