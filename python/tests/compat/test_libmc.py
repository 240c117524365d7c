"""The dialect and the distribution "libmc" against what libmc does: flags, bytes, types, and where
keys go."""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import marshal
import pickle

import pytest

import memcxx
from memcxx import errors
from originals import VALUES, Number, Point, in_threads, name_of, owners

libmc = pytest.importorskip("libmc")

Pair = collections.namedtuple("Pair", "a b")
SHARED = ["x"]
DEEP: list = []
for _ in range(150):
    DEEP = [DEEP]
CIRCLE: list = []
CIRCLE.append(CIRCLE)

MARSHALLED = [
    1j, [], [1, "a", b"b", None, [2.5, [True]]], {}, {"a": {2**70: (1, 2.5)}}, (1, "two"), (), set(),
    {1}, frozenset("a"), Ellipsis, StopIteration, bytearray(b"xy"), memoryview(b"xy"),
    array.array("i", [1, 2]), [bytearray(b"q")], [SHARED, SHARED], DEEP, float("nan"), ["\ud800"],
    compile("1 + n", "x", "eval"),
]
PICKLED = [
    Number(5), [Number(5)], Pair(1, 2), {"k": Pair(1, 2)}, datetime.date(2024, 2, 29),
    [decimal.Decimal("1.5")], object, len, range(3), CIRCLE, collections.OrderedDict(a=1),
    collections.deque([1]), {1: [Point(2)]},
]


@pytest.fixture
def theirs(flush):
    return libmc.Client([flush])


@pytest.mark.parametrize("value", VALUES + MARSHALLED + PICKLED, ids=name_of)
def test_both_store_the_same_and_read_it_alike(make, flush, stored, theirs, value):
    ours = make(flush, dialect="libmc")
    assert theirs.set("theirs", value) and ours.set("ours", value)
    flags, data = stored("theirs")
    assert stored("ours") == (flags, data)
    assert flags == (1 if any(value is v for v in PICKLED) else flags)
    expected = theirs.get("ours")
    for found in (theirs.get("theirs"), ours.get("ours"), ours.get("theirs"),
                  ours.get_many(["theirs"])["theirs"], ours.gat("theirs", 100)):
        assert type(found) is type(expected)
        # nan is not equal to itself, a circle cannot be compared
        assert marshalled(found) == marshalled(expected)


def marshalled(value):
    try:
        return marshal.dumps(value, 2)
    except ValueError:
        return pickle.dumps(value, 2)


@pytest.mark.parametrize("value", [v for v in VALUES if not isinstance(v, bytes)] + MARSHALLED[:8],
                         ids=name_of)
def test_what_marshal_takes_is_no_pickle(make, flush, stored, value):
    ours = make(flush, dialect="libmc")
    ours.set("k", value)
    flags, data = stored("k")
    pickled = isinstance(value, (Point, Number))
    whole = isinstance(value, int) and not pickled
    assert flags == (1 if pickled else 8 if isinstance(value, bool) else 4 if whole else 32)
    if flags == 32:
        assert data == marshal.dumps(value, 2)


@pytest.mark.parametrize("value", [[0] * 500, ("text " * 200,), {"k": list(range(200))}],
                         ids=("list", "tuple", "dict"))
def test_compressed(make, flush, stored, value):
    theirs = libmc.Client([flush], comp_threshold=100)
    ours = make(flush, dialect="libmc", min_compress=100)
    assert theirs.set("theirs", value) and ours.set("ours", value)
    assert stored("ours") == stored("theirs")
    assert stored("ours")[0] == 32 | 16
    assert ours.get("theirs") == value == theirs.get("ours")


def test_what_marshal_cannot_read_is_an_error(make, flush, put):
    c = make(flush, dialect="libmc")
    for data in (b"", b"?", b"[\x05\0\0\0N", b"u\x01\0\0\0\xff", b"{N", b"s\xff\xff\xff\x7f"):
        put("k", 32, data)
        with pytest.raises(errors.CorruptValue):
            c.get("k")
        assert isinstance(c.get_many(["k"], errors_too=True)["k"], errors.CorruptValue)


def test_what_python_2_marshalled_is_read(make, flush, put):
    c = make(flush, dialect="libmc")
    put("k", 32, b"(\x02\0\0\0t\x01\0\0\0aR\0\0\0\0")  # ("a", "a") of interned names
    assert list(c.get("k")) in ([b"a", b"a"], ["a", "a"])


def test_own_picklers_take_the_place_of_marshal(make, flush, stored):
    c = make(flush, dialect="libmc", dumps=lambda v: b"own:" + repr(v).encode(),
             loads=lambda data: eval(data[4:]))
    c.set("k", [1, (2,)])
    assert stored("k") == (1, b"own:[1, (2,)]")
    assert c.get("k") == [1, (2,)]
    libmc.Client([flush]).set("k", (1, {2}))
    assert c.get("k") == (1, {2})
    for bad in (lambda v: "text", lambda v: ("pickle", b""), lambda v: ("marshal", "text"),
                lambda v: (b"", b"", b""), lambda v: None, lambda v: (1, b"")):
        with pytest.raises(TypeError):
            make(flush, dialect="libmc", dumps=bad).set("k", [1])


@pytest.mark.parametrize("name,number", [("", libmc.MC_HASH_MD5), ("/crc_32", libmc.MC_HASH_CRC_32),
                                         ("/fnv1_32", libmc.MC_HASH_FNV1_32),
                                         ("/fnv1a_32", libmc.MC_HASH_FNV1A_32)])
def test_keys_go_to_the_same_server_of_four(flush4, server_processes4, name, number):
    keys = [f"key:{n}" for n in range(400)] + ["\u00fc", "x" * 200]
    theirs = libmc.Client(flush4, hash_fn=number)
    assert theirs.set_multi({k: [k] for k in keys})
    placed = owners(server_processes4, keys)
    assert len(placed) == len(keys) and set(placed.values()) == {0, 1, 2, 3}
    ours = memcxx.Client(flush4, dialect="libmc", distribution=f"libmc{name}", timeout=30)
    assert ours.get_many(keys) == {k: [k] for k in keys}
    assert {k: flush4.index(ours.which(k)) for k in keys} == placed


def test_threads_marshal_at_once(flush):
    c = memcxx.Client(flush, dialect="libmc", timeout=30)
    wrong = []

    def work(t):
        for n in range(200):
            value = {f"{t}": (n, {n}, [t] * 50)}
            c.set(f"k{t}", value)
            if c.get(f"k{t}") != value:
                wrong.append((t, n))
    in_threads(work)
    assert not wrong
