"""What servers do to values, through each face: old servers that read stores otherwise and run
values as commands, lengths that lie, bytes that nobody asked for, flags of 64 bits.
Never here: connections' ends and health (test_seams)."""

from __future__ import annotations

import threading
import time

import pytest

from memcxx import errors
from test_faults import lines

BAD = b"CLIENT_ERROR bad command line format\r\n"


class OldServer:
    """A memcached that has no meta store as 1.6.10 has it, and runs what it does not expect.

    `habits`: what it answers to mn, to ms with a length, and whether it closes then.
    """

    KINDS = {
        "1.4.33": (b"ERROR\r\n", b"ERROR\r\n", False),
        "1.5.22": (b"EN\r\n", BAD, False),
        "1.6.9": (b"MN\r\n", BAD, False),
        "infinispan": (b"MN\r\n", b"ERROR\r\n", False),
        "njs": (b"CLIENT_ERROR malformed request\r\n", b"CLIENT_ERROR malformed request\r\n", True),
    }

    def __init__(self, kind):
        self.noop, self.refusal, self.closes = self.KINDS[kind]
        self.items = {}
        self.flushed = 0

    def handle(self, s):
        reading = lines(s)
        for line in reading:
            said = self.answer(line, reading)
            s.sendall(said)
            if self.closes and said.startswith(b"CLIENT_ERROR"):
                return

    def answer(self, line, reading):
        word, *rest = line.split() or [b""]
        if word == b"mn":
            return self.noop
        if word in (b"mg", b"ms", b"md", b"ma"):
            return self.refusal
        if word in (b"get", b"gets"):
            out = b""
            for key in rest:
                if key in self.items:
                    flags, data = self.items[key]
                    cas = b" 7" if word == b"gets" else b""
                    out += b"VALUE %s %s %d%s\r\n%s\r\n" % (key, flags, len(data), cas, data)
            return out + b"END\r\n"
        if word in (b"set", b"add", b"append"):
            there = rest[0] in self.items
            data = next(reading)
            while len(data) < int(rest[3]):
                data += b"\r\n" + next(reading)
            if word == b"add" and there or word == b"append" and not there:
                return b"NOT_STORED\r\n"
            old = self.items[rest[0]][1] if word == b"append" else b""
            self.items[rest[0]] = (rest[1], old + data)
            return b"STORED\r\n"
        if word == b"delete":
            return b"DELETED\r\n" if self.items.pop(rest[0], None) else b"NOT_FOUND\r\n"
        if word == b"flush_all":
            self.flushed += 1
            self.items.clear()
            return b"OK\r\n"
        return b"VERSION 1\r\n" if word == b"version" else b"ERROR\r\n"


@pytest.mark.parametrize("kind", OldServer.KINDS)
def test_a_stored_value_is_never_run_as_a_command(make, scripted, kind):
    old = OldServer(kind)
    c = make(scripted(old.handle).address, timeout=3)
    assert c.set("other", "stays")
    assert c.set("page", b"flush_all")
    assert c.set("page", b"flush_all\r\nflush_all")
    assert c.add("fresh", b"flush_all")
    assert not c.add("fresh", b"flush_all")
    assert c.append("fresh", b"\r\nflush_all")
    assert c.set_many({"m1": b"flush_all", "m2": b"flush_all"}) == {}
    assert c.get("other") == "stays"
    assert c.get("page") == b"flush_all\r\nflush_all"
    assert c.get("fresh") == b"flush_all\r\nflush_all"
    assert c.get("none") is None
    assert c.get_many(["m1", "none", "m2"]) == {"m1": b"flush_all", "m2": b"flush_all"}
    assert c.delete("m1")
    assert not c.delete("m1")
    assert old.flushed == 0


def classic_item(key: bytes, data: bytes, flags: bytes = b"0") -> bytes:
    return b"VALUE %s %s %d\r\n%s\r\nEND\r\n" % (key, flags, len(data), data)


