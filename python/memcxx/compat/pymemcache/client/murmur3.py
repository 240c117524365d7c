"""MurmurHash3 for x86, 32 bits (Austin Appleby, public domain), as pymemcache reads its input.

Of each character the low eight bits are hashed, and characters are counted, not bytes.
"""

from __future__ import annotations

_MASK = 0xFFFFFFFF


def _mixed(k: int) -> int:
    k = k * 0xCC9E2D51 & _MASK
    k = (k << 15 | k >> 17) & _MASK
    return k * 0x1B873593 & _MASK


def murmur3_32(data: str, seed: int = 0) -> int:
    """The hash of a text: from 0 to 2^32-1."""
    low = bytes(ord(c) & 0xFF for c in data)
    whole = len(low) & ~3
    h = seed & _MASK
    for at in range(0, whole, 4):
        h ^= _mixed(int.from_bytes(low[at:at + 4], "little"))
        h = (h << 13 | h >> 19) & _MASK
        h = (h * 5 + 0xE6546B64) & _MASK
    if whole < len(low):
        h ^= _mixed(int.from_bytes(low[whole:], "little"))
    h ^= len(low)
    h = (h ^ h >> 16) * 0x85EBCA6B & _MASK
    h = (h ^ h >> 13) * 0xC2B2AE35 & _MASK
    return h ^ h >> 16
