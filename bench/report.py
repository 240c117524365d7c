#!/usr/bin/env python3
"""Puts what was measured into the pages: the tables between "<!-- bench: NAME -->" and
"<!-- end of bench -->" of docs/*.md, and the pictures beside them. Nobody types a figure.

usage: bench/report.py      writes them anew from bench/speed.json, cost.json and scaling.json

Never here: measuring.
"""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import charts
import goals
from servers import MEMCACHED, ROOT

DOCS = ROOT / "docs"
BLOCK = re.compile(r"(<!-- bench: (\S+) -->\n).*?(<!-- end of bench -->)", re.S)

WORKLOADS = {
    "get": "get", "get_unix": "get, unix socket", "set": "set", "incr": "incr",
    "multi_get_10": "multi-get 10", "multi_get_100": "multi-get 100",
    "multi_get_1000": "multi-get 1000", "multi_get_100_4_servers": "multi-get 100, 4 servers",
    "set_many_1000": "1000 quiet sets", "get_100k": "get 100 KB", "set_100k": "set 100 KB",
    "get_1m": "get 1 MB", "set_1m": "set 1 MB", "mixed_zipf": "90/10 mixed, zipf",
    "in_flight_64": "64 in flight", "in_flight_10000": "10,000 in flight",
    "threads_8": "8 threads", "threads_8_each": "8 threads, a client each",
    "threads_8_shared": "8 threads, one client",
    "threads_64_each": "64 threads, a client each", "threads_64_shared": "64 threads, one client",
}
CLIENTS = {
    "raw": "bare loop", "memcxx": "memcxx", "memcxx_views": "memcxx, views",
    "memcxx_views_dealt": "memcxx, views, no hash", "memcxx_block": "memcxx, wait=block",
    "memcxx_adaptive": "memcxx, wait=adaptive",
    "memcxx_batch": "memcxx batch", "memcxx_batch_views": "memcxx batch, views",
    "memcxx_coroutines": "memcxx coroutines", "memcxx_coroutines_views": "memcxx coroutines, views",
    "memcxx_callbacks": "memcxx callbacks", "memcxx_callbacks_views": "memcxx callbacks, views",
    "libmemcached_text": "libmemcached, text", "libmemcached_binary": "libmemcached, binary",
    "memcxx_python": "memcxx", "pylibmc": "pylibmc", "libmc": "libmc", "pymemcache": "pymemcache",
    "python-memcached": "python-memcached",
}
CONCURRENT = ["in_flight_64", "in_flight_10000", "threads_8_each", "threads_8_shared",
              "threads_64_each", "threads_64_shared"]
OF_PYTHON = ["memcxx_python", "pylibmc", "libmc", "pymemcache", "python-memcached"]


def _load(name):
    path = ROOT / "bench" / name
    return json.loads(path.read_text()) if path.exists() else []


def _order(rows):
    """By workload, then by client, as they stand above."""
    workloads, clients = list(WORKLOADS), list(CLIENTS)
    return sorted(rows, key=lambda r: (workloads.index(r["workload"]), r.get("pinning", ""),
                                       clients.index(r["client"])))


def _per_second(rate):
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"


def _us(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _table(head, rows, left=1):
    """The first `left` columns are words, the others figures."""
    right = ["---"] * left + ["---:"] * (len(head) - left)
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, right, *rows)]
    return "\n".join(lines) + "\n"


def plain(rows):
    """For a terminal."""
    out = [f"{'workload':25} {'pin':3} {'client':24} {'per second':>11} {'ratio':>6} {'p50 us':>9} "
           f"{'p99 us':>9} {'cpu us':>8}"]
    for r in _order(rows):
        out.append(f"{r['workload']:25} {r['pinning']:3} {r['client']:24} {r['rate']:11,.0f} "
                   f"{r['ratio']:6.3f} {_us(r['p50_us']):>9} {_us(r['p99_us']):>9} "
                   f"{_us(r['cpu_us']):>8}")
    return "\n".join(out)


