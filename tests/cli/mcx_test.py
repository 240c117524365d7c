#!/usr/bin/env python3
"""mcx as its users call it: output, exit codes and complaints, over real memcached servers.

usage: tests/cli/mcx_test.py PATH_TO_MCX [unittest's arguments]

Without a path, $MCX names the program. Only Python's standard library is used, and the whole run is
bounded in time.
"""

import base64
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True

from support import ALL_BYTES, LONGEST_CALL, MAIN, OTHER, Case, mcx, memcached, program
from placement_tests import GoldenPlacements, Ring  # found by unittest here
from value_tests import Compression, TypedJson, TypedMistakes, TypedValues
from verb_tests import AutoVerbs, BinaryVerbs, ClassicVerbs, MetaVerbs

LONGEST_RUN = 280  # seconds, for everything


class CommandLine(Case):
    def test_version_and_help(self):
        ran = mcx("--version")
        self.assert_ran(ran, 0)
        self.assertRegex(ran.out, rb"^mcx \d+\.\d+\.\d+\n$")
        ran = mcx("--help")
        self.assert_ran(ran, 0)
        for word in ("--servers", "--json", "TTL", "Exit status", "Examples", "which", "@EPOCH",
                     "libmemcached-ketama-weighted", "max_value_size", "--dialect", "--as FORM",
                     "gomemcached"):
            self.assertIn(word, ran.out.decode())
        ran = mcx("incr", "--help")
        self.assert_ran(ran, 0)
        self.assertIn("--initial", ran.out.decode())

    def test_mistakes(self):
        for args, said in (([], "a verb is needed"), (["fetch", "k"], 'no verb "fetch"'),
                           (["get"], "KEY"), (["set", "k"], "VALUE"),
                           (["set", "k", "v", "extra"], '"extra"'),
                           (["get", "k", "--nonsense"], "--nonsense"),
                           (["set", "k", "v", "--ttl"], "--ttl"),
                           (["get", "k", "--ttl", "1"], "--ttl"), (["version", "x"], '"x"'),
                           (["--protocol", "ascii", "get", "k"], 'protocol "ascii"'),
                           (["--distribution", "nope", "get", "k"], 'distribution "nope"'),
                           (["--timeout", "0", "get", "k"],
                            '--timeout is "0", and should be more than 0'),
                           (["--timeout", "soon", "get", "k"], '--timeout is "soon"'),
                           (["--connect-timeout", "25h", "get", "k"],
                            '--connect-timeout is "25h"'),
                           (["set", "minus", "--5"], 'unknown option "--5"'),
                           (["--nonsense", "get", "k"], 'unknown option "--nonsense"'),
                           (["verbosity"], "LEVEL"), (["verbosity", "x"], 'level "x"'),
                           (["--timeout", "1s", "--timeout", "2s", "get", "k"], "--timeout")):
            with self.subTest(args=args):
                self.assert_ran(mcx(*args, servers=MAIN.name), 2, b"", err=said)

    def test_mistakes_as_json(self):
        for args in (["fetch", "k"], ["get"], ["--timeout", "0", "get", "k"]):
            ran = mcx(*args, "--json", servers=MAIN.name)
            self.assert_ran(ran, 2, err="invalid_argument")
            self.assertEqual(ran.objects[0]["error"], "invalid_argument")
            self.assertNotIn("key", ran.objects[0])

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
        self.assert_ran(mcx("get", "k", env={"MEMCXX_SERVERS": "a:0"}), 2, b"",
                        err="MEMCXX_SERVERS")
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

    def test_connect_timeout(self):
        with socket.socket() as full, contextlib.ExitStack() as waiting:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            for _ in range(3):  # one more than it queues, so that the next is not answered
                s = waiting.enter_context(socket.socket())
                s.setblocking(False)
                s.connect_ex(full.getsockname())
            name = f"127.0.0.1:{full.getsockname()[1]}"
            ran = mcx("--connect-timeout", "50ms", "--timeout", "9s", "get", "k",
                      servers=name + "?connect_timeout=8s")
            self.assert_ran(ran, 3, b"", err=name)
            self.assertIn(b"50", ran.err)
            self.assertLess(ran.took, 5, ran)

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
        keys = [b"a", b"a\tb", b"\xff\x00\xfe", b" lead", b"trail ", b"cr\r", b"-", b"--json",
                b"[x]", b"k" * 250, b"last"]
        noted = "5 keys hold bytes that no text protocol carries; 1 end in a CR"
        ran = mcx("which", "-", stdin=b"\n".join(keys), servers=self.servers)
        self.assert_ran(ran, 0, err=noted)
        rows = ran.out.split(b"\n")[:-1]
        self.assertEqual([row.rsplit(b"\t", 1)[0] for row in rows], keys)
        for key, row in zip(keys, rows):  # the same, whichever way they come
            if b"\x00" not in key and key != b"-":
                alone = mcx("which", "--", key, servers=self.servers)
                self.assertEqual(alone.out, row + b"\n")
        ran = mcx("which", "-", "--json", stdin=b"\n".join(keys), servers=self.servers)
        self.assert_ran(ran, 0, err=noted)
        said = [o["key"].encode() if "key" in o else base64.b64decode(o["key_base64"])
                for o in ran.objects]
        self.assertEqual(said, keys)

    def test_keys_that_nothing_can_store(self):
        ran = mcx("which", "-", stdin=b"a\n\n" + b"k" * 251 + b"\nb\n", servers=self.servers)
        self.assert_ran(ran, 2, err="invalid_key")
        self.assertEqual([row.split("\t")[0] for row in ran.lines], ["a", "b"])

    def test_lines_that_end_in_crlf(self):
        ran = mcx("which", "-", stdin=b"x\r\ny\r\n", servers="a")
        self.assert_ran(ran, 0, b"x\r\ta:11211\ny\r\ta:11211\n", err="2 keys hold bytes")
        self.assertIn(b"as in a file with CRLF", ran.err)
        self.assert_ran(mcx("which", "-", stdin=b"x\ny\n", servers="a"), 0,
                        b"x\ta:11211\ny\ta:11211\n")

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
            done = subprocess.run(["sh", "-c", shell, program(), "--servers", MAIN.name, *call],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
                                  timeout=LONGEST_CALL)
            self.assertEqual(done.returncode, code, (call, done.stderr))
            self.assertEqual(b"standard output" in done.stderr, code == 3, (call, done.stderr))
        self.assert_ran(mcx("get", "closed", servers=MAIN.name), 0, b"v")

    def test_a_reader_that_went_away(self):
        process = subprocess.Popen([program(), "--servers", MAIN.name, "which", "-"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdout.close()
        for step in (lambda: process.stdin.write(b"key\n" * 100_000), process.stdin.close):
            try:
                step()
            except BrokenPipeError:
                pass
        self.assertEqual(process.wait(timeout=LONGEST_CALL), 3)
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()

    def test_a_stdin_that_cannot_be_read(self):
        for shell in ('exec "$0" "$@" <&-', 'exec "$0" "$@" </'):
            done = subprocess.run(["sh", "-c", shell, program(), "--servers", MAIN.name,
                                   "set", "in", "-"],
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
        command = [memcached(), "-s", path, "-a", "0777", "-t", "1"]
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
    if len(sys.argv) > 1 and os.path.isfile(sys.argv[1]):
        os.environ["MCX"] = os.path.abspath(sys.argv.pop(1))
    if not os.environ.get("MCX"):
        sys.exit("usage: mcx_test.py PATH_TO_MCX (or set MCX)")
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(LONGEST_RUN)
    MAIN.start()
    OTHER.start()
    unittest.main()
