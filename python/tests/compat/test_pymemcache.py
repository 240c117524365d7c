"""memcxx.compat.pymemcache against what pymemcache does: names, verbs, arguments.

Tests that take `lib` run against both, so their expectations are the original's.
"""

from __future__ import annotations

import inspect
import socket
import time

import originals
import pytest
from conftest import ServerProcess
from originals import Scripted


lib, ours, theirs = originals.fixtures(
    "memcxx.compat.pymemcache", "pymemcache", originals.pymemcache_parts)


@pytest.fixture(params=["Client", "PooledClient", "HashClient"])
def client(request, lib, flush):
    """Each of the three, on one server, waiting for every answer."""
    if request.param == "HashClient":
        made = lib.hash.HashClient([flush], default_noreply=False)
    else:
        made = getattr(lib.base, request.param)(flush, default_noreply=False)
    yield made
    made.close()


@pytest.fixture
def one(lib, flush):
    made = lib.base.Client(flush, default_noreply=False)
    yield made
    made.close()


# --- names

def test_has_every_public_name_of_the_original(theirs, ours):
    for part in vars(ours):
        names = {n for n, v in vars(getattr(theirs, part)).items()
                 if not n.startswith("_") and getattr(v, "__module__", "").startswith("pymemcache")}
        assert names <= set(dir(getattr(ours, part))), part


@pytest.mark.parametrize("name", ["Client", "PooledClient", "HashClient", "RetryingClient"])
def test_has_every_public_method_of_the_original(theirs, ours, name):
    def methods(lib):
        return {n for n in dir(getattr(lib.client, name))
                if not n.startswith("_") or n in ("__getitem__", "__setitem__", "__delitem__")}

    assert methods(theirs) <= methods(ours)


@pytest.mark.parametrize("name", ["Client", "PooledClient", "HashClient", "RetryingClient"])
def test_constructors_take_the_originals_arguments_in_its_order(theirs, ours, name):
    def parameters(lib):
        return list(inspect.signature(getattr(lib.client, name).__init__).parameters)

    assert parameters(ours) == parameters(theirs)


def test_exceptions_form_the_originals_tree(lib):
    x = lib.exceptions
    assert issubclass(x.MemcacheClientError, x.MemcacheError)
    assert issubclass(x.MemcacheUnknownCommandError, x.MemcacheClientError)
    assert issubclass(x.MemcacheIllegalInputError, x.MemcacheClientError)
    assert issubclass(x.MemcacheServerError, x.MemcacheError)
    assert issubclass(x.MemcacheUnknownError, x.MemcacheError)
    assert issubclass(x.MemcacheUnexpectedCloseError, x.MemcacheServerError)


# --- verbs

def test_set_and_get(client):
    assert client.set("key", "value") is True
    assert client.get("key") == b"value"
    assert client.get("nothing") is None
    assert client.get("nothing", "default") == "default"
    assert client.get(b"key2") is None
    assert client.set("number", 5) is True
    assert client.get("number") == b"5"


def test_expire_and_flags(client, server_process):
    client.set("gone", "x", expire=-1)
    client.set("stays", "x", expire=100, flags=7)
    client.set("date", "x", int(time.time()) + 1000)
    assert client.get("gone") is None
    assert server_process.ask(b"get stays\r\n", b"END\r\n") == b"VALUE stays 7 1\r\nx\r\nEND\r\n"
    assert client.get("date") == b"x"


def test_add_and_replace(client):
    assert client.add("key", "1") is True
    assert client.add("key", "2") is False
    assert client.replace("key", "3") is True
    assert client.replace("nothing", "3") is False
    assert client.get("key") == b"3"


def test_append_and_prepend(client):
    client.set("key", "b")
    assert client.append("key", "c") is True
    assert client.prepend("key", "a") is True
    assert client.get("key") == b"abc"
    assert client.append("nothing", "c") is False
    assert client.prepend("nothing", "c") is False


def test_gets_and_cas(client):
    client.set("key", "1")
    value, token = client.gets("key")
    assert value == b"1" and isinstance(token, bytes) and token.isdigit()
    assert client.cas("key", "2", token) is True
    assert client.cas("key", "3", token) is False
    assert client.cas("nothing", "3", token) is None
    assert client.gets("nothing") == (None, None)
    assert client.cas("key", "4", client.gets("key")[1].decode()) is True
    assert client.cas("key", "5", int(client.gets("key")[1])) is True


