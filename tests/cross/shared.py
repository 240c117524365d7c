"""What the cross tests share: runs of mcx, an item as it lies in the server, values to exchange.

Never here: what one client does.
"""

import json
import os
import random
import re
import socket
import subprocess
import sys
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, os.pardir, "cli"))

from support import Case, mcx  # of tests/cli  # pylint: disable=wrong-import-position

LIMIT = 200  # bytes: what is longer gets compressed, where a test compresses


def server():
    return os.environ["MEMCXX_SERVERS"]


def address():
    host, port = server().rsplit(":", 1)
    return host, int(port)


def speak(*args, dialect, stdin=b"", options=""):
    """One run of mcx in a dialect; `options` are those of a URI."""
    return mcx("--dialect", dialect, *args, stdin=stdin, servers=server() + options)


class Connection:
    """A server without a client between: flags and bytes."""

    def __init__(self):
        self.socket = socket.create_connection(address(), timeout=10)
        self.file = self.socket.makefile("rb")

    def get(self, key):
        """Flags and bytes; None for a miss."""
        self.socket.sendall(b"get %s\r\n" % key.encode())
        head = self.file.readline()
        if head == b"END\r\n":
            return None
        _, _, flags, size = head.split()
        value = self.file.read(int(size))
        assert self.file.read(7) == b"\r\nEND\r\n"
        return int(flags), value

    def set(self, key, flags, value):
        self.socket.sendall(b"set %s %d 0 %d\r\n%s\r\n" % (key.encode(), flags, len(value), value))
        answer = self.file.readline()
        assert answer == b"STORED\r\n", answer

    def delete(self, key):
        self.socket.sendall(b"delete %s\r\n" % key.encode())
        answer = self.file.readline()
        assert answer == b"DELETED\r\n", answer

    def keys(self):
        self.socket.sendall(b"lru_crawler metadump all\r\n")
        lines = iter(self.file.readline, b"END\r\n")
        return [urllib.parse.unquote(line.decode().split()[0].removeprefix("key="))
                for line in lines]

    def close(self):
        self.file.close()
        self.socket.close()


class Sample:
    """A value, and how mcx set is told of it."""

    def __init__(self, name, value, form, operand=None):
        self.name, self.value, self.form = name, value, form
        if operand is None:
            operand = {"bytes": lambda v: v, "text": str.encode, "int": lambda v: b"%d" % v,
                       "bool": lambda v: b"true" if v else b"false",
                       "float": lambda v: repr(v).encode(),
                       "json": lambda v: json.dumps(v, ensure_ascii=False).encode()}[form](value)
        self.operand = operand

    def __repr__(self):
        return self.name


# No string stands in one value twice: a client that has one object for both writes a reference.
NESTED = {"user": {"name": "Ada", "tags": ["x", "y"], "age": 36, "score": -0.5, "none": None},
          "on": True, "list": [[], {}, [1, [2, [3]]]], "\u20ac": "\u00fc"}

SAMPLES = [
    Sample("text", "hello", "text"),
    Sample("non_ascii", "gr\u00fc\u00dfe, \u20ac \U0001f600", "text"),
    Sample("odd_text", "a\n\0\r\n\x7f\t\"\\'", "text"),
    Sample("empty_text", "", "text"),
    Sample("digits_as_text", "42", "text"),
    Sample("zero", 0, "int"),
    Sample("int", 42, "int"),
    Sample("negative", -7, "int"),
    Sample("int32", 2**31, "int"),
    Sample("int64", 2**63 - 1, "int"),
    Sample("least_int64", -2**63, "int"),
    Sample("uint64", 2**64 - 1, "int"),
    Sample("big", 10**40 + 1, "int"),
    Sample("big_negative", -10**40, "int"),
    Sample("true", True, "bool"),
    Sample("false", False, "bool"),
    Sample("float", 1.5, "float"),
    Sample("whole_float", 2.0, "float"),
    Sample("tenth", -0.1, "float"),
    Sample("large_float", 1e300, "float"),
    Sample("least_float", 5e-324, "float"),
    Sample("none", None, "json"),
    Sample("list", [1, "a", 2.5, None, True, -300, 70000, 2**40], "json"),
    Sample("empty_list", [], "json"),
    Sample("dict", {"a": 1}, "json"),
    Sample("empty_dict", {}, "json"),
    Sample("nested", NESTED, "json"),
    Sample("uint64_in_list", [2**64 - 1, -2**63], "json"),
    Sample("all_bytes", bytes(range(256)), "bytes"),
    Sample("empty_bytes", b"", "bytes"),
    Sample("long_list", list(range(300)), "json"),
]

