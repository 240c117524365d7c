"""pyermc and cmemcache, which need Python 2: stand-ins that write what those write. Run through
cross_test.py.

Both mark bytes (Python 2's str) with 0, int and bool with 2, long with 4, and pickle the rest,
unicode text included. pyermc compresses with lz4, the size as 32 bits in front of one block.
"""

import json
import os
import pickle
import struct
import tempfile

import lz4.block

from shared import AROUND_LIMIT, BEYOND_MSGPACK, LIMIT, SAMPLES, CrossCase, Sample, same, speak

PICKLE, INTEGER, LONG, LZ4 = 1, 2, 4, 8
LARGEST_INT = 2**63 - 1  # Python 2's int; above it is long


def lz4_framed(value):
    framed = struct.pack("<I", len(value)) + lz4.block.compress(value, store_size=False)
    assert framed == lz4.block.compress(value, store_size=True)
    return framed


def write(value, protocol=2):
    """Flags and bytes before compression."""
    if isinstance(value, bytes):
        return 0, value
    if isinstance(value, int):
        is_long = not -LARGEST_INT - 1 <= value <= LARGEST_INT
        return (LONG if is_long else INTEGER), b"%d" % value
    return PICKLE, pickle.dumps(value, protocol)


def compressed(flags, value):
    """As pyermc does with a min_compress_len of LIMIT."""
    if len(value) > LIMIT and not flags & INTEGER:
        framed = lz4_framed(value)
        if len(framed) < len(value):
            return flags | LZ4, framed
    return flags, value


def read(flags, value):
    if flags & LZ4:
        value = lz4.block.decompress(value)
        flags &= ~LZ4
    if flags == 0:
        return value
    assert flags in (PICKLE, INTEGER, LONG), flags
    return pickle.loads(value) if flags == PICKLE else int(value)


class Python2Client:
    """What both are held to."""

    def test_mcx_reads_what_is_stored(self):
        for sample in SAMPLES:
            with self.subTest(sample):
                key = self.key(sample)
                for protocol in (0, 1, 2):
                    self.raw.set(key, *write(sample.value, protocol))
                    value = sample.value
                    if isinstance(value, bool):
                        value = int(value)  # 2, decimal: nothing tells it from a number
                    self.assert_mcx_reads(key, value)
        self.raw.set(key, *write(BEYOND_MSGPACK.value))
        self.assert_refused(key)

    def test_what_mcx_stores_can_be_read(self):
        for sample in (*SAMPLES, BEYOND_MSGPACK):
            with self.subTest(sample):
                key = self.key(sample)
                self.store(key, sample)
                flags, value = self.raw.get(key)
                self.assertEqual(flags, write(sample.value)[0])
                if flags & PICKLE:
                    self.assertEqual(value[:2], b"\x80\x02")  # the newest that Python 2 reads
                got = read(flags, value)
                if isinstance(sample.value, bool):
                    self.assertEqual((flags, value), (INTEGER, b"%d" % sample.value))
                else:
                    self.assertTrue(same(got, sample.value), got)

    def test_pickles_as_python_2_writes_them(self):
        # With its str, which is bytes, its long, and memo numbers of cPickle, which begin at 1.
        for pickled, value in ((b"\x80\x02X\x05\x00\x00\x00helloq\x01.", "hello"),
                               (b"Vgr\xfc\\u20ac\np1\n.", "gr\u00fc\u20ac"),
                               (b"(lp1\nS'a'\np2\naI5\naL7L\naF1.5\naNaI01\na.",
                                ["a", 5, 7, 1.5, None, True]),
                               (b"\x80\x02]q\x01(U\x01aK\x05\x8a\x01\x07G?\xf8\x00\x00\x00\x00\x00"
                                b"\x00N\x88e.", ["a", 5, 7, 1.5, None, True]),
                               (b"(dp1\nS'it\\'s \\x41'\np2\n(I1\nI2\ntp3\ns.",
                                {"it's A": [1, 2]}),
                               (b"\x80\x02}q\x01U\x01aq\x02]q\x03(h\x02h\x02es.", {"a": ["a", "a"]}),
                               (b"F-0.10000000000000001\n.", -0.1)):
            with self.subTest(pickled):
                key = self.key("k")
                self.raw.set(key, PICKLE, pickled)
                got = json.loads(self.read(key, "json"))
                self.assertTrue(same(got, value), got)

    def test_what_runs_code_is_not_run(self):
        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, "ran")
            command = f"touch {trace}".encode()
            key = self.key("k")
            for pickled in (b"cos\nsystem\n(S'" + command + b"'\ntR.",
                            b"(S'" + command + b"'\nios\nsystem\n.",
                            b"\x80\x02cposix\nsystem\nq\x01U" + bytes([len(command)]) + command +
                            b"\x85R."):
                self.raw.set(key, PICKLE, pickled)
                self.assert_refused(key)
                self.assertEqual(self.read(key, "hex"), pickled.hex().encode() + b"\n")
            self.assertFalse(os.path.exists(trace))

    def test_flags_of_others(self):
        for flags in (16, 32, 256, 1 << 31, 3, 6):
            key = self.key("k")
            self.raw.set(key, flags, b"raw bytes")
            ran = speak("get", key, dialect=self.dialect)
            self.assert_ran(ran, 4, b"", err="unknown_flags")
            self.assertIn(f"flags {flags}".encode(), ran.err)
            self.assertIn(b"raw bytes".hex().encode(), ran.err)


class Cmemcache(Python2Client, CrossCase):
    dialect = "cmemcache"


class Pyermc(Python2Client, CrossCase):
    dialect = "pyermc"

    def test_compressed_values(self):
        for sample in (*AROUND_LIMIT, Sample("long", 10**500, "int")):
            with self.subTest(sample):
                key = self.key(sample)
                self.raw.set(key, *compressed(*write(sample.value)))
                self.assert_mcx_reads(key, sample.value)

                self.store(key, sample, "--min-compress", str(LIMIT))
                flags, value = self.raw.get(key)
                if sample.form != "int":  # which memcxx never compresses
                    self.assertEqual(flags, compressed(*write(sample.value))[0])
                self.assertTrue(same(read(flags, value), sample.value))

    def test_damaged_blocks(self):
        good = lz4_framed(b"abc" * 1000)
        for bad in (b"", b"\x01", good[:-1], good[:3], good[4:], b"\xff\xff\xff\xff" + good[4:],
                    struct.pack("<I", 2999) + good[4:], struct.pack("<I", 3001) + good[4:]):
            key = self.key("k")
            self.raw.set(key, LZ4, bad)
            ran = speak("get", key, dialect=self.dialect)
            self.assertIn((ran.code, ran.out), ((4, b""), (2, b"")), ran)
