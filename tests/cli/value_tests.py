"""mcx with typed values: --dialect, --as and --min-compress. Run through mcx_test.py.

What the real clients make of the stored bytes is asked in tests/cross.
"""

import base64
import json
import os
import pickle
import zlib

from support import ALL_BYTES, MAIN, Case, mcx

DIALECTS = ("native", "python-memcached", "cmemcache", "pyermc", "pymemcache", "pylibmc", "libmc",
            "gomemcached", "dalli")
# Flags of these have no kind for booleans, or only for integers.
BOOLEANS_ARE_INTEGERS = ("cmemcache", "pyermc", "pylibmc")
COMPRESSED = "compress me, " * 200


class Typed(Case):
    def key(self, name="k"):
        return f"{type(self).__name__}:{self.id().rsplit('.', 1)[1]}:{name}"

    def run_mcx(self, *args, dialect=None, **more):
        more.setdefault("servers", MAIN.name)
        return mcx(*(("--dialect", dialect) if dialect else ()), *args, **more)

    def ok(self, *args, out=b"", **more):
        ran = self.run_mcx(*args, **more)
        self.assert_ran(ran, 0, out)
        return ran

    def raw(self, key, flags, value):
        self.ok("set", key, "-", "--flags", str(flags), stdin=value)

    def stored(self, key):
        """Flags and bytes, as they lie in the server."""
        found = self.ok("get", key, "--json", out=None).objects[0]
        value = found.get("value")
        return found["flags"], (base64.b64decode(found["value_base64"]) if value is None
                                else value.encode())


