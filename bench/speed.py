#!/usr/bin/env python3
"""Runs every client through every workload on servers of its own, interleaved, and prints medians
and ratios to the bare loop.

usage: scripts/bench [--quick] [--json FILE] [--write] [--no-python] [--only REGEX]
                     [--pinning S|X] [--repetitions N] [--seconds S]

S: client and servers on one core; X: the client on another. A ratio is taken within a repetition,
to the bare loop's runs just before and after; what is printed is the median of the ratios. --write
puts what was measured into bench/speed.json, the tables of docs/ and their pictures. --only
measures "workload/client" where the expression is found, and the bare loop.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import goals
import report
from servers import ROOT, Bench, Python, pinned, run, servers

SERVER_CORE = 0
CLIENT_CORES = {"S": 0, "X": 1}
WARM_UP = 0.1
SIDE_BY_SIDE = 3  # clients between two runs of the bare loop


def cases_of(programs, only):
    """{workload: [case]}: a case is a client, its program, and the bare loop's workload."""
    found = {}
    for program in programs:
        for case in program.list():
            if case["extra"] or case["client"] == "raw":
                continue
            case["program"] = program
            both = case["workload"] == "get" and isinstance(program, Bench)
            # A get over a unix socket, too.
            for workload in ("get", "get_unix") if both else (case["workload"],):
                if re.search(only, f"{workload}/{case['client']}"):
                    found.setdefault(workload, []).append({**case, "unix": workload == "get_unix"})
    return found


class Session:
    """What runs commands and remembers their figures."""

    def __init__(self, bench, tcp, unix, seconds):
        self.bench, self.tcp, self.unix, self.seconds = bench, tcp, unix, seconds
        self.figures = {}  # (workload, pinning, client): [figures]

    def once(self, program, workload, client, pinning, unix):
        where = self.unix if unix else self.tcp
        took = run(pinned(CLIENT_CORES[pinning], program.command(
            where, workload, client, "--seconds", str(self.seconds), "--warm-up", str(WARM_UP))))
        return {"rate": took["operations"] / took["seconds"], "p50_us": took["p50_us"],
                "p99_us": took["p99_us"],
                "cpu_us": took["cpu_seconds"] / took["operations"] * 1e6}

    def keep(self, workload, pinning, client, figures):
        self.figures.setdefault((workload, pinning, client), []).append(figures)

    def group(self, workload, pinning, cases):
        """One repetition of a workload: the bare loop before, between and behind its clients."""
        limit, unix = cases[0]["limit"], cases[0]["unix"]

        def bare():
            figures = self.once(self.bench, limit, "raw", pinning, unix)
            self.keep(workload, pinning, "raw", {**figures, "ratio": 1.0})
            return figures["rate"]

        before = bare()
        for first in range(0, len(cases), SIDE_BY_SIDE):
            name = "get" if unix else workload
            some = [(case, self.once(case["program"], name, case["client"], pinning, unix))
                    for case in cases[first:first + SIDE_BY_SIDE]]
            behind = bare()
            for case, figures in some:
                ratio = figures["rate"] / ((before + behind) / 2)
                self.keep(workload, pinning, case["client"], {**figures, "ratio": ratio})
            before = behind

    def rows(self):
        """The medians, as they are written to JSON."""
        digits = {"rate": 1, "ratio": 4, "p50_us": 2, "p99_us": 2, "cpu_us": 3}
        return [{"workload": workload, "pinning": pinning, "client": client,
                 **{name: round(statistics.median(f[name] for f in all_figures), n)
                    for name, n in digits.items()}}
                for (workload, pinning, client), all_figures in self.figures.items()]


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--no-python", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--pinning", choices=CLIENT_CORES)
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--program", type=Path, default=ROOT / "build/bench/bin/bench")
    parser.add_argument("--python", type=Path, default=ROOT / "build/bench/venv/bin/python")
    given = parser.parse_args()
    repetitions = given.repetitions or (3 if given.quick else 7)
    seconds = given.seconds or (0.1 if given.quick else 0.4)

    pinnings = [given.pinning] if given.pinning else list(CLIENT_CORES)
    here = os.sched_getaffinity(0)
    pinnings = [p for p in pinnings if CLIENT_CORES[p] in here]
    if SERVER_CORE not in here or not pinnings:
        sys.exit("the cores 0 and 1 are not this process's to use")

    bench = Bench(given.program)
    programs = [bench]
    if not given.no_python and given.python.exists():
        programs.append(Python(given.python))
    cases = cases_of(programs, given.only)
    if not cases:
        sys.exit(f"there is nothing like {given.only}")

    with servers(4, core=SERVER_CORE) as tcp, servers(1, core=SERVER_CORE, unix=True) as unix:
        session = Session(bench, tcp, unix, seconds)
        for repetition in range(repetitions):
            print(f"repetition {repetition + 1} of {repetitions}", file=sys.stderr, flush=True)
            for workload, group in cases.items():
                # Nobody is always the first, or always behind the same one.
                turn = repetition % len(group)
                for pinning in pinnings:
                    session.group(workload, pinning, group[turn:] + group[:turn])

    rows = session.rows()
    print(report.plain(rows))
    print("\n== Goals; costs are those that scripts/bench-cost measured")
    print(goals.plain(rows, json.loads((ROOT / "bench/cost.json").read_text())))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")
    if given.write:
        lines = ",\n".join(json.dumps(row) for row in rows)
        (ROOT / "bench/speed.json").write_text(f"[\n{lines}\n]\n")
        report.write()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.TimeoutExpired as e:
        sys.exit(f"{e.cmd[0]} took longer than {e.timeout:.0f} s")
