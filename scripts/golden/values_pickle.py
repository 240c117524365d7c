"""Makes tests/codec/golden/pickle.txt: what CPython's picklers write of plain data.

Usage: values_pickle.py PYTHON2 > tests/codec/golden/pickle.txt

Run by a Python of 3.8 or later; PYTHON2 is a Python 2.7. The lines:

    case NAME           what the next lines are about
    value NOTATION      the value, as values_notation.py writes it
    write PROTOCOL HEX  what the C pickler writes of it, freshly made: memcxx has to write the same
    read LABEL HEX      other pickles of it: memcxx has to read this value
    refuse NAME HEX     sound pickles that are no plain data: memcxx has to answer wrong_type
"""

import array
import collections
import datetime
import decimal
import io
import pickle
import pickletools
import subprocess
import sys

from values_notation import notation, packed

LONG = 2000  # bytes; longer pickles are written once for each protocol that memcxx writes

def fresh(x):
    """A copy in which no object stands twice, but for those that CPython has only once."""
    if isinstance(x, str):
        return x.encode().decode()
    if isinstance(x, bytes):
        return x.decode("latin1").encode("latin1")
    if isinstance(x, list):
        return [fresh(y) for y in x]
    if isinstance(x, tuple):
        return tuple(fresh(y) for y in x)
    if isinstance(x, dict):
        return {fresh(k): fresh(v) for k, v in x.items()}
    return x