class TypedValues(Typed):
    def test_without_a_dialect_values_are_bare_bytes(self):
        k = self.key()
        self.ok("set", k, "\u00e4")
        self.assertEqual(self.stored(k), (0, "\u00e4".encode()))
        self.ok("set", k, "5", dialect="python-memcached")
        self.ok("get", k, out=b"5")
        self.assertEqual(self.stored(k), (16, b"5"))
        self.ok("get", k, servers=MAIN.name + "?dialect=libmc", out=b"5")

    def test_every_form_in_every_dialect(self):
        k = self.key()
        for dialect in DIALECTS:
            for form, given, text, as_json in (
                    ("text", "gr\u00fc\u00df\n", "gr\u00fc\u00df\n", '"gr\u00fc\u00df\\n"'),
                    ("text", "", "", '""'), ("text", "5", "5", '"5"'),
                    ("int", "-42", "-42", "-42"), ("int", "0", "0", "0"),
                    ("int", "18446744073709551615", "18446744073709551615",
                     "18446744073709551615"),
                    ("float", "1.5", "1.5", "1.5"), ("float", "-1e300", "-1e+300", "-1e+300"),
                    ("bool", "true", "true", "true"), ("bool", "0", "false", "false"),
                    ("json", "null", "null", "null"), ("json", '"x"', "x", '"x"'),
                    ("json", ' {"a": [1, "b", null]} ', '{"a":[1,"b",null]}',
                     '{"a":[1,"b",null]}'),
                    ("msgpack", "[1, [2.5]]", "[1,[2.5]]", "[1,[2.5]]"),
                    ("bytes", "plain", "plain", '"plain"')):
                with self.subTest(dialect=dialect, form=form, given=given):
                    if form == "bool" and dialect in BOOLEANS_ARE_INTEGERS:
                        text = as_json = "1" if text == "true" else "0"
                    if (form, given, dialect) == ("json", '"x"', "native"):
                        text = '"x"'  # JSON it is, and JSON it stays
                    self.ok("set", k, given, "--as", form, dialect=dialect)
                    self.ok("get", k, dialect=dialect, out=text.encode())
                    self.ok("get", k, "--as", "text", dialect=dialect, out=text.encode())
                    ran = self.ok("get", k, "--as", "json", dialect=dialect, out=None)
                    self.assertEqual(json.loads(ran.out), json.loads(as_json))
                    self.assertEqual(ran.out, as_json.encode() + b"\n")

    def test_bytes_are_any_bytes(self):
        k = self.key()
        for dialect in DIALECTS:
            self.ok("set", k, "-", "--as", "bytes", dialect=dialect, stdin=ALL_BYTES)
            self.ok("get", k, dialect=dialect, out=ALL_BYTES)
            self.ok("get", k, "--as", "hex", dialect=dialect, out=ALL_BYTES.hex().encode() + b"\n")
            self.assert_ran(self.run_mcx("get", k, "--as", "json", dialect=dialect), 4, b"",
                            err="wrong_type")

    def test_as_alone_is_native_or_the_dialect_of_the_uri(self):
        k = self.key()
        self.ok("set", k, "42", "--as", "int")
        self.ok("get", k, "--as", "json", dialect="native", out=b"42\n")
        self.assertNotIn(self.stored(k)[0], (0, 2, 4))
        uri = MAIN.name + "?dialect=pylibmc"
        self.ok("set", k, "42", "--as", "int", servers=uri)
        self.assertEqual(self.stored(k), (4, b"42"))
        self.ok("get", k, "--as", "json", servers=uri, out=b"42\n")
        self.ok("set", k, "42", "--as", "int", servers=uri, dialect="pymemcache")  # which wins
        self.assertEqual(self.stored(k), (2, b"42"))

    def test_set_stores_text_unless_told_otherwise(self):
        k = self.key()
        self.ok("set", k, "5", dialect="pylibmc")
        self.assertEqual(self.stored(k), (16, b"5"))
        ran = self.run_mcx("set", k, b"\xff", dialect="pylibmc")
        self.assert_ran(ran, 2, b"", err="--as bytes")
        self.assertEqual(self.stored(k), (16, b"5"))

    def test_json_is_printed_on_one_line(self):
        k = self.key()
        given = '{\n "a b" : [ 1,\t"\\" \\\\",\r\n"c\\n d" ]\n}\n'
        printed = '{"a b":[1,"\\" \\\\","c\\n d"]}'
        self.ok("set", k, given, "--as", "json")
        for form in ("json", "text"):
            end = b"\n" if form == "json" else b""
            self.ok("get", k, "--as", form, dialect="native", out=printed.encode() + end)
        ran = self.ok("get", k, "--as", "json", "--json", out=None)
        self.assertEqual(ran.objects[0]["value"], json.loads(given))
        self.assertEqual(ran.objects[0]["kind"], "json")
        self.assertEqual(self.stored(k)[1], given.strip().encode())

    def test_msgpack_is_printed_byte_for_byte(self):
        k = self.key()
        for form, given, packed in (("int", "5", b"\x05"), ("text", "ab", b"\xa2ab"),
                                    ("json", "[true, null]", b"\x92\xc3\xc0"),
                                    ("msgpack", "[true, null]", b"\x92\xc3\xc0"),
                                    ("msgpack", "5", b"\x05"), ("bytes", "ab", b"\xc4\x02ab")):
            for dialect in ("native", "libmc", "pymemcache"):
                self.ok("set", k, given, "--as", form, dialect=dialect)
                self.ok("get", k, "--as", "msgpack", dialect=dialect, out=packed)
        self.ok("set", k, "[5]", "--as", "msgpack", dialect="gomemcached")
        self.assertEqual(self.stored(k), (1, b"\x91\x05"))

    def test_hex_shows_what_is_stored(self):
        k = self.key()
        for flags, value, dialect in ((1, b"N.", "python-memcached"), (32, b"N", "libmc"),
                                      (1, b"\x04\x080", "dalli"), (0, b"", "libmc")):
            self.raw(k, flags, value)
            self.ok("get", k, "--as", "hex", dialect=dialect, out=value.hex().encode() + b"\n")
        self.raw(k, 9, zlib.compress(b"I5\n."))
        self.ok("get", k, "--as", "hex", dialect="pylibmc", out=b"49350a2e\n")
        self.ok("get", k, "--as", "json", dialect="pylibmc", out=b"5\n")

    def test_integers_have_any_length(self):
        k = self.key()
        big = "-" + "1234567890" * 50
        for dialect in DIALECTS:
            ran = self.run_mcx("set", k, big, "--as", "int", dialect=dialect)
            if dialect == "gomemcached":
                self.assert_ran(ran, 4, b"", err="wrong_type")
                continue
            self.assert_ran(ran, 0, b"")
            self.ok("get", k, dialect=dialect, out=big.encode())
            self.ok("get", k, "--as", "json", dialect=dialect, out=big.encode() + b"\n")
            ran = self.ok("get", k, "--as", "json", "--json", dialect=dialect, out=None)
            self.assertEqual(ran.objects[0]["value"], int(big))
        for given, kept in (("007", b"7"), ("-0", b"0"), ("00", b"0"), (" 12\n", b"12")):
            self.ok("set", k, "-", "--as", "int", dialect="pylibmc", stdin=given.encode())
            self.assertEqual(self.stored(k), (4, kept))

    def test_counters_are_read_without_their_padding(self):
        k = self.key()
        self.ok("set", k, "10", "--as", "int", dialect="pylibmc")
        self.ok("decr", k, dialect="pylibmc", out=b"9\n")
        self.ok("get", k, out=b"9 ")
        self.ok("get", k, dialect="pylibmc", out=b"9")
        self.ok("get", k, "--as", "json", dialect="pylibmc", out=b"9\n")

    def test_other_verbs_take_bytes_as_they_are(self):
        k = self.key()
        self.ok("set", k, "b", dialect="pylibmc")
        self.ok("append", k, "c", dialect="pylibmc")
        self.ok("prepend", k, "a", dialect="pylibmc")
        self.assertEqual(self.stored(k), (16, b"abc"))
        self.ok("delete", k, dialect="pylibmc")
        self.assert_ran(self.run_mcx("get", k, dialect="pylibmc"), 1, b"")

    def test_conditional_stores(self):
        k = self.key()
        self.ok("add", k, "1", "--as", "int", dialect="pymemcache")
        self.assert_ran(self.run_mcx("add", k, "2", "--as", "int", dialect="pymemcache"), 1, b"",
                        err="not_stored")
        self.ok("replace", k, "[]", "--as", "json", dialect="pymemcache")
        found = self.ok("get", k, "--json", dialect="pymemcache", out=None).objects[0]
        self.ok("cas", k, "2.5", str(found["cas"]), "--as", "float", dialect="pymemcache")
        self.ok("get", k, dialect="pymemcache", out=b"2.5")
        self.assert_ran(self.run_mcx("cas", k, "3", str(found["cas"]), "--as", "int",
                                     dialect="pymemcache"), 1, b"", err="exists")

    def test_gat(self):
        k = self.key()
        self.ok("set", k, "true", "--as", "bool", dialect="libmc")
        self.ok("gat", k, "100", "--as", "json", dialect="libmc", out=b"true\n")
        found = self.ok("gat", k, "100", "--json", dialect="libmc", out=None).objects[0]
        self.assertEqual((found["kind"], found["value"], found["ttl"]), ("boolean", "true", 100))
        self.ok("gat", k, "-1", dialect="libmc", out=b"true")
        self.assert_ran(self.run_mcx("get", k, dialect="libmc"), 1, b"")


