"""The client as its users call it: every verb, every value, every error, on real servers and
through each face."""

from __future__ import annotations

import datetime
import inspect
import math
import time
import unittest.mock

import pytest

import memcxx
from faces import free_port, open_face
from memcxx import aio, errors, green

PROTOCOLS = ("auto", "classic", "meta", "binary")

PLAIN = [
    None, True, False, 0, 1, -5, 2**31, 2**63 - 1, -2**63, 2**64 - 1, 2**70, 1.0, 0.1, -2.5e-300,
    float("inf"), "", "text", "Grüße, 世界", "a\r\nb\0c", b"", b"bytes", bytes(range(256)),
    b"x" * 100_000, [], [1, "a", b"b", None, [2.5, [True]]], {}, {"a": 1, "b": [True], "c": {}},
    {1: "one", b"two": 2},
]
PICKLERS = ("python-memcached", "cmemcache", "pyermc", "pymemcache", "pylibmc", "libmc")


def same(a, b):
    """Equal, and of the same types all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a), list(b)) and same(list(a.values()), list(b.values()))
    return a == b


# --- verbs


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_verb_does_what_it_says(make, flush, protocol):
    c = make(flush, protocol=protocol)
    assert c.get("k") is None
    assert c.get("k", "default") == "default"
    assert c.set("k", "one") is True
    assert c.get("k") == "one"
    assert c.get(b"k") == "one"
    assert c.add("k", "two") is False
    assert c.add("new", "two") is True
    assert c.replace("none", 1) is False
    assert c.replace("k", "three") is True
    value, cas = c.gets("k")
    assert value == "three"
    assert c.set("k", "four")
    assert c.cas("k", "five", cas) is False
    assert c.cas("k", "five", c.gets("k")[1]) is True
    assert c.cas("none", "x", cas) is False
    assert c.gets("none") is None

    assert c.set("b", b"middle")
    assert c.append("b", b">") is True
    assert c.prepend("b", "<") is True
    assert c.append("none", b"x") is False
    assert c.get("b") == b"<middle>"

    assert c.incr("n") is None
    assert c.set("n", 10)
    assert c.incr("n") == 11
    assert c.incr("n", 5) == 16
    assert c.decr("n", 20) == 0
    assert c.get("n") == 0

    assert c.touch("k", 100) is True
    assert c.touch("none", 100) is False
    assert c.delete("k") is True
    assert c.delete("k") is False

    assert c.set_many({"m1": 1, "m2": [2], "m3": "3"}, ttl=60) == {}
    assert c.get_many(["m1", "m2", "m3", "m4"]) == {"m1": 1, "m2": [2], "m3": "3"}
    assert c.get_many(iter([b"m1"])) == {b"m1": 1}
    assert c.delete_many(["m1", "m4"]) == {"m4": False}
    assert c.add_many({"m1": "new", "m2": "other", "m5": 5}, ttl=60) == {"m2": False}
    assert c.get_many(["m1", "m2", "m5"]) == {"m1": "new", "m2": [2], "m5": 5}
    assert c.delete_many(["m1", "m5"]) == {}
    assert c.get_many(["m1", "m2"]) == {"m2": [2]}
    assert c.get_many([]) == {}
    assert c.set_many({}) == {}
    assert c.add_many({}) == {}
    assert c.delete_many([]) == {}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_items_as_they_are(make, flush, protocol):
    c = make(flush, protocol=protocol)
    assert c.get_raw("r") is None
    assert c.store_raw("set", "r", b"raw", flags=7) == "stored"
    assert c.get_raw("r")[:2] == (b"raw", 7)
    assert c.store_raw("add", "r", b"x") == "not_stored"
    assert c.store_raw("replace", "none", b"x") == "not_stored"
    token = c.get_raw("r")[2]
    assert c.store_raw("cas", "r", b"raw2", 8, cas=token) == "stored"
    assert c.store_raw("cas", "r", b"raw3", 8, cas=token) == "exists"
    assert c.store_raw("cas", "none", b"raw3", cas=token) == "miss"
    assert c.set_many_raw([("r1", b"1", 1), ("r2", b"2", 2)]) == {}
    many = c.get_many_raw(["r1", "r2", "r3"], cas=True)
    assert {k: v[:2] for k, v in many.items()} == {"r1": (b"1", 1), "r2": (b"2", 2)}
    assert all(v[2] > 0 for v in many.values())


@pytest.mark.parametrize("protocol", ("meta", "binary"))
def test_get_and_touch(make, flush, protocol):
    c = make(flush, protocol=protocol)
    c.set("g", [1])
    assert c.gat("g", 100) == [1]
    assert c.gat("none", 100, "default") == "default"
    assert c.gat_raw("none", 5) is None
    assert c.gat_raw("g", 5)[0] == c.get_raw("g")[0]


def test_attributes_of_an_item(make, flush):
    c = make(flush, protocol="meta")
    assert c.get_item("i") is None
    c.set("i", "value", ttl=100)
    value, about = c.get_item("i", ttl=True, last_access=True, hit_before=True, size=True)
    assert value == "value"
    assert 90 <= about["ttl"] <= 100 and about["hit_before"] is False and about["size"] == 5
    assert about["cas"] > 0 and about["won"] is False
    value, about = c.get_item("stub", vivify=30)
    assert value == b"" and about["won"] is True
    assert c.get_item("stub", vivify=30)[1]["already_won"] is True


@pytest.mark.parametrize("protocol", ("meta", "binary"))
def test_a_counter_with_an_initial_value(make, flush, protocol):
    c = make(flush, protocol=protocol)
    assert c.incr("hits", initial=1) == 1
    assert c.incr("hits", initial=1) == 2
    assert c.decr("other", initial=5, ttl=60) == 5


def test_every_server_answers(make, flush4):
    c = make(flush4)
    assert set(c.version()) == set(flush4)
    assert all(v[0].isdigit() for v in c.version().values())
    assert c.ping() == {s: True for s in flush4}
    assert c.verbosity(1) == {s: True for s in flush4}
    stats = c.stats()
    assert set(stats) == set(flush4)
    assert all(isinstance(s["pid"], int) and isinstance(s["version"], str) for s in stats.values())
    assert all("maxbytes" in s for s in c.stats("settings").values())
    text = c.stats("settings", text=True)
    assert set(text) == set(flush4)
    assert all(s["growth_factor"] == "1.25" and s["maxbytes"] == str(64 << 20)
               for s in text.values())
    assert all(s["version"] == stats[name]["version"] for name, s in c.stats(text=True).items())
    # A number is not what the server wrote: "0.010000".
    usage = [s["rusage_user"] for s in c.stats(text=True).values()]
    assert all(len(u.partition(".")[2]) == 6 for u in usage), usage
    c.set("e", 1)
    assert sum(c.delete_everywhere("e").values()) == 1
    assert c.flush_all() == {s: True for s in flush4}
    with pytest.raises(errors.InvalidArgument):
        c.flush_all(-1)


def clock_of(server_process):
    """A server's own clock, in seconds since the epoch: it ticks once a second, and a loaded
    server's tick may be late."""
    stats = dict(line.split(b" ")[1:3] for line in
                 server_process.ask(b"stats\r\n", b"END\r\n").splitlines() if line != b"END")
    return int(stats[b"time"])


