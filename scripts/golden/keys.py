"""The keys that golden vectors are made over. tests/compat/golden_keys.hpp writes the same ones.

Every fourth key is of one kind: a name with a number, printable ASCII, UTF-8 beyond ASCII, and
bytes that need not be UTF-8. Clients that take text only get a key of the third kind instead of
the fourth.
"""

LETTERS = ["\u00e9", "\u00df", "\u00f1", "\u0416", "\u65e5", "\u672c", "\u8a9e", "\U0001f600",
           "\u00fc", "\u2013"]


class Numbers:
    """xorshift32, seeded by the key's index."""

    def __init__(self, index):
        self.state = (index * 2654435761 + 12345) & 0xFFFFFFFF or 1

    def below(self, limit):
        x = self.state
        x = (x ^ x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x = (x ^ x << 5) & 0xFFFFFFFF
        self.state = x
        return x % limit


def key(index, text):
    numbers = Numbers(index)
    kind = index % 4
    if kind == 0:
        return b"key%d" % index
    if kind == 1:
        length = 1 + numbers.below(250 if index % 32 == 1 else 40)
        return bytes(0x21 + numbers.below(94) for _ in range(length))
    if kind == 2 or text:
        length = 1 + numbers.below(12)
        return ("k" + "".join(LETTERS[numbers.below(10)] for _ in range(length))).encode()
    length = 1 + numbers.below(40)
    values = (numbers.below(222) for _ in range(length))
    return bytes(0x21 + v if v < 94 else 0x80 + v - 94 for v in values)


def keys(first, count, text):
    return [key(i, text) for i in range(first, first + count)]