class TypedJson(Typed):
    def test_one_object_for_each_key(self):
        keys = [self.key(str(i)) for i in range(6)]
        for k, form, value in zip(keys, ("text", "int", "json", "bytes", "bool"),
                                  ("x", "5", '{"a":1}', "\u00e4", "1")):
            self.ok("set", k, value, "--as", form, dialect="pymemcache")
        ran = self.run_mcx("get", *keys, "--json", "--as", "json", dialect="pymemcache")
        self.assert_ran(ran, 1)
        self.assertEqual([o["key"] for o in ran.objects], keys)
        self.assertEqual([o.get("value") for o in ran.objects],
                         ["x", 5, {"a": 1}, "\u00e4", True, None])
        self.assertEqual([o.get("flags") for o in ran.objects], [16, 2, 1, 0, 1, None])
        self.assertEqual([o.get("kind") for o in ran.objects],
                         ["text", "integer", "msgpack", "bytes", "boolean", None])
        self.assertEqual(ran.objects[5]["error"], "miss")
        ran = self.run_mcx("get", *keys[:5], "--json", dialect="pymemcache")
        self.assertEqual([o["value"] for o in ran.objects], ["x", "5", '{"a":1}', "\u00e4", "true"])
        self.assertTrue(all(o["cas"] > 0 and o["ttl"] == -1 for o in ran.objects), ran)
        ran = self.run_mcx("get", *keys[:3], "--json", "--as", "msgpack", dialect="pymemcache")
        self.assertEqual([base64.b64decode(o["value_base64"]) for o in ran.objects],
                         [b"\xa1x", b"\x05", b"\x81\xa1a\x01"])
        ran = self.run_mcx("get", *keys[:3:2], "--json", "--as", "hex", dialect="pymemcache")
        self.assertEqual(ran.objects[0]["value"], "78")
        self.assertEqual(pickle.loads(bytes.fromhex(ran.objects[1]["value"])), {"a": 1})
        self.assertEqual([o["kind"] for o in ran.objects], ["text", "pickle"])
        self.assert_ran(self.run_mcx("get", *keys, dialect="pymemcache"), 2, b"", err="--json")

    def test_protocols_that_tell_no_ttl(self):
        k = self.key()
        self.ok("set", k, "5", "--as", "int", dialect="libmc")
        for protocol in ("classic", "binary", "meta"):
            for verb in (("get", k), ("gat", k, "0")):
                ran = self.ok("--protocol", protocol, *verb, "--json", dialect="libmc", out=None)
                found = ran.objects[0]
                self.assertEqual((found["kind"], found["value"], found["flags"]),
                                 ("integer", "5", 4))
                self.assertEqual(found["ttl"], -1 if protocol == "meta" else None)

    def test_errors_tell_the_item(self):
        k = self.key()
        self.raw(k, 77, b"\x01" * 100)
        ran = self.run_mcx("get", k, self.key("none"), "--json", dialect="libmc")
        self.assert_ran(ran, 4, err="unknown_flags")
        found, missed = ran.objects
        self.assertEqual((found["key"], found["error"], found["flags"], found["size"]),
                         (k, "unknown_flags", 77, 100))
        self.assertEqual(found["first_bytes_hex"], "01" * 64)
        self.assertEqual(missed["error"], "miss")
        self.assertNotIn("flags", missed)


