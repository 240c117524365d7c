# coding: utf-8
"""The values that the codec's vectors are made of, what they are to memcxx, and a vector's line.

Runs on Python 2.7 as well, where str is bytes and some of the clients live.
"""

import binascii
import struct

TEXT, BYTES = type(u""), type(b"")

# name: (value, compress what is longer than so many bytes, or 0).
# No value holds the same object twice, or a map of several keys: the one makes references of some
# formats, the other an order that depends on the client.
CASES = [
    ("bytes", b"ab\x00\r\n\xff", 0),
    ("empty_bytes", b"", 0),
    ("text", u"h\xe9 \u65e5\U0001f600 a\\b\nc", 0),
    ("empty_text", u"", 0),
    ("zero", 0, 0),
    ("int", 5, 0),
    ("negative", -7, 0),
    ("byte", 200, 0),
    ("short", 60000, 0),
    ("int31", 2**31 - 1, 0),
    ("int32", 2**31, 0),
    ("int63", int(2**63 - 1), 0),  # and here an int of Python 2, not its long
    ("lowest", int(-2**63), 0),
    ("int64", 2**64 - 1, 0),
    ("big", 2**70, 0),
    ("negative_big", -2**70, 0),
    ("true", True, 0),
    ("false", False, 0),
    ("float", 1.5, 0),
    ("tenth", 0.1, 0),
    ("large_float", -1e300, 0),
    ("infinity", float("inf"), 0),
    ("none", None, 0),
    ("empty_list", [], 0),
    ("empty_map", {}, 0),
    ("list", [1, -1, 300, 70000, 2**40, 2.5, None, True, False, u"a", u"\xe9"], 0),
    ("bytes_in_list", [b"b\xff", b""], 0),
    ("map", {u"a": [1, {u"b": {2: u"c"}}]}, 0),
    ("long_list", list(range(1500)), 0),
    ("long_text", u"\xe9" * 300, 0),
    ("compressed_bytes", b"abc" * 200, 100),
    ("compressed_text", u"ab\xe9" * 200, 100),
    ("compressed_list", [u"abc" * 100, u"abd" * 100], 100),
    ("compressed_int", 10**400, 100),
    ("short_of_compressing", b"a" * 100, 100),
    ("incompressible", bytes(bytearray(i * i * 7919 // 13 % 256 for i in range(120))), 100),
]


def packed(v):
    """The value as MessagePack, each part as short as can be."""
    def head(n, small, codes):
        if small is not None and n < small[1]:
            return struct.pack(">B", small[0] | n)
        for code, form, limit in codes:
            if n < limit:
                return struct.pack(">B" + form, code, n)
        raise ValueError(n)

    if v is None:
        return b"\xc0"
    if v is True or v is False:
        return b"\xc3" if v else b"\xc2"
    if isinstance(v, float):
        return struct.pack(">Bd", 0xcb, v)
    if isinstance(v, TEXT):
        raw = v.encode("utf-8")
        return head(len(raw), (0xa0, 32), [(0xd9, "B", 2**8), (0xda, "H", 2**16)]) + raw
    if isinstance(v, BYTES):
        return head(len(v), None, [(0xc4, "B", 2**8), (0xc5, "H", 2**16)]) + v
    if isinstance(v, (list, tuple)):
        return head(len(v), (0x90, 16), [(0xdc, "H", 2**16)]) + b"".join(map(packed, v))
    if isinstance(v, dict):
        return (head(len(v), (0x80, 16), [(0xde, "H", 2**16)])
                + b"".join(packed(k) + packed(x) for k, x in v.items()))
    if v >= 0:
        return head(v, (0, 128), [(0xcc, "B", 2**8), (0xcd, "H", 2**16), (0xce, "I", 2**32),
                                  (0xcf, "Q", 2**64)])
    if v >= -32:
        return struct.pack(">b", v)
    for code, form, limit in [(0xd0, "b", 2**7), (0xd1, "h", 2**15), (0xd2, "i", 2**31),
                              (0xd3, "q", 2**63)]:
        if v >= -limit:
            return struct.pack(">B" + form, code, v)
    raise ValueError(v)


def canonical(v):
    """The kind and the bytes that memcxx has for a value."""
    if v is None:
        return "none", b""
    if v is True or v is False:
        return "boolean", b"1" if v else b"0"
    if isinstance(v, float):
        return "floating", repr(v).encode("ascii")
    if isinstance(v, TEXT):
        return "text", v.encode("utf-8")
    if isinstance(v, BYTES):
        return "bytes", v
    if isinstance(v, (list, tuple, dict)):
        return "msgpack", packed(v)
    return "integer", str(v).encode("ascii")


def hexed(raw):
    return binascii.hexlify(raw).decode("ascii") or "-"


def line(name, v, min_compress, flags, stored, back):
    """value NAME MIN_COMPRESS KIND VALUE FLAGS STORED [KIND VALUE], all bytes in hex, "-" for none.
    The last two are what the client reads back, where that is another value than was stored."""
    kind, raw = canonical(v)
    words = ["value", name, str(min_compress), kind, hexed(raw), str(flags), hexed(stored)]
    if canonical(back) != (kind, raw):
        kind, raw = canonical(back)
        words += [kind, hexed(raw)]
    return " ".join(words)
