#!/usr/bin/env python3
"""Makes tests/compat/golden: where the clients in the field put keys.

Usage: generate.py [PRESET...]   (default: all)

Every client that a package registry has is fetched and run: python-memcached, pymemcache and libmc
from PyPI, gomemcache and go-jump from the Go module proxy, spymemcached from Maven Central,
libmemcached, nutcracker and dalli from Debian (apt-get install libmemcached-dev nutcracker
ruby-dalli gcc). Needs python3 with venv, go, mvn and a JDK of 17 or later. What no registry has is
reimplemented.py's word; each file says which it is. twemproxy's servers listen on 127.0.1.*, ports
11211, 11212 and 22122. Work files go to $MEMCXX_GOLDEN_WORK or a temporary directory.
"""

import functools
import os
import pathlib
import subprocess
import sys
import tempfile

import keys

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent.parent / "tests" / "compat" / "golden"
WORK = pathlib.Path(os.environ.get("MEMCXX_GOLDEN_WORK") or tempfile.mkdtemp())
PER_CLUSTER = 1500  # keys; each cluster of a preset has its own


def servers(count, ports=(11211,)):
    return [f"127.0.1.{i + 1}:{ports[i % len(ports)]}" for i in range(count)]


def weighed(addresses, weights):
    return [f"{a}*{w}" for a, w in zip(addresses, weights)]


PORTS = (11211, 11212, 22122)
PLAIN = [servers(1), servers(2), servers(3), servers(3, PORTS), servers(5, PORTS), servers(10),
         servers(10, PORTS)]
EVEN = [servers(25)]  # where single precision gives each server 156 points instead of 160
WEIGHTED = [weighed(servers(2), (1, 4)), weighed(servers(3), (1, 2, 3)),
            weighed(servers(5, PORTS), (3, 1, 7, 2, 10))]
SHUFFLED = [["127.0.1.30:11211", "127.0.1.2:11212", "127.0.1.3:11211", "127.0.1.1:11212"]]
HEAVY = [weighed(servers(3), (1, 20, 15))]
NAMES = [["cache-a.example:11211", "cache-b.example:11212", "Cache-c:11211", "d:1"]]
ALIASES = [["127.0.1.1:11211=left", "127.0.1.2:11212=right", "127.0.1.3:11211=middle"]]
UNIX = [["unix:/tmp/memcxx-a.sock", "unix:/tmp/memcxx-b.sock", "127.0.1.1:11211"]]


def run(command, stdin=b"", **how):
    return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, check=True, timeout=600,
                          **how).stdout.decode().strip()


@functools.cache
def venv(*packages):
    """A Python in which these packages are installed."""
    place = WORK / ("venv-" + "-".join(packages))
    if not (place / "done").exists():
        run([sys.executable, "-m", "venv", place])
        run([place / "bin" / "pip", "install", "-q", *packages])
        (place / "done").touch()
    return place / "bin" / "python"


@functools.cache
def libmemcached():
    program = WORK / "libmemcached"
    run(["gcc", "-O1", "-Wall", "-o", program, HERE / "libmemcached.c", "-lmemcached"])
    return program


@functools.cache
def go_program(name, module):
    place = WORK / name
    place.mkdir(exist_ok=True)
    (place / "main.go").write_text((HERE / f"{name}.go").read_text())
    if not (place / "go.mod").exists():
        run(["go", "mod", "init", "golden"], cwd=place)
    run(["go", "get", module], cwd=place)
    run(["go", "build", "-o", name, "."], cwd=place)
    return place / name


@functools.cache
def spymemcached():
    place = WORK / "spymemcached"
    place.mkdir(exist_ok=True)
    run(["mvn", "-q", "dependency:copy", "-Dartifact=net.spy:spymemcached:2.12.3",
         f"-DoutputDirectory={place}"])
    path = f"{place}/spymemcached-2.12.3.jar:{place}"
    run(["javac", "-cp", path, "-d", place, HERE / "Spymemcached.java"])
    return ["java", "-cp", path, "Spymemcached"]


