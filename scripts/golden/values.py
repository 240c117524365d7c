#!/usr/bin/env python3
"""Makes tests/codec/golden: how the clients in the field store values.

Usage: values.py [DIALECT...]   (default: all)

The clients are fetched and run as generate.py says, against a memcached that is started for it; dalli
and memcached are Debian's. cmemcache and pyermc ran on Python 2, and build nowhere any more: what
they do is reimplemented, on a CPython 2.7 that $MEMCXX_PYTHON2 names (default python2.7), so that
their pickles are real ones. gomemcached is in no registry; the MessagePack library that it uses is
run. Each file says what it is from.
"""

import os
import sys

from generate import HERE, WORK, go_program, run, venv
from value_cases import CASES, line

OUT = HERE.parent.parent / "tests" / "codec" / "golden"


def of_python3(client, *packages):
    return run([venv(*packages), HERE / "values_python3.py", client]).splitlines()


def of_python2(client):
    python2 = os.environ.get("MEMCXX_PYTHON2", "python2.7")
    return run([python2, "-B", HERE / "values_python2.py", client, venv("lz4==4.4.5")]).splitlines()


def of_others(command):
    """From programs that print a name, the flags and the bytes."""
    stored = dict((w[0], (int(w[1]), bytes.fromhex(w[2].strip("-"))))
                  for w in map(str.split, run(command).splitlines()))
    unknown = stored.keys() - {name for name, _, _ in CASES}
    if unknown:
        raise ValueError(f"not in value_cases: {unknown}")
    return [line(name, v, min_compress, *stored[name], v)
            for name, v, min_compress in CASES if name in stored]


DIALECTS = {
    "python-memcached": ("python-memcached 1.62, run",
                         lambda: of_python3("python-memcached", "python-memcached==1.62")),
    "pymemcache": ("pymemcache 4.0.0, run", lambda: of_python3("pymemcache", "pymemcache==4.0.0")),
    "pylibmc": ("pylibmc 1.6.3, run", lambda: of_python3("pylibmc", "pylibmc==1.6.3")),
    "libmc": ("libmc 1.4.17, run", lambda: of_python3("libmc", "libmc==1.4.17")),
    "cmemcache": ("reimplementation on CPython 2.7", lambda: of_python2("cmemcache")),
    "pyermc": ("reimplementation on CPython 2.7, with lz4 4.4.5", lambda: of_python2("pyermc")),
    "dalli": ("dalli 3.0.6, run", lambda: of_others(["ruby", HERE / "values_dalli.rb"])),
    "gomemcached": ("vmihailenco/msgpack 4.3.5, run; the flags reimplemented",
                    lambda: of_others([go_program("values_gomemcached",
                                                  "github.com/vmihailenco/msgpack/v4@v4.3.5")])),
}


def main():
    if "MEMCXX_SERVERS" not in os.environ:
        with_servers = HERE.parent / "with_servers"
        os.environ["MEMCXX_LIMIT"] = "1800"
        os.execv(with_servers, [with_servers, "1", sys.executable, __file__, *sys.argv[1:]])
    OUT.mkdir(parents=True, exist_ok=True)
    WORK.mkdir(parents=True, exist_ok=True)
    for dialect in sys.argv[1:] or DIALECTS:
        source, lines_of = DIALECTS[dialect]
        lines = lines_of()
        head = [f"source {source}", f"dialect {dialect}"]
        (OUT / f"values_{dialect}.txt").write_text("\n".join(head + lines) + "\n")
        print(f"{dialect}: {len(lines)} values from {source}", flush=True)


if __name__ == "__main__":
    main()
