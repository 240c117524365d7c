"""memcxx.compat.pylibmc against what pylibmc does: values, flags and bytes.

Tests that take `lib` run against both, so their expectations are the original's.
"""

from __future__ import annotations

import importlib
import os
import pickle

import memcxx
import originals
import pytest
from originals import Number, name_of


lib, ours, theirs = originals.fixtures(
    "memcxx.compat.pylibmc", "pylibmc", importlib.import_module)


VALUES = [*originals.VALUES, 10**1000]


# --- values

@pytest.mark.parametrize("min_compress_len", [0, 100])
@pytest.mark.parametrize("value", VALUES, ids=name_of)
def test_values_come_back(lib, flush4, value, min_compress_len):
    mc = lib.Client(flush4)
    assert mc.set("key", value, min_compress_len=min_compress_len) is True
    back = mc.get("key")
    assert back == value
    wanted = int if isinstance(value, int) else type(value)  # of bool and subclasses, too
    assert type(back) is wanted
    assert mc.get_multi(["key"]) == {"key": value}


@pytest.mark.parametrize("value", VALUES, ids=name_of)
def test_bytes_and_flags_are_the_originals(theirs, ours, value):
    original, own = theirs.Client(["h"]), ours.Client(["h"])
    assert own.serialize(value) == original.serialize(value)
    for protocol in (0, 2):
        for made in (original, own):
            made.behaviors = {"pickle_protocol": protocol}
        assert own.serialize(value) == original.serialize(value)


@pytest.mark.parametrize("value", VALUES, ids=name_of)
def test_the_dialect_of_the_core_reads_and_writes_the_same(ours, flush, value):
    core = memcxx.Client(flush, dialect="pylibmc", distribution="modula")
    made = ours.Client([flush])
    for min_compress_len in (0, 100):
        made.set("key", value, min_compress_len=min_compress_len)
        assert core.get("key") == value
        if not isinstance(value, Number):
            core.set("key", value, min_compress=min_compress_len)
            assert made.get("key") == value


def test_values_cross_both_ways(theirs, ours, flush4):
    clients = [lib.Client(flush4, behaviors={"ketama": True}) for lib in (ours, theirs)]
    values = {f"key{i}": value for i, value in enumerate(VALUES)}
    for writer, reader in (clients, clients[::-1]):
        for min_compress_len in (0, 100):
            assert writer.set_multi(values, min_compress_len=min_compress_len) == []
            assert reader.get_multi(list(values)) == values
            for key, value in values.items():
                assert reader.get(key) == value
        assert reader.delete_multi(list(values)) is True
        assert writer.get_multi(list(values)) == {}


def test_when_values_are_compressed(lib, flush, server_process):
    mc = lib.Client([flush])

    def flags(value, **options):
        mc.set("key", value, **options)
        return int(server_process.ask(b"get key\r\n", b"END\r\n").split()[2])

    assert flags(b"x" * 1000) == 0
    assert flags(b"x" * 1000, min_compress_len=1000) == 8
    assert flags(b"x" * 1000, min_compress_len=1001) == 0
    assert flags("x" * 1000, min_compress_len=10) == 24
    assert flags(10**1000, min_compress_len=10) == 12
    assert flags(os.urandom(1000), min_compress_len=10) == 0
    assert flags(b"x" * 1000, min_compress_len=10, compress_level=0) == 0
    assert flags(b"x" * 1000, min_compress_len=10, compress_level=9) == 8
    assert flags(b"x" * 1000, min_compress_len=-1) == 0
    with pytest.raises(ValueError):
        mc.set("key", b"x", min_compress_len=1, compress_level=10)


def test_deserialize(lib):
    mc = lib.Client(["h"])
    for flags, value in [(0, b"12"), (2, 12), (4, 12), (16, "12"), (8, b"12"), (24, "12"),
                         (32, b"12"), (64, b"12"), (10, 12)]:
        assert mc.deserialize(b"12", flags) == value
    for flags in (3, 6, 17):
        with pytest.raises(lib.Error):
            mc.deserialize(b"12", flags)
    with pytest.raises(ValueError):
        mc.deserialize(b"x", 2)