# --- tables --------------------------------------------------------------------------------------


def _machine():
    cpu = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", cpu, re.M)
    server = subprocess.run([MEMCACHED, "-V"], capture_output=True, text=True).stdout.split()[-1]
    compiler = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True).stdout
    return _table(["", ""], [
        ["processor", f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores"
                      + (" of a virtual machine" if "hypervisor" in cpu else "")],
        ["kernel", f"Linux {platform.release().split('-')[0]}"],
        ["memcached", f"{server}, `-t 1`"],
        ["compiler", f"g++ {compiler.strip()}, Release"],
        ["Python", subprocess.run(["/usr/bin/python3", "-V"], capture_output=True,
                                  text=True).stdout.split()[-1]]], left=2)


def _found(rows, pinning, python):
    """{(workload, client): row}, of the bare loop and of C++'s clients or Python's."""
    return {(r["workload"], r["client"]): r for r in rows if r["pinning"] == pinning
            and (r["client"] == "raw" or (r["client"] in OF_PYTHON) == python)}


def _ratios(rows, pinning, python):
    """A row for each workload of one caller."""
    found = _found(rows, pinning, python)
    clients = [c for c in CLIENTS if c != "raw" and any(
        (w, c) in found for w in WORKLOADS if w not in CONCURRENT)]
    return _table(["", "bare loop, per second", *(CLIENTS[c] for c in clients)], [
        [WORKLOADS[w], _per_second(found[w, "raw"]["rate"]),
         *(f"{found[w, c]['ratio']:.2f}" if (w, c) in found else "" for c in clients)]
        for w in WORKLOADS if w not in CONCURRENT and any((w, c) in found for c in clients)])


def _concurrent(rows, pinning):
    """A row for each client, a column for each workload of many callers."""
    found = _found(rows, pinning, False)
    columns = [w for w in CONCURRENT if (w, "raw") in found]
    bare = ["bare loop, per second", *(_per_second(found[w, "raw"]["rate"]) for w in columns)]
    return _table(["", *(WORKLOADS[w] for w in columns)], [bare] + [
        [CLIENTS[c], *(f"{found[w, c]['ratio']:.2f}" if (w, c) in found else "" for w in columns)]
        for c in CLIENTS if c != "raw" and any((w, c) in found for w in columns)])


def _details(rows, pinning, python):
    ran = {r["workload"] for r in rows if (r["client"] in OF_PYTHON) == python
           and r["client"] != "raw"}
    return _table(["workload", "client", "per second", "of the bare loop", "p50 µs", "p99 µs",
                   "CPU µs"], [
        [WORKLOADS[r["workload"]], CLIENTS[r["client"]], _per_second(r["rate"]),
         f"{r['ratio']:.3f}", _us(r["p50_us"]), _us(r["p99_us"]), _us(r["cpu_us"])]
        for r in _order(rows) if r["pinning"] == pinning and r["workload"] in ran
        and (r["client"] == "raw" or (r["client"] in OF_PYTHON) == python)], left=2)


def _costs(rows):
    def number(n):
        return f"{n:,.0f}" if n >= 100 else f"{n:.3g}"
    return _table(["workload", "client", "instructions", "an item", "system calls", "allocations"], [
        [WORKLOADS[r["workload"]], CLIENTS[r["client"]], number(r.get("instructions", 0)),
         number(r.get("instructions", 0) / r["items"]) if r["items"] > 1 else "",
         number(r["system_calls"]), number(r["allocations"])] for r in _order(rows)], left=2)


def _scaling(rows):
    return _table(["", "from", "to", "time", "peak memory"], [
        [r["title"], f"{r['x'][0]:,}", f"{r['x'][-1]:,}",
         f"{_us(r['us_an_item'][0])} to {_us(r['us_an_item'][-1])} µs {r['per']}",
         f"{r['kb'][0] / 1024:,.1f} to {r['kb'][-1] / 1024:,.1f} MiB"] for r in rows])


