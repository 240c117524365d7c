"""The part of values_pickle.py that Python 2.7 runs: what its two picklers write.

Usage: values_pickle2.py
"""

import cPickle
import pickle

from values_notation import notation, packed

SHARED = [u"shared"]

VALUES = [
    ("nothing and truth", [None, True, False]),
    ("integers", [0, 1, -1, 255, 256, 65535, 65536, -2**31, 2**31, 2**62, -2**63, 5L, -5L]),
    ("long integers", [2**63, 2**64, -2**63 - 1, 2**100, -2**2048, 10**300]),
    ("floats", [0.0, -0.0, 1.5, 1e300, 5e-324, 0.1, float("inf"), -float("inf"), float("nan")]),
    ("strings", ["", "text", "it's", 'say "it"', "\"'", "\\", "\n\r\t\0\x7f\x80\xff", "x" * 300,
                 "".join(map(chr, range(256)))]),
    ("unicode", [u"", u"text", u"\xe9\u20ac\U0001f600", u"\\", u"\\u0041", u"a\nb", u"x" * 300]),
    ("containers", [[], (), {}, [1, [2, (3, 4, 5, 6)]], {"k": (1,), 2: [u"v"]}]),
    ("the same list", [SHARED, SHARED, {"k": SHARED}]),
    ("many", [[n, str(n)] for n in range(300)]),
]


def main():
    for name, value in VALUES:
        print("case %s of Python 2" % name)
        print("value " + notation(value))
        for label, module in (("cPickle", cPickle), ("pickle", pickle)):
            for protocol in range(3):
                print("read %d-%s %s" % (protocol, label, packed(module.dumps(value, protocol))))


if __name__ == "__main__":
    main()
