"""How cmemcache and pyermc store values on Python 2, from what they are known to do.

Usage: values_python2.py CLIENT PYTHON3 with Python 2.7, whose types and pickles are the point here.
Neither client builds any more. PYTHON3 has lz4, for pyermc. Prints lines of value_cases.
"""

import cPickle
import subprocess
import sys

import value_cases

COMPRESS = ("import lz4.block, sys; sys.stdout.buffer.write("
            "lz4.block.compress(sys.stdin.buffer.read(), store_size=True))")


def lz4(raw):
    p = subprocess.Popen([sys.argv[2], "-c", COMPRESS], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    return p.communicate(raw)[0]


def form(v):
    if isinstance(v, str):
        return 0, v, v
    if isinstance(v, int):  # a bool is one
        return 2, "%d" % v, int("%d" % v)
    if isinstance(v, long):
        return 4, "%d" % v, v
    return 1, cPickle.dumps(v, 2), v


def main():
    for name, v, min_compress in value_cases.CASES:
        flags, raw, back = form(v)
        if sys.argv[1] == "pyermc" and min_compress and len(raw) > min_compress and flags != 2:
            smaller = lz4(raw)
            if len(smaller) < len(raw):
                flags, raw = flags | 8, smaller
        print(value_cases.line(name, v, min_compress, flags, raw, back))


main()
