"""memcxx.compat.pymemcache against what pymemcache does: failures, many servers, retries.

Tests that take `lib` run against both, so their expectations are the original's.
"""

from __future__ import annotations

import collections
import socket
import time

import originals
import pytest
from conftest import ServerProcess
from originals import Scripted, answering, owners  # noqa: F401


lib, ours, theirs = originals.fixtures(
    "memcxx.compat.pymemcache", "pymemcache", originals.pymemcache_parts)


KEYS = [f"key:{i}:" + "x" * (i % 7) for i in range(400)]


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


def addresses(servers):
    return [(host, int(port)) for host, _, port in (s.rpartition(":") for s in servers)]


# --- failures

def test_refused_connections(lib):
    with ServerProcess() as s:
        address = s.address
    for call in (lambda c: c.get("key"), lambda c: c.set("key", "v"), lambda c: c.incr("key", 1),
                 lambda c: c.get_many(["key"]), lambda c: c.set_many({"key": "v"})):
        for made in (lib.base.Client(address), lib.base.PooledClient(address),
                     lib.hash.HashClient([address])):
            with pytest.raises(ConnectionRefusedError):
                call(made)


def test_names_that_do_not_resolve(lib):
    with pytest.raises(socket.gaierror):
        lib.base.Client("nosuchhost.invalid").get("key")


def test_no_such_socket(lib):
    with pytest.raises(FileNotFoundError):
        lib.base.Client("/nonexistent/socket").get("key")


def test_a_server_that_does_not_answer(lib):
    with ServerProcess() as s:
        made = lib.base.Client(s.address, timeout=0.2, connect_timeout=0.2)
        s.stop()
        try:
            began = time.monotonic()
            with pytest.raises(socket.timeout):
                made.get("key")
            assert time.monotonic() - began < 2
        finally:
            s.cont()
        assert made.get("key") is None


def test_ignore_exc_turns_failed_reads_into_misses(lib):
    with ServerProcess() as s:
        address = s.address
    for cls in (lib.base.Client, lib.base.PooledClient):
        made = cls(address, ignore_exc=True)
        assert made.get("key") is None
        assert made.get("key", 5) == 5
        assert made.gets("key") == (None, None)
        assert made.get_many(["key"]) == {}
        assert made.gets_many(["key"]) == {}
        assert made.stats() == {}
        with pytest.raises(OSError):
            made.set("key", "v")


def test_ignore_exc_and_a_bad_key(lib, flush):
    with pytest.raises(lib.exceptions.MemcacheIllegalInputError):
        lib.base.Client(flush, ignore_exc=True).get("a b")
    with pytest.raises(lib.exceptions.MemcacheIllegalInputError):
        lib.hash.HashClient([flush], ignore_exc=True).get("a b")
    assert lib.base.PooledClient(flush, ignore_exc=True).get("a b", 5) == 5


def test_ignore_exc_of_many_servers(lib):
    with ServerProcess() as s:
        address = s.address
    made = lib.hash.HashClient([address], ignore_exc=True, default_noreply=False)
    assert made.get("key", 5) == 5
    assert made.set("key", "v") is False
    assert made.delete("key") is False
    assert made.incr("key", 1) is False
    assert made.get_many(["key"]) == {}
    assert made.set_many({"key": "v"}) == ["key"]
    assert made.gets("key") is None
    assert made.delete_many(["key"]) is True
    assert made.flush_all() is None


@pytest.mark.parametrize("reply, error", [
    (b"", "MemcacheUnexpectedCloseError"),
    (b"VALUE key 0 10\r\nabc", "MemcacheUnexpectedCloseError"),
    (b"SERVER_ERROR out of memory\r\n", "MemcacheServerError"),
    (b"CLIENT_ERROR bad\r\n", "MemcacheClientError"),
    (b"ERROR\r\n", "MemcacheUnknownCommandError"),
    (b"garbage\r\n", "MemcacheUnknownError"),
])
def test_answers_that_are_errors(lib, reply, error):
    with Scripted(reply) as s:
        with pytest.raises(getattr(lib.exceptions, error)):
            lib.base.Client(s.address, timeout=2).get("key")