class Numbers:
    """The same in every Python."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n


def random_value(r, depth):
    kind = r.below(12 if depth > 0 else 9)
    if kind == 0:
        return [None, True, False][r.below(3)]
    if kind == 1:
        return r.below(600) - 300
    if kind == 2:
        return (r.below(2**31) << r.below(40)) * (1 - 2 * r.below(2))
    if kind == 3:
        return (r.below(2**31) << r.below(300)) * (1 - 2 * r.below(2))
    if kind == 4:
        return (r.below(2**31) - 2**30) / 2.0 ** r.below(60) * 10.0 ** (r.below(60) - 30)
    if kind in (5, 6):
        alphabet = "abc\\\n\0\r\x1a'\"\u00e9\u00ff\u0100\u20ac\U0001f600 "
        return "".join(alphabet[r.below(len(alphabet))] for _ in range(r.below(20)))
    if kind in (7, 8):
        return bytes(r.below(256) for _ in range(r.below(20)))
    if kind in (9, 10):
        return [random_value(r, depth - 1) for _ in range(r.below(6))]
    keys = (random_value(r, 0) for _ in range(r.below(6)))
    return {k: random_value(r, depth - 1) for k in keys}


def edges():
    for bits in (0, 7, 8, 15, 16, 31, 32, 39, 40, 62, 63, 64, 65, 127, 2039, 2040):
        for offset in (-1, 0, 1):
            yield 2**bits + offset
            yield -(2**bits) + offset


def long_texts():
    """Around the sizes where frames end and where text and bytes stand outside of them."""
    for size in (255, 256, 65535, 65536, 65537):
        yield f"text of {size}", "a" * size
        yield f"bytes of {size}", b" " * size
    yield "texts across frames", ["b" * 9000] * 30
    yield "long and short", ["c", "d" * 70000, 1, b"e" * 70000, {"f": "g" * 70000}, None]
    yield "a frame's end", ["h" * (65536 - 13), "ij", ["kl"]]
    yield "behind a frame's end", ["h" * (65536 - 12), "ij", ["kl"]]


def batches():
    for size in (0, 1, 2, 999, 1000, 1001, 2000, 2001):
        yield f"list of {size}", [None] * size
    for size in (0, 1, 2, 999, 1000, 1001, 2000):
        yield f"map of {size}", {n: None for n in range(size)}
    yield "places beyond 255", [f"text {n}" for n in range(300)] + ["", "", "x", "x"]


def written():
    yield "none", None
    yield "true", True
    yield "false", False
    yield "integers", sorted(set(edges()))
    yield "many digits", [1 - 10**4300]
    for x in (0.0, -0.0, 1.0, 1.5, -1.0, 0.1, 1e15, 1e16, 123456789012345680.0, 1e-4, 1e-5, 1e22,
              1e23, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, float("inf"),
              -float("inf"), float("nan"), 100000.0, 0.0001234, 3.14159, 1e100, 9007199254740993.0):
        yield f"float {x!r}", x
    yield "no text", ""
    yield "text", "text"
    yield "every character up to 300", "".join(map(chr, range(301)))
    yield "characters apart", [chr(n) for n in (0, 10, 13, 26, 39, 92, 127, 128, 255, 256, 0x20ac)]
    yield "beyond the basic plane", "\U00010000 \U0001f600 \U0010ffff \ud7ff \ue000 \uffff"
    yield "backslashes", ["\\", "\\\\", "\\u0041", "\\\\u0041", "a\\nb", "\\U0001f600"]
    yield "no bytes", b""
    yield "bytes", b"bytes"
    yield "every byte", bytes(range(256))
    yield "bytes of one", [bytes([n]) for n in range(256)] + [b"\0", b"\xff"]
    yield "bytes again", [b"one", b"", b"two", b"", b"x", b"x", "x", "x", b"\xe9", "\xe9"]
    yield "the name of the encoding", ["latin1", b"two", "latin1"]
    yield "lists", [[], [[]], [[], []], [[[[[]]]]], [1, [2, [3]]]]
    yield "maps", [{}, {"a": {}}, {"a": 1, "b": [2], "c": {"d": None}}, {1: 2}, {None: 1, 2.5: 3}]
    yield "keys of many kinds", {None: 0, True: 1, 2: 2, 2**70: 3, 4.5: 4, "5": 5, b"6": 6}
    yield "keys that are tuples", {(): 0, (1,): 1, (1, 2): 2, (1, 2, 3): 3, (1, 2, 3, 4): 4,
                                   ((), ("a", (b"b", None))): 5}
    yield from long_texts()
    yield from batches()
    r = Numbers(1)
    for n in range(80):
        yield f"random {n}", random_value(r, 4)


def only_read():
    shared = ["shared"]
    yield "tuples", [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((1,), [2])]
    yield "the same list", [shared, shared, {"k": shared}]
    yield "the same text", ["text" * 5] * 5
    yield "nested sharing", [[[shared, shared]] * 2] * 2
    yield "a tuple in a map in itself", (lambda d: [d, d])({"k": (1, "x")})


def sets():
    yield "sets", [set(), {1}, {1, 2, 3}, frozenset(), frozenset({"a"}), {(1, 2)}]


class Plain:
    def __init__(self):
        self.x = 1


class Persistent(pickle.Pickler):
    def persistent_id(self, obj):
        return "id" if obj == 1.5 else None


def persistent(protocol):
    out = io.BytesIO()
    Persistent(out, protocol).dump([1.5])
    return out.getvalue()


def refused():
    endless = [1]
    endless.append(endless)
    endless_map = {}
    endless_map["k"] = (1, endless_map)
    objects = {
        "datetime": datetime.datetime(2024, 1, 2, 3, 4, 5), "decimal": decimal.Decimal("1.5"),
        "complex": 1j, "ordered dict": collections.OrderedDict(a=1), "object": Plain(),
        "class": Plain, "function": fresh, "built-in": len, "bytes type": bytes,
        "type of nothing": type(None), "ellipsis": ..., "range": range(3), "exception": OSError(1),
        "array": array.array("i", [1]), "endless list": endless, "endless map": endless_map,
        "half a pair": "a\ud800", "other half": "\udc00", "in a list": [1, [2, {"k": 1j}]],
    }
    for name, value in objects.items():
        for protocol in range(6):
            yield f"{name}, {protocol}", pickle.dumps(value, protocol)
    for protocol in range(4):
        yield f"set, {protocol}", pickle.dumps({1, 2}, protocol)
    for protocol in range(5):
        yield f"bytearray, {protocol}", pickle.dumps(bytearray(b"a"), protocol)
    for protocol in (0, 2, 5):
        yield f"persistent, {protocol}", persistent(protocol)
    yield "outside buffer", pickle.dumps(pickle.PickleBuffer(bytearray(b"a")), 5,
                                         buffer_callback=lambda b: None)
    yield "read-only buffer", pickle.dumps(pickle.PickleBuffer(b"a"), 5,
                                           buffer_callback=lambda b: None)
    yield "a call", b"cos\nsystem\n(S'true'\ntR."
    yield "another encoding", b"c_codecs\nencode\n(Va\nVutf-8\ntR."
    yield "one argument", b"c_codecs\nencode\n(Va\ntR."
    yield "bytes of something", b"c__builtin__\nbytes\n(I3\ntR."
    yield "an instance", b"(i__main__\nPlain\n."
    yield "an object", b"(c__main__\nPlain\no."
    yield "a registered class", b"\x80\x02\x82\x01."


def line(word, *rest):
    print(word, *rest)


def one(name, value, protocols=range(6), writes=()):
    line("case", name)
    line("value", notation(value))
    copied = fresh if writes else lambda x: x
    made = {p: pickle.dumps(copied(value), p) for p in protocols}
    for p in writes:
        line("write", p, packed(made[p]))
    seen = [made[p] for p in writes]

    def also(label, data):
        if data not in seen:
            seen.append(data)
            line("read", label, packed(data))

    for p in protocols:
        if len(made[p]) > LONG:
            continue
        also(p, made[p])
        also(f"{p}-python", pickle._dumps(copied(value), p))
        also(f"{p}-optimized", pickletools.optimize(made[p]))
        if p < 3:
            also(f"{p}-names", pickle.dumps(copied(value), p, fix_imports=False))


def main():
    version = ".".join(map(str, sys.version_info[:3]))
    old = subprocess.run([sys.argv[1], "-c", "import sys; print(sys.version.split()[0])"],
                         check=True, capture_output=True, text=True).stdout.strip()
    line("source", f"CPython {version} and {old}, run")
    for name, value in written():
        one(name, value, writes=(0, 2, 5))
    one("nothing across frames", [None] * 140000, (2, 5), (2, 5))
    for name, value in only_read():
        one(name, value)
    for name, value in sets():
        one(name, value, range(4, 6))
    one("bytearray", bytearray(b"array\0"), (5,))
    sys.stdout.flush()
    subprocess.run([sys.argv[1], __file__.replace("values_pickle", "values_pickle2")], check=True)
    for name, data in refused():
        line("refuse", name.replace(" ", "_"), packed(data))


if __name__ == "__main__":
    main()