class TypedMistakes(Typed):
    def test_unknown_flags_are_told_with_the_bytes(self):
        k = self.key()
        self.raw(k, 1 << 31, b"\x00\xffab")
        for dialect in DIALECTS:
            ran = self.run_mcx("get", k, dialect=dialect)
            self.assert_ran(ran, 4, b"", err="unknown_flags")
            self.assertIn(b"flags 2147483648, 4 bytes: 00ff6162", ran.err)
            self.assertIn(k.encode(), ran.err)
        self.raw(k, 1 << 31, os.urandom(5000))
        ran = self.run_mcx("get", k, dialect="native")
        self.assert_ran(ran, 4, b"", err="5000 bytes: ")
        self.assertLess(len(ran.err), 600)
        self.raw(k, 1 << 31, b"")
        self.assert_ran(self.run_mcx("get", k, dialect="native"), 4, b"", err="0 bytes\n")

    def test_damaged_values(self):
        k = self.key()
        packed = zlib.compress(b"x" * 1000)
        for dialect, flags, value in (
                ("pylibmc", 8, packed[:-1]), ("pylibmc", 8, b"no zlib"), ("pylibmc", 4, b"4x"),
                ("pylibmc", 1, b""), ("pymemcache", 1, b"\x80\x05]\x94("), ("pyermc", 8, b"\1\0\0"),
                ("libmc", 32, b"[\xff\xff\xff\x7f"), ("libmc", 8, b"yes"), ("libmc", 4096, b"x"),
                ("gomemcached", 1, b"\xc1"), ("dalli", 1, b"\x04\x09"), ("dalli", 4, b"\xff")):
            with self.subTest(dialect=dialect, flags=flags, value=value):
                self.raw(k, flags, value)
                ran = self.run_mcx("get", k, dialect=dialect)
                self.assert_ran(ran, 4, b"", err="corrupt_value")
                self.assertIn(f"flags {flags}".encode(), ran.err)

    def test_pickles_that_are_more_than_data(self):
        k = self.key()
        for pickled in (b"cos\nsystem\n(S'true'\ntR.", b"cbuiltins\nobject\n.",
                        pickle.dumps(Case), pickle.dumps([1, range(3)])):
            for dialect in ("python-memcached", "pymemcache", "pylibmc", "libmc", "pyermc",
                            "cmemcache"):
                self.raw(k, 1, pickled)
                self.assert_ran(self.run_mcx("get", k, dialect=dialect), 4, b"", err="wrong_type")
                self.ok("get", k, "--as", "hex", dialect=dialect,
                        out=pickled.hex().encode() + b"\n")

    def test_values_too_large_once_decompressed(self):
        k = self.key()
        self.raw(k, 8, zlib.compress(b"\0" * 2_000_000))
        ran = self.run_mcx("get", k, dialect="pylibmc",
                           servers=MAIN.name + "?max_decompressed=1000000")
        self.assert_ran(ran, 4, b"", err="value_too_large")
        self.assertIn(b"flags 8", ran.err)
        self.ok("get", k, dialect="pylibmc", out=b"\0" * 2_000_000)

    def test_wrong_names(self):
        ran = self.run_mcx("get", "k", dialect="pickle")
        self.assert_ran(ran, 2, b"", err='dialect "pickle"')
        for name in DIALECTS:
            self.assertIn(name.encode(), ran.err)
        for call, known in ((["get", "k"], b"text, json, msgpack, hex"),
                            (["gat", "k", "0"], b"text, json, msgpack, hex"),
                            (["set", "k", "v"], b"text, int, float, bool, json, msgpack, bytes")):
            for form in ("xml", "", "TEXT"):
                ran = self.run_mcx(*call, "--as", form)
                self.assert_ran(ran, 2, b"", err=f'--as "{form}"')
                self.assertIn(known, ran.err)
        self.assert_ran(self.run_mcx("get", "k", "--as", "int"), 2, b"", err="--as")
        self.assert_ran(self.run_mcx("append", "k", "v", "--as", "text"), 2, b"", err="--as")

    def test_operands_that_are_none(self):
        k = self.key()
        for form, values in (
                ("int", ("", "x", "1.5", "+1", "--", "-", "1 2", "0x10", "1e3", "\u0661")),
                ("float", ("", "x", "1.5x", "1,5", "1e999", "--1")),
                ("bool", ("", "yes", "True", "2", "on")), ("text", (b"\xff", b"\xed\xa0\x80")),
                ("json", ("", "{", "[1,]", "nul", "1 2", b'"\xff"', "[" * 10_000)),
                ("msgpack", ("", "{", "'a'"))):
            for value in values:
                with self.subTest(form=form, value=value[:20]):
                    given = value if isinstance(value, bytes) else value.encode()
                    ran = self.run_mcx("set", k, "-", "--as", form, dialect="libmc", stdin=given)
                    self.assert_ran(ran, 2, b"", err="invalid_argument")
                    self.assertIn(b"VALUE", ran.err)
        self.assert_ran(self.run_mcx("get", k, dialect="libmc"), 1, b"")

    def test_options_that_contradict(self):
        k = self.key()
        self.assert_ran(self.run_mcx("set", k, "v", "--flags", "3", dialect="libmc"), 2, b"",
                        err="--flags")
        self.assert_ran(self.run_mcx("set", k, "v", "--min-compress", "3"), 2, b"", err="--as")
        for bad in ("x", "-1", "", "1.5"):
            self.assert_ran(self.run_mcx("set", k, "v", "--min-compress", bad, dialect="libmc"), 2,
                            b"", err="--min-compress")
        self.assert_ran(self.run_mcx("get", k), 1, b"")

    def test_a_full_disk_weighs_more_than_a_value(self):
        k = self.key()
        self.ok("set", k, "5", "--as", "int", dialect="libmc")
        self.raw(self.key("odd"), 99, b"")
        with open("/dev/full", "wb") as full:
            ran = self.run_mcx("get", k, self.key("odd"), "--json", dialect="libmc", stdout=full)
            self.assertEqual(ran.code, 3, ran)
            self.assertIn(b"standard output", ran.err)