def test_the_servers_words_are_in_the_exception(lib):
    with Scripted(b"SERVER_ERROR no room for that\r\n") as s:
        with pytest.raises(lib.exceptions.MemcacheServerError, match="no room for that"):
            lib.base.Client(s.address, timeout=2, default_noreply=False).set("key", "v")


CALLS = [("set", ("k", "v")), ("add", ("k", "v")), ("replace", ("k", "v")), ("append", ("k", "v")),
         ("prepend", ("k", "v")), ("cas", ("k", "v", 5)), ("set_many", ({"a": "1"},)),
         ("delete", ("k",)), ("delete_many", (["k"],)), ("touch", ("k",)), ("incr", ("k", 1)),
         ("decr", ("k", 1)), ("flush_all", ()), ("get", ("k",)), ("gets", ("k",)),
         ("get_many", (["k"],)), ("gets_many", (["k"],)), ("version", ()), ("stats", ()),
         ("cache_memlimit", (64,)), ("raw_command", ("foo",))]
COMMANDS = {"set_many": b"set", "delete_many": b"delete", "get_many": b"get", "gets_many": b"gets",
            "raw_command": b"foo"}


@pytest.mark.parametrize("verb, arguments", CALLS, ids=[c[0] for c in CALLS])
@pytest.mark.parametrize("reply, error, words", [
    (b"SERVER_ERROR out of memory", "MemcacheServerError", b"out of memory"),
    (b"SERVER_ERROR object too large for cache", "MemcacheServerError",
     b"object too large for cache"),
    (b"SERVER_ERROR backend failure", "MemcacheServerError", b"backend failure"),
    (b"CLIENT_ERROR bad", "MemcacheClientError", b"bad"),
    (b"ERROR", "MemcacheUnknownCommandError", None),
])
def test_the_servers_words_are_bytes(lib, answering, verb, arguments, reply, error, words):
    made = lib.base.Client(answering(reply + b"\r\n", reply + b"\r\n"), timeout=20,
                           default_noreply=False)
    with pytest.raises(getattr(lib.exceptions, error)) as caught:
        getattr(made, verb)(*arguments)
    assert caught.value.args == (words or COMMANDS.get(verb, verb.encode()),)


def test_a_counter_that_is_no_number_is_told_in_bytes(lib, one):
    one.set("key", "text")
    with pytest.raises(lib.exceptions.MemcacheClientError) as caught:
        one.incr("key", 1)
    assert isinstance(caught.value.args[0], bytes)


@pytest.mark.parametrize("kind", ["Client", "PooledClient", "HashClient"])
def test_not_stored_is_no_exception(lib, answering, kind):
    address = answering(b"NOT_STORED\r\n")
    made = (lib.hash.HashClient([address], default_noreply=False) if kind == "HashClient"
            else getattr(lib.base, kind)(address, default_noreply=False))
    assert made.set_many({"a": "1", "b": "2"}) == ["a", "b"]
    assert made.set_multi({"a": "1"}) == ["a"]
    assert made.set("a", "1") is False
    assert made.add("a", "1") is False


def test_a_value_that_is_too_large(lib, one):
    with pytest.raises(lib.exceptions.MemcacheServerError, match="too large"):
        one.set("key", b"x" * (2 << 20))
    assert one.set("key", b"x") is True


# --- many servers

def place(lib, processes, keys, how, **options):
    for process in processes:
        process.flush()
    made = lib.hash.HashClient([p.address for p in processes], default_noreply=False,
                               allow_unicode_keys=True, **options)
    how(made, keys)
    found = owners(processes, keys)
    made.close()
    return found


def one_by_one(client, keys):
    for key in keys:
        client.set(key, "v")


def together(client, keys):
    assert client.set_many(dict.fromkeys(keys, "v")) == []


@pytest.mark.parametrize("options", [{}, {"use_pooling": True}], ids=["plain", "pooled"])
@pytest.mark.parametrize("how", [one_by_one, together])
def test_keys_live_where_the_original_puts_them(theirs, ours, server_processes4, how, options):
    for keys in (KEYS, [f"\u00e9{i}\u20ac" for i in range(100)], [b"b%d" % i for i in range(100)]):
        wanted = place(theirs, server_processes4, keys, one_by_one)
        assert len(wanted) == len(keys)
        assert place(ours, server_processes4, keys, how, **options) == wanted