@pytest.mark.parametrize("stored, error", [
    (b"8 0 3\r\nabc", "Error"), (b"16 0 1\r\n\xff", UnicodeDecodeError),
    (b"1 0 3\r\nabc", pickle.UnpicklingError), (b"3 0 1\r\n1", "Error")])
def test_values_that_cannot_be_read_raise(lib, flush, server_process, stored, error):
    server_process.ask(b"set bad " + stored + b"\r\n")
    with pytest.raises(getattr(lib, error) if isinstance(error, str) else error):
        lib.Client([flush]).get("bad")


def test_serialize_can_be_overridden(lib, flush4):
    class Mine(lib.Client):
        def serialize(self, value):
            return repr(value).encode(), 64

        def deserialize(self, value, flags):
            if value == b"'stale'":
                raise lib.CacheMiss
            return value, flags

    mc = Mine(flush4)
    assert mc.set("key", [1]) is True
    assert mc.get("key") == (b"[1]", 64)
    assert mc.set_multi({"a": 1, "stale": "stale"}) == []
    assert mc.get_multi(["a", "stale"]) == {"a": (b"1", 64)}
    assert mc.get("stale") is None
    assert mc.get("stale", 5) == 5
    assert "stale" not in mc and mc["a"] == (b"1", 64)
    mc.behaviors = {"cas": True}
    assert mc.gets("stale") == (None, None)
    assert mc.cas("a", 2, mc.gets("a")[1]) is True
    assert mc.get("a") == (b"2", 64)


def test_a_value_that_is_too_large(lib, flush4):
    mc = lib.Client(flush4)
    with pytest.raises(lib.TooBig):
        mc.set("key", b"x" * (2 << 20))
    with pytest.raises(lib.TooBig):
        lib.Client(flush4).set_multi({"key": b"x" * (2 << 20)})
    with pytest.raises((pickle.PicklingError, AttributeError)):
        mc.set("key", lambda: 1)


@pytest.mark.parametrize("wrong", [1.5, None, "5"])
def test_times_are_integers(lib, flush, wrong):
    mc = lib.Client([flush])
    with pytest.raises(TypeError):
        mc.set("key", "v", time=wrong)
    with pytest.raises(TypeError):
        mc.touch("key", wrong)


# --- serialize() of one's own

def serializing(lib, made):
    class Client(lib.Client):
        def serialize(self, value):
            return made

        def deserialize(self, data, flags):
            return data, flags
    return Client


@pytest.mark.parametrize("made", [None, 5, b"x", "text", (), (b"x",), (b"x", "y"), (b"x", None),
                                  (b"x", 1.5), [b"x", 0]], ids=repr)
def test_serialize_that_returns_nonsense(lib, flush, made):
    mc = serializing(lib, made)([flush], behaviors={"cas": True})
    for store in (lambda: mc.set("key", 1), lambda: mc.add("key", 1), lambda: mc.replace("key", 1),
                  lambda: mc.append("key", 1), lambda: mc.prepend("key", 1),
                  lambda: mc.cas("key", 1, 5), lambda: mc.set_multi({"key": 1}),
                  lambda: mc.add_multi({"key": 1}), lambda: mc.__setitem__("key", 1)):
        with pytest.raises(ValueError, match=r"serialize\(\) must return \(bytes, flags\)"):
            store()
    assert mc.get("key") is None


@pytest.mark.parametrize("made", [("text", 0), (bytearray(b"x"), 0), (None, 0)], ids=repr)
def test_serialize_that_returns_no_bytes(lib, flush, made):
    mc = serializing(lib, made)([flush])
    for store in (lambda: mc.set("key", 1), lambda: mc.set_multi({"key": 1})):
        with pytest.raises(TypeError):
            store()


def test_serialize_that_returns_flags(lib, flush):
    assert serializing(lib, (b"x", True))([flush]).set("key", 1) is True
    assert serializing(lib, (b"x", 1, "more"))([flush]).set("key", 1) is True
    mc = serializing(lib, (b"x", 32))([flush])
    assert mc.set("key", 1) is True and mc.get("key") == (b"x", 32)


@pytest.mark.parametrize("flags", [-1, 2**32, 2**70])
def test_flags_have_32_bits(ours, flush, flags):
    # The original stores what is left of them.
    with pytest.raises(ValueError):
        serializing(ours, (b"x", flags))([flush]).set("key", 1)
