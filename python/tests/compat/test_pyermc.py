"""memcxx.compat.pyermc against what is known of pyermc, with each driver. The original is for
Python 2: what it wrote is here as bytes.
"""

from __future__ import annotations

import datetime
import inspect
import os
import pickle
import socket
import time

import pytest
from pyermc_fixtures import DRIVERS, client, mc, over_a_socket, which  # noqa: F401

from memcxx import errors
from memcxx.compat import pyermc
from memcxx.compat.pyermc import driver


# --- names

def test_the_package_has_the_originals_names():
    parameters = inspect.signature(pyermc.Client).parameters.values()
    assert [(p.name, p.default) for p in parameters if p.kind is not p.KEYWORD_ONLY] == [
        ("host", "127.0.0.1"), ("port", 11211), ("connect_timeout", 3), ("timeout", 3),
        ("max_key_length", 250), ("max_value_length", 1000000), ("pickle", True),
        ("pickle_proto", 2), ("disable_nagle", True), ("cache_cas", False),
        ("error_as_miss", False), ("client_driver", driver.textproto.TextProtoDriver)]
    for name in ("MemcacheKeyError", "MemcacheValueError", "MemcacheDriverException",
                 "MemcacheSocketException"):
        assert issubclass(getattr(pyermc, name), Exception)
        assert getattr(pyermc.memcache, name) is getattr(pyermc, name)
    assert (pyermc.MAX_KEY_LENGTH, pyermc.MAX_VALUE_LENGTH) == (250, 1000000)
    assert driver.DEFAULT_DRIVER is driver.textproto.TextProtoDriver
    for each in [*DRIVERS, driver.noop.NoopDriver, driver.TCPDriver]:
        assert issubclass(each, driver.Driver)
    assert pyermc.Client.disconnect is pyermc.Client.close


# --- the connection

def test_it_connects_when_it_needs_to(mc):
    assert not mc.is_connected()
    assert mc.get("k") is None
    assert mc.is_connected()
    mc.close()
    assert not mc.is_connected() and mc.socket is None
    assert mc.set("k", 1) is True


def test_connect_and_reconnect(flush, over_a_socket):
    mc = client(flush, client_driver=over_a_socket)
    assert mc.socket is None and mc.connect() is None and mc.is_connected()
    before = mc.socket
    assert isinstance(before, socket.socket)
    assert before.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
    assert before.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    mc.connect()
    assert mc.socket is before
    mc.connect(reconnect=True)
    assert mc.socket is not before and mc.set("k", 1)
    plain = client(flush, client_driver=over_a_socket, disable_nagle=False)
    plain.connect()
    assert plain.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0


@pytest.mark.parametrize("bad", [None, 5, object, "TextProtoDriver", driver.TCPDriver("h", 1)])
def test_what_is_no_driver_is_a_type_error(bad):
    with pytest.raises(TypeError):
        pyermc.Client(client_driver=bad)


def test_other_addresses(which, unix_server, new_server):
    for address in (unix_server, new_server("::1").address):
        mc = client(address, client_driver=which)
        assert mc.set("k", 1) and mc.get("k") == 1


def test_many_servers_with_the_core_driver(flush4, server_processes4):
    mc = pyermc.Client(",".join(flush4), client_driver=driver.core.CoreDriver)
    keys = [f"k{i}" for i in range(100)]
    assert mc.set_multi({k: k for k in keys}) == []
    assert mc.get_multi(keys) == {k: k for k in keys}
    items = [s.ask(b"stats\r\n", b"END\r\n") for s in server_processes4]
    assert all(b"STAT curr_items 0\r\n" not in each for each in items)
    assert sorted(mc.stats()) == sorted(flush4) and mc.flush_all() is True
    assert mc.get_multi(keys) == {}


# --- values

VALUES = ["text", "ü", "", b"bytes", b"", b"\x00\r\n\xff", 0, -5, 2**62, 2**63, 2**100, None, 1.5,
          [1, "a"], {"k": (1, 2)}, datetime.date(2024, 2, 29)]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_equal_and_of_its_type(mc, value):
    assert mc.set("k", value) is True
    for found in (mc.get("k"), mc.gets("k"), mc.get_multi(["k"])["k"], mc.gets_multi(["k"])["k"]):
        assert found == value and type(found) is type(value)


@pytest.mark.parametrize("value, flags, data", [
    (b"bytes", 0, b"bytes"), (b"", 0, b""), (42, 2, b"42"), (2**63 - 1, 2, b"9223372036854775807"),
    (2**63, 4, b"9223372036854775808"), (True, 2, b"1"), (False, 2, b"0"),
    ("text", 1, pickle.dumps("text", 2)), ([1], 1, pickle.dumps([1], 2))], ids=repr)