# Each takes (preset, attempt, cluster) and gives the command that prints the digits.
def from_libmemcached(preset, _, cluster):
    return [libmemcached(), preset, *cluster]


def from_twemproxy(preset, _, cluster):
    return [sys.executable, HERE / "twemproxy.py", preset, *cluster]


def from_pypi(*packages):
    def command(preset, attempt, cluster):
        return [venv(*packages), HERE / "python_clients.py", preset, str(attempt), *cluster]
    return command


def from_go(name, module):
    return lambda _, __, cluster: [go_program(name, module), *cluster]


def from_ruby(_, attempt, cluster):
    return ["ruby", HERE / "dalli.rb", str(attempt), *cluster]


def from_maven(_, __, cluster):
    return [*spymemcached(), *cluster]


def anew(preset, attempt, cluster):
    return [sys.executable, HERE / "reimplemented.py", preset, str(attempt), *cluster]


LIBMEMCACHED = ("libmemcached 1.1.4, run", from_libmemcached)
TWEMPROXY = ("twemproxy (nutcracker) 0.5.0, run", from_twemproxy)
LIBMC = ("libmc 1.4.17, run", from_pypi("libmc==1.4.17"))

GOMEMCACHE = ("bradfitz/gomemcache of 2026-04-22, run",
              from_go("gomemcache", "github.com/bradfitz/gomemcache"
                                    "@v0.0.0-20260422231931-4d751bb6e37c"))
JUMP = ("dgryski/go-jump of 2017-04-09, run",
        from_go("jump", "github.com/dgryski/go-jump@v0.0.0-20170409065014-e1f439676b57"))

HASHES = ("md5", "crc", "fnv1_32", "fnv1a_32", "fnv1_64", "fnv1a_64", "murmur", "murmur3",
          "jenkins")
TWEMPROXY_HASHES = ("one_at_a_time", "md5", "crc16", "crc32", "crc32a", "fnv1_32", "fnv1a_32",
                    "fnv1_64", "hsieh", "murmur", "jenkins")
ONE_EACH = [servers(10, PORTS)]
TEXT = "text"

