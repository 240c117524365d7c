"""python-memcached, pymemcache, pylibmc and libmc, the real ones. Run through cross_test.py."""

import datetime
import decimal
import os
import pickle
import random
import tempfile
import zlib

import libmc
import memcache
import msgpack
import pylibmc
from pymemcache import serde
from pymemcache.client.base import Client as PymemcacheClient

from shared import AROUND_LIMIT, BEYOND_MSGPACK, LIMIT, SAMPLES, CrossCase, Sample, address, same
from shared import server, shares_zlib, speak

NOTHING = object()


class Point:
    """A user's class."""

    def __init__(self):
        self.x = 1


class RunsCode:
    """Its pickle asks whoever reads it to run a command."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


class PythonClient:
    """What every client is held to; a subclass for each."""

    compressed_flag = 8
    compresses = True

    def library_set(self, key, value, compress=False):
        raise NotImplementedError

    def library_get(self, key):
        raise NotImplementedError

    def read_back(self, sample):
        """What anybody reads of what the library stored."""
        return sample.value

    def around_limit(self):
        return AROUND_LIMIT if self.compresses else []

    def limited(self):
        return ("--min-compress", str(LIMIT))

    def test_mcx_reads_what_the_library_stored(self):
        for sample in SAMPLES:
            with self.subTest(sample):
                key = self.key(sample)
                self.library_set(key, sample.value)
                self.assert_mcx_reads(key, self.read_back(sample))
        for sample in self.around_limit():
            with self.subTest(sample, compress=True):
                key = self.key(sample)
                self.library_set(key, sample.value, compress=True)
                self.assert_mcx_reads(key, sample.value)

    def test_the_library_reads_what_mcx_stored(self):
        for sample in (*SAMPLES, BEYOND_MSGPACK):
            with self.subTest(sample):
                key = self.key(sample)
                self.store(key, sample)
                got = self.library_get(key)
                self.assertTrue(same(got, self.read_back(sample)), got)
        for sample in self.around_limit():
            with self.subTest(sample, compress=True):
                key = self.key(sample)
                self.store(key, sample, *self.limited())
                got = self.library_get(key)
                self.assertTrue(same(got, sample.value), got)

    def test_both_store_the_same_flags_and_bytes(self):
        for sample in (*SAMPLES, BEYOND_MSGPACK):
            with self.subTest(sample):
                key = self.key(sample)
                self.library_set(key, sample.value)
                theirs = self.raw.get(key)
                self.store(key, sample)
                self.assertEqual(self.raw.get(key), theirs)

    def test_both_store_the_same_compressed(self):
        told = set()
        for sample in self.around_limit():
            with self.subTest(sample):
                key = self.key(sample)
                self.library_set(key, sample.value, compress=True)
                flags, theirs = self.raw.get(key)
                self.store(key, sample, *self.limited())
                our_flags, ours = self.raw.get(key)
                self.assertEqual(our_flags, flags)
                if shares_zlib() or not flags & self.compressed_flag:
                    self.assertEqual(ours, theirs)
                    told.add("byte for byte")
                else:
                    self.assertEqual(zlib.decompress(ours), zlib.decompress(theirs))
                    told.add("once decompressed")
        if told:
            print(f"\n{type(self).__name__}: compressed values are the same "
                  f"{' and '.join(sorted(told))}", flush=True)

    def test_values_that_json_cannot_hold(self):
        for value in ({1: "a", None: "b"}, [b"\xff", "x"], ("a", (1, 2)), {"k": b"\0"}):
            with self.subTest(value):
                key = self.key("k")
                self.library_set(key, value)
                got = msgpack.unpackb(self.read(key, "msgpack"), strict_map_key=False)
                self.assertEqual(got, msgpack.unpackb(msgpack.packb(value), strict_map_key=False))

    def test_integers_that_only_stand_alone(self):
        key = self.key("k")
        self.library_set(key, BEYOND_MSGPACK.value)
        self.assert_refused(key)

    def test_numbers_that_count(self):
        key = self.key("k")
        self.library_set(key, 10)
        self.assert_ran(speak("decr", key, dialect=self.dialect), 0, b"9\n")
        self.assert_mcx_reads(key, 9)  # the server pads it to "9 "
        self.store(key, Sample("n", 41, "int"))
        self.assert_ran(speak("incr", key, dialect=self.dialect), 0, b"42\n")
        self.assertEqual(self.library_get(key), 42)

    def test_classes_are_refused(self):
        for value in (Point(), datetime.datetime(2020, 1, 1), decimal.Decimal("1.5"), Point,
                      [Point()], {"a": datetime.date(2020, 1, 1)}):
            with self.subTest(value):
                key = self.key("k")
                self.library_set(key, value)
                self.assert_refused(key)
                flags, stored = self.raw.get(key)  # which hex shows as it is
                self.assertEqual(flags, 1)
                self.assertEqual(self.read(key, "hex"), stored.hex().encode() + b"\n")

    def test_what_runs_code_is_not_run(self):
        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, "ran")
            evil = RunsCode(f"touch {trace}")
            key = self.key("k")
            self.library_set(key, evil)
            self.assert_refused(key)
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                for value in (evil, [1, evil], {"a": evil}, {evil: 1}):
                    self.raw.set(key, 1, pickle.dumps(value, protocol))
                    self.assert_refused(key)
                    self.read(key, "hex")
                    self.raw.set(key, 1 | self.compressed_flag,
                                 zlib.compress(pickle.dumps(value, protocol)))
                    self.assert_refused(key, forms=("text",))
            self.assertFalse(os.path.exists(trace))
            pickle.loads(pickle.dumps(evil))  # it would have
            self.assertTrue(os.path.exists(trace))

    def test_sets_and_complex_numbers_do_no_harm(self):
        for value in ({1, 2}, frozenset("ab"), 1j, range(3), slice(1), Ellipsis, bytearray(b"x"),
                      float("inf"), float("-inf")):
            with self.subTest(value):
                key = self.key("k")
                try:
                    self.library_set(key, value)
                except (TypeError, ValueError):  # slices have no pickle everywhere
                    continue
                ran = speak("get", key, dialect=self.dialect)
                self.assertIn(ran.code, (0, 4), ran)


class PythonMemcached(PythonClient, CrossCase):
    dialect = "python-memcached"

    @classmethod
    def setUpClass(cls):
        cls.client = memcache.Client([server()])
        cls.addClassCleanup(cls.client.disconnect_all)

    def library_set(self, key, value, compress=False):
        self.assertTrue(self.client.set(key, value, min_compress_len=LIMIT if compress else 0))

    def library_get(self, key):
        return self.client.get(key, NOTHING)


class PymemcachePickle(PythonClient, CrossCase):
    dialect = "pymemcache"
    compresses = False
    serde = serde.pickle_serde

    @classmethod
    def setUpClass(cls):
        cls.client = PymemcacheClient(address(), serde=cls.serde)
        cls.addClassCleanup(cls.client.close)

    def library_set(self, key, value, compress=False):
        self.assertTrue(self.client.set(key, value, noreply=False))

    def library_get(self, key):
        return self.client.get(key, NOTHING)


class PymemcacheCompressed(PymemcachePickle):
    compresses = True
    serde = serde.CompressedSerde(min_compress_len=LIMIT)

    def store(self, key, sample, *options, uri=""):
        super().store(key, sample, *(options or self.limited()), uri=uri)


class Pylibmc(PythonClient, CrossCase):
    dialect = "pylibmc"

    @classmethod
    def setUpClass(cls):
        cls.client = pylibmc.Client([server()])
        cls.addClassCleanup(cls.client.disconnect_all)

    def library_set(self, key, value, compress=False):
        self.assertTrue(self.client.set(key, value, min_compress_len=LIMIT if compress else 0))

    def library_get(self, key):
        return self.client.get(key, NOTHING)

    def read_back(self, sample):
        return int(sample.value) if isinstance(sample.value, bool) else sample.value

    def limited(self):
        return ("--min-compress", str(LIMIT - 1))  # it compresses from its limit on


class Libmc(PythonClient, CrossCase):
    dialect = "libmc"
    compressed_flag = 16

    @classmethod
    def setUpClass(cls):
        cls.plain = libmc.Client([server()])
        cls.compressing = libmc.Client([server()], comp_threshold=LIMIT)
        cls.addClassCleanup(cls.plain.quit)
        cls.addClassCleanup(cls.compressing.quit)

    def library_set(self, key, value, compress=False):
        self.assertTrue((self.compressing if compress else self.plain).set(key, value))

    def library_get(self, key):
        return self.plain.get_multi([key]).get(key, NOTHING)

    def around_limit(self):
        """Without noise, which libmc stores compressed though it becomes longer, and mcx as it is."""
        return [s for s in AROUND_LIMIT if s.name != "random_bytes"]

    def test_noise(self):
        noise = next(s for s in AROUND_LIMIT if s.name == "random_bytes")
        key = self.key("k")
        self.library_set(key, noise.value, compress=True)
        self.assertEqual(self.raw.get(key)[0], self.compressed_flag)
        self.assert_mcx_reads(key, noise.value)
        self.store(key, noise, *self.limited())
        self.assertEqual(self.raw.get(key), (0, noise.value))
        self.assertEqual(self.library_get(key), noise.value)

    def test_values_in_pieces(self):
        client = libmc.Client([server()], do_split=True)
        self.addCleanup(client.quit)
        for sample in (Sample("bytes", random.Random(2).randbytes(2_500_000), "bytes"),
                       Sample("text", "gr\u00fc\u00dfe " * 200_000, "text")):
            with self.subTest(sample):
                key = self.key(sample)
                self.assertTrue(client.set(key, sample.value))
                theirs = {k: self.raw.get(k) for k in self.raw.keys() if key in k}
                self.assertGreater(len(theirs), 2)
                self.assertTrue(theirs[key][0] & 4096, theirs[key])
                self.assertEqual(self.read(key, "text"), sample.operand)

                for k in theirs:
                    self.raw.delete(k)
                self.store(key, sample, uri="?split_over=1000000")
                self.assertEqual({k: self.raw.get(k) for k in theirs}, theirs)
                self.assertEqual(client.get(key), sample.value)

                missing = next(k for k in theirs if k != key)
                self.raw.delete(missing)
                self.assertEqual(speak("get", key, dialect=self.dialect).code, 1)