def _goals(speed, cost):
    words = {"rate": "rate, one core", "rate X": "rate, two cores", "cpu": "CPU",
             "system_calls": "system calls", "page_faults": "page faults",
             "hash": "ns of hashing a key"}
    return _table(["workload", "client", "what", "goal", "measured", ""], [
        [WORKLOADS[workload], CLIENTS[client] + (", Python" if client in OF_PYTHON else ""),
         words.get(what, what), f"{'≥' if how == goals.AT_LEAST else '≤'} {goal:,g}",
         f"{measured:,.0f}" if measured >= 100 else f"{measured:.2f}",
         "reached" if reached else "missed"]
        for workload, client, what, how, goal, measured, reached in goals.judged(speed, cost)],
        left=3)


def tables():
    speed, cost, scaling = _load("speed.json"), _load("cost.json"), _load("scaling.json")
    python_cost = [r for r in cost if r["client"] in OF_PYTHON]
    return {
        "machine": _machine,
        **{f"ratios-{p}": lambda p=p: _ratios(speed, p, False) for p in "SX"},
        **{f"concurrent-{p}": lambda p=p: _concurrent(speed, p) for p in "SX"},
        **{f"details-{p}": lambda p=p: _details(speed, p, False) for p in "SX"},
        **{f"python-ratios-{p}": lambda p=p: _ratios(speed, p, True) for p in "SX"},
        **{f"python-details-{p}": lambda p=p: _details(speed, p, True) for p in "SX"},
        "cost": lambda: _costs([r for r in cost if r["client"] not in OF_PYTHON]),
        "python-cost": lambda: _costs(python_cost),
        "scaling": lambda: _scaling(scaling),
        "goals": lambda: _goals(speed, cost),
    }


# --- pictures ------------------------------------------------------------------------------------

SHOWN = ["get", "set", "multi_get_100", "multi_get_100_4_servers", "set_many_1000", "get_100k",
         "get_1m", "mixed_zipf"]
SHOWN_CLIENTS = ["memcxx", "libmemcached_text", "libmemcached_binary"]
SHOWN_OF_PYTHON = ["get", "set", "incr", "multi_get_100", "set_many_1000", "get_100k", "get_1m"]


def _bars(path, rows, title, workloads, clients):
    found = {(r["workload"], r["client"]): r["ratio"] for r in rows if r["pinning"] == "S"}
    groups = [(WORKLOADS[w], {CLIENTS[c]: found[w, c] for c in clients if (w, c) in found})
              for w in workloads if any((w, c) in found for c in clients)]
    if groups:
        path.write_text(charts.bars(title, "operations per second, of the bare loop's", groups,
                                    [CLIENTS[c] for c in clients], limit=1.0))


def pictures():
    speed = _load("speed.json")
    _bars(DOCS / "speed.svg", speed, "Client and server on one core", SHOWN, SHOWN_CLIENTS)
    _bars(DOCS / "speed-python.svg", speed, "Python: client and server on one core",
          SHOWN_OF_PYTHON, OF_PYTHON)
    for row in _load("scaling.json"):
        picture = charts.lines(row["title"], row["x_name"], "", {
            row["took"]: list(zip(row["x"], row["us"])),
            "peak memory, KiB": list(zip(row["x"], row["kb"]))})
        (DOCS / f"scaling-{row['name']}.svg").write_text(picture)


def write():
    known, unknown = tables(), []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")

        def renewed(match):
            if match[2] not in known:
                unknown.append(f"{page.name}: no table {match[2]}")
                return match[0]
            return f"{match[1]}{known[match[2]]()}{match[3]}"

        page.write_text(BLOCK.sub(renewed, text), encoding="utf-8")
    pictures()
    if unknown:
        sys.exit("\n".join(unknown))


if __name__ == "__main__":
    write()