def test_text_and_bytes_of_one_key_are_different_keys(ours, theirs, flush4):
    for lib in (ours, theirs):
        made = lib.hash.HashClient(flush4, default_noreply=False)
        for i in range(20):
            made.set(f"k{i}", "text")
            made.set(b"k%d" % i, "bytes")
        for i in range(20):
            assert made.get(b"k%d" % i) == b"bytes"
        found = made.get_many([b"k1", "k2"])
        assert set(found) == {b"k1", "k2"} and found[b"k1"] == b"bytes"


def test_a_prefix_does_not_move_keys(theirs, ours, server_processes4):
    for lib in (theirs, ours):
        for process in server_processes4:
            process.flush()
        made = lib.hash.HashClient([p.address for p in server_processes4], key_prefix=b"p:",
                                   default_noreply=False)
        together(made, KEYS)
        found = owners(server_processes4, KEYS, b"p:")
        assert len(found) == len(KEYS)
        assert found == place(lib, server_processes4, KEYS, together)


def test_clients_go_by_name(lib, servers4):
    made = lib.hash.HashClient(servers4)
    assert list(made.clients) == servers4
    assert isinstance(made.clients[servers4[0]], lib.base.Client)
    pooled = lib.hash.HashClient(addresses(servers4), use_pooling=True, max_pool_size=3)
    assert list(pooled.clients) == servers4
    assert isinstance(pooled.clients[servers4[0]], lib.base.PooledClient)
    assert made._make_client_key(("h", 1)) == "h:1"
    assert made._make_client_key("/p") == "/p"


def test_a_hasher_of_ones_own(lib, flush4, server_processes4):
    class First:
        def __init__(self):
            self.nodes = []

        def add_node(self, node):
            self.nodes.append(node)

        def remove_node(self, node):
            self.nodes.remove(node)

        def get_node(self, key):
            return self.nodes[0] if self.nodes else None

    made = lib.hash.HashClient(flush4, hasher=First, default_noreply=False)
    assert made.set_many({f"k{i}": "v" for i in range(10)}) == []
    assert set(owners(server_processes4, [f"k{i}" for i in range(10)]).values()) == {0}
    assert len(made.get_many([f"k{i}" for i in range(10)])) == 10
    assert made.get("k1") == b"v"


def test_a_client_class_of_ones_own(lib, flush):
    class Shouting(lib.base.Client):
        def get(self, key, default=None):
            value = super().get(key, default)
            return value.upper() if value else value

    class Hashed(lib.hash.HashClient):
        client_class = Shouting

    for options in ({}, {"use_pooling": True}):
        made = Hashed([flush], default_noreply=False, **options)
        made.set("key", "v")
        assert made.get("key") == b"V"


class Recording:
    """A client class that keeps no item, and what it was asked."""

    asked = []

    def __init__(self, server, **options):
        self.server = server

    def __getattr__(self, verb):
        if verb.startswith("_") or verb not in ANSWERS:
            raise AttributeError(verb)

        def call(*args, **kwargs):
            Recording.asked.append((verb, args, kwargs))
            return ANSWERS[verb]
        return call


ANSWERS = {"get": "value", "gets": ("value", b"1"), "set": True, "add": True, "replace": True,
           "append": True, "prepend": True, "cas": True, "delete": True, "incr": 1, "decr": 1,
           "touch": True, "get_many": {}, "gets_many": {}, "set_many": [], "flush_all": True}


