"""Where clients put keys that no package registry has any more, written anew from their sources.

These are second opinions, not the real programs: rustymem (Rust), cmemcache (C, libmemcache),
memcached2 (Python) and gomemcached (Go), each line by line with the data structures of the
original; and maglev, from its paper.

Usage: reimplemented.py PRESET[/HASH] ATTEMPT SERVER... < keys
Prints one base-36 digit for each line read.
"""

import bisect
import hashlib
import struct
import sys
import zlib

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def split(server):
    address, _, weight = server.partition("*")
    return address, int(weight or 1)


def rustymem(servers, key, attempt):
    assert attempt == 0
    if len(servers) == 1:
        return 0
    return int.from_bytes(hashlib.md5(key).digest()[:4], "big") % len(servers)


def cmemcache_hash(key):
    return (zlib.crc32(key) >> 16) & 0x7FFF or 1


def cmemcache(servers, key, attempt):
    assert attempt == 0
    places = []
    for index, server in enumerate(servers):
        places += [index] * min(split(server)[1], 15)
    return places[cmemcache_hash(key) % len(places)]


def memcached2_rehash(servers, key, attempt):
    value = cmemcache_hash(key)
    for i in range(attempt):
        value = cmemcache_hash(key + str(i).encode())
    return value % len(servers)


def memcached2_fractal(servers, key, attempt):
    left = list(range(len(servers)))
    value = cmemcache_hash(key)
    for i in range(attempt):
        del left[value % len(left)]
        value = cmemcache_hash(key + str(i).encode())
    return left[value % len(left)]


def memcached2_consistent(servers, key, attempt):
    found = {}
    for i in range(len(servers) * len(servers)):
        found[cmemcache_hash(str(i).encode())] = i % len(servers)
    buckets = sorted(found.items())
    value = cmemcache_hash(key)
    offset = bisect.bisect(buckets, (value, 0))
    tried = []
    for i in range(len(buckets)):
        at = (offset + i) % len(buckets)
        bucket = buckets[-1] if at == 0 and value < buckets[0][0] else buckets[at]
        if bucket[1] in tried:
            continue
        tried.append(bucket[1])
        if len(tried) > attempt:
            return bucket[1]
    raise LookupError("no server left")


def gomemcached(servers, key, attempt):
    assert attempt == 0
    owner = {}
    for index, server in enumerate(servers):
        for i in range(160 // 4):
            for value in struct.unpack("<4I", hashlib.md5(f"{server}#{i}".encode()).digest()):
                owner[value] = index
    nodes = sorted(owner)
    value = zlib.crc32(key)
    if value > nodes[-1]:
        return owner[nodes[0]]
    low, high = 0, len(nodes)
    while True:
        middle = (low + high) // 2
        if value == nodes[middle]:
            return owner[nodes[middle]]
        if value > nodes[middle]:
            low = middle
        else:
            high = middle
        if high - low == 1:
            return owner[nodes[high]]


def first_word(data):
    return struct.unpack("<I", hashlib.md5(data).digest()[:4])[0]


def maglev(servers, key, attempt, tables={}):
    assert attempt == 0
    size = 65537
    table = tables.get(tuple(servers))
    if table is None:
        weights = [split(s)[1] for s in servers]
        permutations, credit = [], [0] * len(servers)
        for server in servers:
            one, two = struct.unpack("<2I", hashlib.md5(split(server)[0].encode()).digest()[:8])
            offset, skip = one % size, two % (size - 1) + 1
            permutations.append(iter([(offset + j * skip) % size for j in range(size)]))
        table, filled = [None] * size, 0
        while filled < size:
            for index, permutation in enumerate(permutations):
                credit[index] += weights[index]
                if credit[index] < max(weights) or filled == size:
                    continue
                credit[index] -= max(weights)
                slot = next(s for s in permutation if table[s] is None)
                table[slot] = index
                filled += 1
        tables[tuple(servers)] = table
    return table[first_word(key) % size]


def main():
    rule = globals()[sys.argv[1].replace("-", "_")]
    attempt, servers = int(sys.argv[2]), sys.argv[3:]
    keys = sys.stdin.buffer.read().split(b"\n")[:-1]
    print("".join(DIGITS[rule(servers, key, attempt)] for key in keys))


main()
