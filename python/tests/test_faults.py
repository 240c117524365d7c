"""Servers that misbehave, through each face: a wrong value is never handed out, no failure reads as
a miss, and the next call is fine."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from faces import PATIENT
from memcxx import errors


def lines(s: socket.socket):
    """The lines of a connection, as they come."""
    buffer = b""
    while True:
        while b"\r\n" in buffer:
            line, _, buffer = buffer.partition(b"\r\n")
            yield line
        piece = s.recv(65536)
        if not piece:
            return
        buffer += piece


def key_of(line: bytes) -> bytes:
    return line.split()[1]


def old_answer(line: bytes) -> bytes:
    """What a server without meta commands says to a line that is no get."""
    return b"VERSION 1.4.0\r\n" if line == b"version" else b"ERROR\r\n"


def value(key: bytes, data: bytes) -> bytes:
    return b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(data), data)


BODY = b"the whole value of the key"


@pytest.mark.parametrize("cut", range(0, len(value(b"k", BODY)) - len(b"END\r\n"), 3))
def test_a_value_that_is_cut_off_is_an_error(make, scripted, cut):
    def handle(s):
        for line in lines(s):
            s.sendall(value(key_of(line), BODY)[:cut])
            return
    c = make(scripted(handle).address, protocol="classic", max_failures=0)
    with pytest.raises(errors.ConnectionClosed):
        c.get("k")
    with pytest.raises(errors.ConnectionClosed):
        c.get_raw("k")


@pytest.mark.parametrize("pause", [0, 3])
def test_a_value_in_single_bytes_is_the_value(make, scripted, pause):
    def handle(s):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for line in lines(s):
            for n, byte in enumerate(value(key_of(line), BODY)):
                s.sendall(bytes([byte]))
                if n % 5 == 0:
                    time.sleep(pause / 1000)
    c = make(scripted(handle).address, protocol="classic")
    assert c.get_raw("k")[0] == BODY and c.get_raw("l")[0] == BODY


def test_a_server_that_dribbles_does_not_extend_the_deadline(make, scripted):
    def handle(s):
        for line in lines(s):
            for byte in value(key_of(line), BODY * 100):
                s.sendall(bytes([byte]))
                time.sleep(0.02)
    c = make(scripted(handle).address, protocol="classic", timeout=0.3)
    begun = time.monotonic()
    with pytest.raises(errors.Timeout):
        c.get("k")
    assert time.monotonic() - begun < 10  # the whole value would take longer


@pytest.mark.parametrize("answer", [
    b"garbage\r\n", b"VALUE k 0 -1\r\n", b"VALUE k 0 99999999999999999999\r\n", b"\0\0\0\r\n",
    b"VALUE other 0 5\r\nother\r\nEND\r\n", b"STORED\r\n", b"x" * 20_000,
    b"VALUE k 0 3\r\nlonger than three\r\nEND\r\n"])
def test_what_is_not_memcacheds_ends_the_connection(make, scripted, answer):
    def handle(s):
        for line in lines(s):
            s.sendall(answer)
            s.recv(1)
            return
    server = scripted(handle)
    c = make(server.address, protocol="classic", max_failures=0)
    for n in range(1, 3):
        with pytest.raises(errors.ProtocolError):
            c.get("k")
        assert server.connections == n


def test_a_late_answer_is_nobody_elses(make, scripted):
    def handle(s):
        for line in lines(s):
            key = key_of(line)
            if key == b"slow":
                time.sleep(0.3)
            s.sendall(value(key, b"of " + key))
    c = make(scripted(handle).address, protocol="classic", timeout=0.1, check_keys=False,
             max_failures=0)
    assert c.within(PATIENT).get_raw("quick")[0] == b"of quick"
    for _ in range(3):
        with pytest.raises(errors.Timeout):
            c.get("slow")
        deadline = time.monotonic() + PATIENT
        while True:  # behind the slow one, or over a fresh connection
            try:
                assert c.get_raw("quick")[0] == b"of quick"
                break
            except errors.Timeout:
                assert time.monotonic() < deadline


def test_an_answer_that_nobody_asked_for_is_not_handed_out(make, scripted):
    unasked = [value(b"b", b"not asked for")]

    def handle(s):
        for line in lines(s):
            s.sendall(value(key_of(line), b"mine"))
            if unasked:
                s.sendall(unasked.pop())
    server = scripted(handle)
    c = make(server.address, protocol="classic", max_failures=0)
    try:
        assert c.get_raw("a")[0] == b"mine"
    except errors.ProtocolError:
        pass
    time.sleep(0.1)  # a connection that was idle for a while is looked at before it is used
    for _ in range(3):
        assert c.get_raw("b")[0] == b"mine"
    assert server.connections == 2


def test_a_connection_that_died_while_idle_is_replaced(make, scripted):
    stored = {}

    def handle(s):
        """One request for each connection."""
        reading = lines(s)
        line = next(reading)
        if line.startswith(b"set"):
            stored[key_of(line)] = next(reading)
            s.sendall(b"STORED\r\n")
        else:
            s.sendall(value(key_of(line), stored.get(key_of(line), b"")))
    server = scripted(handle)
    c = make(server.address, protocol="classic", max_failures=0)
    for n in range(5):
        # What was idle for a while is looked at first, so that a store does not fail.
        assert c.store_raw("set", "k", b"%d" % n) == "stored"
        time.sleep(0.12)
        assert c.get_raw("k")[0] == b"%d" % n
        time.sleep(0.12)
    assert server.connections == 10


def test_a_read_is_sent_again_when_its_idle_connection_was_dead(make, scripted):
    def handle(s):
        served = 0
        for line in lines(s):
            if served == 2:
                return  # in the middle of an exchange, without a word
            served += 1
            s.sendall(value(key_of(line), b"yes"))
    c = make(scripted(handle).address, protocol="classic", max_failures=0)
    for _ in range(12):
        assert c.get_raw("k")[0] == b"yes"


def test_a_mutation_that_was_written_is_not_sent_again(make, scripted):
    seen = []

    def handle(s):
        for n, line in enumerate(lines(s)):
            if line.startswith(b"incr"):
                seen.append(line)
                return  # executed or not: nobody knows
            s.sendall(value(key_of(line), b"yes"))
    c = make(scripted(handle).address, protocol="classic", max_failures=0)
    for n in range(1, 4):
        assert c.get_raw("k")[0] == b"yes"
        with pytest.raises(errors.ConnectionClosed):
            c.incr("n")
        assert len(seen) == n


def test_a_proxy_that_closes_at_the_question_is_spoken_to_in_classic(make, scripted):
    questions = []

    def handle(s):
        for line in lines(s):
            if line == b"mn":
                questions.append(line)
                return
            s.sendall(value(key_of(line), b"proxied"))
    c = make(scripted(handle).address, timeout=3)
    for _ in range(3):
        assert c.get_raw("k")[0] == b"proxied"
    assert len(questions) == 2
    c.disconnect()
    assert c.get_raw("k")[0] == b"proxied"
    assert len(questions) == 2  # remembered


def test_a_server_without_meta(make, scripted):
    def handle(s):
        for line in lines(s):
            s.sendall(value(key_of(line), b"old") if line.startswith(b"get") else old_answer(line))
    address = scripted(handle).address
    assert make(address).get_raw("k")[0] == b"old"
    with pytest.raises(errors.NotSupported):
        make(address, protocol="meta", max_failures=0).get("k")


def test_no_answer_to_the_handshake(make, scripted):
    def handle(s):
        s.recv(1)
        s.recv(1024)
        s.recv(1)
    c = make(scripted(handle).address, connect_timeout=0.2, max_failures=0)
    begun = time.monotonic()
    with pytest.raises(errors.Timeout):
        c.get("k")
    assert time.monotonic() - begun < PATIENT / 2


def test_errors_of_the_server_are_told_and_the_connection_stays(make, scripted):
    def handle(s):
        for line in lines(s):
            if line == b"version":  # whether anything follows an error
                s.sendall(old_answer(line))
                continue
            key = key_of(line)
            if key == b"memory":
                s.sendall(b"SERVER_ERROR out of memory storing object\r\n")
            elif key == b"broken":
                s.sendall(b"SERVER_ERROR something \xff broke\r\n")
            else:
                s.sendall(value(key, b"fine"))
    server = scripted(handle)
    c = make(server.address, protocol="classic")
    for _ in range(5):
        with pytest.raises(errors.OutOfMemory):
            c.get("memory")
        with pytest.raises(errors.ServerError) as caught:
            c.get("broken")
        assert caught.value.server == server.address and "broke" in str(caught.value)
        assert c.get_raw("k")[0] == b"fine"
    assert server.connections == 1


def test_a_server_that_reads_nothing_does_not_hang_a_large_store(make, scripted):
    release = threading.Event()

    def handle(s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        release.wait(2 * PATIENT)
    c = make(scripted(handle).address, protocol="classic", timeout=0.4)
    begun = time.monotonic()
    try:
        with pytest.raises(errors.Timeout):
            c.set("k", b"x" * 50_000_000)
        failed = c.set_many({f"k{n}": b"x" * 1_000_000 for n in range(40)})
        assert len(failed) == 40
    finally:
        release.set()
    assert time.monotonic() - begun < PATIENT


def test_a_multi_get_over_small_buffers_does_not_deadlock(make, scripted):
    def handle(s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for line in lines(s):
            for key in line.split()[1:]:
                s.sendall(b"VALUE %s 0 %d\r\n%s\r\n" % (key, 100, key.ljust(100)))
            s.sendall(b"END\r\n")
    c = make(scripted(handle).address, protocol="classic", timeout=60)
    keys = [f"key:{n}" for n in range(30_000)]
    found = c.get_many_raw(keys)
    assert len(found) == len(keys)
    assert all(data == key.encode().ljust(100) for key, (data, _, _) in found.items())
