#!/usr/bin/env python3
"""What an operation costs, apart from time: user instructions (callgrind), system calls and
allocations (the program counts them itself), for every workload and client. These hold from one run
to the next.

usage: scripts/bench-cost [--json FILE] [--update] [--only REGEX] [--keep FOLDER] [--unix]
                          [--no-instructions] [--with-python]

Compares with bench/cost.json, and exits with 1 when a figure of memcxx is more than 5 per cent
above what stands there. --update writes what was measured there instead. --only measures
"workload/client" where the expression is found. --keep keeps callgrind's files, for
callgrind_annotate. --program is a bench that was built elsewhere. --with-python measures the Python
clients, too: there, the instructions are the difference between a longer and a shorter run, and
Python's own allocator is switched off where allocations are counted.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from report import OF_PYTHON
from servers import ROOT, Bench, Python, pinned, run, servers

COMMITTED = ROOT / "bench/cost.json"
TOLERANCE = 1.05
CORE = 0
# They differ only in how they wait, which is the scheduler's to answer.
WAITING = ("memcxx_block", "memcxx_adaptive")
RUNS = 5  # of which that with the fewest system calls counts
# And what is allowed beyond the tolerance: a figure near 0 has no percentage; how often a client in
# a loop of events wakes up is the scheduler's matter, too.
FIGURES = [("instructions", 5), ("system_calls", 0.1), ("allocations", 0.1)]
# Operations: enough for a steady figure, few enough for valgrind. The first column warms up.
COUNTS = {
    "get": (200, 2000), "set": (200, 2000), "mixed_zipf": (200, 2000),
    "multi_get_100": (20, 200), "multi_get_100_4_servers": (20, 200), "set_many_1000": (5, 20),
    "get_100k": (20, 200), "get_1m": (20, 100),
    "incr": (200, 2000), "multi_get_10": (50, 500), "multi_get_1000": (5, 20),
    "set_100k": (20, 200), "set_1m": (20, 50),
    "in_flight_64": (640, 6400), "in_flight_10000": (20000, 60000),
}


def callgrind(command, out, *options, **variables):
    """What it printed, and how many instructions were counted."""
    printed = run(["valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={out}",
                   *options, *command], **variables)
    return printed, int(re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.M)[1])


def instructions(program, where, workload, client, keep):
    out = keep / f"{workload}.{client}.callgrind"
    warm, count = counts_for(program, workload)
    if isinstance(program, Bench):
        # It says itself where the measurement begins.
        printed, total = callgrind(
            program.command(where, workload, client, *counts_of(program, workload, 1)), out,
            "--collect-atstart=no")
        return total / printed["operations"]
    totals = [callgrind(program.command(where, workload, client, "--warm-count", str(warm),
                                        "--count", str(n)), out, PYTHONHASHSEED="0")[1]
              for n in (count, 2 * count)]
    return (totals[1] - totals[0]) / count


def counts_for(program, workload):
    """A Python client's operations are as many times dearer as they may be fewer."""
    warm, count = COUNTS[workload]
    if isinstance(program, Bench):
        return warm, count
    return max(3, warm // 10), max(20, count // 10)


def counts_of(program, workload, times):
    warm, count = counts_for(program, workload)
    return ["--warm-count", str(warm), "--count", str(times * count),
            *(["--no-clocks"] if isinstance(program, Bench) else [])]


def measure(where, case, keep, count_instructions):
    program, workload, client = case["program"], case["workload"], case["client"]
    row = {"workload": workload, "client": client, "items": case["items"]}
    if count_instructions:
        row["instructions"] = round(instructions(program, where, workload, client, keep), 1)
    # On the server's core: what the client does while it waits is then nearly always the same.
    command = pinned(CORE, program.command(where, workload, client,
                                           *counts_of(program, workload, 5)))
    variables = {} if isinstance(program, Bench) else {
        "LD_PRELOAD": str(case["counters"]), "PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}
    took = min((run(command, **variables) for _ in range(RUNS)),
               key=lambda t: sum(t["calls"].values()))
    each = {name: n / took["operations"] for name, n in took["calls"].items()}
    row["system_calls"] = round(sum(each.values()), 3)
    row["allocations"] = round(took["allocations"] / took["operations"], 3)
    row["page_faults"] = round(took["page_faults"] / took["operations"], 3)
    row["by_name"] = {name: round(n, 3) for name, n in sorted(each.items(), key=lambda n: -n[1])}
    return row


def worse(row, committed):
    """What is worse than what was committed."""
    for name, slack in FIGURES:
        if name in row and name in committed:
            if row[name] > committed[name] * TOLERANCE + slack:
                yield f"{name} {committed[name]:g} -> {row[name]:g}"


def is_ours(client):
    return client.startswith("memcxx")


def print_row(row, change):
    each = row.get("instructions", 0) / row["items"]
    per_item = f"{each:9.1f}" if row["items"] > 1 and each else " " * 9
    names = ", ".join(f"{name} {n:g}" for name, n in row["by_name"].items() if n >= 0.005)
    print(f"{row['workload']:24} {row['client']:24} {row.get('instructions', 0):11.1f} {per_item} "
          f"{row['system_calls']:8.3f} {row['allocations']:9.3f} {row['page_faults']:7.2f}  "
          f"{change:7}  {names}", flush=True)


def update(rows, committed, given):
    """Writes what was measured; what was not asked for stays as it was."""
    measured = {(r["workload"], r["client"]): {k: v for k, v in r.items() if k != "by_name"}
                for r in rows}
    kept = {case: row for case, row in committed.items()
            if given.only or (case[1] in OF_PYTHON and not given.with_python)}
    lines = ",\n".join(json.dumps(row) for row in {**kept, **measured}.values())
    COMMITTED.write_text(f"[\n{lines}\n]\n")
    print(f"{COMMITTED.relative_to(ROOT)} has the costs of {len(rows)} cases")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--unix", action="store_true")
    parser.add_argument("--no-instructions", action="store_true")
    parser.add_argument("--program", type=Path, default=ROOT / "build/bench/bin/bench")
    parser.add_argument("--with-python", action="store_true")
    parser.add_argument("--python", type=Path, default=ROOT / "build/bench/venv/bin/python")
    given = parser.parse_args()

    committed = {}
    if COMMITTED.exists():
        committed = {(r["workload"], r["client"]): r for r in json.loads(COMMITTED.read_text())}
    programs = [Bench(given.program)] + ([Python(given.python)] if given.with_python else [])
    counters = given.program.parent / "bench_counted.so"
    cases = [{**c, "program": p, "counters": counters} for p in programs for c in p.list()
             if c["workload"] in COUNTS and c["threads"] == 1
             and not c["extra"] and c["client"] not in WAITING
             and re.search(given.only, f"{c['workload']}/{c['client']}")]
    if not cases:
        sys.exit(f"there is nothing like {given.only}")

    print(f"{'workload':24} {'client':24} {'user instr.':>11} {'per item':>9} {'syscalls':>8} "
          f"{'allocs':>9} {'faults':>7}  {'change':7}  calls by name")
    rows, failures = [], []
    with tempfile.TemporaryDirectory() as folder, servers(4, core=CORE, unix=given.unix) as where:
        keep = given.keep or Path(folder)
        keep.mkdir(parents=True, exist_ok=True)
        for case in cases:
            row = measure(where, case, keep, not given.no_instructions)
            before = committed.get((row["workload"], row["client"]), {})
            change = ""
            if "instructions" in before and "instructions" in row:
                change = f"{100 * (row['instructions'] / before['instructions'] - 1):+.1f}%"
            print_row(row, change)
            rows.append(row)
            if is_ours(row["client"]):
                failures += [f"{row['workload']}, {row['client']}: {w}"
                             for w in worse(row, before)]

    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")
    if given.update:
        update(rows, committed, given)
        return 0
    if failures:
        print("\nworse than bench/cost.json by more than 5 per cent:", *failures, sep="\n  ")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.TimeoutExpired as e:
        sys.exit(f"{e.cmd[0]} took longer than {e.timeout:.0f} s")
