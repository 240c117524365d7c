"""Where mcx says that keys go, against the recorded placements of other clients; and mcx ring.

Run through mcx_test.py. No server is asked here.
"""

import functools
import os

from support import Case, mcx

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "compat", "golden")
LEAST_KEYS = 5000  # for each preset

# Every name that operators may write, with the hashes that each must take.
LIBMEMCACHED_HASHES = ("default", "md5", "crc", "fnv1_32", "fnv1a_32", "fnv1_64", "fnv1a_64",
                       "murmur", "murmur3", "jenkins", "hsieh")
TWEMPROXY_HASHES = ("md5", "crc32a", "fnv1_32", "fnv1a_32", "fnv1_64", "fnv1a_64", "murmur",
                    "jenkins", "hsieh")
HASHES = {
    "libmemcached-modula": LIBMEMCACHED_HASHES,
    "libmemcached-consistent": LIBMEMCACHED_HASHES,
    "libmemcached-ketama": LIBMEMCACHED_HASHES,
    "libmemcached-ketama-weighted": LIBMEMCACHED_HASHES,
    "libmemcached-spy": LIBMEMCACHED_HASHES,
    "twemproxy-ketama": TWEMPROXY_HASHES,
    "twemproxy-modula": TWEMPROXY_HASHES,
    "libmc": ("crc_32", "fnv1_32", "fnv1a_32"),
    "jump": ("md5", "fnv1a_64"),
    "maglev": ("md5", "fnv1a_64"),
}
PRESETS = tuple(HASHES) + (
    "rustymem", "cmemcache", "python-memcached", "python-memcached-1.59", "memcached2-rehash",
    "memcached2-fractal", "memcached2-consistent", "gomemcached", "gomemcache", "dalli",
    "pymemcache", "spymemcached")

LETTERS = [letter.encode() for letter in
           "\u00e9\u00df\u00f1\u0416\u65e5\u672c\u8a9e\U0001f600\u00fc\u2013"]


@functools.lru_cache(maxsize=None)
def golden_key(index, text):
    """The key that golden_keys.hpp makes of the same index."""
    state = (index * 2654435761 + 12345) % 2**32 or 1

    def below(limit):
        nonlocal state
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        return state % limit

    kind = index % 4
    if kind == 0:
        return b"key%d" % index
    if kind == 1:
        return bytes(0x21 + below(94) for _ in range(1 + below(250 if index % 32 == 1 else 40)))
    if kind == 2 or text:
        return b"k" + b"".join(LETTERS[below(10)] for _ in range(1 + below(12)))
    values = (below(222) for _ in range(1 + below(40)))
    return bytes(0x21 + v if v < 94 else 0x80 + v - 94 for v in values)


class Placement:
    """One block of a golden file: keys, and the index of the server of each."""

    def __init__(self, servers, kind, first, count, attempt):
        self.servers = servers.split()
        self.keys = [golden_key(i, kind == "text") for i in range(first, first + count)]
        self.attempt = attempt
        self.digits = ""

    @property
    def names(self):
        return [s.partition("*")[0].removeprefix("unix:").encode() for s in self.servers]

    @property
    def writable_as_list(self):
        return not any("=" in s for s in self.servers)  # a label


def read_golden(path):
    preset, servers, found = "", "", []
    with open(path, encoding="ascii") as lines:
        for line in lines.read().splitlines():
            word, _, rest = line.partition(" ")
            if word == "preset":
                preset = rest
            elif word == "cluster":
                servers = rest
            elif word == "keys":
                kind, first, count, _, attempt = rest.split()
                found.append(Placement(servers, kind, int(first), int(count), int(attempt)))
            elif word != "source":
                found[-1].digits += line
    return preset, found


class GoldenPlacements(Case):
    def test_which_agrees_with_every_client(self):
        checked = {}
        for name in sorted(os.listdir(GOLDEN)):
            if not name.endswith(".txt") or name == "hashes.txt":
                continue
            preset, placements = read_golden(os.path.join(GOLDEN, name))
            base, _, hash_name = preset.partition("/")
            options = ["--distribution", base] + (["--hash", hash_name] if hash_name else [])
            for p in placements:
                if p.attempt != 0 or not p.writable_as_list:
                    continue
                ran = mcx("which", *options, "-", stdin=b"\n".join(p.keys),
                          servers=",".join(p.servers))
                names = p.names
                wanted = [key + b"\t" + names[int(digit, 36)]
                          for key, digit in zip(p.keys, p.digits, strict=True)]
                with self.subTest(preset=preset, servers=p.servers):
                    self.assert_ran(ran, 0)
                    self.assertEqual(ran.out.split(b"\n")[:-1], wanted)
                checked[base] = checked.get(base, 0) + len(wanted)
        for base in PRESETS:
            self.assertGreaterEqual(checked.get(base, 0), LEAST_KEYS, base)

    def test_every_name_of_a_hash(self):
        keys = b"\n".join(b"key%d" % i for i in range(100))
        for preset, hashes in HASHES.items():
            seen = set()
            for name in hashes:
                ran = mcx("which", "--distribution", preset, "--hash", name, "-", stdin=keys,
                          servers="a:1*2,b:2,c,d,e")
                with self.subTest(preset=preset, hash=name):
                    self.assert_ran(ran, 0)
                seen.add(ran.out)
            self.assertEqual(len(seen), len(hashes), preset)  # each has a mind of its own

    def test_a_hash_that_does_not_fit(self):
        for options, said in ((["--hash", "nope"], "'nope'"),
                              (["--distribution", "dalli", "--hash", "md5"], "a hash of its own"),
                              (["--distribution", "jump/md5", "--hash", "crc"], '"jump/md5"')):
            self.assert_ran(mcx("which", *options, "k", servers="a,b"), 2, b"", err=said)

    def test_a_hash_stands_alone_or_wins_over_the_uri(self):
        keys = [f"key{i}" for i in range(100)]
        uri = "a,b,c?distribution=twemproxy-modula/murmur"
        for options, servers, same in (
                (["--hash", "crc"], "a,b,c", "ketama/crc"),
                (["--hash", "crc32a"], uri, "twemproxy-modula/crc32a"),
                (["--distribution", "jump"], uri, "jump"),
                ([], uri, "twemproxy-modula/murmur")):
            ran = mcx("which", *options, *keys, servers=servers)
            self.assert_ran(ran, 0)
            self.assertEqual(ran.out, mcx("which", "--distribution", same, *keys,
                                          servers="a,b,c").out)