class Compression(Typed):
    flag = {"python-memcached": 8, "pyermc": 8, "pymemcache": 8, "pylibmc": 8, "libmc": 16,
            "dalli": 2}

    def test_what_is_longer_is_compressed(self):
        k = self.key()
        for dialect, flag in self.flag.items():
            for form in ("bytes", "text", "json"):
                value = json.dumps(COMPRESSED) if form == "json" else COMPRESSED
                self.ok("set", k, value, "--as", form, "--min-compress", "100", dialect=dialect)
                flags, stored = self.stored(k)
                self.assertEqual(flags & flag, flag)
                self.assertLess(len(stored), 300)
                self.ok("get", k, dialect=dialect, out=COMPRESSED.encode())

    def test_the_limit_is_strict_and_0_is_never(self):
        k = self.key()
        size = str(len(COMPRESSED))
        below = str(len(COMPRESSED) - 1)
        for limit, compressed in ((size, False), (below, True), ("0", False), (None, False)):
            options = ("--min-compress", limit) if limit else ()
            self.ok("set", k, COMPRESSED, *options, dialect="pylibmc")
            self.assertEqual(self.stored(k)[0], 24 if compressed else 16)

    def test_the_option_wins_over_the_uri(self):
        k = self.key()
        uri = MAIN.name + "?min_compress=10"
        for options, flags in (((), 24), (("--min-compress", "0"), 16),
                               (("--min-compress", "5000"), 16)):
            self.ok("set", k, COMPRESSED, *options, dialect="pylibmc", servers=uri)
            self.assertEqual(self.stored(k)[0], flags)

    def test_integers_and_noise_are_not(self):
        k = self.key()
        self.ok("set", k, "1" * 500, "--as", "int", "--min-compress", "10", dialect="pylibmc")
        self.assertEqual(self.stored(k), (4, b"1" * 500))
        noise = os.urandom(500)
        self.ok("set", k, "-", "--as", "bytes", "--min-compress", "10", dialect="pylibmc",
                stdin=noise)
        self.assertEqual(self.stored(k), (0, noise))

    def test_native_with_each_compressor(self):
        k = self.key()
        seen = set()
        for compressor in ("automatic", "lz4", "zlib", "zstd"):
            uri = MAIN.name + "?compressor=" + compressor
            self.ok("set", k, COMPRESSED, "--min-compress", "10", dialect="native", servers=uri)
            flags, stored = self.stored(k)
            self.assertLess(len(stored), 300)
            seen.add(flags)
            self.ok("get", k, dialect="native", out=COMPRESSED.encode())
        self.assertEqual(len(seen), 3)  # automatic is zstd