def test_gets_has_defaults(one):
    assert one.gets("nothing", 1, 2) == (1, 2)


@pytest.mark.parametrize("token", ["1a", b"-1", "", 1.5, None, "\u0661"])
def test_cas_refuses_what_is_no_token(lib, one, token):
    with pytest.raises(lib.exceptions.MemcacheIllegalInputError):
        one.cas("key", "v", token)


def test_many(client):
    assert client.set_many({"a": "1", "b": "2"}) == []
    assert client.set_multi({"c": "3"}, expire=100) == []
    assert client.get_many(["a", "b", "nothing"]) == {"a": b"1", "b": b"2"}
    assert client.get_multi(["c"]) == {"c": b"3"}
    assert client.get_many([]) == {}
    assert client.gets_many([]) == {}
    found = client.gets_many(["a", "nothing"])
    assert list(found) == ["a"] and found["a"][0] == b"1" and found["a"][1].isdigit()
    assert client.delete_many(["a", "nothing"]) is True
    assert client.delete_multi(["b"]) is True
    assert client.delete_many([]) is True
    assert client.get_many(["a", "b", "c"]) == {"c": b"3"}


def test_results_have_the_keys_that_were_asked_for(one):
    one.set("key", "v")
    assert one.get_many([b"key"]) == {b"key": b"v"}


def test_delete_and_touch(client):
    client.set("key", "v")
    assert client.touch("key", 100) is True
    assert client.touch("nothing") is False
    assert client.delete("key") is True
    assert client.delete("key") is False


def test_counters(lib, client):
    client.set("key", "5")
    assert client.incr("key", 3) == 8
    assert client.decr("key", 2) == 6
    assert client.decr("key", 100) == 0
    assert client.incr("nothing", 1) is None
    assert client.decr("nothing", 1) is None
    assert client.incr("key", 1, noreply=True) is None
    client.set("text", "abc")
    with pytest.raises(lib.exceptions.MemcacheClientError):
        client.incr("text", 1)
    with pytest.raises(lib.exceptions.MemcacheClientError):
        client.incr("key", -1)
    with pytest.raises(lib.exceptions.MemcacheIllegalInputError):
        client.incr("key", 1.5)


def test_noreply_is_the_default_and_always_true(lib, flush):
    for make in (lib.base.Client, lib.base.PooledClient, lambda s: lib.hash.HashClient([s])):
        made = make(flush)
        assert made.set("key", "1") is True
        assert made.add("key", "2") is True
        assert made.replace("nothing", "2") is True
        assert made.append("nothing", "2") is True
        assert made.prepend("nothing", "2") is True
        assert made.touch("nothing") is True
        assert made.delete("nothing") is True
        assert made.set_many({"a": "1"}) == []
        assert made.cas("key", "2", 1, noreply=True) is True
        assert made.get("key") == b"1"
        assert made.add("key", "2", noreply=False) is False
        made.close()


def test_flush_all(one):
    one.set("key", "v")
    assert one.flush_all() is True
    assert one.get("key") is None
    one.set("key", "v")
    assert one.flush_all(10_000) is True
    assert one.get("key") == b"v"


def test_flush_all_of_many_servers(lib, flush4):
    made = lib.hash.HashClient(flush4, default_noreply=False)
    keys = [f"key{i}" for i in range(20)]
    made.set_many({key: "v" for key in keys})
    assert made.flush_all() is None
    assert made.get_many(keys) == {}


def test_as_a_dictionary(lib, flush):
    for made in (lib.base.Client(flush), lib.base.PooledClient(flush)):
        made["key"] = "v"
        assert made["key"] == b"v"
        del made["key"]
        with pytest.raises(KeyError):
            made["key"]


def test_goes_on_after_close_and_quit(client):
    client.set("key", "v")
    client.close()
    assert client.get("key") == b"v"
    client.disconnect_all()
    client.quit()
    assert client.get("key") == b"v"


def test_unix_socket(lib, unix_server):
    for spec in (unix_server, unix_server[len("unix:"):]):
        made = lib.base.Client(spec, default_noreply=False)
        assert made.set("key", "v") is True
        assert made.get("key") == b"v"
        made.close()
    made = lib.hash.HashClient([unix_server], default_noreply=False)
    assert made.get("key") == b"v"
    assert list(made.clients) == [unix_server[len("unix:"):]]