def test_flags_and_bytes_are_the_originals(mc, stored, value, flags, data):
    mc.set("k", value)
    assert stored("k") == (flags, data)


@pytest.mark.parametrize("flags, data, value", [
    (0, b"str of Python 2", b"str of Python 2"), (2, b"42", 42), (4, b"42", 42), (2, b"9 ", 9),
    (1, b"\x80\x02X\x02\x00\x00\x00\xc3\xbcq\x00.", "ü"),
    (1, b"\x80\x02}q\x00U\x01kq\x01U\x02\xc3\xbcq\x02s.", {"k": "ü"}),
    (8, b"\x19\x00\x00\x00" + b"\x1fx\x01\x00\x00\x50xxxxx", b"x" * 25)], ids=repr)
def test_what_python_2_wrote_is_read(mc, put, flags, data, value):
    put("k", flags, data)
    found = mc.get("k")
    assert found == value and type(found) is type(value)


def test_lz4_is_the_originals(mc, put, stored):
    block = pytest.importorskip("lz4.block")
    value = b"some text that repeats, " * 100
    mc.set("k", value, min_compress_len=10)
    flags, data = stored("k")
    assert flags == 8 and block.decompress(data) == value
    put("k", 8, block.compress(value))
    assert mc.get("k") == value
    put("k", 9, block.compress(pickle.dumps(["x"] * 100, 2)))
    assert mc.get("k") == ["x"] * 100


@pytest.mark.parametrize("value, limit, flags", [
    (b"x" * 101, 100, 8), (b"x" * 100, 100, 0), (b"x" * 101, 0, 0), (["x" * 200], 1, 9),
    (2**1000, 1, 4), (b"abc", 1, 0)])
def test_what_is_longer_than_min_compress_len_is_compressed(mc, stored, value, limit, flags):
    assert mc.set("k", value, 0, limit)
    assert stored("k")[0] == flags
    assert mc.get("k") == value


def test_what_is_too_long_is_refused_before_it_is_compressed(mc):
    for store in (mc.set, mc.add, mc.replace, mc.append, mc.prepend, mc.cas):
        with pytest.raises(pyermc.MemcacheValueError):
            store("k", b"x" * 1_000_001, 0, 1)
    with pytest.raises(pyermc.MemcacheValueError):
        mc.set_multi({"a": b"1", "k": b"x" * 1_000_001})
    assert mc.get_multi(["a", "k"]) == {}
    assert mc.set("k", b"x" * 1_000_000) is True


@pytest.mark.parametrize("flags, data", [
    (16, b"x"), (2, b"x"), (8, b"\xff\xff\xff\xff\x00"), (8, b"\x00\x00\x00\x40\x10x"), (8, b"x"),
    (32, b"")])
def test_what_is_no_value_of_its_is_an_error(mc, put, flags, data):
    put("k", flags, data)
    put("fine", 0, b"1")
    for read in (lambda: mc.get("k"), lambda: mc.gets("k"), lambda: mc.get_multi(["fine", "k"])):
        with pytest.raises(pyermc.MemcacheValueError):
            read()
    assert mc.get("fine") == b"1"


def test_a_broken_pickle_is_an_error(mc, put):
    put("k", 1, b"5")
    with pytest.raises(pickle.UnpicklingError):
        mc.get("k")


def test_what_was_appended_to_a_pickle_does_not_vanish_unseen(mc):
    mc.set("k", "text")
    assert mc.append("k", "x") is True
    with pytest.raises(pickle.UnpicklingError):
        mc.get("k")


def test_without_pickles_objects_are_refused_both_ways(flush, which, put, stored):
    mc = client(flush, client_driver=which, pickle=False)
    with pytest.raises(pyermc.MemcacheValueError):
        mc.set("k", [1])
    put("k", 1, pickle.dumps([1], 2))
    with pytest.raises(pyermc.MemcacheValueError):
        mc.get("k")
    assert mc.set("k", "text") and stored("k") == (0, b"text")
    assert mc.get("k") == b"text"


def test_the_pickle_protocol_can_be_chosen(flush, which, stored):
    client(flush, client_driver=which, pickle_proto=4).set("k", [1])
    assert stored("k") == (1, pickle.dumps([1], 4))


