"""memcxx.compat.pymemcache against what pymemcache does: values, flags and bytes.

Tests that take `lib` run against both, so their expectations are the original's.
"""

from __future__ import annotations

import pickle
import zlib

import memcxx
import originals
import pytest
from originals import VALUES, name_of


lib, ours, theirs = originals.fixtures(
    "memcxx.compat.pymemcache", "pymemcache", originals.pymemcache_parts)


# --- serde

@pytest.mark.parametrize("which", ["pickle_serde", "compressed_serde"])
@pytest.mark.parametrize("value", VALUES, ids=name_of)
def test_values_come_back_as_they_were(lib, flush, which, value):
    made = lib.base.Client(flush, serde=getattr(lib.serde, which), default_noreply=False)
    assert made.set("key", value) is True
    back = made.get("key")
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize("which", ["pickle_serde", "compressed_serde"])
@pytest.mark.parametrize("value", VALUES, ids=name_of)
def test_bytes_and_flags_are_the_originals(theirs, ours, which, value):
    data, flags = getattr(theirs.serde, which).serialize(b"key", value)
    if isinstance(data, str):  # of an int; Client encodes it
        data = data.encode("ascii")
    assert getattr(ours.serde, which).serialize(b"key", value) == (data, flags)
    for lib in (ours, theirs):
        assert getattr(lib.serde, which).deserialize("key", data, flags) == value


@pytest.mark.parametrize("value", VALUES, ids=name_of)
def test_the_dialect_of_the_core_reads_and_writes_the_same(ours, flush, value):
    core = memcxx.Client(flush, dialect="pymemcache")
    made = ours.base.Client(flush, serde=ours.serde.pickle_serde, default_noreply=False)
    made.set("key", value)
    assert core.get("key") == value
    core.set("key", value)
    assert made.get("key") == value


def test_values_cross_both_ways(theirs, ours, flush4):
    writers = [lib.hash.HashClient(flush4, serde=lib.serde.compressed_serde, default_noreply=False)
               for lib in (ours, theirs)]
    values = {f"key{i}": value for i, value in enumerate(VALUES)}
    for writer, reader in (writers, writers[::-1]):
        assert writer.set_many(values) == []
        assert reader.get_many(list(values)) == values
        for key, value in values.items():
            assert reader.get(key) == value
        reader.delete_many(list(values))
        assert writer.get_many(list(values)) == {}


def test_serialize_functions(lib):
    assert lib.serde.python_memcache_serializer(b"k", b"5") == (b"5", lib.serde.FLAG_BYTES)
    old = lib.serde.get_python_memcache_serializer(pickle_version=0)
    assert old(b"k", [1]) == (pickle.dumps([1], 0), lib.serde.FLAG_PICKLE)
    assert lib.serde.PickleSerde(pickle_version=1).serialize(b"k", None)[0] == pickle.dumps(None, 1)
    read = lib.serde.python_memcache_deserializer
    assert read("k", b"x", 0) == b"x"
    assert read("k", b"5", lib.serde.FLAG_LONG) == 5
    assert read("k", b"x", 64) == b"x"
    assert read("k", b"no pickle", lib.serde.FLAG_PICKLE) is None
    with pytest.raises(ValueError):
        read("k", b"x", lib.serde.FLAG_INTEGER)
    with pytest.raises(UnicodeDecodeError):
        read("k", b"\xff", lib.serde.FLAG_TEXT)


def test_compression_can_be_configured(lib):
    serde = lib.serde.CompressedSerde(min_compress_len=10)
    assert serde.serialize("k", "x" * 10) == (b"x" * 10, lib.serde.FLAG_TEXT)
    assert serde.serialize("k", "abcdefghijk")[1] == lib.serde.FLAG_TEXT  # it would grow
    data, flags = serde.serialize("k", "x" * 100)
    assert flags == lib.serde.FLAG_TEXT | lib.serde.FLAG_COMPRESSED
    assert zlib.decompress(data) == b"x" * 100
    assert lib.serde.CompressedSerde(min_compress_len=0).serialize("k", b"x" * 999)[1] == 0
    twice = lib.serde.CompressedSerde(compress=lambda b: b[:1], decompress=lambda b: b * 500,
                                      serde=lib.serde.pickle_serde)
    assert twice.deserialize("k", *twice.serialize("k", b"z" * 500)) == b"z" * 500


def test_what_does_not_shrink_counts_as_compressed(lib):
    serde = lib.serde.CompressedSerde(compress=lambda data: data[::-1], min_compress_len=1)
    assert serde.serialize("k", b"abc") == (b"cba", lib.serde.FLAG_COMPRESSED)


def test_legacy_functions(lib, flush):
    made = lib.base.Client(flush, default_noreply=False,
                           serializer=lambda key, value: (repr(value), 3),
                           deserializer=lambda key, value, flags: (key, value, flags))
    made.set("key", [1])
    assert made.get("key") == ("key", b"[1]", 3)
    assert made.gets_many(["key"])["key"][0] == ("key", b"[1]", 3)


def test_a_serde_sees_the_key_with_its_prefix(lib, flush):
    seen = []

    class Serde:
        def serialize(self, key, value):
            seen.append(key)
            return value, 0

        def deserialize(self, key, value, flags):
            seen.append(key)
            return value

    made = lib.base.Client(flush, serde=Serde(), key_prefix="p:", default_noreply=False)
    made.set("key", "v")
    made.get("key")
    assert seen == [b"p:key", "key"]


def test_flags_that_are_given_win(lib, flush, server_process):
    made = lib.base.Client(flush, serde=lib.serde.pickle_serde, default_noreply=False)
    made.set("key", "v", flags=99)
    assert server_process.ask(b"get key\r\n", b"END\r\n").startswith(b"VALUE key 99 1")
    made.set_many({"key": "v"}, flags=98)
    assert server_process.ask(b"get key\r\n", b"END\r\n").startswith(b"VALUE key 98 1")