# --- what the server tells

def test_version_and_stats(one, server_process):
    version = server_process.ask(b"version\r\n").split()[1]
    assert one.version() == version
    stats = one.stats()
    assert stats[b"pid"] == server_process.pid
    assert stats[b"version"] == version
    assert isinstance(stats[b"rusage_user"], float)
    assert stats[b"hash_is_expanding"] is False
    settings = one.stats("settings")
    assert settings[b"growth_factor"] == 1.25
    assert settings[b"umask"] == 0o700
    assert settings[b"evictions"] == b"on"
    assert settings[b"slab_automove_ratio"] == b"0.80"


def test_statistics_are_the_originals(theirs, ours, flush):
    for group in (["settings"], ["slabs"], ["cachedump", "1", "5"]):
        assert ours.base.Client(flush).stats(*group) == theirs.base.Client(flush).stats(*group)
    assert set(ours.base.Client(flush).stats()) == set(theirs.base.Client(flush).stats())


def test_stats_cachedump(lib):
    with Scripted(b"ITEM key [3 b; 0 s]\r\nITEM other [1 b; 9 s]\r\nEND\r\n") as s:
        assert lib.base.Client(s.address, timeout=2).stats("cachedump", "1", "0") == {
            b"key": b"[3 b; 0 s]", b"other": b"[1 b; 9 s]"}


def test_raw_command(lib, one, server_process):
    assert one.raw_command("version") == b"VERSION " + one.version()
    one.set("key", "v")
    assert one.raw_command(b"get key", "END\r\n") == b"VALUE key 0 1\r\nv\r\n"
    assert one.raw_command("mn", b"\r\n") == b"MN"
    with pytest.raises(lib.exceptions.MemcacheUnknownCommandError):
        one.raw_command("bogus")


def test_cache_memlimit(one):
    assert one.cache_memlimit(64) is True


def test_shutdown(lib):
    with ServerProcess(options=["-A"]) as s:
        made = lib.base.Client(s.address)
        assert made.shutdown() is None
        s._process.wait(10)


def test_shutdown_that_is_not_enabled(lib, one):
    with pytest.raises(lib.exceptions.MemcacheError):
        one.shutdown()


# --- keys, arguments

@pytest.mark.parametrize("key", ["two words", "tab\t", "line\n", "line\r\nflush_all", " key",
                                 "nul\0", "k" * 251, "\u00e9"])
def test_bad_keys_are_refused(lib, client, key):
    calls = [lambda: client.get(key), lambda: client.set(key, "v"), lambda: client.delete(key),
             lambda: client.incr(key, 1), lambda: client.touch(key), lambda: client.get_many([key]),
             lambda: client.set_many({key: "v"}), lambda: client.gets(key)]
    for call in calls:
        with pytest.raises(lib.exceptions.MemcacheIllegalInputError):
            call()


def test_keys_that_are_no_text(client):
    with pytest.raises(TypeError):
        client.get(5)
    with pytest.raises(TypeError):
        client.set(5, "v")


def test_the_prefix_counts(lib, flush, server_process):
    for prefix in ("pre:", b"pre:"):
        for made in (lib.base.Client(flush, key_prefix=prefix, default_noreply=False),
                     lib.base.PooledClient(flush, key_prefix=prefix, default_noreply=False),
                     lib.hash.HashClient([flush], key_prefix=b"pre:", default_noreply=False)):
            made.set("key", "v")
            assert made.get("key") == b"v"
            assert made.get_many(["key"]) == {"key": b"v"}
            assert b"VALUE pre:key" in server_process.ask(b"get pre:key\r\n", b"END\r\n")
            assert made.delete("key") is True
            with pytest.raises(lib.exceptions.MemcacheIllegalInputError):
                made.get("k" * 247)
    with pytest.raises(TypeError):
        lib.base.Client(flush, key_prefix=5)


def test_a_prefix_of_any_bytes(lib, flush):
    made = lib.base.Client(flush, key_prefix=b"\xff&?%,;", default_noreply=False)
    made.set("key", "v")
    assert made.get("key") == b"v"
    assert lib.base.Client(flush).get(b"\xff&?%,;key") == b"v"