def test_native_str_makes_text_what_it_was_in_python_2(flush, which, stored):
    mc = client(flush, client_driver=which, native_str=True)
    mc.set("something", "1")
    assert stored("something") == (0, b"1")
    assert [mc.incr("something"), mc.incr("something"), mc.decr("something")] == [2, 3, 2]
    mc.set("foo", "a")
    assert mc.append("foo", "b") and mc.append("foo", "c") and mc.get("foo") == "abc"
    mc.set("k", b"\xff")
    assert mc.get("k") == b"\xff"


# --- verbs

def test_add_and_replace(mc):
    assert mc.add("k", "a") is True
    assert mc.add("k", "b") is False
    assert mc.replace("absent", "c") is False
    assert mc.replace("k", "no") is True
    assert mc.get("k") == "no"


def test_append_and_prepend(mc):
    assert mc.append("k", b"x") is False and mc.prepend("k", b"x") is False
    mc.set("k", b"b")
    assert mc.append("k", "c") is True and mc.prepend("k", b"a") is True
    assert mc.append("k", 5) is True
    assert mc.get("k") == b"abc5"
    with pytest.raises(TypeError):
        mc.append("k", [1])


def test_cas_keeps_its_id(mc):
    mc.set("k", 1)
    assert mc.gets("k") == 1
    assert mc.cas("k", 21) is True
    assert mc.cas("k", 22) is False
    assert mc.get("k") == 21
    mc.reset_cas()
    assert mc.cas("k", 23) is True
    assert mc.gets_multi(["k", "absent"]) == {"k": 23}
    mc.set("k", 24)
    assert mc.cas("k", 25) is False
    mc.reset_client()
    assert mc.cas("k", 25) is True
    mc.gets("k")
    mc.delete("k")
    assert mc.cas("k", 26) is False


def test_cas_without_a_cache_is_a_set(flush, which):
    mc = client(flush, client_driver=which)
    mc.set("k", 1)
    mc.gets("k")
    mc.set("k", 2)
    assert mc.cas("k", 3) is True and mc.get("k") == 3


def test_counters(mc, which):
    if which is not driver.binaryproto.BinaryProtoDriver:
        assert mc.incr("absent") is None and mc.decr("absent") is None
    mc.set("n", 10)
    assert [mc.incr("n"), mc.incr("n", 5), mc.decr("n", 6), mc.decr("n", 100)] == [11, 16, 10, 0]
    assert [mc.incr("n", 7), mc.incr("n", -2), mc.decr("n", -3)] == [7, 5, 8]
    assert mc.get("n") == 8
    for bad in (1.5, "1", None):
        with pytest.raises(TypeError):
            mc.incr("n", bad)
        with pytest.raises(TypeError):
            mc.decr("n", bad)
    with pytest.raises(ValueError):
        mc.incr("n", 2**64)


def test_the_binary_protocol_creates_counters(flush, stored):
    mc = client(flush, client_driver=driver.binaryproto.BinaryProtoDriver)
    assert [mc.incr("up"), mc.incr("up"), mc.incr("up", 5)] == [0, 1, 6]
    assert [mc.decr("down", 3), mc.decr("down", 3)] == [0, 0]
    assert mc.incr("negative", -1) == 0
    assert stored("up") == (0, b"6")


def test_the_binary_driver_takes_a_time_for_the_counters_that_it_creates(flush, server_process):
    made = driver.binaryproto.BinaryProtoDriver(*flush.split(":")[:1], int(flush.split(":")[1]))

    def seconds(key):
        answer = server_process.ask(b"mg " + key + b" t\r\n")
        return int(answer.split(b" t")[1])

    assert made.incr(b"a", 1, time=100) == 0 and 90 < seconds(b"a") <= 100
    assert made.decr(b"b", 1, 100) == 0 and 90 < seconds(b"b") <= 100
    assert made.incr(b"c", 1) == 0 and seconds(b"c") == -1
    assert made.incr(b"a", 7, time=500) == 7 and seconds(b"a") <= 100  # it is there
    for verb in (made.incr, made.decr):
        assert verb(b"absent", 1, time=0xFFFFFFFF) is None
    assert made.get(b"absent") is None
    made.set(b"n", b"5", 0, 0)
    assert made.incr(b"n", 2, time=0xFFFFFFFF) == 7
    made.close()


def test_a_counter_that_is_no_number_is_the_servers_error(mc):
    # The original's binary driver misreports it, and its text driver says "CLIENT_ERROR".
    mc.set("k", b"x")
    with pytest.raises(pyermc.MemcacheDriverException) as caught:
        mc.incr("k")
    assert isinstance(caught.value.args[1], errors.NotANumber)
    assert mc.is_connected() and mc.get("k") == b"x"