def test_a_ttl_whose_seconds_are_none(flush):
    class Endless:
        def total_seconds(self):
            return self

    class Point:
        def __init__(self, at):
            self.at = at

        def timestamp(self):
            return self.at
    c = memcxx.Client(flush)
    for bad in (Endless(), unittest.mock.MagicMock()):
        with pytest.raises(TypeError):
            c.set("t", 1, ttl=bad)
    for at in (float("inf"), float("nan"), 1e300):
        with pytest.raises(ValueError):
            c.set("t", 1, ttl=Point(at))
    assert c.get("t") is None


@pytest.mark.parametrize("ttl,seconds", [
    (100, 100), (99.5, 100), (datetime.timedelta(minutes=2), 120),
    (datetime.timedelta(days=30), 30 * 86400)], ids=str)
def test_ttl_is_seconds_or_a_timedelta(make, flush, server_process, ttl, seconds):
    c = make(flush, protocol="meta")
    before = clock_of(server_process)
    c.set("t", 1, ttl=ttl)
    left = c.get_item("t", ttl=True)[1]["ttl"]
    ticks = clock_of(server_process) - before
    assert seconds - ticks <= left <= seconds


@pytest.mark.parametrize("form,days", [("datetime", 1), ("datetime", 60), ("timedelta", 60)])
def test_ttl_is_a_point_in_time(make, flush, server_process, form, days):
    c = make(flush, protocol="meta")
    span = datetime.timedelta(days=days)
    clock, began = clock_of(server_process), time.time()
    # More than 30 days go to the server as a point in time, too.
    point = datetime.datetime.fromtimestamp(began, datetime.timezone.utc) + span
    c.set("t", 1, ttl=point if form == "datetime" else span)
    left = c.get_item("t", ttl=True)[1]["ttl"]
    ended, clock_then = time.time(), clock_of(server_process)
    # The server counts on its own clock, which may be behind this machine's: the point is what is
    # left and the clock of that moment together.
    assert left + clock <= math.ceil(ended) + days * 86400
    assert left + clock_then >= math.floor(began) + days * 86400