# preset: (source, command), clusters, attempts, [TEXT]
PRESETS = {
    "libmemcached-modula": (LIBMEMCACHED, PLAIN + WEIGHTED, [0]),
    "libmemcached-consistent": (LIBMEMCACHED, PLAIN + EVEN + WEIGHTED + NAMES + UNIX, [0]),
    "libmemcached-ketama": (LIBMEMCACHED, PLAIN + WEIGHTED, [0]),
    "libmemcached-ketama-weighted": (LIBMEMCACHED, PLAIN + EVEN + WEIGHTED + NAMES + UNIX, [0]),
    "libmemcached-spy": (LIBMEMCACHED, PLAIN + WEIGHTED + NAMES + UNIX, [0]),
    "twemproxy-ketama/fnv1a_64": (TWEMPROXY, PLAIN + EVEN + WEIGHTED + SHUFFLED + UNIX, [0]),
    "twemproxy-modula/fnv1a_64": (TWEMPROXY, PLAIN + WEIGHTED + SHUFFLED + UNIX, [0]),
    "libmc": (LIBMC, PLAIN + ALIASES, [0], TEXT),
    "libmc/crc_32": (LIBMC, ONE_EACH, [0], TEXT),
    "libmc/fnv1_32": (LIBMC, ONE_EACH, [0], TEXT),
    "libmc/fnv1a_32": (LIBMC, ONE_EACH, [0], TEXT),
    "spymemcached": (("spymemcached 2.12.3, run", from_maven),
                     PLAIN + EVEN + WEIGHTED + SHUFFLED, [0], TEXT),
    "gomemcache": (GOMEMCACHE, PLAIN, [0]),
    "python-memcached": (("python-memcached 1.62, run", from_pypi("python-memcached==1.62")),
                         PLAIN + WEIGHTED, [0, 1, 9]),
    "python-memcached-1.59": (("python-memcached 1.59, run",
                               from_pypi("python-memcached==1.59", "six")),
                              PLAIN + WEIGHTED, [0, 1, 9]),
    "pymemcache": (("pymemcache 4.0.0, run", from_pypi("pymemcache==4.0.0")),
                   PLAIN + NAMES + SHUFFLED, [0, 1], TEXT),
    "rustymem": (("reimplementation", anew), PLAIN, [0]),
    "cmemcache": (("reimplementation", anew), PLAIN + WEIGHTED + HEAVY, [0]),
    "memcached2-rehash": (("reimplementation", anew), PLAIN, [0, 1, 9]),
    "memcached2-fractal": (("reimplementation", anew), PLAIN, [0, 1]),
    "memcached2-consistent": (("reimplementation", anew), PLAIN, [0, 1]),
    "gomemcached": (("reimplementation", anew), PLAIN, [0]),
    "dalli": (("dalli 3.0.6, run", from_ruby), PLAIN + WEIGHTED, [0, 1, 19]),
    "jump": (JUMP, PLAIN + WEIGHTED, [0]),
    "maglev": (("reimplementation of the paper", anew), PLAIN + WEIGHTED, [0]),
}
for name in HASHES:
    PRESETS[f"libmemcached-modula/{name}"] = (LIBMEMCACHED, ONE_EACH, [0])
    PRESETS[f"libmemcached-ketama/{name}"] = (LIBMEMCACHED, ONE_EACH, [0])
PRESETS["libmemcached-ketama-weighted/default"] = (LIBMEMCACHED, ONE_EACH, [0])
for name in TWEMPROXY_HASHES:
    PRESETS[f"twemproxy-modula/{name}"] = (TWEMPROXY, ONE_EACH, [0])


def wrapped(digits):
    return "\n".join(digits[i:i + 100] for i in range(0, len(digits), 100))


def make(preset):
    (source, command), clusters, attempts, *text = PRESETS[preset]
    lines = [f"source {source}", f"preset {preset}"]
    total = 0
    for number, cluster in enumerate(clusters):
        for attempt in attempts:
            if attempt > 0 and len(cluster) <= (attempt if attempt == 1 else 1):
                continue
            first, count = number * PER_CLUSTER, PER_CLUSTER if attempt == 0 else 200
            chosen = keys.keys(first, count, bool(text))
            digits = run(command(preset, attempt, cluster), b"".join(k + b"\n" for k in chosen))
            if len(digits) != count:
                raise ValueError(f"{preset}: {len(digits)} digits for {count} keys")
            lines += [f"cluster {' '.join(cluster)}",
                      f"keys {'text' if text else 'bytes'} {first} {count} attempt {attempt}",
                      wrapped(digits)]
            total += count
    (OUT / (preset.replace("/", "+") + ".txt")).write_text("\n".join(lines) + "\n")
    print(f"{preset}: {total} keys from {source}", flush=True)


def make_hashes():
    lines = ["source libmemcached 1.1.4, run", "keys bytes 0 200"]
    chosen = b"".join(k + b"\n" for k in keys.keys(0, 200, False))
    for name in ("default", *HASHES):
        lines += [f"hash {name}", wrapped(run([libmemcached(), f"hash/{name}"], chosen))]
    (OUT / "hashes.txt").write_text("\n".join(lines) + "\n")
    print("hashes: 200 keys from libmemcached", flush=True)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    WORK.mkdir(parents=True, exist_ok=True)
    chosen = sys.argv[1:] or [*PRESETS, "hashes"]
    for preset in chosen:
        make_hashes() if preset == "hashes" else make(preset)


if __name__ == "__main__":
    main()