def test_arguments_are_passed_on_to_a_client_class_of_ones_own(lib):
    class Hashed(lib.hash.HashClient):
        client_class = Recording

    made = Hashed([("h", 1)])
    Recording.asked.clear()
    more = {"extra": 1}
    assert made.get("k", extra=1) == "value"
    assert made.get("k", "other", extra=1) == "value"
    assert made.gets("k", extra=1) == ("value", b"1")
    for verb in ("set", "add", "replace", "append", "prepend"):
        assert getattr(made, verb)("k", "v", 5, extra=1) is True
    assert made.cas("k", "v", b"1", extra=1) is True
    assert made.delete("k", True, extra=1) is True
    assert made.incr("k", 1, extra=1) == made.decr("k", 1, extra=1) == 1
    assert made.touch("k", 5, extra=1) is True
    assert made.get_many(["k", "l"], extra=1) == {}
    assert made.get_many(["k"], True, 7, extra=1) == {}
    assert made.gets_many(["k"], extra=1) == {}
    assert made.set_many({"k": "v"}, 5, extra=1) == []
    assert made.set_multi({"k": "v"}, expire=5, extra=1) == []
    assert made.delete_many(["k", "l"], True, extra=1) is True
    assert made.flush_all(3, extra=1) is None
    assert Recording.asked == [
        ("get", ("k",), {"default": None, **more}), ("get", ("k",), {"default": "other", **more}),
        ("gets", ("k",), more),
        *((verb, ("k", "v", 5), more) for verb in ("set", "add", "replace", "append", "prepend")),
        ("cas", ("k", "v", b"1"), more), ("delete", ("k", True), more), ("incr", ("k", 1), more),
        ("decr", ("k", 1), more), ("touch", ("k", 5), more), ("get_many", (["k", "l"],), more),
        ("gets_many", (["k"], 7), more), ("gets_many", (["k"],), more),
        ("set_many", ({"k": "v"}, 5), more), ("set_many", ({"k": "v"},), {"expire": 5, **more}),
        ("delete", ("k", True), more), ("delete", ("l", True), more), ("flush_all", (3,), more)]


def test_arguments_that_nobody_knows(lib, flush):
    made = lib.hash.HashClient([flush], default_noreply=False)
    for call in (lambda: made.get("k", extra=1), lambda: made.set("k", "v", extra=1),
                 lambda: made.get_many(["k"], extra=1), lambda: made.set_many({"k": 1}, extra=1),
                 lambda: made.delete_many(["k"], extra=1), lambda: made.flush_all(extra=1)):
        with pytest.raises(TypeError):
            call()


def test_a_server_that_is_listed_twice_is_taken_once(lib, flush4):
    made = lib.hash.HashClient([flush4[0], flush4[1], flush4[0]], default_noreply=False)
    assert list(made.clients) == flush4[:2]
    assert made.set_many({key: "v" for key in KEYS}) == []
    assert len(lib.hash.HashClient(flush4[:2]).get_many(KEYS)) == len(KEYS)


def test_servers_can_be_added(lib, flush4):
    made = lib.hash.HashClient(flush4[:1], default_noreply=False)
    host, _, port = flush4[1].rpartition(":")
    made.add_server(host, int(port))
    made.add_server(tuple(addresses(flush4)[2]))
    assert list(made.clients) == flush4[:3]
    assert made.set_many({key: "v" for key in KEYS}) == []
    assert len(made.get_many(KEYS)) == len(KEYS)
    with pytest.raises(TypeError):
        made.add_server(("h", 1), 5)
    with pytest.raises(TypeError):
        made.remove_server(("h", 1), 5)


def test_no_servers(lib):
    made = lib.hash.HashClient([])
    for call in (lambda: made.get("key"), lambda: made.set("key", "v"),
                 lambda: made.get_many(["key"]), lambda: made.set_many({"key": "v"})):
        with pytest.raises(lib.exceptions.MemcacheError):
            call()
    calm = lib.hash.HashClient([], ignore_exc=True)
    assert calm.get("key", 5) == 5
    assert calm.set("key", "v") is False
    assert calm.set_many({"key": "v"}) == ["key"]
    assert calm.get_many(["key"]) == {}


def test_a_dead_server_leaves_and_comes_back(lib):
    with ServerProcess() as a, ServerProcess() as b:
        made = lib.hash.HashClient([a.address, b.address], default_noreply=False, retry_attempts=1,
                                   retry_timeout=0, dead_timeout=1)
        made.set_many({key: "v" for key in KEYS})
        key = next(iter(owners([a], KEYS)))
        a.kill()
        for _ in range(20):
            try:
                if made.set(key, "moved"):
                    break
            except (OSError, lib.exceptions.MemcacheError):
                time.sleep(0.01)
        assert made.get(key) == b"moved"
        assert owners([b], [key]) == {key: 0}
        a.restart()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and key not in owners([a], [key]):
            time.sleep(0.1)
            made.set(key, "back")
        assert owners([a], [key]) == {key: 0}