def test_ttl_of_never_and_of_the_past(make, flush):
    c = make(flush, protocol="meta")
    c.set("t", 1)
    assert c.get_item("t", ttl=True)[1]["ttl"] == -1
    c.set("t", 1, ttl=None)
    assert c.get_item("t", ttl=True)[1]["ttl"] == -1
    c.set("t", 1, ttl=-1)
    assert c.get("t") is None
    c.set("t", 1, ttl=datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1))
    assert c.get("t") is None
    with pytest.raises(TypeError):
        c.set("t", 1, ttl="60")
    with pytest.raises(errors.InvalidArgument):
        c.set("t", 1, ttl=2**40)


def test_a_quiet_call_does_not_wait(make, flush):
    c = make(flush)
    c.set("q", 1)
    assert c.store_raw("set", "q2", b"2", quiet=True) == "stored"
    assert c.get_raw("q2")[0] == b"2"
    assert c.delete("q", quiet=True) is True
    assert c.get("q") is None
    assert c.delete("q", quiet=True) is True  # nobody waits to hear that there was none
    assert c.get("q") is None
    assert c.unclaimed_errors() == 0


# --- values


@pytest.mark.parametrize("value", PLAIN, ids=lambda v: repr(v)[:20])
def test_plain_values_keep_their_type(make, flush, value):
    c = make(flush)
    assert c.set("v", value) is True
    assert same(c.get("v", "missing"), value)
    assert same(c.get_many(["v"])["v"], value)
    assert same(c.get_item("v")[0], value)


@pytest.mark.parametrize("dialect", PICKLERS)
def test_dialects_that_pickle_take_anything(make, flush, dialect):
    c = make(flush, dialect=dialect)
    for value in [*PLAIN, (1, "two"), {1, 2}, datetime.date(2024, 2, 29)]:
        c.set("v", value)
        found = c.get("v", "missing")
        if isinstance(value, bool) and dialect in ("cmemcache", "pyermc", "pylibmc"):
            assert same(found, int(value))  # as their originals read it
        else:
            assert same(found, value), value
    assert c.set("n", 41) and c.incr("n") == 42 and c.get("n") == 42


@pytest.mark.parametrize("dialect", ("gomemcached", "dalli"))
def test_dialects_of_other_languages(make, flush, dialect):
    c = make(flush, dialect=dialect)
    for value in [None, True, 1, -1, 2.5, "text", [1, "a", None], {"a": [1.5]}]:
        c.set("v", value)
        assert same(c.get("v", "missing"), value), value


def test_the_faces_read_each_others_values(make, flush):
    c, other = make(flush), memcxx.Client(flush, transport="native")
    for n, value in enumerate(PLAIN):
        c.set("from", value)
        other.set("to", value)
        assert same(other.get("from", "missing"), value) and same(c.get("to", "missing"), value)
        assert c.get_raw("from")[:2] == c.get_raw("to")[:2]


