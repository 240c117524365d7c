"""Every verb of mcx with every protocol. Run through mcx_test.py."""

import base64
import os
import time

from support import ALL_BYTES, MAIN, OTHER, TEXT_SAFE, Case, Server, free_port, mcx


class Verbs:
    """Every verb; a subclass for each protocol. Keys carry the protocol's name."""

    protocol = ""
    tells_ttl = False  # the time an item has left
    tells_stored_cas = True
    creates_counters = True
    sets_verbosity = True

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
        self.assert_ran(self.run_mcx("incr", self.key("none")), 1, b"")
        self.assert_ran(self.run_mcx("decr", self.key("none"), "2"), 1, b"")
        self.assert_ran(self.run_mcx("cas", self.key("none"), "v", "9"), 1, b"")

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
        for value in ("-5", "-1.5", "set", "get", "++", "[a,b]", "[]", "{}", "%%", "#0", "a=b",
                      " "):
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
        self.assert_ran(self.run_mcx("cas", k, "v", "0"), 2, b"", err="invalid_argument")
        self.assert_ran(self.run_mcx("cas", k, "v", "x"), 2, b"", err='cas token "x"')
        self.assert_ran(self.run_mcx("cas", k, "v", "-1"), 2, b"", err='cas token "-1"')

    def test_delete(self):
        k = self.key("k")
        self.ok("set", k, "v")
        self.ok("delete", k)
        self.assert_ran(self.run_mcx("get", k), 1, b"")
        self.ok("set", k, "v")
        self.assertEqual(self.one("remove", k), {"key": k, "deleted": True})
        self.assert_ran(self.run_mcx("remove", k), 1, b"")

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
        # Not below two seconds: the server's clock ticks once a second, maybe right behind the set.
        for stays in ("0", "100", "1.5s", "10m", "31d", "1.5h", f"@{int(time.time()) + 1000}"):
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
        unmet = self.run_mcx("add", k, "v", "--json")
        self.assert_ran(unmet, 1)  # with JSON, an answer is no complaint
        self.assertEqual(unmet.objects[0]["error"], "not_stored")
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

    def test_verbosity(self):
        for bad in ("-1", "x", "", "4294967296"):
            self.assert_ran(self.run_mcx("verbosity", bad), 2, b"", err="level")
        if not self.sets_verbosity:
            self.assert_ran(self.run_mcx("verbosity", "1"), 2, b"", err="not_supported")
            return
        both = f"{MAIN.name},{OTHER.name}"
        ran = self.ok("verbosity", "1", servers=both, out=None)
        self.assertEqual(ran.lines, [f"{MAIN.name}\tok", f"{OTHER.name}\tok"])
        for server in (MAIN, OTHER):
            settings = self.one("stats", "settings", servers=server.name)["stats"]
            self.assertEqual(settings["verbosity"], 1)
        self.assertEqual(self.one("verbosity", "0"), {"server": MAIN.name, "ok": True})
        self.ok("verbosity", "0", servers=both, out=None)

    def test_debug(self):
        k = self.key("k")
        self.ok("set", k, "value")
        if not self.tells_ttl:
            self.assert_ran(self.run_mcx("debug", k), 2, b"", err="not_supported")
            return
        ran = self.ok("debug", k, out=None)
        self.assertRegex(ran.out.decode(), r"^exp=-1 (.* )?cas=[1-9]\d* .*\n$")
        told = self.one("debug", k)
        self.assertEqual(list(told), ["key", "debug"])
        self.assertEqual((told["key"], told["debug"]["exp"]), (k, -1))
        self.assertEqual(told["debug"]["cas"], self.one("get", k)["cas"])
        self.assert_ran(self.run_mcx("debug", self.key("none")), 1, b"")

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
        self.assertRegex(ran.out.decode(), rf"^{MAIN.name}\tok\t[^\n]*\n$")
        for call in (["ping"], ["version"], ["stats"]):
            ran = self.run_mcx(*call, "--json", servers=f"{MAIN.name},{dead}")
            self.assert_ran(ran, 3, err=dead)
            good, bad = ran.objects
            self.assertNotIn("error", good)
            self.assertEqual(list(bad), ["server", "ok", "error", "message"])
            self.assertEqual((bad["server"], bad["ok"], bad["error"]),
                             (dead, False, "connect_failed"))

    def test_a_server_that_stops(self):
        server = Server().start()
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
    sets_verbosity = False


class AutoVerbs(Verbs, Case):
    protocol = "auto"
    tells_ttl = True
