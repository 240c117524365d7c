"""memcxx.compat.cmemcache against what is known of cmemcache. The original is for Python 2 and a C
library that is gone: what it wrote is here as bytes.
"""

from __future__ import annotations

import binascii
import datetime
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import memcxx
import pytest

from memcxx.compat import cmemcache, memcache


@pytest.fixture(params=["StringClient", "Client"])
def either(request, flush):
    return getattr(cmemcache, request.param)([flush])


@pytest.fixture
def mc(flush):
    return cmemcache.Client([flush])


@pytest.fixture
def strings(flush):
    return cmemcache.StringClient([flush])


@pytest.fixture
def stored(strings):
    def look(key):
        found = strings.getflags(key)
        return None if found is None else (found[1], found[0])
    return look


# --- values

VALUES = ["text", "ü", "", b"bytes", b"", b"bli\x00bli\r\n\xff", 0, -5, 2**62, 2**63, 2**100, None,
          1.5, [1, "a"], {"k": (1, 2)}, datetime.datetime(2024, 2, 29, 1, 2, 3, 4)]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_equal_and_of_its_type(mc, value):
    assert mc.set("k", value) == 1
    found = mc.get("k")
    assert found == value and type(found) is type(value)
    assert mc.get_multi(["k"]) == {"k": value}


@pytest.mark.parametrize("value, flags, data", [
    (b"bytes", 0, b"bytes"), (42, 2, b"42"), (-1, 2, b"-1"), (2**63 - 1, 2, b"9223372036854775807"),
    (2**63, 4, b"9223372036854775808"), (True, 2, b"1"), (False, 2, b"0"),
    ("text", 1, pickle.dumps("text", 2)), (None, 1, pickle.dumps(None, 2)),
    ([1], 1, pickle.dumps([1], 2))], ids=repr)
def test_flags_and_bytes_are_the_originals(mc, stored, value, flags, data):
    mc.set("k", value)
    assert stored("k") == (flags, data)


@pytest.mark.parametrize("flags, data, value", [
    (0, b"str of Python 2", b"str of Python 2"),
    (2, b"42", 42), (4, b"42", 42), (2, b"9 ", 9),
    (1, b"\x80\x02X\x02\x00\x00\x00\xc3\xbcq\x00.", "ü"),              # u'ü'
    (1, b"\x80\x02]q\x00(U\x01aq\x01K\x01e.", ["a", 1]),               # ['a', 1]
    (1, b"\x80\x02}q\x00U\x01kq\x01U\x02\xc3\xbcq\x02s.", {"k": "ü"}),  # {'k': 'ü'} in UTF-8
    (1, b"\x80\x02U\x02\xff\xfeq\x00.", "\udcff\udcfe"),                # '\xff\xfe': no UTF-8
    # datetime.datetime(2013, 2, 20, 1, 2, 3, 255), whose state is a str
    (1, b"\x80\x02cdatetime\ndatetime\nq\x00U\n\x07\xdd\x02\x14\x01\x02\x03\x00\x00\xffq\x01\x85"
        b"q\x02Rq\x03.", datetime.datetime(2013, 2, 20, 1, 2, 3, 255)),
    (1, b"\x80\x02cdatetime\ndate\nq\x00U\x04\x07\xdd\x02\x14q\x01\x85q\x02Rq\x03.",
     datetime.date(2013, 2, 20)),
    (1, b"\x80\x02cdatetime\ndate\nq\x00.", datetime.date),             # the class itself
    (1, b"(lp0\nS'a'\np1\na.", ["a"]),                                  # protocol 0
], ids=repr)
def test_what_python_2_wrote_is_read(mc, strings, flags, data, value):
    assert strings.set("k", data, 0, flags) == 1
    found = mc.get("k")
    assert found == value and type(found) is type(value)


def test_what_is_no_value_of_its_is_none(mc, strings, capsys):
    mc.debug = 1
    strings.set("k", b"x", 0, 32)
    assert mc.get("k") is None and mc.get_multi(["k"]) == {"k": None}
    strings.set("k", b"x", 0, 1)
    assert mc.get("k") is None
    assert "unknown flags" in capsys.readouterr().err
    strings.set("k", b"x", 0, 2)
    with pytest.raises(ValueError):
        mc.get("k")