@pytest.mark.parametrize("compressor", ("zstd", "lz4", "zlib"))
def test_compressed_values(make, flush, compressor):
    c = make(flush, compressor=compressor, min_compress=1000)
    text = "compress me " * 1000
    c.set("z", text)
    assert len(c.get_raw("z")[0]) < 1000
    assert c.get("z") == text
    c.set("short", "x" * 900)
    assert len(c.get_raw("short")[0]) == 900
    c.set("not", text, min_compress=0)
    assert len(c.get_raw("not")[0]) == len(text)


def test_values_over_several_items(make, flush4):
    c = make(flush4, split_over=2000)
    long, longer = bytes(range(256)) * 40, "é" * 9000
    assert c.set("p", long) is True
    assert len(c.get_raw("p")[0]) < 2000
    assert c.get("p") == long
    assert c.set_many({"p1": long, "p2": longer, "p3": 3}) == {}
    assert c.get_many(["p1", "p2", "p3", "p4"]) == {"p1": long, "p2": longer, "p3": 3}
    assert c.add("p", long) is False
    assert memcxx.Client(flush4, transport="native", split_over=2000).get("p2") == longer


def test_a_missing_piece_is_a_miss(make, flush):
    c = make(flush, split_over=2000)
    c.set("p", b"x" * 10_000)
    naming = c.get_raw("p")
    c.flush_all()
    assert c.store_raw("set", "p", naming[0], naming[1]) == "stored"
    assert c.get("p", "gone") == "gone"


def test_long_keys(make, flush):
    c = make(flush, hash_long_keys=True)
    key = "k" * 1000
    assert c.set(key, [1]) and c.get(key) == [1]
    assert c.get_many([key, "k" * 1001]) == {key: [1]}
    assert c.touch(key, 10) and c.delete(key) and c.get(key) is None
    with pytest.raises(errors.InvalidKey):
        make(flush).get(key)


def test_what_was_not_written_in_the_dialect_is_an_error(make, flush):
    c = make(flush)
    c.store_raw("set", "foreign", b"value", flags=1)
    with pytest.raises(errors.UnknownFlags) as caught:
        c.get("foreign")
    assert caught.value.item == (1, b"value")
    c.set("mine", [1])
    _, flags, _ = c.get_raw("mine")
    for data, kind in ((b"\xc1", errors.CorruptValue), (b"", errors.CorruptValue),
                       (b"\x92\x01", errors.CorruptValue), (b"\xdd\xff\xff\xff\xff", errors.CorruptValue),
                       (b"\x91\xa1\xff", errors.WrongType), (b"\x01\x01", errors.CorruptValue)):
        c.store_raw("set", "mine", data, flags)
        with pytest.raises(kind) as caught:
            c.get("mine")
        assert caught.value.item == (flags, data) and caught.value.server == flush
    c.store_raw("set", "mine", b"\xc1", flags)
    good = {"good": 1}
    c.set_many(good)
    found = c.get_many(["mine", "good", "foreign"], errors_too=True)
    assert found["good"] == 1
    assert isinstance(found["mine"], errors.CorruptValue)
    assert isinstance(found["foreign"], errors.UnknownFlags)
    with pytest.raises(errors.StoredValueError):
        c.get_many(["mine", "good"])


def test_a_pickle_is_not_run_by_a_dialect_that_does_not_pickle(make, flush):
    import pickle

    class Evil:
        def __reduce__(self):
            return (exec, ("raise SystemExit('a cached value was run')",))
    c = make(flush)
    c.store_raw("set", "evil", pickle.dumps(Evil()), flags=1)
    with pytest.raises(errors.UnknownFlags):
        c.get("evil")
    c = make(flush, dialect="gomemcached")
    with pytest.raises(errors.StoredValueError):
        c.get("evil")


def test_own_picklers(make, flush):
    import json
    c = make(flush, dialect="pymemcache", dumps=lambda v: json.dumps(v).encode(),
             loads=lambda b: json.loads(b))
    c.set("j", [1, {"a": None}])
    assert c.get_raw("j")[0] == b'[1, {"a": null}]'
    assert c.get("j") == [1, {"a": None}]


# --- errors


