"""memcxx.compat.pyermc when servers fail, answer too late or answer nonsense; queue servers;
drivers of one's own; threads, processes and greenlets that share a client.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from pyermc_fixtures import client, mc, over_a_socket, which  # noqa: F401

from memcxx.compat import pyermc
from memcxx.compat.pyermc import driver


# --- faults

def test_a_server_that_is_not_there(new_server, which):
    server = new_server()
    server.kill()
    mc = client(server.address, client_driver=which)
    for call in (lambda: mc.get("k"), lambda: mc.set("k", 1), lambda: mc.get_multi(["k"]),
                 lambda: mc.incr("k"), lambda: mc.delete("k"), lambda: mc.stats(),
                 lambda: mc.version(), lambda: mc.flush_all(), lambda: mc.connect(),
                 lambda: mc.set_multi({"k": 1})):
        with pytest.raises(pyermc.MemcacheSocketException) as caught:
            call()
        text, behind = caught.value.args
        assert "refused" in text and isinstance(behind, OSError)
        assert not mc.is_connected()
    server.restart()
    assert mc.set("k", 1) is True


def test_faults_can_be_misses(new_server, which):
    server = new_server()
    server.kill()
    mc = client(server.address, client_driver=which, error_as_miss=True)
    assert mc.get("k") is None and mc.gets("k") is None and mc.set("k", 1) is None
    assert mc.get_multi(["k"]) == {} and mc.gets_multi(["k"]) == {} and mc.incr("k") is None
    assert mc.delete("k") is None and mc.stats() is None and mc.set_multi({"k": 1}) is None
    with pytest.raises(pyermc.MemcacheKeyError):
        mc.get("a b")
    with pytest.raises(pyermc.MemcacheValueError):
        mc.set("k", b"x" * 1_000_001)
    server.restart()
    assert mc.set("k", 1) is True


def test_a_name_that_does_not_resolve(which):
    with pytest.raises(pyermc.MemcacheSocketException):
        pyermc.Client("no-such-host.invalid", client_driver=which, timeout=20).get("k")


@pytest.mark.parametrize("host, port, error", [
    (5, 11211, TypeError), (None, 11211, TypeError), ("127.0.0.1", "x", (TypeError, ValueError)),
    ("127.0.0.1", 0, ValueError), ("127.0.0.1", 99999, ValueError), ("", 11211, ValueError),
    ("a b", 11211, ValueError), ("a" * 70 + ".invalid", 11211, ValueError)])
def test_an_address_that_cannot_be(which, host, port, error):
    with pytest.raises(error):
        pyermc.Client(host, port, client_driver=which)


def test_after_a_restart_a_fault_and_then_a_new_connection(new_server, over_a_socket):
    server = new_server()
    mc = client(server.address, client_driver=over_a_socket)
    mc.set("k", 1)
    server.restart()
    with pytest.raises(pyermc.MemcacheSocketException):
        mc.set("k", 2)
    assert not mc.is_connected()
    assert mc.set("k", 3) is True and mc.get("k") == 3


def test_a_silent_server_costs_the_time_out_and_the_connection(new_server, which):
    server = new_server()
    mc = client(server.address, client_driver=which, timeout=0.3)
    mc.set("k", 1)
    server.stop()
    try:
        began = time.monotonic()
        with pytest.raises(pyermc.MemcacheSocketException):
            mc.get("k")
        assert 0.2 < time.monotonic() - began < 3
        assert not mc.is_connected()
    finally:
        server.cont()
    assert mc.get("k") == 1


def test_the_time_out_is_for_the_whole_call(scripted, over_a_socket):
    def trickle(s):
        s.recv(4096)
        for _ in range(200):
            s.sendall(b"V")
            time.sleep(0.05)

    mc = client(scripted(trickle).address, client_driver=over_a_socket, timeout=0.4,
                connect_timeout=0.4)
    began = time.monotonic()
    with pytest.raises((pyermc.MemcacheSocketException, pyermc.MemcacheDriverException)):
        mc.get("k")
    assert time.monotonic() - began < 3


def test_connecting_has_a_time_out_of_its_own(flush, monkeypatch, over_a_socket):
    # In the original it is overwritten by the other one.
    seen = []
    connect = socket.create_connection

    def spy(address, timeout):
        seen.append(timeout)
        return connect(address, timeout)

    monkeypatch.setattr(socket, "create_connection", spy)
    client(flush, client_driver=over_a_socket, connect_timeout=0.7, timeout=5).get("k")
    assert seen == [0.7]


TEXT_ANSWER = b"VALUE k 0 10\r\n0123456789\r\nEND\r\n"
BINARY_ANSWER = struct.pack(">BBHBBHIIQ", 0x81, 0, 0, 4, 0, 0, 14, 1, 5) + bytes(4) + b"0123456789"


@pytest.mark.parametrize("which, answer", [
    (driver.textproto.TextProtoDriver, TEXT_ANSWER),
    (driver.binaryproto.BinaryProtoDriver, BINARY_ANSWER)])
def test_a_value_that_is_cut_off_is_a_fault(scripted, which, answer):
    def handle(s):
        s.recv(4096)
        s.sendall(answer[:cut])

    for cut in range(len(answer)):
        mc = client(scripted(handle).address, client_driver=which)
        with pytest.raises(pyermc.MemcacheSocketException):
            mc.get("k")
        assert not mc.is_connected()
    cut = len(answer)
    assert client(scripted(handle).address, client_driver=which).get("k") == b"0123456789"


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 400 Bad Request\r\n\r\n", b"VALUE k 0 -1\r\n", b"VALUE k 0 99999999999\r\n",
    b"VALUE other 0 1\r\nx\r\nEND\r\n", b"\x81" + b"\xff" * 23, b"x" * 100_000])
def test_garbage_is_a_fault(scripted, over_a_socket, answer):
    def handle(s):
        while s.recv(4096):
            s.sendall(answer)

    mc = client(scripted(handle).address, client_driver=over_a_socket, timeout=2, connect_timeout=2)
    with pytest.raises((pyermc.MemcacheDriverException, pyermc.MemcacheSocketException)):
        mc.get("k")
    assert not mc.is_connected()


def test_an_answer_that_comes_too_late_is_nobody_elses(scripted):
    def handle(s):
        for line in s.makefile("rb"):
            key = line.split()[1]
            if key == b"slow":
                time.sleep(0.5)
            s.sendall(b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(key), key))

    mc = client(scripted(handle).address, timeout=0.2)
    for _ in range(3):
        with pytest.raises(pyermc.MemcacheSocketException):
            mc.get("slow")
        assert mc.get("quick") == b"quick"


def test_the_text_of_an_error_is_whole(scripted):
    # The original keeps one word of it.
    def handle(s):
        while s.recv(4096):
            s.sendall(b"SERVER_ERROR out of memory storing object\r\n")

    server = scripted(handle)
    mc = client(server.address)
    for _ in range(5):
        with pytest.raises(pyermc.MemcacheDriverException) as caught:
            mc.set("k", b"v")
        assert "out of memory storing object" in caught.value.args[0]
    assert mc.is_connected() and server.connections == 1


def test_a_proxy_that_knows_no_meta_is_spoken_to_in_classic(scripted):
    def handle(s):
        for line in s.makefile("rb"):
            if not line.startswith(b"get "):
                return
            s.sendall(b"VALUE k 0 1\r\nx\r\nEND\r\n" if line == b"get k\r\n" else b"END\r\n")

    mc = client(scripted(handle).address, client_driver=driver.ultramemcache.UMemcacheDriver)
    assert mc.get("k") == b"x" and mc.get("k") == b"x"


def test_a_server_that_stops_reading_until_it_is_read_blocks_nothing(scripted):
    def handle(s):
        for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            s.setsockopt(socket.SOL_SOCKET, buffer, 32768)
        for line in s.makefile("rb"):
            for key in line.split()[1:]:
                s.sendall(b"VALUE %s 0 1000\r\n%s\r\n" % (key, b"x" * 1000))
            s.sendall(b"END\r\n")

    mc = client(scripted(handle).address, timeout=20)
    mc.connect()
    mc.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    mc.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    keys = [f"some-{'longer-' * 20}key-{i}" for i in range(3000)]
    assert mc.get_multi(keys) == dict.fromkeys(keys, b"x" * 1000)


# --- queue servers

def test_a_queue_may_answer_with_its_own_name(scripted):
    def handle(s):
        for line in s.makefile("rb"):
            queue = line.split()[1].split(b"/")[0]
            assert line.startswith(b"get ")
            s.sendall(b"VALUE %s 0 4\r\nitem\r\nEND\r\n" % queue)

    mc = client(scripted(handle).address)
    for key in ("q/t=2000/close/open", "q/open", "q/abort", "q/peek", "q"):
        assert mc.get(key) == b"item"


def test_a_key_with_a_slash_is_no_queue(scripted):
    def handle(s):
        s.recv(4096)
        s.sendall(b"VALUE user 0 4\r\nitem\r\nEND\r\n")

    with pytest.raises(pyermc.MemcacheDriverException):
        client(scripted(handle).address).get("user/opener")


# --- drivers of one's own

class Dictionary(driver.Driver):
    """Items in memory: what a driver has to be, and no more."""

    items = {}

    def __init__(self, host, port, timeout, connect_timeout, disable_nagle=True):
        self.connected = False

    def is_connected(self):
        return self.connected

    def connect(self, reconnect=False):
        self.connected = True

    @property
    def socket(self):
        return None

    def close(self):
        self.connected = False

    def get(self, key):
        return self.items.get(key)

    def get_multi(self, keys):
        return {k: self.items[k] for k in keys if k in self.items}

    def set(self, key, val, time, flags):
        self.items[key] = [val, flags]
        return True

    def delete(self, key):
        if key == b"socket":
            raise OSError("the socket broke")
        if key == b"runtime":
            raise RuntimeError("the server is not amused")
        return self.items.pop(key, None) is not None


def test_a_driver_of_ones_own():
    Dictionary.items = {}
    mc = pyermc.Client("somewhere", 5, client_driver=Dictionary)
    assert mc.set("ü", {"a": 1}) is True
    assert list(Dictionary.items) == ["ü".encode()]
    assert mc.get("ü") == {"a": 1} and mc.get_multi(["ü", "x"]) == {"ü": {"a": 1}}
    assert mc.cas("k", 2) is True and mc.delete("k") is True and mc.delete("k") is False
    assert mc.set_multi({"a": 1, "b": 2}) == [] and mc.get("b") == 2
    with pytest.raises(NotImplementedError):
        mc.incr("k")


def test_the_faults_of_a_driver_of_ones_own():
    mc = pyermc.Client(client_driver=Dictionary)
    mc.connect()
    with pytest.raises(pyermc.MemcacheSocketException) as caught:
        mc.delete("socket")
    assert caught.value.args[0] == "the socket broke"
    assert not mc.is_connected()
    with pytest.raises(pyermc.MemcacheDriverException) as caught:
        mc.delete("runtime")
    assert isinstance(caught.value.args[1], RuntimeError)
    assert pyermc.Client(client_driver=Dictionary, error_as_miss=True).delete("socket") is None


def test_a_driver_without_methods_says_so():
    class Empty(driver.Driver):
        def __init__(self, host, port, **_):
            pass

    bare = Empty("h", 1)
    for call in (bare.is_connected, bare.connect, bare.close, bare.stats, bare.version,
                 bare.flush_all, lambda: bare.socket, lambda: bare.delete(b"k"),
                 lambda: bare.incr(b"k", 1), lambda: bare.decr(b"k", 1), lambda: bare.get(b"k"),
                 lambda: bare.gets(b"k"), lambda: bare.get_multi([b"k"]),
                 lambda: bare.gets_multi([b"k"]), lambda: bare.cas(b"k", b"", 1, 0, 0),
                 *(lambda v=v: getattr(bare, v)(b"k", b"", 0, 0)
                   for v in ("set", "add", "replace", "append", "prepend"))):
        with pytest.raises(NotImplementedError):
            call()


def test_the_noop_driver_does_nothing():
    mc = pyermc.Client(client_driver=driver.noop.NoopDriver, cache_cas=True)
    assert mc.is_connected() and mc.set("k", 1) and mc.add("k", 1) and mc.append("k", "x")
    assert mc.get("k") is None and mc.gets("k") is None and mc.get_multi(["k"]) == {}
    assert mc.incr("k", 4) == 5 and mc.decr("k", 4) == 3 and mc.version() == "0.0.0"
    assert mc.stats() == {} and mc.set_multi({"k": 1}) == []


# --- threads, fork, gevent

def test_threads_share_a_client(flush, which):
    mc = client(flush, client_driver=which)
    wrong = []

    def work(number):
        for i in range(100):
            key = f"{number}-{i % 10}"
            mc.set(key, [key])
            if mc.get(key) != [key]:
                wrong.append(key)
            many = [f"{number}-{j}" for j in range(10)]
            wrong.extend(k for k, v in mc.get_multi(many).items() if [k] != v)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(60)
    assert not any(w.is_alive() for w in workers) and wrong == []


def test_a_child_process_has_a_socket_of_its_own(flush, which):
    mc = client(flush, client_driver=which)
    mc.set("k", "parent")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if all(mc.set(f"child-{i}", i) and mc.get(f"child-{i}") == i
                            for i in range(200)) else 2
        finally:
            os._exit(code)
    assert all(mc.set("k", i) and mc.get("k") == i for i in range(200))
    assert os.waitpid(child, 0)[1] == 0


def test_under_gevent_calls_wait_side_by_side(scripted, over_a_socket):
    pytest.importorskip("gevent")

    def slow(s):
        for line in s.makefile("rb"):
            time.sleep(0.5)
            s.sendall(b"VERSION 1\r\n" if line.startswith(b"version") else b"MN\r\n")

    def slow_binary(s):
        while True:
            head = s.recv(24, socket.MSG_WAITALL)
            if not head:
                return
            time.sleep(0.5)
            s.sendall(b"\x81\x0b" + bytes(6) + b"\0\0\0\x01" + head[12:16] + bytes(8) + b"1")

    binary = over_a_socket is driver.binaryproto.BinaryProtoDriver
    port = scripted(slow_binary if binary else slow).port
    script = textwrap.dedent(f"""
        from gevent import monkey; monkey.patch_all()
        import gevent, time
        from memcxx.compat import pyermc
        def ask():
            mc = pyermc.Client("127.0.0.1", {port}, timeout=10, connect_timeout=10,
                client_driver=pyermc.driver.{over_a_socket.__module__.split(".")[-1]}
                              .{over_a_socket.__name__})
            return mc.version()
        began = time.monotonic()
        jobs = [gevent.spawn(ask) for _ in range(8)]
        gevent.joinall(jobs, timeout=30)
        print([j.value for j in jobs] == ["1"] * 8, time.monotonic() - began < 3)
    """)
    path = str(Path(pyermc.__file__).parents[3])
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path},
                          capture_output=True, text=True, timeout=60)
    assert done.stdout == "True True\n", done.stderr


def test_no_client_keeps_itself_alive(flush, which):
    import gc
    import weakref

    mc = client(flush, client_driver=which)
    mc.set("k", [1])
    gone = weakref.ref(mc)
    del mc
    gc.collect()
    assert gone() is None