def test_what_was_appended_to_a_pickle_does_not_vanish_unseen(mc, server_process):
    mc.set("k", "text")
    assert server_process.ask(b"append k 0 0 1\r\nx\r\n") == b"STORED\r\n"
    assert mc.get("k") is None


def test_integers_are_shared_with_python_memcached(mc, flush):
    other = memcache.Client([flush])
    other.set("n", 5)
    assert mc.get("n") == 5 and mc.incr("n") == 6 and other.get("n") == 6
    mc.set("b", b"x")
    assert other.get("b") == b"x"
    mc.set("list", [1, {"k": "v"}])
    assert other.get("list") == [1, {"k": "v"}]
    other.set("list", [2.5])
    assert mc.get("list") == [2.5]


def test_strings_are_strings(strings):
    assert strings.set("k", "ü") == 1
    assert strings.get("k") == b"\xc3\xbc"
    assert strings.getflags("k") == (b"\xc3\xbc", 0)
    assert strings.set("k", b"\xff\x00", 0, 77) == 1
    assert strings.getflags("k") == (b"\xff\x00", 77)
    assert strings.get_multiflags(["k", "absent"]) == {"k": (b"\xff\x00", 77)}
    assert strings.get_multi(["k", "absent"]) == {"k": b"\xff\x00"}
    assert strings.getflags("absent") is None
    for bad in (5, None, [1]):
        with pytest.raises(TypeError):
            strings.set("k", bad)


@pytest.mark.parametrize("cls", [cmemcache.StringClient, cmemcache.Client])
def test_native_str_makes_text_what_it_was_in_python_2(flush, cls, stored):
    mc = cls([flush], native_str=True)
    mc.set("number", "5")
    assert stored("number") == (0, b"5")
    assert mc.incr("number", 3) == 8
    assert mc.get("number") == "8"
    mc.set("k", b"\xff")
    assert mc.get("k") == b"\xff"
    assert mc.get_multi(["k", "number"]) == {"k": b"\xff", "number": "8"}


# --- verbs

def test_store_verbs_answer_with_numbers(either):
    assert either.replace("k", b"1") == 0
    assert either.add("k", b"1") == 1
    assert either.add("k", b"2") == 0
    assert either.replace("k", b"3") == 1
    assert either.get("k") == b"3"
    assert either.delete("k") == 1
    assert either.delete("k") == 0
    assert either.get("k") is None


def test_the_time_of_a_delete_is_no_hindrance(either):
    # Servers refuse it today; the original then deletes nothing.
    either.set("k", b"1")
    assert either.delete("k", 5) == 1
    assert either.get("k") is None


def test_counters(either):
    assert either.incr("absent") is None and either.decr("absent") is None
    either.set("n", b"5")
    assert [either.incr("n"), either.incr("n", 3), either.decr("n", 2), either.decr("n", 100)] == [
        6, 9, 7, 0]
    either.set("n", b"x")
    assert either.incr("n") is None
    for bad in (-1, 2**64, 1.5, None):
        with pytest.raises(ValueError):
            either.incr("n", bad)


@pytest.mark.parametrize("when, stays", [
    (0, True), (100, True), (2**31 - 1, True), (2**31, True), (2**70, True), (-1, False),
    (60 * 60 * 24 * 31, False)])
def test_times(either, when, stays):
    assert either.set("k", b"v", when) == 1
    assert (either.get("k") == b"v") is stays


def test_points_in_time(either):
    either.set("k", b"v", int(time.time()) + 100)
    assert either.get("k") == b"v"
    either.set("k", b"v", int(time.time()) - 100)
    assert either.get("k") is None


def test_get_multi_has_the_keys_that_it_was_given(either):
    either.set("a", b"1")
    either.set("ü", b"2")
    assert either.get_multi(["a", "ü".encode(), (5, "a"), "absent"]) == {
        "a": b"1", "ü".encode(): b"2", (5, "a"): b"1"}
    assert either.get_multi([]) == {}
    assert either.get_multi(f"k{i}" for i in range(500)) == {}


def test_what_is_too_long_is_not_stored(either):
    assert either.set("k", b"x" * 2_000_000) == 0
    assert either.set("l", b"x") == 1