# The clients of Python exchange it. mcx writes it, and refuses to read it: what it reads into has no
# integers of more than 64 bits within a list.
BEYOND_MSGPACK = Sample("big_in_list", [10**30, -10**30], "json")

# Around the limit from which on values are compressed, by their length as bytes.
AROUND_LIMIT = [
    Sample("bytes_below", b"ab" * (LIMIT // 2 - 1), "bytes"),
    Sample("bytes_at", b"ab" * (LIMIT // 2), "bytes"),
    Sample("bytes_above", b"ab" * (LIMIT // 2) + b"c", "bytes"),
    Sample("text_below", "abc" * 20, "text"),
    Sample("text_above", "gr\u00fc\u00dfe " * 100, "text"),
    Sample("long_text", "".join(f"line {i}\n" for i in range(5000)), "text"),
    Sample("list_above", [f"element {i}" for i in range(100)], "json"),
    Sample("random_bytes", random.Random(1).randbytes(1000), "bytes"),
]


def same(left, right):
    """Equal in value and in every type within."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    return left == right


def zlib_of(maps):
    return sorted({os.path.realpath(p) for p in re.findall(r"(/\S*libz\.so\S*)", maps)})


def shares_zlib():
    """Whether mcx compresses with the very library that Python does."""
    import zlib  # loads it
    assert zlib.compress(b"")
    with open("/proc/self/maps", encoding="ascii") as maps:
        ours = zlib_of(maps.read())
    theirs = zlib_of(subprocess.run(["ldd", os.environ["MCX"]], capture_output=True, text=True,
                                    check=True, timeout=10).stdout)
    return len(theirs) == 1 and ours == theirs


class CrossCase(Case):
    """Keys of its own, and a connection without a client between."""

    dialect = ""

    def setUp(self):
        self.raw = Connection()
        self.addCleanup(self.raw.close)

    def key(self, name):
        return f"{type(self).__name__}:{self.id().rsplit('.', 1)[1]}:{name}"

    def read(self, key, form, options=""):
        ran = speak("get", key, "--as", form, dialect=self.dialect, options=options)
        self.assert_ran(ran, 0)
        return ran.out

    def assert_mcx_reads(self, key, value, options=""):
        """By its bytes when it is bytes, else by JSON, where types show: 1, 1.0, true and "1"."""
        if isinstance(value, bytes):
            self.assertEqual(self.read(key, "text", options), value)
            ran = speak("get", key, "--json", dialect=self.dialect, options=options)
            self.assertEqual(ran.objects[0]["kind"], "bytes")
        else:
            got = json.loads(self.read(key, "json", options))
            self.assertTrue(same(got, json.loads(json.dumps(value))), got)
        if isinstance(value, str):
            self.assertEqual(self.read(key, "text", options), value.encode())

    def store(self, key, sample, *options, uri=""):
        ran = speak("set", key, "-", "--as", sample.form, *options, dialect=self.dialect,
                    stdin=sample.operand, options=uri)
        self.assert_ran(ran, 0, b"")

    def assert_refused(self, key, code="wrong_type", forms=("text", "json", "msgpack")):
        """Answered with a typed error, and nothing else happened."""
        for form in forms:
            ran = speak("get", key, "--as", form, dialect=self.dialect)
            self.assert_ran(ran, 4, b"", err=code)