def test_rendezvous_hash(lib):
    ring = lib.rendezvous.RendezvousHash()
    assert ring.get_node("key") is None
    for node in ("a", "b", "c"):
        ring.add_node(node)
    ring.add_node("a")
    assert ring.nodes == ["a", "b", "c"]
    counted = collections.Counter(ring.get_node(key) for key in KEYS)
    assert sorted(counted) == ["a", "b", "c"]
    ring.remove_node("b")
    with pytest.raises(ValueError):
        ring.remove_node("b")
    assert "b" not in {ring.get_node(key) for key in KEYS}
    assert lib.rendezvous.RendezvousHash(nodes=["x"], seed=7).get_node("k") == "x"
    same = lib.rendezvous.RendezvousHash(["a", "b"], hash_function=lambda text, seed: 1)
    assert same.get_node("key") == "b"


def test_murmur3_is_the_originals(theirs, ours):
    for text in ["", "a", "ab", "abc", "abcd", "\u00e9", "\u20ac\U0001f600", *KEYS]:
        for seed in (0, 1, 2**32 - 1):
            assert ours.murmur3.murmur3_32(text, seed) == theirs.murmur3.murmur3_32(text, seed)
            nodes = ["a", "bb", "10.0.0.1:11211"]
            rings = [lib.rendezvous.RendezvousHash(list(nodes), seed) for lib in (ours, theirs)]
            assert rings[0].get_node(text) == rings[1].get_node(text)


# --- RetryingClient, FallbackClient

class Flaky:
    """Fails so often, then answers."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def get(self, key):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return key

    def set(self, key, value, noreply=False):
        return self.get(key)


def test_retries(lib):
    flaky = Flaky(OSError(), OSError())
    assert lib.retrying.RetryingClient(flaky, attempts=3).get("key") == "key"
    assert flaky.calls == 3
    flaky = Flaky(OSError(), OSError())
    with pytest.raises(OSError):
        lib.retrying.RetryingClient(flaky, attempts=2, retry_delay=0.01).get("key")
    assert flaky.calls == 2


def test_retries_only_what_it_should(lib):
    make = lib.retrying.RetryingClient
    for options, calls in [({"retry_for": [OSError]}, 1), ({"retry_for": (ValueError,)}, 2),
                           ({"do_not_retry_for": {ValueError}}, 1),
                           ({"do_not_retry_for": [OSError]}, 2),
                           ({"retry_for": [Exception], "do_not_retry_for": [ValueError]}, 1)]:
        flaky = Flaky(ValueError(), ValueError())
        with pytest.raises(ValueError):
            make(flaky, attempts=2, **options).get("key")
        assert flaky.calls == calls, options


def test_retrying_checks_its_arguments(lib):
    make = lib.retrying.RetryingClient
    for options in ({"attempts": 0}, {"retry_for": "OSError"}, {"retry_for": OSError},
                    {"do_not_retry_for": [1]}, {"retry_for": [BaseException]},
                    {"retry_for": [OSError], "do_not_retry_for": [OSError]}):
        with pytest.raises((ValueError, TypeError)):
            make(Flaky(), **options)


def test_retrying_looks_like_its_client(lib, one):
    made = lib.retrying.RetryingClient(one)
    assert "gets_many" in dir(made)
    made["key"] = "v"
    assert made["key"] == b"v"
    del made["key"]
    with pytest.raises(KeyError):
        made["key"]
    with pytest.raises(AttributeError):
        made.no_such_thing()


def test_fallback(lib, flush4):
    new, old = (lib.base.Client(s, default_noreply=False) for s in flush4[:2])
    both = lib.fallback.FallbackClient((new, old))
    old.set("key", "old")
    assert both.get("key") == b"old"
    both.set("key", "new", noreply=False)
    assert both.get("key") == b"new"
    assert both.get("nothing") is None
    assert both.get_many(["key"]) == {"key": b"new"}
    both.delete("key", noreply=False)
    assert both.get("key") == b"old"
    both.close()
