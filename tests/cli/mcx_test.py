#!/usr/bin/env python3
"""mcx as its users call it: output, exit codes and complaints, over real memcached servers.

usage: tests/cli/mcx_test.py PATH_TO_MCX [unittest's arguments]

Without a path, $MCX names the program. Only Python's standard library is used. Every server listens
on loopback, on a free port, and is ended by its pid; the whole run is bounded in time.
"""

import atexit
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

LONGEST_RUN = 280  # seconds, for everything here
LONGEST_CALL = 20  # seconds, for one run of mcx
ALL_BYTES = bytes(range(256))
TEXT_SAFE = bytes(b for b in range(0x21, 0x100) if b != 0x7F)
MCX = os.environ.get("MCX", "")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A memcached of its own."""

    def __init__(self, *more):
        for _ in range(5):  # the free port may be taken before memcached gets there
            self.port = free_port()
            self.name = f"127.0.0.1:{self.port}"
            command = ["memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-m", "64",
                       "-t", "1", *more]
            if os.geteuid() == 0:
                command += ["-u", "nobody"]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            atexit.register(self.end)
            if self.answers():
                return
            self.end()
        raise RuntimeError("memcached does not start")

    def answers(self):
        until = time.monotonic() + 5
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as s:
                    s.sendall(b"version\r\n")
                    if s.recv(64).startswith(b"VERSION"):
                        return True
            except OSError:
                time.sleep(0.02)
        return False

    def pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def end(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)


class Ran:
    def __init__(self, done, took):
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr
        self.took = took

    @property
    def lines(self):
        return self.out.decode("utf-8").splitlines()

    @property
    def objects(self):
        return [json.loads(line) for line in self.lines]

    def __repr__(self):
        return f"exit {self.code}, stdout {self.out[:300]!r}, stderr {self.err[:300]!r}"


def mcx(*args, stdin=b"", servers=None, env=None, **popen):
    """Runs mcx with arguments that are str or bytes."""
    command = [MCX]
    if servers is not None:
        command += ["--servers", servers]
    command += args
    environment = {k: v for k, v in os.environ.items() if k != "MEMCXX_SERVERS"}
    environment.update(env or {})
    if "stdout" not in popen:
        popen["stdout"] = subprocess.PIPE
    begin = time.monotonic()
    done = subprocess.run(command, input=stdin, stderr=subprocess.PIPE, env=environment,
                          timeout=LONGEST_CALL, check=False, **popen)
    return Ran(done, time.monotonic() - begin)


class Case(unittest.TestCase):
    def assert_ran(self, ran, code=0, out=None, err=None):
        """err: None for silence, else a text that the one line of complaint holds."""
        self.assertEqual(ran.code, code, ran)
        if out is not None:
            self.assertEqual(ran.out, out, ran)
        if err is None:
            self.assertEqual(ran.err, b"", ran)
        else:
            self.assertEqual(ran.err.count(b"\n"), 1, ran)
            self.assertTrue(ran.err.startswith(b"mcx: ") and ran.err.endswith(b"\n"), ran)
            self.assertIn(err.encode(), ran.err, ran)


def setUpModule():
    global MAIN, OTHER
    MAIN = Server()
    OTHER = Server()


def tearDownModule():
    MAIN.end()
    OTHER.end()


class Verbs:
    """Every verb; a subclass for each protocol. Keys carry the protocol's name."""

    protocol = ""
    tells_ttl = False  # the time an item has left
    tells_stored_cas = True
    creates_counters = True

    def run_mcx(self, *args, **more):
        more.setdefault("servers", MAIN.name)
        return mcx("--protocol", self.protocol, *args, **more)

    def key(self, name):
        return f"{self.protocol}:{self.id().rsplit('.', 1)[1]}:{name}"

    def ok(self, *args, out=b"", **more):
        ran = self.run_mcx(*args, **more)
        self.assert_ran(ran, 0, out)
        return ran

    def one(self, *args, code=0, **more):
        ran = self.run_mcx(*args, "--json", **more)
        self.assertEqual(ran.code, code, ran)
        self.assertEqual(len(ran.objects), 1, ran)
        return ran.objects[0]

    def test_get_writes_exact_bytes(self):
        k = self.key("k")
        self.ok("set", k, "hello")
        self.ok("get", k, out=b"hello")

    def test_a_miss_is_silent(self):
        self.assert_ran(self.run_mcx("get", self.key("none")), 1, b"")
        self.assert_ran(self.run_mcx("gat", self.key("none"), "10"), 1, b"")
        self.assert_ran(self.run_mcx("delete", self.key("none")), 1, b"")
        self.assert_ran(self.run_mcx("touch", self.key("none"), "10"), 1, b"")

    def test_every_byte_comes_back(self):
        k = self.key("k")
        self.ok("set", k, "-", stdin=ALL_BYTES * 3)
        self.ok("get", k, out=ALL_BYTES * 3)
        self.ok("set", k, ALL_BYTES[1:])  # no argument holds a NUL
        self.ok("get", k, out=ALL_BYTES[1:])

    def test_stdin_is_taken_whole(self):
        k = self.key("k")
        for value in (b"", b"\n", b"line\n", b"\r\nEND\r\n", b"no end of line", b"\x00" * 70_000,
                      os.urandom(900_000)):
            self.ok("set", k, "-", stdin=value)
            self.ok("get", k, out=value)

    def test_an_empty_value_is_a_hit(self):
        k = self.key("k")
        self.ok("set", k, "")
        self.ok("get", k, out=b"")
        self.assertEqual(self.one("get", k)["value"], "")

    def test_values_that_look_like_something_else(self):
        k = self.key("k")
        for value in ("-5", "-1.5", "set", "get", "++", "[a,b]", "{}", "%%", "#0", "a=b", " ", "[]"):
            self.ok("set", k, value)
            self.ok("get", k, out=value.encode())
        for value in ("--json", "--", "--ttl", "-x"):
            self.ok("set", "--ttl", "100", "--", k, value)
            self.ok("get", k, out=value.encode())

    def test_keys_that_look_like_something_else(self):
        for name in ("-5", "++", "[a,b]", "{}", "%%", "#1", "get", "a=b"):
            self.ok("set", name, self.protocol)
            self.ok("get", name, out=self.protocol.encode())
        self.ok("set", "--", "--json", self.protocol)
        self.ok("get", "--", "--json", out=self.protocol.encode())

    def test_a_key_may_hold_any_byte_that_text_carries(self):
        half = len(TEXT_SAFE) // 2
        for k in (b"a" + TEXT_SAFE[:half], b"b" + TEXT_SAFE[half:]):
            self.ok("set", k, "v" + self.protocol)
            self.ok("get", k, out=b"v" + self.protocol.encode())
        found = self.one("get", k)
        self.assertEqual(base64.b64decode(found["key_base64"]), k)
        self.assertNotIn("key", found)

    def test_the_longest_key(self):
        self.ok("set", "k" * 250, self.protocol)
        self.ok("get", "k" * 250, out=self.protocol.encode())
        for verb in (["get"], ["set", "v"], ["delete"], ["incr"], ["touch", "1"]):
            ran = self.run_mcx(verb[0], "k" * 251, *verb[1:])
            self.assert_ran(ran, 2, b"", err="invalid_key")
            self.assertIn(b"251", ran.err)

    def test_an_empty_key(self):
        self.assert_ran(self.run_mcx("get", ""), 2, b"", err="invalid_key")
        self.assert_ran(self.run_mcx("set", "", "v"), 2, b"", err="invalid_key")

    def test_conditions(self):
        k = self.key("k")
        self.assert_ran(self.run_mcx("replace", k, "v"), 1, b"", err=f'not_stored: key "{k}"')
        self.assert_ran(self.run_mcx("append", k, "v"), 1, b"", err="not_stored")
        self.assert_ran(self.run_mcx("prepend", k, "v"), 1, b"", err="not_stored")
        self.ok("add", k, "b")
        self.assert_ran(self.run_mcx("add", k, "x"), 1, b"", err=f'not_stored: key "{k}"')
        self.ok("append", k, "c")
        self.ok("prepend", k, "a")
        self.ok("get", k, out=b"abc")
        self.ok("replace", k, "new")
        self.ok("get", k, out=b"new")

    def test_cas(self):
        k = self.key("k")
        self.ok("set", k, "one")
        token = self.one("get", k)["cas"]
        self.assertGreater(token, 0)
        self.ok("cas", k, "two", str(token), "--flags", "3")
        self.assert_ran(self.run_mcx("cas", k, "three", str(token)), 1, b"", err="exists")
        self.ok("get", k, out=b"two")
        self.assertEqual(self.one("get", k)["flags"], 3)
        self.assert_ran(self.run_mcx("cas", self.key("none"), "v", "9"), 1, b"", err="miss")
        self.assert_ran(self.run_mcx("cas", k, "v", "0"), 2, b"", err="invalid_argument")
        self.assert_ran(self.run_mcx("cas", k, "v", "x"), 2, b"", err='cas token "x"')
        self.assert_ran(self.run_mcx("cas", k, "v", "-1"), 2, b"", err='cas token "-1"')

    def test_delete(self):
        k = self.key("k")
        self.ok("set", k, "v")
        self.ok("delete", k)
        self.assert_ran(self.run_mcx("get", k), 1, b"")

    def test_delete_everywhere(self):
        k = self.key("k")
        both = f"{MAIN.name},{OTHER.name}"
        self.ok("set", k, "v", servers=MAIN.name)
        self.ok("set", k, "v", servers=OTHER.name)
        ran = self.ok("delete", k, "--everywhere", servers=both, out=None)
        self.assertEqual(ran.lines, [f"{MAIN.name}\tdeleted", f"{OTHER.name}\tdeleted"])
        self.ok("set", k, "v", servers=OTHER.name)
        ran = self.ok("delete", "--everywhere", k, servers=both, out=None)
        self.assertEqual(ran.lines, [f"{MAIN.name}\tmiss", f"{OTHER.name}\tdeleted"])
        ran = self.run_mcx("delete", k, "--everywhere", servers=both)
        self.assert_ran(ran, 1)
        self.assertEqual(ran.lines, [f"{MAIN.name}\tmiss", f"{OTHER.name}\tmiss"])

    def test_ttl(self):
        k = self.key("k")
        for gone in ("-1", "-5s", "-0.5", "@1", f"@{int(time.time()) - 10}"):
            self.ok("set", k, "v", "--ttl", gone)
            self.assert_ran(self.run_mcx("get", k), 1, b"")
        for stays in ("0", "100", "0.5s", "10m", "31d", "1.5h", f"@{int(time.time()) + 1000}"):
            self.ok("set", k, "v", "--ttl", stays)
            self.ok("get", k, out=b"v")
        self.ok("touch", k, "-1")
        self.assert_ran(self.run_mcx("get", k), 1, b"")
        self.ok("set", k, "v")
        self.ok("gat", k, "-1", out=b"v")
        self.assert_ran(self.run_mcx("get", k), 1, b"")
        for bad in ("x", "", "1w", "--5", "@", "@x", "@-", "-", "1 s", "5000000000d"):
            self.assert_ran(self.run_mcx("set", k, "v", "--ttl", bad), 2, b"", err="ttl")
        self.assert_ran(self.run_mcx("touch", k, "soon"), 2, b"", err='ttl "soon"')
        self.assert_ran(self.run_mcx("gat", k, "@99999999999"), 2, b"", err="ttl")

    def test_flags(self):
        k = self.key("k")
        self.ok("set", k, "v", "--flags", "4294967295")
        self.assertEqual(self.one("get", k)["flags"], 4294967295)
        for bad in ("4294967296", "-1", "x", ""):
            self.assert_ran(self.run_mcx("set", k, "v", "--flags", bad), 2, b"", err="flags")

    def test_counters(self):
        k = self.key("k")
        self.assert_ran(self.run_mcx("incr", k), 1, b"", err=f'miss: key "{k}"')
        self.ok("set", k, "10")
        self.ok("incr", k, out=b"11\n")
        self.ok("incr", k, "5", out=b"16\n")
        self.ok("decr", k, out=b"15\n")
        self.ok("decr", k, "100", out=b"0\n")
        self.ok("set", k, "5")
        self.ok("incr", k, "18446744073709551615", out=b"4\n")
        self.ok("set", k, "ten")
        self.assert_ran(self.run_mcx("incr", k), 1, b"", err="not_a_number")
        for bad in ("-1", "x", "1.5", "18446744073709551616"):
            self.assert_ran(self.run_mcx("incr", k, bad), 2, b"", err="delta")

    def test_counters_that_are_created(self):
        k = self.key("k")
        if not self.creates_counters:
            self.assert_ran(self.run_mcx("incr", k, "--initial", "7"), 2, b"", err="not_supported")
            return
        self.ok("incr", k, "--initial", "7", "--ttl", "100", out=b"7\n")
        self.ok("incr", k, "--initial", "7", "--ttl", "100", out=b"8\n")
        self.assert_ran(self.run_mcx("incr", k, "--ttl", "100"), 2, b"", err="--initial")

    def test_json(self):
        k = self.key("k")
        stored = self.one("set", k, "v", "--flags", "5", "--ttl", "100")
        found = self.one("get", k)
        if self.tells_stored_cas:
            self.assertEqual(stored, {"key": k, "stored": True, "cas": found["cas"]})
        else:
            self.assertEqual(stored, {"key": k, "stored": True, "cas": None})
        self.assertEqual(list(found), ["key", "value", "flags", "cas", "ttl"])
        self.assertEqual((found["key"], found["value"], found["flags"]), (k, "v", 5))
        if self.tells_ttl:
            self.assertIn(found["ttl"], range(95, 101))
        else:
            self.assertIsNone(found["ttl"])
        again = self.one("gat", k, "0")
        self.assertEqual(list(again), ["key", "value", "flags", "cas", "ttl"])
        self.assertEqual(again["ttl"], -1 if self.tells_ttl else None)
        self.assertEqual(self.one("get", k)["ttl"], -1 if self.tells_ttl else None)
        self.assertEqual(self.one("touch", k, "100"), {"key": k, "touched": True})
        self.assertEqual(self.one("delete", k), {"key": k, "deleted": True})
        self.ok("set", k, "1")
        counted = self.one("incr", k)
        self.assertEqual((counted["key"], counted["value"]), (k, 2))

    def test_json_of_errors(self):
        k = self.key("k")
        miss = self.run_mcx("get", k, "--json")
        self.assert_ran(miss, 1)
        self.assertEqual(miss.objects,
                         [{"key": k, "error": "miss", "server": None, "message": None}])
        self.ok("set", k, "v")
        self.assertEqual(self.one("add", k, "v", code=1)["error"], "not_stored")
        self.assertEqual(self.one("cas", k, "v", "1", code=1)["error"], "exists")
        self.assertEqual(self.one("incr", k, code=1)["error"], "not_a_number")
        bad = self.one("get", "k" * 251, code=2)
        self.assertEqual((bad["error"], bad["key"]), ("invalid_key", "k" * 251))
        self.assertIn("251", bad["message"])
        bad = self.one("set", k, "v", "--ttl", "x", code=2)
        self.assertEqual((bad["error"], bad["key"], bad["server"]), ("invalid_argument", k, None))

    def test_json_of_values_that_are_not_text(self):
        k = self.key("k")
        for value in (b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80",
                      ALL_BYTES, b"a\xe2\x82"):
            self.ok("set", k, "-", stdin=value)
            found = self.one("get", k)
            self.assertNotIn("value", found)
            self.assertEqual(base64.b64decode(found["value_base64"], validate=True), value)
        for text in ("", "plain", "\0\x01\n\"\\/", "\u00e4\u20ac\U0001f600\ud7ff\ue000\U0010ffff"):
            self.ok("set", k, "-", stdin=text.encode())
            self.assertEqual(self.one("get", k)["value"], text)

    def test_several_keys(self):
        keys = [self.key(str(i)) for i in range(5)]
        for k in keys[:4]:
            self.ok("set", k, "v" + k)
        ran = self.run_mcx("get", *keys[:4], "--json")
        self.assert_ran(ran, 0)
        self.assertEqual([(o["key"], o["value"]) for o in ran.objects],
                         [(k, "v" + k) for k in keys[:4]])
        ran = self.run_mcx("get", *keys, "--json", servers=f"{MAIN.name},{OTHER.name}")
        self.assertEqual([o["key"] for o in ran.objects], keys)
        ran = self.run_mcx("get", *keys, "--json")
        self.assert_ran(ran, 1)
        self.assertEqual(ran.objects[4]["error"], "miss")
        self.assert_ran(self.run_mcx("get", *keys), 2, b"", err="--json")
        ran = self.run_mcx("get", keys[0], "k" * 251, keys[4], "--json")
        self.assert_ran(ran, 2, err="invalid_key")
        self.assertEqual([o.get("error") for o in ran.objects], [None, "invalid_key", "miss"])

    def test_values_too_large(self):
        k = self.key("k")
        self.assert_ran(
            self.run_mcx("set", k, "12345678901", servers=MAIN.name + "?max_value_size=10"), 2, b"",
            err="value_too_large")
        self.assert_ran(
            self.run_mcx("set", k, "-", stdin=b"x" * 5000,
                         servers=MAIN.name + "?max_value_size=4KiB"), 2, b"", err="value_too_large")
        ran = self.run_mcx("set", k, "-", stdin=b"x" * 2_000_000)
        self.assert_ran(ran, 3, b"", err="value_too_large")
        self.assertIn(MAIN.name.encode(), ran.err)

    def test_broadcasts(self):
        both = f"{MAIN.name},{OTHER.name}"
        ran = self.ok("version", servers=both, out=None)
        self.assertRegex(ran.out.decode(), rf"^{MAIN.name}\t1\.\S+\n{OTHER.name}\t1\.\S+\n$")
        ran = self.ok("version", "--json", servers=both, out=None)
        self.assertEqual([o["server"] for o in ran.objects], [MAIN.name, OTHER.name])
        ran = self.ok("ping", servers=both, out=None)
        self.assertEqual(len(ran.lines), 2)
        for line, server in zip(ran.lines, (MAIN, OTHER)):
            self.assertRegex(line, rf"^{server.name}\tok\t\d+\.\d\d\d ms$")
        ran = self.ok("ping", "--json", servers=both, out=None)
        self.assertTrue(all(o["ok"] is True and 0 < o["ms"] < 10_000 for o in ran.objects), ran)

    def test_stats(self):
        ran = self.ok("stats", out=None)
        table = dict(line.split("\t")[1:] for line in ran.lines)
        self.assertTrue(all(line.startswith(MAIN.name + "\t") for line in ran.lines), ran)
        self.assertEqual(int(table["pid"]), MAIN.process.pid)
        found = self.one("stats")
        self.assertEqual(found["stats"]["pid"], MAIN.process.pid)
        self.assertIsNone(found["group"])
        settings = self.one("stats", "settings")
        self.assertEqual(settings["group"], "settings")
        self.assertEqual(settings["stats"]["tcpport"], MAIN.port)

    def test_flush(self):
        k = self.key("k")
        self.ok("set", k, "v", servers=OTHER.name)
        self.ok("flush", "--delay", "1h", servers=OTHER.name, out=None)
        self.ok("get", k, servers=OTHER.name, out=b"v")
        ran = self.ok("flush", servers=OTHER.name, out=None)
        self.assertEqual(ran.lines, [f"{OTHER.name}\tflushed"])
        self.assert_ran(self.run_mcx("get", k, servers=OTHER.name), 1, b"")
        self.assertEqual(self.one("flush", servers=OTHER.name),
                         {"server": OTHER.name, "flushed": True})
        for bad in ("-1", "x"):
            self.assert_ran(self.run_mcx("flush", "--delay", bad, servers=OTHER.name), 2, b"",
                            err="duration")

    def test_a_refused_port(self):
        dead = f"127.0.0.1:{free_port()}"
        for call in (["get", "k"], ["set", "k", "v"], ["incr", "k"], ["flush"], ["stats"],
                     ["version"], ["delete", "k", "--everywhere"]):
            ran = self.run_mcx(*call, servers=dead)
            self.assert_ran(ran, 3, b"", err=dead)
            self.assertIn(b"connect_failed", ran.err)
        ran = self.run_mcx("get", "k", "--json", servers=dead)
        self.assert_ran(ran, 3, err=dead)
        self.assertEqual((ran.objects[0]["error"], ran.objects[0]["server"]),
                         ("connect_failed", dead))
        ran = self.run_mcx("ping", servers=f"{MAIN.name},{dead}")
        self.assert_ran(ran, 3, err=dead)
        self.assertRegex(ran.lines[0], rf"^{MAIN.name}\tok\t")
        self.assertRegex(ran.lines[1], rf"^{dead}\tconnect_failed")
        ran = self.run_mcx("version", "--json", servers=f"{MAIN.name},{dead}")
        self.assert_ran(ran, 3, err=dead)
        self.assertIn("version", ran.objects[0])
        self.assertEqual(ran.objects[1]["error"], "connect_failed")

    def test_a_server_that_stops(self):
        server = Server()
        self.addCleanup(server.end)
        self.ok("set", "k", "v", servers=server.name)
        server.pause()
        for call in (["get", "k"], ["set", "k", "v"], ["ping"], ["stats"], ["get", "k", "--json"]):
            ran = self.run_mcx("--timeout", "200ms", *call, servers=server.name)
            self.assert_ran(ran, 3, err="timeout at " + server.name)
            self.assertGreater(ran.took, 0.15, ran)
            self.assertLess(ran.took, 3, ran)
        server.resume()
        self.ok("get", "k", servers=server.name, out=b"v")
        server.end()
        self.assert_ran(self.run_mcx("get", "k", servers=server.name), 3, b"", err=server.name)


