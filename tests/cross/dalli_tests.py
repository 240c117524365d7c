"""dalli, the real one: Ruby's Marshal. Run through cross_test.py."""

import json
import os
import subprocess
import zlib

from shared import HERE, LIMIT, SAMPLES, CrossCase, Sample, same, server, shares_zlib, speak

MARSHAL, ZLIB = 1, 2
DALLI_COMPRESSES_FROM = 4096  # bytes, those included

# What dalli.rb calls a value, and what it is to mcx.
PLAIN = {s.name: s.value for s in SAMPLES}
PLAIN = {name: PLAIN[name] for name in (
    "text", "non_ascii", "empty_text", "all_bytes", "empty_bytes", "zero", "int", "negative",
    "int64", "least_int64", "uint64", "big", "big_negative", "true", "false", "float",
    "whole_float", "tenth", "large_float", "least_float", "none", "list", "empty_list", "dict",
    "empty_dict", "long_list")} | {
        "int_122": 122, "int_123": 123, "int_255": 255, "int_256": 256, "int_minus_123": -123,
        "int_minus_124": -124, "int_minus_256": -256, "int_minus_257": -257, "int30": 2**30 - 1,
        "over_int30": 2**30, "least_int30": -2**30, "under_int30": -2**30 - 1,
        "nested": {"a": [{"b": None}, [[]]], "c": {"d": "e"}}, "long_text": "abc" * 30_000}
# These exist in Ruby only; mcx reads them, and would write something else.
RUBYS = {"ascii": "plain", "symbol": "name", "twice": ["same", "same"],
         "symbols": {"name": "Ada", "kind": "user", "other": {"kind": "user"}}}
OBJECTS = {"point", "struct", "time", "class", "regexp", "range"}
CLASSES = {str: "String", bytes: "String", float: "Float", type(None): "NilClass", list: "Array",
           dict: "Hash", int: "Integer"}


def form_of(value):
    forms = {str: "text", bytes: "bytes", bool: "bool", int: "int", float: "float"}
    return forms.get(type(value), "json")


class Dalli(CrossCase):
    dialect = "dalli"

    def dalli(self, prefix, what, names=()):
        ran = subprocess.run(["ruby", os.path.join(HERE, "dalli.rb"), server(), prefix, what],
                             input="\n".join(names).encode(), capture_output=True, timeout=30,
                             check=False)
        self.assertEqual((ran.returncode, ran.stderr), (0, b""))
        return ran.stdout.decode().splitlines()

    def limited(self):
        return ("--min-compress", str(DALLI_COMPRESSES_FROM - 1))

    def test_mcx_reads_what_dalli_stored(self):
        prefix = self.key("")
        names = set(self.dalli(prefix, "store"))
        self.assertEqual(names, set(PLAIN) | set(RUBYS) | OBJECTS)
        for name, value in (PLAIN | RUBYS).items():
            with self.subTest(name):
                self.assert_mcx_reads(prefix + name, value)
        for name in OBJECTS:
            with self.subTest(name):
                self.assert_refused(prefix + name)
                flags, stored = self.raw.get(prefix + name)
                self.assertEqual(flags, MARSHAL)
                self.assertEqual(self.read(prefix + name, "hex"), stored.hex().encode() + b"\n")
        self.assertEqual(self.raw.get(prefix + "raw"), (0, b"raw bytes"))
        self.assert_mcx_reads(prefix + "raw", b"raw bytes")

    def test_dalli_reads_what_mcx_stored(self):
        prefix = self.key("")
        for name, value in PLAIN.items():
            self.store(prefix + name, Sample(name, value, form_of(value)), *self.limited())
        for line in self.dalli(prefix, "read", PLAIN):
            got = json.loads(line)
            value = PLAIN[got["name"]]
            with self.subTest(got["name"]):
                if isinstance(value, bool):
                    self.assertEqual(got["class"], "TrueClass" if value else "FalseClass")
                else:
                    self.assertEqual(got["class"], CLASSES[type(value)])
                if isinstance(value, str):
                    self.assertEqual(got["encoding"], "UTF-8")
                if isinstance(value, bytes):
                    if value:  # of an empty item dalli makes a literal, whatever it held
                        self.assertEqual(got["encoding"], "ASCII-8BIT")
                    value = value.hex()
                self.assertTrue(same(got["value"], value), got)

    def test_both_store_the_same_flags_and_bytes(self):
        prefix = self.key("")
        self.dalli(prefix, "store")
        for name, value in PLAIN.items():
            with self.subTest(name):
                flags, theirs = self.raw.get(prefix + name)
                if isinstance(value, bytes):  # which mcx stores raw, and every dalli reads
                    flags, theirs = 0, value
                self.store(prefix + name, Sample(name, value, form_of(value)), *self.limited())
                our_flags, ours = self.raw.get(prefix + name)
                self.assertEqual(our_flags, flags)
                if flags & ZLIB and not shares_zlib():  # Ruby's is the system's, too
                    self.assertEqual(zlib.decompress(ours), zlib.decompress(theirs))
                else:
                    self.assertEqual(ours, theirs)

    def test_damaged_values(self):
        key = self.key("k")
        for damaged in (b"", b"\x04", b"\x04\x09i\x00", b"\x04\x08", b"\x04\x08[", b"\x04\x08[\x06",
                        b"\x04\x08\"\x7fa", b"\x04\x08@\x06", b"\x04\x08;\x00", b"\x04\x08i\x06i",
                        b"\x04\x08" + b"[\x06" * 100_000 + b"0"):
            self.raw.set(key, MARSHAL, damaged)
            self.assert_refused(key, "corrupt_value")
            self.raw.set(key, MARSHAL | ZLIB, zlib.compress(damaged))
            self.assert_refused(key, "corrupt_value", forms=("text",))
        self.raw.set(key, MARSHAL | ZLIB, zlib.compress(b"\x04\x08i\x06" * LIMIT)[:-9])
        self.assert_refused(key, "corrupt_value")

    def test_counters(self):
        key = self.key("k")
        self.raw.set(key, 0, b"10")  # as dalli does with raw: true
        self.assert_ran(speak("decr", key, dialect=self.dialect), 0, b"9\n")
        self.assertEqual(self.read(key, "text"), b"9 ")