def test_delete(mc):
    mc.set("k", 1)
    assert mc.delete("k") is True
    assert mc.delete("k") is False
    assert mc.get("k") is None


@pytest.mark.parametrize("when, stays", [
    (0, True), (100, True), (-1, False), (60 * 60 * 24 * 31, False),
    (lambda: int(time.time()) + 100, True), (datetime.timedelta(minutes=1), True)])
def test_times(mc, when, stays):
    assert mc.set("k", b"v", when() if callable(when) else when) is True
    assert (mc.get("k") == b"v") is stays


@pytest.mark.parametrize("when, error", [(None, TypeError), ("5", TypeError), (2**31, ValueError)])
def test_what_is_no_time(mc, when, error):
    mc.set("k", b"old")
    with pytest.raises(error):
        mc.set("k", b"v", when)
    assert mc.get("k") == b"old"


def test_many_at_once(mc):
    # There is no set_multi in the original.
    mapping = {f"key-{i}": i for i in range(5000)}
    assert mc.set_multi(mapping) == []
    assert mc.get_multi([*mapping, "absent"]) == mapping
    assert mc.get_multi(iter(["key-1", b"key-2", "key-1"])) == {"key-1": 1, b"key-2": 2}
    assert mc.get_multi([]) == {} and mc.set_multi({}) == []


def test_many_large_values_do_not_block_each_other(mc):
    # Requests and answers are both longer than what sockets hold.
    value = os.urandom(200_000)
    mapping = {f"k{i}": value for i in range(60)}
    assert mc.set_multi(mapping) == []
    assert mc.get_multi(mapping) == mapping


def test_small_buffers_block_nothing(new_server, over_a_socket):
    server = new_server()
    mc = client(server.address, client_driver=over_a_socket, timeout=20)
    mc.connect()
    mc.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    mc.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
    mapping = {f"some-longer-key-{i}": b"x" * 300 for i in range(10_000)}
    assert mc.set_multi(mapping) == []
    assert mc.get_multi(mapping) == mapping


def test_set_multi_tells_what_was_not_stored(new_server, which):
    mc = client(new_server().address, client_driver=which, max_value_length=0)
    assert mc.set_multi({"a": b"1", "big": b"x" * 2_000_000, "b": b"2"}) == ["big"]
    assert mc.get_multi(["a", "big", "b"]) == {"a": b"1", "b": b"2"}


def test_the_server_as_such(mc):
    assert mc.version().split(".")[0] == "1"
    stats = mc.stats()
    assert stats["version"] == mc.version() and stats["threads"] == "1"
    assert all(isinstance(k, str) and isinstance(v, str) for k, v in stats.items())
    mc.set("k", 1)
    assert mc.flush_all() is True
    assert mc.get("k") is None


# --- keys

BAD_KEYS = ["", b"", None, 5, 1.5, ("a",), "a" * 251, "ü" * 126, "a b", "a\n", "\x00", "\x7f",
            "\ud800"]


@pytest.mark.parametrize("key", BAD_KEYS, ids=ascii)
def test_every_verb_checks_its_key(mc, key):
    # The original's incr, decr and delete do not.
    for call in (lambda: mc.get(key), lambda: mc.gets(key), lambda: mc.set(key, 1),
                 lambda: mc.add(key, 1), lambda: mc.append(key, "x"), lambda: mc.cas(key, 1),
                 lambda: mc.incr(key), lambda: mc.decr(key), lambda: mc.delete(key),
                 lambda: mc.get_multi(["a", key]), lambda: mc.gets_multi(["a", key]),
                 lambda: mc.set_multi({"a": 1, key: 1})):
        with pytest.raises(pyermc.MemcacheKeyError):
            call()
    assert mc.get("a") is None


def test_all_control_bytes_are_refused_and_nothing_else(mc):
    for code in [*range(33), 127]:
        with pytest.raises(pyermc.MemcacheKeyError):
            mc.check_key(chr(code))
    for code in [*range(33, 127), 128, 255]:
        assert mc.check_key(b"%c" % code) == bytes([code])
    assert mc.check_key("ü") == "ü".encode()


def test_the_limits_can_be_set(flush, which):
    mc = client(flush, client_driver=which, max_key_length=3, max_value_length=2)
    with pytest.raises(pyermc.MemcacheKeyError):
        mc.get("abcd")
    with pytest.raises(pyermc.MemcacheValueError):
        mc.set("abc", b"xyz")
    free = client(flush, client_driver=which, max_key_length=0)
    with pytest.raises(pyermc.MemcacheKeyError):
        free.get("a" * 251)  # no server takes it
    assert free.get("a" * 250) is None
