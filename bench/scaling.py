#!/usr/bin/env python3
"""How costs grow: multi-gets from 1 to 100,000 keys and over 1 to 64 servers, 1 to 1,000
connections, values from 10 bytes to 8 MB. Prints time per item and peak memory.

usage: scripts/bench --scaling [--quick] [--json FILE] [--write] [--only NAME]

--write puts the curves into bench/scaling.json, and their pictures and table into docs/.
"""

import argparse
import json
import sys
from pathlib import Path

import report
from servers import ROOT, pinned, run, servers

SERVER_CORE, CLIENT_CORE = 0, 1
# name: (title, what is counted, what an item is, what the time of the picture is, points)
CURVES = {
    "keys": ("Multi-get: more keys", "keys of one multi-get", "a key", "µs a call",
             [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000]),
    "servers": ("Multi-get of 1,000 keys: more servers", "servers", "a key", "µs a call",
                [1, 2, 4, 8, 16, 32, 64]),
    "connections": ("A get on each connection in turn", "connections", "a get", "µs a get",
                    [1, 3, 10, 30, 100, 300, 1000]),
    "channels": ("Asynchronous: 64 gets on each connection at once", "connections", "a get",
                 "µs a get", [1, 3, 10, 30, 100, 300, 1000]),
    "get": ("get_into: longer values", "bytes", "a get", "µs a call",
            [10, 100, 1000, 10_000, 100_000, 1_000_000, 8_000_000]),
    "set": ("set: longer values", "bytes", "a set", "µs a call",
            [10, 100, 1000, 10_000, 100_000, 1_000_000, 8_000_000]),
}


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--scaling", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", choices=CURVES)
    parser.add_argument("--program", type=Path, default=ROOT / "build/bench/bin/bench_scaling")
    given = parser.parse_args()

    curves = []
    with servers(64, core=SERVER_CORE, megabytes=256) as where:
        for name, (title, counted, item, took, points) in CURVES.items():
            if given.only not in (None, name):
                continue
            curve = {"name": name, "title": title, "x_name": counted, "per": item, "took": took,
                     "x": [], "us": [], "us_an_item": [], "kb": []}
            print(f"\n{title}\n{counted:>24} {'us ' + item:>12} {'peak KiB':>10}")
            for n in points[::2] if given.quick else points:
                point = run(pinned(CLIENT_CORE, [str(given.program), "--servers", ",".join(where),
                                                 name, str(n)]))
                curve["x"].append(n)
                curve["us"].append(point["us"])
                curve["us_an_item"].append(point["us_an_item"])
                curve["kb"].append(point["kb"])
                print(f"{n:24,} {point['us_an_item']:12.3f} {point['kb']:10,}", flush=True)
            curves.append(curve)
    if given.json:
        given.json.write_text(json.dumps(curves, indent=1) + "\n")
    if given.write:
        lines = ",\n".join(json.dumps(curve) for curve in curves)
        (ROOT / "bench/scaling.json").write_text(f"[\n{lines}\n]\n")
        report.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
