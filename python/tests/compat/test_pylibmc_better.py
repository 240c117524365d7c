"""What memcxx.compat.pylibmc does better than pylibmc, on purpose.

See docs/migrating/pylibmc.md.
"""

from __future__ import annotations

import importlib
import pickle
import socket
import threading
import time

import memcxx
import originals
import pytest
from conftest import ServerProcess
from originals import in_threads


_, ours, _ = originals.fixtures(
    "memcxx.compat.pylibmc", "pylibmc", importlib.import_module)


KEYS = [f"key:{i}:" + "x" * (i % 7) for i in range(300)] + [f"\u00e9{i}" for i in range(20)]


# --- better on purpose: see docs/migrating/pylibmc.md

def test_exceptions_are_memcxx_exceptions_as_well(ours, flush):
    mc = ours.Client([flush])
    with pytest.raises(memcxx.errors.ValueTooLarge) as caught:
        mc.set("key", b"x" * (2 << 20))
    assert isinstance(caught.value, ours.TooBig) and caught.value.retcode == 37
    assert caught.value.server == flush
    copy = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(copy, ours.TooBig) and copy.server == flush


def test_a_timeout_is_no_miss(ours):
    with ServerProcess() as s:
        mc = ours.Client([s.address], behaviors={"_poll_timeout": 200, "connect_timeout": 200})
        mc.set("a", "A")
        mc.set("b", "B")
        s.stop()
        try:
            began = time.monotonic()
            with pytest.raises(memcxx.errors.Timeout) as caught:
                mc.get("a")
            assert isinstance(caught.value, ours.Error)
            assert time.monotonic() - began < 2
        finally:
            s.cont()
        assert mc.get("b") == "B"


@pytest.mark.parametrize("behaviors, seconds", [
    ({}, 5), ({"_poll_timeout": 300}, 0.3), ({"receive_timeout": 250_000}, 0.25),
    ({"send_timeout": 750_000, "_poll_timeout": 2000}, 0.75), ({"_poll_timeout": -1}, 5)])
def test_timeouts_bound_the_whole_call(ours, behaviors, seconds):
    assert ours.Client(["h"], behaviors=behaviors)._core.timeout == pytest.approx(seconds)


@pytest.mark.parametrize("key", ["two words", "line\r\nflush_all", "nul\0", "\x01", "a\x7f"])
def test_keys_are_always_checked(ours, flush, key):
    mc = ours.Client([flush])
    mc.set("other", "v")
    for call in (lambda: mc.get(key), lambda: mc.set(key, 1), lambda: mc.delete(key),
                 lambda: mc.incr(key), lambda: mc.get_multi([key]), lambda: mc.touch(key, 1),
                 lambda: mc.set_multi({key: 1}), lambda: mc.append(key, b"x")):
        with pytest.raises(ours.BadKeyProvided):
            call()
    assert mc.get("other") == "v"


def test_when_every_server_that_was_asked_failed_it_raises(ours):
    with ServerProcess() as a, ServerProcess() as b:
        mc = ours.Client([a.address, b.address])
        a.kill()
        with pytest.raises(ours.ConnectionError):
            mc.get_multi([key for key in KEYS if mc.hash(key) == 0])


def test_both_protocols_answer_alike(ours, flush4):
    for binary in (False, True):
        mc = ours.Client(flush4, binary=binary)
        assert mc.replace("nothing", "v") is False
        mc.set("text", "abc")
        with pytest.raises(ours.ClientError):
            mc.incr("text")
        assert mc.set("gone", "x", time=-1) is True
        assert mc.get("gone") is None


def test_appended_bytes_are_never_compressed(ours, flush):
    mc = ours.Client([flush])
    mc.set("key", b"a")
    assert mc.append("key", b"b" * 1000, min_compress_len=10) is True
    assert mc.get("key") == b"a" + b"b" * 1000


def test_a_client_is_shared_between_threads(ours, flush4):
    mc = ours.Client(flush4, behaviors={"ketama": True})
    wrong = []

    def work(t):
        for i in range(200):
            key = f"t{t}:{i}"
            mc.set(key, key)
            if mc.get(key) != key or mc.get_multi([key]) != {key: key}:
                wrong.append(key)

    in_threads(work)
    assert not wrong


def test_ejected_servers_keys_move(ours):
    with ServerProcess() as a, ServerProcess() as b:
        mc = ours.Client([a.address, b.address],
                         behaviors={"ketama": True, "remove_failed": 1, "retry_timeout": 60})
        key = next(k for k in KEYS if mc.hash(k) == 0)
        a.kill()
        assert mc.set(key, "v") is True
        assert mc.get(key) == "v"
        assert b"VALUE" in b.ask(b"get " + key.encode() + b"\r\n", b"END\r\n")