class ClassicVerbs(Verbs, Case):
    protocol = "classic"
    tells_stored_cas = False
    creates_counters = False


class MetaVerbs(Verbs, Case):
    protocol = "meta"
    tells_ttl = True


class BinaryVerbs(Verbs, Case):
    protocol = "binary"


class AutoVerbs(Verbs, Case):
    protocol = "auto"
    tells_ttl = True


class CommandLine(Case):
    def test_version_and_help(self):
        ran = mcx("--version")
        self.assert_ran(ran, 0)
        self.assertRegex(ran.out, rb"^mcx \d+\.\d+\.\d+\n$")
        ran = mcx("--help")
        self.assert_ran(ran, 0)
        for word in ("--servers", "--json", "TTL", "Exit status", "Examples", "which", "@EPOCH"):
            self.assertIn(word, ran.out.decode())
        ran = mcx("incr", "--help")
        self.assert_ran(ran, 0)
        self.assertIn("--initial", ran.out.decode())

    def test_mistakes(self):
        for args, said in (([], "a verb is needed"), (["fetch", "k"], 'no verb "fetch"'),
                           (["get"], "KEY"), (["set", "k"], "VALUE"),
                           (["set", "k", "v", "extra"], '"extra"'),
                           (["get", "k", "--nonsense"], "--nonsense"), (["set", "k", "v", "--ttl"], "--ttl"),
                           (["get", "k", "--ttl", "1"], "--ttl"), (["version", "x"], '"x"'),
                           (["--protocol", "ascii", "get", "k"], 'protocol "ascii"'),
                           (["--distribution", "nope", "get", "k"], 'distribution "nope"'),
                           (["--timeout", "0", "get", "k"], "timeout"),
                           (["--timeout", "soon", "get", "k"], '"soon"'),
                           (["--timeout", "1s", "--timeout", "2s", "get", "k"], "--timeout")):
            with self.subTest(args=args):
                self.assert_ran(mcx(*args, servers=MAIN.name), 2, b"", err=said)

    def test_mistakes_as_json(self):
        for args in (["fetch", "k"], ["get"], ["--timeout", "0", "get", "k"]):
            ran = mcx(*args, "--json", servers=MAIN.name)
            self.assert_ran(ran, 2, err="invalid_argument")
            self.assertEqual(ran.objects[0]["error"], "invalid_argument")
            self.assertIsNone(ran.objects[0]["key"])

    def test_bad_servers(self):
        for uri, said in (("a:70000", 'port "70000" in "a:70000" is not between 1 and 65535'),
                          ("", "no server"), ("a,a", "listed twice"), ("a?tiemout=1", "tiemout"),
                          ("redis://a", 'scheme "redis"'), ("memcacheds://a", "TLS"),
                          ("memcached://u:hidden@a", "authentication")):
            ran = mcx("get", "k", servers=uri)
            self.assert_ran(ran, 2, b"", err=said)
            self.assertNotIn(b"hidden", ran.err)

    def test_options_may_stand_before_or_behind_the_verb(self):
        before = mcx("--servers", MAIN.name, "--json", "--timeout", "5s", "version")
        behind = mcx("version", "--json", "--timeout", "5s", "--servers", MAIN.name)
        glued = mcx("version", "--json", "--timeout=5s", "--servers=" + MAIN.name)
        self.assert_ran(before, 0)
        self.assertEqual(before.out, behind.out)
        self.assertEqual(before.out, glued.out)

    def test_servers_from_the_environment(self):
        env = {"MEMCXX_SERVERS": MAIN.name}
        self.assertIn(MAIN.name, mcx("version", env=env).out.decode())
        self.assertIn(OTHER.name, mcx("version", env=env, servers=OTHER.name).out.decode())
        self.assert_ran(mcx("get", "k", env={"MEMCXX_SERVERS": "a:0"}), 2, b"", err="MEMCXX_SERVERS")
        self.assert_ran(mcx("which", "k", env={"MEMCXX_SERVERS": ""}), 0, b"k\t127.0.0.1:11211\n")
        self.assert_ran(mcx("which", "k"), 0, b"k\t127.0.0.1:11211\n")

    def test_options_win_over_the_uri(self):
        uri = MAIN.name + "?protocol=binary&timeout=1ms&distribution=modula"
        ran = mcx("--protocol", "meta", "--timeout", "5s", "set", "over", "v", "--ttl", "50",
                  servers=uri)
        self.assert_ran(ran, 0)
        ran = mcx("--protocol", "meta", "--timeout", "5s", "get", "over", "--json", servers=uri)
        self.assertIn(ran.objects[0]["ttl"], range(40, 51))  # which binary could not tell
        many = ",".join(f"10.0.0.{i}" for i in range(1, 9))
        keys = [f"key{i}" for i in range(50)]
        modula = mcx("which", *keys, servers=many + "?distribution=modula").out
        ketama = mcx("which", *keys, servers=many).out
        self.assertNotEqual(modula, ketama)
        self.assertEqual(mcx("--distribution", "modula", "which", *keys, servers=many).out, modula)

    def test_memory(self):
        self.assert_ran(mcx("set", "k", "v", servers="memory://"), 0, b"")
        self.assert_ran(mcx("get", "k", servers="memory://"), 1, b"")
        self.assertRegex(mcx("ping", servers="memory://").out, rb"^memory://\tok\t\d+\.\d{3} ms\n$")