@pytest.mark.parametrize("key", [None, 1, 1.5, ("a",), ["a"], object()])
def test_a_key_that_is_no_string(make, flush, key):
    c = make(flush)
    for call in (lambda: c.get(key), lambda: c.set(key, 1), lambda: c.delete(key),
                 lambda: c.get_many([key]), lambda: c.incr(key), lambda: c.which(key)):
        with pytest.raises(TypeError):
            call()
    assert c.set("fine", 1)


@pytest.mark.parametrize("key", ["", " ", "a b", "a\nb", "a\0", "\x7f", "k" * 251, b"\r\n"])
def test_a_key_that_cannot_be_sent(make, key):
    c = make(f"127.0.0.1:{free_port()}")  # refused before anybody is asked
    for call in (lambda: c.get(key), lambda: c.set(key, 1), lambda: c.delete(key),
                 lambda: c.touch(key), lambda: c.incr(key), lambda: c.append(key, b"")):
        with pytest.raises(errors.InvalidKey) as caught:
            call()
        assert isinstance(caught.value, ValueError) and caught.value.server == ""
    assert isinstance(c.delete_many([key])[key], errors.InvalidKey)
    assert isinstance(c.set_many({key: 1})[key], errors.InvalidKey)
    assert isinstance(c.add_many({key: 1})[key], errors.InvalidKey)
    assert isinstance(c.get_many([key], errors_too=True)[key], errors.InvalidKey)
    with pytest.raises(errors.InvalidKey):
        c.get_many([key])


def test_the_prefix_counts_for_the_length_of_a_key(make, flush):
    c = make(flush, prefix="p:")
    assert c.set("k" * 248, 1)
    with pytest.raises(errors.InvalidKey):
        c.set("k" * 249, 1)
    c.set("x", "prefixed")
    assert make(flush).get("p:x") == "prefixed"
    assert c.get_many(["x"]) == {"x": "prefixed"}


def test_a_value_of_a_type_that_is_not_plain(make, flush):
    c = make(flush)
    for value in (object(), (1, 2), {1}, [object()], {"a": (1,)}, 1j):
        with pytest.raises(TypeError):
            c.set("k", value)
    nested: list = []
    for _ in range(200):
        nested = [nested]
    with pytest.raises(ValueError):
        c.set("k", nested)
    with pytest.raises(TypeError):
        c.store_raw("set", "k", "text")
    with pytest.raises(errors.NotANumber):
        c.set("k", "text")
        c.incr("k")
    with pytest.raises(TypeError):
        c.incr("k", -1)


@pytest.mark.parametrize("options", [
    {"no_such_option": 1}, {"timeout": "soon"}, {"protocol": "smtp"}, {"distribution": "random"},
    {"dialect": "klingon"}, {"pool_size": 0}, {"compressor": "zip"}])
def test_options_that_cannot_be_used(face, options):
    with pytest.raises(errors.InvalidArgument):
        open_face(face, "127.0.0.1", **options)


@pytest.mark.parametrize("servers", ["", "127.0.0.1:99999", "a b c:x", "127.0.0.1:-1", [], "a,a",
                                     "http://a", "127.0.0.1:port"])
def test_servers_that_cannot_be_used(face, servers):
    with pytest.raises(errors.InvalidArgument):
        open_face(face, servers)


def test_a_wrong_port_is_an_error_and_no_miss(make):
    port = free_port()
    c = make(f"127.0.0.1:{port}", max_failures=0)
    with pytest.raises(errors.ConnectFailed) as caught:
        c.get("k")
    assert caught.value.server == f"127.0.0.1:{port}"
    assert isinstance(caught.value, ConnectionError)
    for call in (lambda: c.set("k", 1), lambda: c.delete("k"), lambda: c.incr("k"),
                 lambda: c.get_many(["k", "l"])):
        with pytest.raises(errors.NetworkError):
            call()
    failed = c.set_many({"k": 1, "l": 2})
    assert set(failed) == {"k", "l"}
    assert all(isinstance(e, errors.NetworkError) for e in failed.values())
    for failed in (c.add_many({"k": 1, "l": 2}), c.delete_many(["k", "l"])):
        assert set(failed) == {"k", "l"}
        assert all(isinstance(e, errors.NetworkError) for e in failed.values())
    assert all(isinstance(s, errors.NetworkError) for s in c.stats(text=True).values())
    assert isinstance(c.ping()[f"127.0.0.1:{port}"], errors.NetworkError)