@pytest.mark.parametrize("key", [5, None, 1.5, ("x", "k"), (1, 5), (1, 2, 3)], ids=repr)
def test_a_key_of_another_type_is_an_error_in_every_verb(either, key):
    # In the original a list with such a key gave a dict, and an error out of nowhere later.
    for call in (lambda: either.get(key), lambda: either.set(key, b"v"), lambda: either.incr(key),
                 lambda: either.get_multi(["a", key]), lambda: either.delete(key)):
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize("key", ["", "a b", "a\r\nflush_all", "a" * 251, "\x7f"], ids=repr)
def test_a_key_that_no_server_takes_is_an_error(either, key):
    for call in (lambda: either.get(key), lambda: either.set(key, b"v"),
                 lambda: either.get_multi(["a", key])):
        with pytest.raises(ValueError):
            call()


# --- servers

def expected_home(key, count):
    return ((binascii.crc32(key) >> 16) & 0x7fff or 1) % count


def find(processes, key):
    line = b"get " + key + b"\r\n"
    return [i for i, s in enumerate(processes) if s.ask(line, b"END\r\n") != b"END\r\n"]


def test_keys_live_where_cmemcache_puts_them(flush4, server_processes4):
    mc = cmemcache.Client(flush4)
    keys = [f"key-{i}" for i in range(200)] + ["ob", "foo", "ü"]
    assert all(mc.set(key, 1) == 1 for key in keys)
    for key in keys:
        assert find(server_processes4, key.encode()) == [expected_home(key.encode(), 4)]
    assert expected_home(b"ob", 4) == 1 and memcache.cmemcache_hash(b"ob") % 4 == 0
    assert mc.get_multi(keys) == dict.fromkeys(keys, 1)


def test_keys_live_where_python_memcached_puts_them(flush4):
    # All but those whose hash is 0, such as "ob".
    mine, other = cmemcache.Client(flush4), memcache.Client(flush4)
    keys = [f"key-{i}" for i in range(500)]
    other.set_multi(dict.fromkeys(keys, 1))
    assert mine.get_multi(keys) == dict.fromkeys(keys, 1)


def test_weights_repeat_a_server_up_to_15_times(flush4, server_processes4):
    weights = [2, 1, 100, 0]
    mc = cmemcache.Client(list(zip(flush4, weights)))
    row = [0] * 2 + [1] + [2] * 15
    for key in (f"key-{i}" for i in range(200)):
        assert mc.set(key, 1) == 1
        home = row[expected_home(key.encode(), len(row))]
        assert find(server_processes4, key.encode()) == [home]


def test_a_server_that_is_listed_twice_counts_twice(flush4, server_processes4):
    mc = cmemcache.Client([flush4[0], flush4[1], flush4[0]])
    for key in [f"key-{i}" for i in range(50)] + ["ob"]:
        assert mc.set(key, 1) == 1 and mc.get(key) == 1
        assert find(server_processes4, key.encode()) == [[0, 1, 0][expected_home(key.encode(), 3)]]


def test_a_key_may_come_with_its_hash(flush4, server_processes4):
    # Documented by the original, and not supported there.
    mc = cmemcache.Client(flush4)
    for number in range(8):
        assert mc.set((number, f"k{number}"), number) == 1
        assert find(server_processes4, f"k{number}".encode()) == [number % 4]
        assert mc.get((number, f"k{number}")) == number
    assert mc.get_multi([(n, f"k{n}") for n in range(8)]) == {(n, f"k{n}"): n for n in range(8)}


@pytest.mark.parametrize("servers", [[12], ["12"], [("h:1", "x")], [("h:1", 1, 2)], [None], "h:1",
                                     [b"h:1"], None])
def test_what_is_no_server_is_a_type_error(servers, mc):
    with pytest.raises(TypeError):
        mc.set_servers(servers)
    mc.set("k", 1)
    assert mc.get("k") == 1  # the old list is still there


@pytest.mark.parametrize("server", ["h:x", "h:99999", "h:0", "h:", ":1", "a b:1", "unix:"])
def test_an_address_that_cannot_be_is_a_value_error(server):
    with pytest.raises(ValueError):
        cmemcache.Client([server])