class Which(Case):
    servers = "10.255.255.1,10.255.255.2:11212,10.255.255.3"  # nobody is there, and nobody is asked

    def test_keys_of_arguments(self):
        ran = mcx("which", "a", "b", "c", servers=self.servers)
        self.assert_ran(ran, 0)
        self.assertLess(ran.took, 5)
        rows = [line.split("\t") for line in ran.lines]
        self.assertEqual([key for key, _ in rows], ["a", "b", "c"])
        known = {"10.255.255.1:11211", "10.255.255.2:11212", "10.255.255.3:11211"}
        self.assertTrue({server for _, server in rows} <= known, ran)

    def test_where_an_item_is_stored(self):
        both = f"{MAIN.name},{OTHER.name}"
        for i in range(20):
            k = f"which:{i}"
            self.assert_ran(mcx("set", k, "v", servers=both), 0)
            home = mcx("which", k, servers=both).lines[0].split("\t")[1]
            away = OTHER.name if home == MAIN.name else MAIN.name
            self.assert_ran(mcx("get", k, servers=home), 0, b"v")
            self.assert_ran(mcx("get", k, servers=away), 1, b"")

    def test_keys_of_stdin(self):
        keys = [b"a", b"a\tb", b"\xff\x00\xfe", b" lead", b"trail ", b"cr\r", b"-", b"--json", b"[x]",
                b"k" * 250, b"last"]
        ran = mcx("which", "-", stdin=b"\n".join(keys), servers=self.servers)
        self.assert_ran(ran, 0)
        rows = ran.out.split(b"\n")[:-1]
        self.assertEqual([row.rsplit(b"\t", 1)[0] for row in rows], keys)
        for key, row in zip(keys, rows):  # the same, whichever way they come
            if b"\x00" not in key and key != b"-":
                alone = mcx("which", "--", key, servers=self.servers)
                self.assertEqual(alone.out, row + b"\n")
        ran = mcx("which", "-", "--json", stdin=b"\n".join(keys), servers=self.servers)
        said = [o["key"].encode() if "key" in o else base64.b64decode(o["key_base64"])
                for o in ran.objects]
        self.assertEqual(said, keys)

    def test_keys_that_nothing_can_store(self):
        ran = mcx("which", "-", stdin=b"a\n\n" + b"k" * 251 + b"\nb\n", servers=self.servers)
        self.assert_ran(ran, 2, err="invalid_key")
        self.assertEqual([row.split("\t")[0] for row in ran.lines], ["a", "b"])

    def test_no_keys(self):
        self.assert_ran(mcx("which", "-", servers=self.servers), 0, b"")
        self.assert_ran(mcx("which", servers=self.servers), 2, b"", err="KEY")


