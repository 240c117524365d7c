#!/usr/bin/env python3
# coding: utf-8
"""Makes tests/codec/golden/marshal.txt: what Python's marshal writes, and what that is to memcxx.

Usage: values_marshal.py PYTHON...   (default: the one that runs this; the committed file is of
2.7, 3.6, 3.11 and 3.13)

Each line is VERSION/FORMAT BYTES SIGN NODES. BYTES are hex; SIGN is "=" when memcxx writes the same
bytes for the nodes, "<" when it only reads them; "!" when they are no data to it, and "^" when they
are over its limits, and then NODES is "-". NODES: n, T, F, i followed by a decimal, f by the
double's bits, t or b by the bytes of a text or of bytes, [node,...], {key:value,...}.
"""

import binascii
import marshal
import os
import struct
import subprocess
import sys

PYTHON_2 = sys.version_info[0] == 2
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "codec",
                   "golden", "marshal.txt")
TEXT, BYTES = type(u""), type(b"")
INTEGERS = (int, type(2**70))


def raw(*values):
    """Bytes that no Python keeps one copy of for all."""
    return bytes(bytearray(values))


def name(text):
    """The text as Python holds the names of variables: one copy of each."""
    return intern(text.encode()) if PYTHON_2 else sys.intern(text)  # noqa: F821


NAMES = [name(u"first_name"), name(u"second_name")]


def values():
    """Values, and whether version 2 of them is what memcxx writes."""
    for v in (None, True, False):
        yield v, True
    for bits in (0, 1, 7, 14, 15, 16, 29, 30, 31, 32, 45, 60, 62, 63, 64, 65, 119, 120, 500):
        for v in (2**bits - 1, 2**bits, 2**bits + 1):
            yield int(v), not PYTHON_2
            yield -int(v), not PYTHON_2
    yield 10**4300 - 1, not PYTHON_2
    yield 10**4300, "too long"
    for v in (0.0, -0.0, 1.5, 0.1, -1e300, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308,
              float("inf"), -float("inf"), float("nan"), 1e16, 123456789.125):
        yield v, True
    for v in (u"", u"a", u"ascii text", u"h\xe9", u"\u65e5\u672c", u"\U0001f600", u"nul\x00nul",
              u"x" * 255, u"x" * 256, u"\xe9" * 300):
        yield v, True
    yield raw(0, 255), True
    yield raw(*range(256)), True
    yield raw(*(i % 251 for i in range(300))), True
    yield [], True
    yield {}, True
    yield [[[], [[]]], {u"deep": {u"deeper": [None]}}], True
    yield [1, -1, 2**40, 2.5, None, True, u"text", raw(1, 2, 3)], not PYTHON_2
    yield {u"one": 1, u"two": [2.0, u"zwei"], 3: None, None: True, 2.5: False}, not PYTHON_2
    yield (), False
    yield (1, (2, u"three"), [4]), False
    yield tuple(range(300)), False
    yield {(1, 2): u"tuples are keys", (3, (4, u"five")): 6}, not PYTHON_2
    yield set(), False
    yield frozenset([7]), False
    yield [set([u"one"]), frozenset()], False
    yield NAMES[0], False
    yield {NAMES[0]: NAMES[1], NAMES[1]: [NAMES[0], NAMES[0]]}, False
    shared = [u"shared \xe9", raw(9, 9, 9), 2**80, 0.25]
    yield [shared, shared, (shared, {u"again": shared}), shared[0], shared[2]], False
    loop = []
    loop.append(loop)
    if not PYTHON_2:
        yield loop, None
    yield 1j, None
    yield [1, Ellipsis], None
    yield {u"code": compile("1", "", "eval")}, None
    if not PYTHON_2:
        yield u"\ud800", None


def hexed(octets):
    return binascii.hexlify(octets).decode()


def is_name(octets):
    # Python 2 keeps one copy of these, too.
    return len(octets) < 2 or any(octets is n for n in NAMES)


def nodes(v, form):
    if v is None:
        return "n"
    if v is True or v is False:
        return "T" if v else "F"
    if isinstance(v, INTEGERS):
        return "i%d" % v
    if isinstance(v, float):
        # As text, a nan has no sign.
        return "f" + ("7ff8" + "0" * 12 if v != v and form < 2 else hexed(struct.pack(">d", v)))
    if isinstance(v, TEXT):
        return "t" + hexed(v.encode("utf-8"))
    if isinstance(v, BYTES):
        return ("t" if PYTHON_2 and form > 0 and is_name(v) else "b") + hexed(v)
    if isinstance(v, dict):
        return "{%s}" % ",".join(nodes(k, form) + ":" + nodes(x, form) for k, x in v.items())
    return "[%s]" % ",".join(nodes(x, form) for x in v)


def print_vectors():
    version = "%d.%d" % sys.version_info[:2]
    for form in range(marshal.version + 1):
        for v, same in values():
            try:
                octets = marshal.dumps(v, form)
            except ValueError:  # loops, before references
                continue
            sign = "=" if same and form == 2 else "<"
            sign = {None: "!", "too long": "^"}.get(same, sign)
            print("%s/%d %s %s %s" % (version, form, hexed(octets), sign,
                                      "-" if sign in "!^" else nodes(v, form)))


def main():
    if sys.argv[1:] == ["--print"]:
        return print_vectors()
    known, lines = set(), []
    for python in sys.argv[1:] or [sys.executable]:
        printed = subprocess.run([python, __file__, "--print"], check=True, timeout=600,
                                 stdout=subprocess.PIPE).stdout.decode()
        for line in printed.splitlines():
            what = line.split(" ", 1)[1]
            if what not in known:  # most versions write most values alike
                known.add(what)
                lines.append(line + "\n")
    with open(OUT, "w") as out:
        out.writelines(lines)


main()
