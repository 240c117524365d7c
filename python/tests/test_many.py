"""Many keys at once and large values, at their edges: what keys may be, whose memory is read, and
that one path of a value does what the other does."""

from __future__ import annotations

import gc
import pickle
import sys
import threading

import pytest

import memcxx
from faces import PATIENT, open_face
from memcxx import _core, errors
from test_client import PICKLERS, same
from test_faults import lines

DIALECTS = ("native", *PICKLERS, "gomemcached", "dalli")
# Around every size at which something changes: buffers, copies, what is read in place.
SIZES = (0, 1, 15, 16, 100, 255, 256, 257, 4095, 4096, 4097, 16_383, 16_384, 16_385, 32_768, 32_769,
         65_536, 100_000)
PLAIN = [None, True, 0, -1, 9, 2**31, 2**63 - 1, -2**63, 2**63, 2**64, 10**300, 2.5, float("inf"),
         "", "a", "ünï", "世界" * 50, "\U0001f600", "\0", b"", b"\0", b"1", "1", [1, "a"], {"a": None}]


class Text(str):
    """Not str itself."""


def bytes_of(size, seed=0):
    """Bytes that say how many they are, and compress badly."""
    return bytes((n * n + seed * 31 + size) * 7 // 3 % 251 for n in range(size))


# --- keys


@pytest.mark.parametrize("verb", ["get_many", "get_many_raw", "delete_many", "set_many_raw"])
@pytest.mark.parametrize("form", [list, tuple, set, dict, iter, lambda k: (one for one in k)])
def test_no_keys(make, verb, form):
    c = make("127.0.0.1:1")  # nobody is asked
    assert getattr(c, verb)(form([])) == {}


def test_nothing_to_store(make):
    c = make("127.0.0.1:1")
    assert c.set_many({}) == {} and c.add_many({}) == {}


@pytest.mark.parametrize("form", [
    list, tuple, frozenset, iter, dict.fromkeys, lambda k: dict.fromkeys(k).keys(),
    lambda k: (one for one in k), lambda k: map(str, k), lambda k: [Text(one) for one in k],
    lambda k: [one.encode().decode() for one in k]])
def test_any_iterable_of_keys(make, flush, form):
    c = make(flush)
    c.set_many({"a": 1, "b": "two"})
    assert c.get_many(form(["a", "n", "b"])) == {"a": 1, "b": "two"}
    assert set(c.get_many_raw(form(["a", "n", "b"]))) == {"a", "b"}
    assert c.delete_many(form(["a", "n", "b"])) == {"n": False}


@pytest.mark.parametrize("keys", [None, 1, 2.5, object(), "abc", b"abc", ""])
def test_keys_that_are_not_many(make, flush, keys):
    c = make(flush)
    for call in (c.get_many, c.get_many_raw, c.delete_many):
        with pytest.raises(TypeError):
            call(keys)


@pytest.mark.parametrize("servers", [1, 4])
def test_a_key_more_than_once(make, flush4, servers):
    c = make(flush4[:servers])
    c.set_many({"a": 1, "b": "two", "ü": b"three"})
    first = "".join(["", "a"])
    assert c.get_many([first, "b", "a", "no", "b", "no", "a"]) == {"a": 1, "b": "two"}
    assert c.get_many(["a"] * 100) == {"a": 1}
    assert c.get_many_raw(["a", "a"]) == {"a": (b"1", c.get_raw("a")[1], 0)}
    # One item by two names.
    both = c.get_many(["ü", "ü".encode(), b"a", "a"])
    assert both == {"ü": b"three", "ü".encode(): b"three", b"a": 1, "a": 1}
    assert [type(k) for k in both] == [str, bytes, bytes, str]
    assert c.delete_many(["a", "b", "a"]) == {"a": False}


def test_keys_of_the_answer_are_those_that_were_given(make, flush):
    c = make(flush)
    keys = ["".join(["key", str(n)]) for n in range(50)] + [Text("text"), b"bytes"]
    c.set_many({k: 1 for k in keys})
    assert [id(k) for k in c.get_many(keys)] == [id(k) for k in keys]
    assert [id(k) for k in c.get_many_raw(keys)] == [id(k) for k in keys]


def test_one_key_of_many_that_cannot_be_sent(make, flush):
    c = make(flush)
    c.set_many({"a": 1, "z": 2})
    for bad in ("", "a b", "k" * 251, b"\x7f", "x" * 100_000):
        found = c.get_many(["a", bad, "no", "z"], errors_too=True)
        assert isinstance(found.pop(bad), errors.InvalidKey) and found == {"a": 1, "z": 2}
        with pytest.raises(errors.InvalidKey):
            c.get_many(["a", bad])
        failed = c.set_many({"a": 1, bad: 1, "z": 2})
        assert list(failed) == [bad] and isinstance(failed[bad], errors.InvalidKey)
        assert list(c.set_many_raw([("a", b"", 0), (bad, b"", 0)])) == [bad]
        c.set_many({"a": 1})


@pytest.mark.parametrize("bad,kind", [(1, TypeError), (None, TypeError), (("a",), TypeError),
                                      ("\ud800", UnicodeEncodeError)])
def test_a_key_that_is_none(make, flush, bad, kind):
    c = make(flush)
    for call in (lambda: c.get_many(["a", bad, "b"]), lambda: c.get_many_raw(["a", bad]),
                 lambda: c.delete_many(["a", bad]), lambda: c.set_many({"a": 1, bad: 2}),
                 lambda: c.get_many([bad], errors_too=True), lambda: c.get(bad)):
        with pytest.raises(kind):
            call()
    assert c.set_many({"a": 1}) == {} and c.get_many(["a", "b"]) == {"a": 1}


def test_keys_that_raise_on_the_way(make, flush):
    c = make(flush)
    c.set_many({"a": 1, "b": 2})

    def some():
        yield "a"
        raise KeyError("the third")

    class Unhashable(str):
        def __hash__(self):
            raise RuntimeError("no hash")

    class Hashed(str):
        asked = 0

        def __hash__(self):
            Hashed.asked += 1
            if Hashed.asked > 1:
                raise RuntimeError("no second hash")
            return 1
    for _ in range(3):
        with pytest.raises(KeyError, match="the third"):
            c.get_many(some())
        with pytest.raises(RuntimeError, match="no hash"):
            c.get_many(["a", Unhashable("b")])
        with pytest.raises(RuntimeError, match="no hash"):
            c.get_many_raw([Unhashable("b")], errors_too=True)
        Hashed.asked = 0
        with pytest.raises(RuntimeError, match="no second hash"):
            c.get_many([Hashed("a"), Hashed("b")])
        assert c.get_many(["a", "b"]) == {"a": 1, "b": 2}  # what came late is nobody else's


# --- values


@pytest.mark.parametrize("dialect", DIALECTS)
def test_many_are_stored_and_read_as_one_is(make, flush, stored, dialect):
    c = make(flush, dialect=dialect)
    codec = _core.ValueCodec(f"dialect={dialect}", *memcxx.dialects.picklers(dialect))
    values = {f"plain:{n}": v for n, v in enumerate(PLAIN)}
    values.update({f"bytes:{n}": bytes_of(n) for n in SIZES})
    values.update({f"text:{n}": "é" * (n // 2) for n in SIZES})
    storable = {}
    for key, value in values.items():
        try:
            codec.unpack(key, *codec.pack(key, value, None))
        except errors.WrongType:  # the dialect has no form for it, or none that it reads
            c.set_many({key: value})
        else:
            storable[key] = value
    assert len(storable) > 50 and c.set_many(storable) == {}
    many, raw = c.get_many(storable), c.get_many_raw(storable)
    for key, value in storable.items():
        flags, data = codec.pack(key, value, None)
        assert raw[key] == (data, flags, 0) and stored(key) == (flags, data)
        assert same(many[key], c.get(key)) and same(many[key], codec.unpack(key, flags, data))
        c.set(key, value)
        assert c.get_raw(key)[:2] == (data, flags)
        assert same(c.gat(key, 60), many[key])
    assert len(many) == len(storable)


@pytest.mark.parametrize("dialect", ("native", "pymemcache", "pylibmc", "libmc"))
def test_what_is_compressed_among_many(make, flush, dialect):
    c = make(flush, dialect=dialect, min_compress=1000)
    values = {f"{kind}:{n}": (b"ab" if kind == "bytes" else "é") * (n // 2)
              for n in (998, 1000, 1002, 4000, 10_000, 200_000) for kind in ("bytes", "text")}
    values["bad"] = bytes_of(5000)
    values["n"] = 10**2000  # never compressed: it may be counted on
    assert c.set_many(values) == {}
    raw = c.get_many_raw(values)
    assert same(c.get_many(values), values)
    for key, value in values.items():
        assert c.get(key) == value
        c.set(key, value)
        assert c.get_raw(key)[:2] == raw[key][:2]
    assert len(raw["bytes:998"][0]) == 998 and len(raw["bytes:1000"][0]) == 1000
    assert len(raw["bytes:1002"][0]) < 100 and len(raw["text:200000"][0]) < 2000
    assert c.set_many(values, min_compress=0) == {}
    assert len(c.get_raw("text:200000")[0]) >= 200_000
    assert c.set_many(values, min_compress=10) == {}
    assert len(c.get_raw("bytes:998")[0]) < 100 and same(c.get_many(values), values)


@pytest.mark.parametrize("dialect", ("native", "pymemcache", "libmc"))
def test_a_value_that_is_corrupt_for_its_flags(make, flush, put, dialect):
    c = make(flush, dialect=dialect)
    codec = _core.ValueCodec(f"dialect={dialect}", *memcxx.dialects.picklers(dialect))
    broken = {int: b"12x", str: b"\xff", bool: b"2", float: b"1.5.5", type(None): b"none"}
    for value in (7, "text", True, 2.5, None):
        flags, data = codec.pack("k", value, None)
        if data not in (b"7", b"text", b"1", b"2.5", b""):
            continue  # a pickle: anything may be in it
        put("bad", flags, broken[type(value)])
        put("good", flags, data)
        found = c.get_many(["good", "bad", "none"], errors_too=True)
        assert same(found.pop("good"), c.get("good"))
        why = found.pop("bad")
        assert isinstance(why, errors.CorruptValue) and not found
        assert why.item == (flags, broken[type(value)]) and why.server == flush
        for call in (lambda: c.get_many(["good", "bad"]), lambda: c.get("bad")):
            with pytest.raises(errors.CorruptValue) as caught:
                call()
            assert caught.value.item == why.item and str(caught.value) == str(why)
        assert c.get_many_raw(["bad"])["bad"] == (broken[type(value)], flags, 0)


def test_integers_as_the_server_leaves_them(make, flush):
    c = make(flush)
    c.set_many({"n": 1000, "m": 5})
    assert c.decr("n", 999) == 1 and c.incr("m", 10) == 15  # the first is padded with blanks now
    assert same(c.get_many(["n", "m"]), {"n": 1, "m": 15})


def test_stubs_are_misses(flush):
    c = memcxx.Client(flush, protocol="meta")  # a classic get reads an empty hit
    c.set_many({"a": 1})
    item, about = c.get_item("stub", vivify=30)
    assert about["won"] and c.get_raw("stub")[0] == b""
    assert c.get("stub", "none") == "none"
    assert c.get_many(["a", "stub", "no"]) == {"a": 1}
    assert c.get_many_raw(["stub"])["stub"][0] == b""


def test_values_in_pieces_among_others(make, flush4):
    c = make(flush4, split_over=2000)
    values = {f"k{n}": bytes_of(n) if n % 2 else "é" * n for n in range(0, 9000, 450)}
    assert c.set_many(values) == {}
    assert same(c.get_many([*values, "none", *values]), values)
    assert {k: same(c.get(k), v) for k, v in values.items()} == dict.fromkeys(values, True)
    assert same(c.gat("k4500", 60), values["k4500"])
    # A piece that is gone is a miss; one that cannot be read is its value's error alone.
    whole = c.get_raw("k8550")
    c.set("k8550", "short")
    c.store_raw("set", "cut", whole[0][:-3], whole[1])
    found = c.get_many(["k450", "cut", "k4500"], errors_too=True)
    assert isinstance(found.pop("cut"), errors.StoredValueError)
    assert same(found, {k: values[k] for k in ("k450", "k4500")})
    failed = c.add_many({"k4500": bytes_of(5000), "new": bytes_of(5000)})
    assert failed == {"k4500": False} and c.get("new") == bytes_of(5000)


def test_two_names_of_one_item_are_stored_in_their_order():
    c = memcxx.Client("memory://", split_over=2000)
    assert c.set_many({"k": b"x" * 10_000, b"k": "last"}) == {} and c.get("k") == "last"
    assert c.set_many({"k": "first", b"k": b"y" * 10_000}) == {} and c.get("k") == b"y" * 10_000
    assert c.set_many({"k": "first", b"k": "last"}) == {} and c.get("k") == "last"


def test_long_keys_among_others(make, flush4):
    c = make(flush4, hash_long_keys=True, prefix="p:")
    values = {"k" * n: bytes_of(n) if n % 2 else str(n) for n in (1, 100, 247, 248, 249, 250, 3000)}
    values[b"b" * 400] = 7
    assert c.set_many(values) == {} and same(c.get_many([*values, "n" * 500]), values)
    for key, value in values.items():
        assert same(c.get(key), value) and c.set(key, value)
    assert same(c.get_many(values), values)
    assert c.delete_many(values) == {}


def test_empty_bytes_under_a_long_key(make, flush):
    c = make(flush, hash_long_keys=True)
    long, other = "k" * 300, b"b" * 400
    assert c.set(long, b"") is True and c.get(long) == b"" and c.get_many([long]) == {long: b""}
    assert c.set_many({long: b"", other: b""}) == {}
    assert c.get_many([long, other]) == {long: b"", other: b""}
    assert c.set_many({long: b"", other: 1, "short": b""}) == {}  # one of them has to be packed
    assert same(c.get_many([long, other, "short"]), {long: b"", other: 1, "short": b""})
    assert c.add_many({long: b"", "new" * 100: b""}) == {long: False}


def test_a_value_that_cannot_be_stored_stops_what_is_behind_it_and_before(make, flush):
    c = make(flush)
    with pytest.raises(TypeError):
        c.set_many({"a": 1, "b": object(), "c": 3})
    assert c.get_many(["a", "b", "c"]) == {}
    assert c.set_many({"a": 1, "c": 3}) == {}


@pytest.mark.parametrize("entry", [("k", b"v"), ["k", b"v", 0], ("k", "v", 0), (1, b"v", 0),
                                   ("k", b"v", 0, 0), ("k", b"v", -1), ("k", b"v", 2**32),
                                   ("k", b"v", "0"), "kvf", None])
def test_an_entry_that_is_none(flush, entry):
    c = memcxx.Client(flush)
    with pytest.raises(TypeError):
        c.set_many_raw([("a", b"1", 0), entry])
    assert c.get("a") is None
    assert c.set_many_raw((e for e in [("a", b"1", 0)])) == {} and c.get("a") == b"1"


def test_an_entry_that_lies_about_its_length(flush):
    class Long(tuple):
        def __len__(self):
            return 3

    class Failing(tuple):
        def __len__(self):
            raise RuntimeError("asked")
    c = memcxx.Client(flush)
    for entry in (Long(()), Long(("k",)), Long(("k", b"v")), Long(("k", b"v", 0, 0))):
        with pytest.raises(TypeError):
            c.set_many_raw([entry])
    assert c.set_many_raw([Long(("k", b"v", 0)), Failing(("l", b"w", 0))]) == {}
    assert c.get_many(["k", "l"]) == {"k": b"v", "l": b"w"}


# --- other threads, other calls


def test_keys_stay_those_of_the_beginning(scripted):
    """Whatever becomes of the list while the GIL is let go."""
    asked, release = threading.Event(), threading.Event()

    def handle(s):
        for line in lines(s):
            asked.set()
            release.wait(PATIENT)
            for key in line.split()[1:]:
                s.sendall(b"VALUE %s 0 %d\r\n%s\r\n" % (key, len(key), key))
            s.sendall(b"END\r\n")
    c = open_face("native", scripted(handle).address, protocol="classic")
    keys = [f"key:{n}:{'x' * 50}" for n in range(200)] + [f"ü{n}" for n in range(200)]
    expected = {k: k.encode() for k in keys}
    for form in (list, dict.fromkeys):
        given, found = form(keys), []
        asked.clear()
        release.clear()
        caller = threading.Thread(target=lambda: found.append(c.get_many(given)))
        caller.start()
        assert asked.wait(PATIENT)
        given.clear()
        keys = [str(k) + "" for k in expected]
        gc.collect()
        others = ["y" * 55 for _ in range(1000)]  # in the memory of those that went, if any did
        release.set()
        caller.join(PATIENT)
        assert found == [expected] and others


def test_values_stay_those_of_the_beginning(scripted):
    size, count = 200_000, 200  # more than sockets hold
    begun, release = threading.Event(), threading.Event()
    got = {}

    def handle(s):
        begun.set()
        release.wait(PATIENT)
        with s.makefile("rb") as f:
            while line := f.readline():
                key, length = line.split()[1], int(line.split()[4])
                got[key] = f.read(length)
                f.readline()
                s.sendall(b"STORED\r\n")
    c = open_face("native", scripted(handle).address, protocol="classic")
    values = {f"key:{n}": bytes([n]) * size for n in range(count)}
    failed = []
    caller = threading.Thread(target=lambda: failed.append(c.set_many(values)))
    caller.start()
    assert begun.wait(PATIENT)
    for key in list(values):
        del values[key]
    others = [b"\xff" * size for _ in range(count)]
    release.set()
    caller.join(PATIENT)
    assert failed == [{}] and len(others) == count
    assert got == {b"key:%d" % n: bytes([n]) * size for n in range(count)}


def test_a_pickler_that_changes_what_is_stored(flush):
    values = {f"k{n}": n for n in range(5)}
    values["set"] = {1}

    def dumps(value):
        values.clear()
        values.update((f"other{n}", "x" * 50) for n in range(1000))
        gc.collect()
        return b"pickled"
    c = memcxx.Client(flush, dialect="pymemcache", dumps=dumps, loads=lambda b: b)
    assert c.set_many(values) == {}
    assert c.get_many([*(f"k{n}" for n in range(5)), "set", "other1"]) == {
        **{f"k{n}": n for n in range(5)}, "set": b"pickled"}


def test_a_pickler_that_asks_its_client(flush):
    def dumps(value):
        c.set_many({"inner": len(value), "large": b"i" * 100_000})
        return str(len(value)).encode()

    def loads(data):
        inner = c.get_many(["inner", "a", "large"])
        assert inner["large"] == b"i" * 100_000 == c.get("large")
        return (int(data), inner["a"])
    c = memcxx.Client(flush, dialect="pymemcache", dumps=dumps, loads=loads)
    pairs = {"a": "text", "p": [1, 2], "q": [3], "large2": b"o" * 200_000}
    assert c.set_many(pairs) == {}
    expected = {**pairs, "p": (2, "text"), "q": (1, "text")}
    assert c.get_many(["p", "a", "q", "large2"]) == expected
    assert c.get("q") == (1, "text")


def test_a_pickle_that_raises_among_many(make, flush):
    def loads(data):
        if data == b"exit":
            raise SystemExit("not an Exception")
        raise LookupError(data.decode())
    c = make(flush, dialect="pymemcache", dumps=lambda v: v[0].encode(), loads=loads)
    c.set_many({"a": 1, "bad": ["bad"], "z": "z"})
    found = c.get_many(["a", "bad", "z"], errors_too=True)
    assert isinstance(found.pop("bad"), LookupError) and found == {"a": 1, "z": "z"}
    with pytest.raises(LookupError):
        c.get_many(["a", "bad", "z"])
    c.set("bad", ["exit"])
    with pytest.raises(SystemExit):
        c.get_many(["a", "bad", "z"], errors_too=True)
    assert c.get_many(["a", "z"]) == {"a": 1, "z": "z"}


@pytest.mark.parametrize("dialect,like,stored,kind", [
    ("native", {"a": 1}, b"\x81\x90\x01", TypeError),  # a list is a key
    ("native", 7, b"9" * 5000, ValueError),  # more digits than Python reads at once
    ("pymemcache", [1], b"(", EOFError), ("pymemcache", [1], b".", pickle.UnpicklingError),
    ("pymemcache", [1], b"I12x\n.", ValueError),
    ("pymemcache", [1], b"cos\nnosuch\n.", AttributeError)])
def test_what_python_raises_is_an_exception_among_the_values(make, flush, dialect, like, stored,
                                                             kind):
    """Not the text of one."""
    if kind is ValueError and not hasattr(sys, "get_int_max_str_digits"):
        pytest.skip("this Python reads any number of digits")
    c = make(flush, dialect=dialect)
    c.set("k", like)
    c.store_raw("set", "k", stored, c.get_raw("k")[1])
    c.set("a", 1)
    found = c.get_many(["a", "k"], errors_too=True)
    assert isinstance(found.pop("k"), kind) and found == {"a": 1}
    with pytest.raises(kind):
        c.get_many(["a", "k"])


# --- large values


def test_large_values_of_all_sizes_are_their_own(make, new_server):
    """Room is used again, but never while somebody has what is in it."""
    server = new_server(options=["-I", "16m", "-m", "512"])
    c = make(server.address)
    sizes = [*SIZES, 1_000_000, 999_999, 1_000_001, 300_000, 4 << 20, (4 << 20) + 1, 6_000_000]
    values = {f"{n}": bytes_of(257, n) * (n // 257) + bytes_of(n % 257, n) for n in sizes}
    values["text"] = "é" * 500_000
    values["n"] = 7
    assert c.set_many(values) == {}
    held = []
    for step in (1, 7, 11, 13):
        for n in range(len(values)):
            key = list(values)[n * step % len(values)]
            held += [(key, c.get(key)), (key, c.get_raw(key)[0]), (key, c.gat(key, 0))]
            assert c.get("none") is None and c.get_raw("none") is None
    held += c.get_many(values).items()
    for key, value in held:
        if key in ("text", "n"):
            continue
        assert type(value) is bytes and value == values[key], key
        assert sys.getsizeof(value) == sys.getsizeof(b"") + len(value)
    assert [v for k, v in held if k == "text" and isinstance(v, str)] == ["é" * 500_000] * 9


def test_the_same_size_again_and_again(flush):
    c = memcxx.Client(flush)
    values = [bytes([n]) * 500_000 for n in range(5)]
    for n, value in enumerate(values):
        c.set(f"k{n}", value)
    held = [c.get(f"k{n % 5}") for n in range(50)]
    assert all(v == values[n % 5] for n, v in enumerate(held))
    assert len({id(v) for v in held}) == 50
    hash(held[0])  # remembered in the object
    for _ in range(200):  # so many that the room is given up
        assert c.get("none") is None
    assert c.get("k1") == values[1] and hash(c.get("k0")) == hash(values[0])
    assert held[0] == values[0] and len(set(held)) == 5


def test_large_values_of_many_threads(flush):
    c = memcxx.Client(flush, pool_size=8)
    values = {f"k{n}": bytes_of(1000, n) * (40 + n * 23) for n in range(16)}
    assert c.set_many(values) == {}
    wrong = []

    def read(first):
        held = []
        for n in range(60):
            key = f"k{(first * 5 + n) % 16}"
            held.append((key, c.get(key)))
            held.append((key, c.get_many([key, "none"])[key]))
        wrong.extend(k for k, v in held if v != values[k])
    threads = [threading.Thread(target=read, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_a_large_value_that_is_cut_off_leaves_its_room(scripted):
    whole = bytes_of(300_000)

    def handle(s):
        for n, line in enumerate(lines(s)):
            s.sendall(b"VALUE %s 0 %d\r\n" % (line.split()[1], len(whole)))
            if line.split()[1] == b"cut":
                s.sendall(whole[:200_000])
                return
            s.sendall(whole + b"\r\nEND\r\n")
    c = open_face("native", scripted(handle).address, protocol="classic", max_failures=0)
    first = c.get("k")
    for _ in range(3):
        with pytest.raises(errors.ConnectionClosed):
            c.get("cut")
        assert c.get("k") == whole and c.get_raw("k") == (whole, 0, 0)
    assert first == whole


def test_references_of_many_are_given_back(flush):
    c = memcxx.Client(flush, dialect="pymemcache")
    keys = ["".join(["key", str(n)]) for n in range(20)]
    values = [b"".join([b"value", bytes([n])]) for n in range(20)]
    pairs, entries = dict(zip(keys, values)), [(k, v, 0) for k, v in zip(keys, values)]

    def counts():
        gc.collect()
        return [sys.getrefcount(x) for x in (*keys, *values, pairs, entries)]

    def work():
        assert c.set_many(pairs) == {} and c.set_many_raw(entries) == {}
        assert c.get_many(keys) == c.get_many(pairs) == pairs
        assert len(c.get_many_raw(keys)) == 20 and c.add_many(pairs) == dict.fromkeys(keys, False)
        for call in (lambda: c.get_many([*keys, 1]), lambda: c.get_many([*keys, "a b"]),
                     lambda: c.set_many({**pairs, 1: 2}), lambda: c.set_many_raw([*entries, 1]),
                     lambda: c.delete_many([*keys, None])):
            with pytest.raises((TypeError, errors.InvalidKey)):
                call()
    work()
    before = counts()
    for _ in range(50):
        work()
    assert [a - b for a, b in zip(counts(), before)] == [0] * len(before)