class Ring(Case):
    servers = ["10.255.255.1", "10.255.255.2:11212", "10.255.255.3", "10.255.255.4"]

    def ring(self, *args, servers=None):
        ran = mcx("ring", *args, "--json", servers=",".join(servers or self.servers))
        self.assert_ran(ran, 0)
        shares = {o["server"]: o for o in ran.objects if "server" in o}
        moved = [o for o in ran.objects if "keys" in o]
        moves = {(o["from"], o["to"]): o["moved"] for o in ran.objects if "from" in o}
        self.assertEqual(len(shares) + len(moved) + len(moves), len(ran.objects), ran)
        return shares, moved[0] if moved else None, moves

    def test_shares_of_a_million_keys(self):
        ran = mcx("ring", servers=",".join(self.servers))
        self.assert_ran(ran, 0)
        self.assertLess(ran.took, 10)
        rows = [line.split("\t") for line in ran.lines]
        self.assertEqual([name for name, _ in rows],
                         ["10.255.255.1:11211", "10.255.255.2:11212", "10.255.255.3:11211",
                          "10.255.255.4:11211"])
        shares = [float(share.removesuffix("%")) for _, share in rows]
        self.assertAlmostEqual(sum(shares), 100, delta=0.05)
        self.assertTrue(all(15 < share < 35 for share in shares), ran)

    def test_weights_count(self):
        shares, _, _ = self.ring("--keys", "100000", servers=["a", "b*3"])
        self.assertAlmostEqual(shares["b:11211"]["share"], 75, delta=5)

    def test_it_agrees_with_which(self):
        count = 1000
        uri = ",".join(self.servers) + "?prefix=app:"
        after = f"{self.servers[0]},{self.servers[2]},{self.servers[3]},new:1?prefix=app:"
        keys = b"\n".join(b"key:%d" % i for i in range(count))
        homes, new_homes = ([line.rsplit("\t", 1)[1] for line in
                             mcx("which", "-", stdin=keys, servers=s).lines] for s in (uri, after))
        ran = mcx("ring", "--keys", str(count), "--remove", self.servers[1], "--add", "new:1",
                  servers=uri)
        self.assert_ran(ran, 0)

        def per_cent(of):
            return f"{100 * of / count:.2f}%"

        names = sorted(set(homes)) + ["new:1"]
        wanted = [f"{n}\t{per_cent(homes.count(n))}\t{per_cent(new_homes.count(n))}" for n in names]
        moves = [move for move in zip(homes, new_homes) if move[0] != move[1]]
        wanted.append("moved\t" + per_cent(len(moves)))
        order = {name: i for i, name in enumerate(names)}
        for move in sorted(set(moves), key=lambda m: (order[m[0]], order[m[1]])):
            wanted.append(f"moved\t{per_cent(moves.count(move))}\t{move[0]}\t{move[1]}")
        self.assertEqual(ran.lines, wanted)

    def test_what_moves_when_a_server_joins(self):
        ring = ["--distribution", "libmemcached-ketama", "--keys", "100000"]
        shares, moved, moves = self.ring(*ring, "--add", "new:1")
        self.assertEqual(moved["keys"], 100_000)
        self.assertAlmostEqual(moved["moved"], 20, delta=6)
        self.assertEqual({to for _, to in moves}, {"new:1"})  # a ring moves nothing else
        self.assertAlmostEqual(sum(moves.values()), moved["moved"], places=6)
        self.assertEqual(shares["new:1"]["share"], 0)
        self.assertAlmostEqual(shares["new:1"]["after"], moved["moved"], places=6)
        _, moved, _ = self.ring("--distribution", "modula", "--keys", "100000", "--add", "new:1")
        self.assertAlmostEqual(moved["moved"], 80, delta=5)

    def test_what_moves_when_a_server_leaves(self):
        shares, moved, moves = self.ring("--distribution", "libmemcached-ketama", "--keys",
                                         "100000", "--remove", "10.255.255.2:11212")
        gone = shares["10.255.255.2:11212"]
        self.assertEqual(gone["after"], 0)
        self.assertAlmostEqual(gone["share"], moved["moved"], places=6)
        self.assertEqual({source for source, _ in moves}, {"10.255.255.2:11212"})

    def test_mistakes(self):
        for args, said in ((["--add", "a:0"], "--add: port"), (["--add", "10.255.255.3"], "twice"),
                           (["--remove", "nobody"], "nobody:11211 is not in the list"),
                           (["--keys", "0"], "--keys"), (["--keys", "x"], '--keys "x"'),
                           (["extra"], '"extra"')):
            self.assert_ran(mcx("ring", *args, servers=",".join(self.servers)), 2, b"", err=said)
        self.assert_ran(mcx("ring", "--remove", "a", servers="a"), 2, b"", err="no server")