def test_a_name_that_does_not_resolve(make):
    c = make("no-such-host.invalid", timeout=5, connect_timeout=5)
    with pytest.raises((errors.ResolveFailed, errors.Timeout)):
        c.get("k")


def test_a_value_over_the_servers_limit(make, flush):
    c = make(flush)
    c.set("big", "old")
    with pytest.raises(errors.ValueTooLarge) as caught:
        c.set("big", b"x" * 2_000_000)
    assert caught.value.server == flush
    assert c.get("big") is None  # a refused store drops the old value
    assert c.set("next", 1) and c.get("next") == 1


def test_a_value_over_the_clients_limit(make, flush):
    c = make(flush, max_value_size=1000)
    with pytest.raises(errors.ValueTooLarge) as caught:
        c.set("big", b"x" * 1001)
    assert caught.value.server == "" and "1001" in str(caught.value)
    assert c.set("fits", b"x" * 1000)
    make(flush).set("long", b"x" * 5000)
    with pytest.raises(errors.ValueTooLarge):
        c.get("long")
    assert c.get("fits") == b"x" * 1000


def test_failures_as_misses(make):
    c = make(f"127.0.0.1:{free_port()}", on_error="miss", timeout=0.5)
    assert c.get("k") is None and c.get("k", 5) == 5
    assert c.get_many(["k", "l"]) == {}
    assert c.set("k", 1) is False
    assert c.set_many({"k": 1}) == {"k": False} == c.add_many({"k": 1})
    assert c.delete("k") is False and c.touch("k") is False
    assert c.delete_many(["k"]) == {"k": False}
    assert c.incr("k") is None
    assert c.get_raw("k") is None
    with pytest.raises(errors.InvalidKey):
        c.get("bad key")
    with pytest.raises(TypeError):
        c.set("k", object())


# --- the rest


def test_a_unix_socket(make, unix_server):
    c = make(unix_server)
    assert c.set("u", "unix") and c.get("u") == "unix"


def test_a_context_manager(make, flush):
    with make(flush) as c:
        assert c.set("k", 1)


def test_many_keys_and_large_values_at_once(make, flush4):
    c = make(flush4, timeout=30)
    pairs = {f"key:{n}": f"{n}:" + "v" * (n * 37 % 5000) for n in range(20_000)}
    assert c.set_many(pairs) == {}
    found = c.get_many(pairs)
    assert found == pairs
    large = {f"large:{n}": bytes([n]) * 900_000 for n in range(20)}
    assert c.set_many(large) == {}
    assert c.get_many(large) == large


def test_disconnect_opens_again(make, flush):
    c = make(flush)
    c.set("k", 1)
    c.disconnect()
    assert c.get("k") == 1


def test_the_faces_have_the_same_verbs():
    for name in dir(memcxx.Client):
        if name.startswith("_") or name in ("request", "item_request", "settings", "places"):
            continue
        for other in (green.Client, aio.Client):
            assert hasattr(other, name), f"{other.__module__} has no {name}"
    for name in ("gets", "add", "replace", "cas", "append", "prepend"):
        given = list(inspect.signature(getattr(memcxx.Client, name)).parameters)
        for other in (green.Client, aio.Client):
            assert list(inspect.signature(getattr(other, name)).parameters) == given


def test_the_transport_is_chosen(flush):
    assert type(memcxx.Client(flush)) is memcxx.Client
    assert type(memcxx.Client(flush, transport="native")) is memcxx.Client
    assert type(memcxx.Client(flush, transport="python")) is green.Client
    with pytest.raises(errors.InvalidArgument):
        memcxx.Client(flush, transport="pigeon")


@pytest.mark.parametrize("options", [{"replicas": 2}, {"failover": "gutter", "gutter": "g"},
                                     {"flush_on_reconnect": True}, {"max_failure_rate": 0.5}])
def test_what_the_python_transports_do_not_have_is_refused(options):
    for make_one in (green.Client, aio.Client):
        with pytest.raises(errors.NotSupported):
            make_one("a,b,c", **options)
    with pytest.raises(errors.NotSupported):
        green.Client("memory://")
