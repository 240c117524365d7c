"""gomemcached: MessagePack, by the library that it uses (go/main.go says why not by itself). Run
through cross_test.py."""

import json
import os
import subprocess

import msgpack

from shared import NESTED, SAMPLES, CrossCase, Sample, same, speak

MSGPACK = 1

# What go/main.go calls a value, and what it is to mcx.
WRITTEN = {
    "text": "hello", "non_ascii": "gr\u00fc\u00dfe, \u20ac \U0001f600", "empty_text": "",
    "long_text": "abc" * 30000,
    "int": 42, "zero": 0, "negative": -7, "int8": -100, "int16": -30000, "int32": -2000000000,
    "int64": 2**63 - 1, "least_int64": -2**63, "small_int64": 5, "uint8": 200, "uint16": 60000,
    "uint32": 4000000000, "uint64": 2**64 - 1, "true": True, "false": False, "float": 1.5,
    "float32": 0.25, "large_float": 1e300, "none": None, "list": [1, "a", 2.5, None, True],
    "strings": ["a", "b"], "empty_list": [], "dict": {"a": 1}, "numbers": {"n": -5},
    "nested": {"a": [{"b": None}]}, "struct": {"Name": "Ada", "Tags": ["x", "y"], "Age": 36},
    "pointer": {"Name": "Ada", "Tags": None, "Age": 36}, "bytes": b"\0\1\xfe\xff",
    "long_list": [0] * 300, "raw": b"\0\1\xfe\xff",
}
# Go has written integers with the width of their type: of an int and int64, which mcx takes all to
# be, in nine bytes, but mcx does so only with those that stand alone.
OTHER_WIDTHS = {"int8", "int16", "int32", "uint8", "uint16", "uint32", "list", "dict", "numbers",
                "struct", "pointer", "long_list"}

TYPES = {str: "string", bool: "bool", float: "float64", bytes: "bytes"}


def go_values(how, lines=b""):
    ran = subprocess.run([os.environ["MEMCXX_GO_VALUES"], how], input=lines, capture_output=True,
                         check=True, timeout=20)
    return [line.split(" ", 2) for line in ran.stdout.decode().splitlines()]


class Gomemcached(CrossCase):
    dialect = "gomemcached"

    def go_reads(self, key, kind):
        flags, value = self.raw.get(key)
        (answer,) = go_values("read", f"k {kind} {flags} {value.hex()}\n".encode())
        self.assertNotEqual(answer[1], "error", answer)
        return json.loads(" ".join(answer[1:]))

    def test_mcx_reads_what_go_stored(self):
        written = go_values("write")
        self.assertEqual({name for name, _, _ in written}, set(WRITTEN))
        for name, flags, packed in written:
            with self.subTest(name):
                key = self.key(name)
                self.raw.set(key, int(flags), bytes.fromhex(packed))
                self.assert_mcx_reads(key, WRITTEN[name])

    def test_go_reads_what_mcx_stored(self):
        for sample in SAMPLES:
            if sample.name.startswith("big") or isinstance(sample.value, bytes):
                continue
            with self.subTest(sample):
                key = self.key(sample)
                self.store(key, sample)
                self.assertEqual(self.raw.get(key)[0], MSGPACK)
                whole = "uint64" if sample.name == "uint64" else "int"
                kind = whole if type(sample.value) is int else TYPES.get(type(sample.value), "any")
                got = self.go_reads(key, kind)
                if isinstance(sample.value, float):
                    self.assertEqual(float(got), sample.value)  # Go prints 2.0 as 2
                else:
                    self.assertTrue(same(got, sample.value), got)

    def test_go_reads_bytes_and_structs(self):
        key = self.key("k")
        self.store(key, Sample("bytes", bytes(range(256)), "bytes"))
        self.assertEqual(self.raw.get(key), (0, bytes(range(256))))
        self.assertEqual(len(self.go_reads(key, "bytes")), 4 * -(-256 // 3))  # base64
        user = {"Name": "Ada", "Tags": ["x", "y"], "Age": 36}
        self.store(key, Sample("user", user, "msgpack", json.dumps(user).encode()))
        self.assertEqual(self.go_reads(key, "user"), user)
        self.store(key, Sample("strings", ["a", "b"], "json"))
        self.assertEqual(self.go_reads(key, "strings"), ["a", "b"])

    def test_both_store_the_same_bytes(self):
        forms = {str: "text", bool: "bool", int: "int", float: "float", bytes: "bytes"}
        for name, flags, packed in go_values("write"):
            if name in ("bytes", "float32"):  # to mcx bytes are raw bytes, a number a double
                continue
            with self.subTest(name):
                value = WRITTEN[name]
                key = self.key(name)
                self.store(key, Sample(name, value, forms.get(type(value), "json")))
                our_flags, ours = self.raw.get(key)
                self.assertEqual(our_flags, int(flags))
                if name in OTHER_WIDTHS:
                    self.assertTrue(same(msgpack.unpackb(ours),
                                         msgpack.unpackb(bytes.fromhex(packed))))
                else:
                    self.assertEqual(ours.hex(), packed)

    def test_whole_documents(self):
        key = self.key("k")
        self.store(key, Sample("nested", NESTED, "json"))
        self.assertEqual(self.go_reads(key, "any"), NESTED)
        self.assert_mcx_reads(key, NESTED)
        self.assertEqual(msgpack.unpackb(self.read(key, "msgpack")), NESTED)

    def test_what_has_no_form(self):
        key = self.key("k")
        ran = speak("set", key, str(10**30), "--as", "int", dialect=self.dialect)
        self.assert_ran(ran, 4, b"", err="wrong_type")
        for flags in (2, 3, 8, 16, 1 << 31):
            self.raw.set(key, flags, b"\xa1a")
            self.assert_refused(key, "unknown_flags")
        for damaged in (b"", b"\xc1", b"\xa5a", b"\x91", b"\xdf\xff\xff\xff\xff", b"\xa1a\xa1a",
                        b"\x91" * 100000):
            self.raw.set(key, MSGPACK, damaged)
            self.assert_refused(key, "corrupt_value")