def test_unicode_keys(lib, flush, server_process):
    for made in (lib.base.Client(flush, allow_unicode_keys=True, default_noreply=False),
                 lib.hash.HashClient([flush], allow_unicode_keys=True, default_noreply=False)):
        made.set("\u00e9\u20ac", "v")
        assert made.get_many(["\u00e9\u20ac"]) == {"\u00e9\u20ac": b"v"}
    assert b"VALUE" in server_process.ask("get \u00e9\u20ac\r\n".encode(), b"END\r\n")


def test_values_of_other_types_are_written_as_text(lib, flush):
    made = lib.base.Client(flush, default_noreply=False)
    made.set("key", [1])
    assert made.get("key") == b"[1]"
    with pytest.raises(lib.exceptions.MemcacheIllegalInputError):
        made.set("key", "\u00e9")
    made = lib.base.Client(flush, default_noreply=False, encoding="utf-8")
    made.set("key", "\u00e9")
    assert made.get("key") == "\u00e9".encode()


@pytest.mark.parametrize("expire", ["5", 1.5, None])
def test_times_are_integers(lib, one, expire):
    with pytest.raises(lib.exceptions.MemcacheIllegalInputError):
        one.set("key", "v", expire=expire)
    with pytest.raises(lib.exceptions.MemcacheIllegalInputError):
        one.touch("key", expire)


def test_check_key_helper(lib):
    check = lib.base.check_key_helper
    assert check("key", False) == b"key"
    assert check(b"key", False, key_prefix=b"p:") == b"p:key"
    assert check("\u00e9", True) == "\u00e9".encode()
    assert check("", False) == b""
    assert check("a\x01\x7f", False) == b"a\x01\x7f"
    for key in ("a b", "\u00e9", "a\x0bb", "a\x0cb", "k" * 251, "\0"):
        with pytest.raises(lib.exceptions.MemcacheIllegalInputError):
            check(key, False)
    client = lib.base.Client("localhost")
    assert client.check_key("key", b"p:") == b"p:key"
    assert lib.base.PooledClient("localhost", key_prefix="p:").check_key("key") == b"p:key"


def test_normalize_server_spec(lib):
    spec = lib.base.normalize_server_spec
    for given, wanted in [
            (("h", 1), ("h", 1)), ("h", ("h", 11211)), ("h:1", ("h", 1)), ("[::1]", ("::1", 11211)),
            ("[::1]:1", ("::1", 1)), ("/p", "/p"), ("unix:/p", "/p"),
            ("10.0.0.1:5", ("10.0.0.1", 5))]:
        assert spec(given) == wanted
    for bad in (None, 5, ["h", 1], b"h"):
        with pytest.raises(ValueError):
            spec(bad)
    with pytest.raises(ValueError):
        spec("h:x")


def test_keepalive_opts(lib, flush):
    opts = lib.base.KeepaliveOpts(idle=2, intvl=3, cnt=4)
    assert (opts.idle, opts.intvl, opts.cnt) == (2, 3, 4)
    for name in ("idle", "intvl", "cnt"):
        with pytest.raises(ValueError):
            lib.base.KeepaliveOpts(**{name: 0})
    made = lib.base.Client(flush, socket_keepalive=opts, default_noreply=False)
    assert made.set("key", "v") is True
    with pytest.raises(ValueError):
        lib.base.Client(flush, socket_keepalive="yes")


def test_attributes_say_how_it_was_made(lib):
    made = lib.base.Client("h:1", timeout=2, connect_timeout=1, key_prefix="p", ignore_exc=True,
                           no_delay=True, encoding="utf-8")
    assert made.server == ("h", 1)
    assert (made.timeout, made.connect_timeout, made.key_prefix) == (2, 1, b"p")
    assert made.ignore_exc and made.no_delay and made.encoding == "utf-8"
    assert made.default_noreply is True and made.allow_unicode_keys is False
    assert made.socket_module is socket and made.tls_context is None
    pooled = lib.base.PooledClient("h:1", timeout=2, key_prefix="p")
    assert (pooled.server, pooled.timeout, pooled.key_prefix) == (("h", 1), 2, b"p")


def test_a_pool_has_a_size(lib):
    for size in (-1, "many"):
        with pytest.raises(ValueError):
            lib.base.PooledClient("h", max_pool_size=size)