def test_replicas_of_the_binary_protocol(ours, server_processes4):
    for process in server_processes4:
        process.flush()
    mc = ours.Client([p.address for p in server_processes4], binary=True,
                     behaviors={"num_replicas": 2})
    mc.set("key", "v")
    has = [b"VALUE" in p.ask(b"get key\r\n", b"END\r\n") for p in server_processes4]
    assert sum(has) == 3 and has[mc.hash("key")]
    assert mc.get("key") == "v"


def test_hosts_can_be_sorted(ours, servers4):
    sorted_first = ours.Client(servers4[::-1], behaviors={"_sort_hosts": 1})
    by_hand = ours.Client(sorted(servers4, key=lambda s: int(s.rpartition(":")[2])))
    assert [sorted_first._core.which(key) for key in KEYS] == \
        [by_hand._core.which(key) for key in KEYS]


def test_what_is_not_there_is_refused(ours):
    for make in (lambda: ours.Client(["udp:h"]),
                 lambda: ours.Client(["h"], binary=True, username="u", password="p"),
                 lambda: ours.Client(["h"], behaviors={"distribution": "random"}),
                 lambda: ours.Client(["h"], behaviors={"distribution": "virtual bucket"})):
        with pytest.raises(ours.NotSupportedError):
            make()
    assert ours.support_sasl is False


def test_a_ring_of_one_hash_and_keys_of_another_are_refused(ours):
    mc = ours.Client(["a", "b"], behaviors={"ketama": True})
    with pytest.raises(ours.NotSupportedError):
        mc.behaviors = {"hash": "md5"}
    assert mc.behaviors["hash"] == "default"  # as before
    mc.behaviors = {"hash": "md5", "ketama": True}
    assert mc.behaviors["hash"] == "md5"


def test_a_namespace_may_be_text(ours, flush, server_process):
    mc = ours.Client([flush], behaviors={"namespace": "n\u00e9:"})
    mc.set("key", "v")
    assert b"VALUE" in server_process.ask("get n\u00e9:key\r\n".encode(), b"END\r\n")


def test_stats_of_a_group(ours, flush):
    (name, settings), = ours.Client([flush]).get_stats("settings")
    assert settings["growth_factor"] == b"1.25"
    assert settings["slab_automove_ratio"] == b"0.80"


def test_a_small_item_is_no_large_value(ours, flush, monkeypatch):
    monkeypatch.setattr(ours.client, "_MOST_DECOMPRESSED", 1000)
    mc = ours.Client([flush])
    mc.set("key", b"x" * 1001, min_compress_len=1)
    with pytest.raises(ours.Error):
        mc.get("key")
    mc.set("key", b"x" * 1000, min_compress_len=1)
    assert mc.get("key") == b"x" * 1000


def config_server(reply):
    """A server that answers one connection."""
    listening = socket.create_server(("127.0.0.1", 0))

    def run():
        connection, _ = listening.accept()
        with connection, listening:
            connection.recv(1 << 16)
            connection.sendall(reply)
            connection.recv(1)

    threading.Thread(target=run, daemon=True).start()
    return "127.0.0.1:%d" % listening.getsockname()[1]


def test_autoconf(ours, flush, server_process):
    autoconf = importlib.import_module(ours.__name__ + ".autoconf")
    config = b"12\nname|127.0.0.1|%d other||11219\n" % server_process.port
    address = config_server(b"CONFIG cluster 0 %d\r\n%s\r\nEND\r\n" % (len(config), config))
    with pytest.raises(ours.Error):
        ours.Client([address]).get("nobody answers a get here")
    address = config_server(b"CONFIG cluster 0 %d\r\n%s\r\nEND\r\n" % (len(config), config))
    assert autoconf.elasticache(address).addresses == [flush, "other:11219"]
    with pytest.raises(autoconf.NoAutoconfFound):
        autoconf.elasticache(flush)
    ours.Client([flush]).set("AmazonElastiCache:cluster", config)
    assert autoconf.elasticache(flush).addresses == [flush, "other:11219"]
    for bad in (b"", b"CONFIG cluster 0 x\r\n", b"CONFIG cluster 0 3\r\nabc\r\nEND\r\n", b"12\n"):
        with pytest.raises(autoconf.NoAutoconfFound):
            autoconf.elasticache(config_server(bad + b"\r\n"))
