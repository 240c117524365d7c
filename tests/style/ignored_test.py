#!/usr/bin/env python3
"""Whether the compiler warns of exactly those ignored results that ignored.cpp marks.

usage: ignored_test.py COMPILER
"""

import os
import re
import subprocess
import sys


def main():
    compiler = sys.argv[1]
    here = os.path.dirname(os.path.abspath(__file__))
    source = os.path.join(here, "ignored.cpp")
    include = os.path.join(here, "..", "..", "include")
    run = subprocess.run(
        [compiler, "-std=c++23", "-fsyntax-only", "-Wall", "-I", include, source],
        capture_output=True, text=True, timeout=100, check=False)
    if run.returncode != 0:
        sys.exit(run.stderr)
    warned = {int(n) for n in re.findall(r"ignored\.cpp:(\d+):\d+: warning: ignoring", run.stderr)}
    with open(source, encoding="utf-8") as lines:
        marked = {n for n, line in enumerate(lines, 1) if line.rstrip().endswith("// warns")}
    for n in sorted(warned ^ marked):
        print(f"{source}:{n}: {'marked, and not warned of' if n in marked else 'warned of'}")
    if len(marked) < 30 or warned != marked:
        sys.exit(1)
    print(len(marked), "ignored results are warned of")


if __name__ == "__main__":
    main()