class Streams(Case):
    def test_a_full_disk(self):
        with open("/dev/full", "wb") as full:
            for call in (["version"], ["--help"], ["which", "k"], ["get", "k", "--json"]):
                ran = mcx(*call, servers=MAIN.name, stdout=full)
                self.assertEqual(ran.code, 3, ran)
                self.assertIn(b"standard output: No space left on device\n", ran.err)
                self.assertEqual(ran.err.count(b"\n"), 1, ran)

    def test_a_closed_stdout(self):
        mcx("set", "closed", "v", servers=MAIN.name)
        shell = 'exec "$0" "$@" >&-'
        for call, code in ((["get", "closed"], 3), (["version"], 3), (["set", "closed", "v"], 0)):
            done = subprocess.run(["sh", "-c", shell, MCX, "--servers", MAIN.name, *call],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
                                  timeout=LONGEST_CALL)
            self.assertEqual(done.returncode, code, (call, done.stderr))
            self.assertEqual(b"standard output" in done.stderr, code == 3, (call, done.stderr))
        self.assert_ran(mcx("get", "closed", servers=MAIN.name), 0, b"v")

    def test_a_reader_that_went_away(self):
        process = subprocess.Popen([MCX, "--servers", MAIN.name, "which", "-"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdout.close()
        for step in (lambda: process.stdin.write(b"key\n" * 100_000), process.stdin.close):
            try:
                step()
            except BrokenPipeError:
                pass
        self.assertEqual(process.wait(timeout=LONGEST_CALL), 3)
        self.assertEqual(process.stderr.read(), b"mcx: standard output: Broken pipe\n")
        process.stderr.close()

    def test_a_stdin_that_cannot_be_read(self):
        for shell in ('exec "$0" "$@" <&-', 'exec "$0" "$@" </'):
            done = subprocess.run(["sh", "-c", shell, MCX, "--servers", MAIN.name, "set", "in", "-"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                                  timeout=LONGEST_CALL)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(b"standard input cannot be read", done.stderr)
        self.assert_ran(mcx("get", "in", servers=MAIN.name), 1, b"")


class UnixSocket(Case):
    def test_a_server_on_a_unix_socket(self):
        folder = tempfile.mkdtemp(prefix="mcx")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o777)
        path = os.path.join(folder, "mc.sock")
        command = ["memcached", "-s", path, "-a", "0777", "-t", "1"]
        if os.geteuid() == 0:
            command += ["-u", "nobody"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait, 10)
        self.addCleanup(os.kill, process.pid, signal.SIGKILL)
        until = time.monotonic() + 5
        while mcx("ping", servers="unix:" + path).code != 0 and time.monotonic() < until:
            time.sleep(0.05)
        for protocol in ("classic", "meta", "binary", "auto"):
            self.assert_ran(mcx("--protocol", protocol, "set", "k", "-", stdin=ALL_BYTES,
                                servers="unix:" + path), 0, b"")
            self.assert_ran(mcx("--protocol", protocol, "get", "k", servers="unix:" + path), 0,
                            ALL_BYTES)
        self.assert_ran(mcx("get", "k", servers=f"unix:{folder}/none"), 3, b"", err="/none")


def out_of_time(_signal, _frame):
    raise TimeoutError(f"the tests took more than {LONGEST_RUN} seconds")


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-") and os.path.exists(sys.argv[1]):
        MCX = os.path.abspath(sys.argv.pop(1))
    if not MCX:
        sys.exit("usage: mcx_test.py PATH_TO_MCX (or set MCX)")
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(LONGEST_RUN)
    unittest.main()