@pytest.mark.parametrize("lie", (
    b"VALUE k 0 10\r\nvalue\r\nEND\r\n",
    b"VALUE k 0 5\r\nvalue\r\nVALUE k 0 5\r\nvalue\r\nEND\r\n",
    b"VALUE k 0 5\r\nvalue\r\nVALUE x 0 5\r\nvalue\r\nEND\r\n",
    b"VALUE k 0 5\r\nvalue\r\nSTORED\r\n",
))
def test_a_value_whose_end_nothing_proves_is_no_hit(make, scripted, lie):
    connections = []

    def handle(s):
        connections.append(s)
        lies = len(connections) == 1
        for line in lines(s):
            s.sendall(lie if lies else classic_item(line.split()[1], b"right"))
    c = make(scripted(handle).address, protocol="classic", timeout=0.4, max_failures=0)
    try:
        assert c.get_raw("k")[0] == b"right"
    except (errors.ProtocolError, errors.Timeout):
        pass
    for _ in range(5):
        try:
            assert c.get_raw("j")[0] == b"right"
            break
        except (errors.ProtocolError, errors.Timeout):
            continue
    else:
        pytest.fail("the connection that lied is still in use")


@pytest.mark.parametrize("stray", (b"END\r\n", b"VALUE b 0 5\r\nstale\r\nEND\r\n", b"STORED\r\n"))
@pytest.mark.parametrize("pause", (0.001, 0.012, 0.049, 0.08))
def test_bytes_that_nobody_asked_for_are_no_answer(make, scripted, stray, pause):
    connections = []
    sent = threading.Event()

    def handle(s):
        connections.append(s)
        first = len(connections) == 1
        reading = lines(s)
        for line in reading:
            if line.startswith(b"set"):
                next(reading)
                s.sendall(b"SERVER_ERROR out of memory storing object\r\n")
                continue
            s.sendall(b"".join(classic_item(k, b"good")[:-5] for k in line.split()[1:]) +
                      b"END\r\n")
            if first:
                first = False
                s.sendall(stray)
                sent.set()
    c = make(scripted(handle).address, protocol="classic", max_failures=0)
    assert c.get_raw("a")[0] == b"good"
    assert sent.wait(5)
    time.sleep(pause)
    found = c.get_many_raw(["a", "b"], errors_too=True)
    for key in ("a", "b"):
        assert isinstance(found[key], errors.Error) or found[key][0] == b"good"
    with pytest.raises(errors.Error):
        c.set("b", b"x")
    assert c.get_raw("b")[0] == b"good"


@pytest.mark.parametrize("flags", (b"4294967296", b"18446744073709551615", b"-1"))
@pytest.mark.parametrize("size", (5, 100_000))
def test_flags_beyond_32_bits_are_their_items_error(make, scripted, flags, size):
    def handle(s):
        for line in lines(s):
            out = b""
            for key in line.split()[1:]:
                wide = key == b"wide"
                out += classic_item(key, b"w" * (size if wide else 1), flags if wide else b"0")[:-5]
            s.sendall(out + b"END\r\n")
    server = scripted(handle)
    c = make(server.address, protocol="classic")
    for _ in range(5):
        with pytest.raises(errors.UnknownFlags):
            c.get_raw("wide")
        found = c.get_many_raw(["a", "wide", "b"], errors_too=True)
        assert isinstance(found["wide"], errors.UnknownFlags)
        assert found["a"][0] == found["b"][0] == b"w"
    assert server.connections == 1


def test_lines_of_keys_are_bounded_with_their_end(make, scripted):
    longest = []

    def handle(s):
        for line in lines(s):
            longest.append(len(line) + 2)
            s.sendall(b"END\r\n")
    c = make(scripted(handle).address, protocol="classic")
    assert c.get_many(["k" * 240 + str(1000 + n) for n in range(300)]) == {}
    assert 8000 < max(longest) <= 16384