def test_without_servers_nothing_is_stored(either):
    either.set("k", b"v")
    either.set_servers([])
    assert either.set("k", b"v") == 0
    assert either.get("k") is None and either.get_multi(["k"]) == {}
    assert either.delete("k") == 0 and either.incr("k") is None
    assert either.get_stats() == [] and either.flush_all() is None


def test_servers_can_be_changed_and_changed_back(flush4):
    mc = cmemcache.Client([flush4[0]])
    mc.set("k", 1)
    for _ in range(20):
        mc.set_servers([flush4[1], (flush4[2], 2)])
        mc.set("other", 1)
        mc.set_servers([flush4[0]])
        assert mc.get("k") == 1


def test_a_wrong_port_is_a_miss(new_server):
    # The original's library crashes.
    server = new_server()
    server.kill()
    mc = cmemcache.Client([server.address])
    assert mc.set("k", 1) == 0 and mc.get("k") is None and mc.get_multi(["k"]) == {}
    assert mc.add("k", 1) == 0 and mc.delete("k") == 0 and mc.incr("k") is None
    assert mc.get_stats() == [] and mc.flush_all() is None and mc.disconnect_all() is None
    assert cmemcache.Client(["no-such-host.invalid:11211"]).get("k") is None


def test_a_restarted_server_is_used_again(new_server):
    # The original ends the process.
    server = new_server()
    mc = cmemcache.Client([server.address])
    for _ in range(3):
        assert mc.set("k", 1) == 1
        server.restart()
        assert mc.get("k") is None
        assert mc.set("k", 2) == 1
        server.restart()
        assert mc.set("k", 3) == 1
        server.kill()
        assert mc.set("k", 4) == 0
        server.restart()
        deadline = time.monotonic() + 10
        while mc.set("k", 5) == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert mc.get("k") == 5


def test_a_silent_server_costs_the_time_out(new_server):
    server = new_server()
    mc = cmemcache.Client([server.address], timeout=0.3)
    mc.set("k", 1)
    server.stop()
    began = time.monotonic()
    assert mc.get("k") is None
    assert 0.2 < time.monotonic() - began < 3
    server.cont()


def test_statistics_are_by_server(flush4):
    stats = cmemcache.Client(flush4).get_stats()
    assert [name for name, _ in stats] == flush4
    assert all(of["threads"] == "1" for _, of in stats)


def test_flush_all_and_disconnect_all(flush4):
    mc = cmemcache.Client(flush4)
    keys = [f"k{i}" for i in range(20)]
    for key in keys:
        mc.set(key, 1)
    assert mc.disconnect_all() is None
    assert len(mc.get_multi(keys)) == 20
    assert mc.flush_all() is None
    assert mc.get_multi(keys) == {}


def test_other_addresses(unix_server, new_server):
    for address in (unix_server, new_server("::1").address):
        mc = cmemcache.Client([address])
        assert mc.set("k", 1) == 1 and mc.get("k") == 1
        assert mc.get_stats()[0][0] == address


def test_the_log_can_be_overridden(new_server, capsys):
    server = new_server()
    server.kill()
    lines = []

    class Client(cmemcache.Client):
        def debuglog(self, str):
            lines.append(str)

    Client([server.address]).get("k")
    assert server.address in lines[0]
    cmemcache.Client([server.address], debug=1).get("k")
    assert "MemCached: " in capsys.readouterr().err
    cmemcache.Client([server.address]).get("k")
    assert capsys.readouterr().err == ""


def test_threads_share_a_client(flush4):
    mc = cmemcache.Client(flush4)
    wrong = []

    def work(number):
        for i in range(200):
            key = f"{number}-{i % 20}"
            mc.set(key, [key])
            if mc.get(key) != [key]:
                wrong.append(key)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(60)
    assert not any(w.is_alive() for w in workers) and wrong == []


def test_nothing_is_left_of_it_when_python_ends(flush):
    script = textwrap.dedent(f"""
        from memcxx.compat import cmemcache, memcache, pyermc
        mc = cmemcache.Client(["{flush}"]); mc.set("k", [1]); assert mc.get("k") == [1]
        other = memcache.Client(["{flush}"]); other.set("k", 1)
        third = pyermc.Client("127.0.0.1", {flush.split(":")[1]}); third.set("k", [1])
    """)
    path = str(Path(cmemcache.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path},
                          capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_version():
    assert cmemcache.__version__ == memcxx.__version__
