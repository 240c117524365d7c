"""How golden files write values and bytes. Runs in Python 2 and 3.

A value is    n  t  f                 None, True, False
              i<decimal>;             an integer
              d<hex>;                 a float: the 8 bytes of its IEEE form, big-endian
              s<bytes>;               text, its UTF-8
              b<bytes>;               bytes
              [<value>...]            a list, tuple or set
              {<key><value>...}       a map, in its order
              x<count>;<value>        within a list: this value, so many times
Bytes are     <hex>, and <two digits>*<count>. for a byte that comes often in a row
"""

import itertools
import struct


def packed(data):
    """Bytes as text."""
    out = []
    for byte, run in itertools.groupby(bytearray(data)):
        count = sum(1 for _ in run)
        out.append("%02x*%d." % (byte, count) if count > 8 else "%02x" % byte * count)
    return "".join(out)


def repeated(group):
    written, run = group
    count = sum(1 for _ in run)
    return "x%d;%s" % (count, written) if count > 8 else written * count


def notation(x):
    if x is None:
        return "n"
    if x is True or x is False:
        return "t" if x else "f"
    if isinstance(x, float):
        return "d%s;" % packed(struct.pack(">d", x))
    if isinstance(x, (bytes, bytearray)):
        return "b%s;" % packed(x)
    if isinstance(x, type(u"")):
        return "s%s;" % packed(x.encode("utf-8"))
    if isinstance(x, (list, tuple, set, frozenset)):
        return "[%s]" % "".join(map(repeated, itertools.groupby(map(notation, x))))
    if isinstance(x, dict):
        return "{%s}" % "".join(notation(k) + notation(v) for k, v in x.items())
    return "i%d;" % x
