#!/usr/bin/env python3
"""Checks the cheap habits of this repository, over every file that git knows or would add.

usage: tools/check_repo.py [--self-test]

Prints one line for each breach, and exits with 1 if there is one.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

MAX_LINES = 600
CODE = (".cpp", ".hpp", ".py", ".cmake", ".md", ".json", ".in", ".sh", ".toml", ".yml", ".ini")
DATA = ("fuzz/corpus/",)  # bytes as they came; nothing here is ours to tidy
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
ONE_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home)/\w")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.M | re.S)


def is_code(path, text):
    return path.endswith(CODE) or path.endswith("CMakeLists.txt") or text.startswith("#!")


def breaches_of(root, path):
    file = root / path
    try:
        text = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return
    if path.startswith(DATA) or not is_code(path, text):
        return

    lines = text.split("\n")
    if len(lines) - 1 > MAX_LINES:
        yield f"{path}: {len(lines) - 1} lines; over {MAX_LINES} it is to be split"
    if text and not text.endswith("\n"):
        yield f"{path}:{len(lines)}: no newline at the end"
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            yield f"{path}:{number}: white space at the end of the line"
        if "\t" in line and path.endswith((".cpp", ".hpp", ".py")):
            yield f"{path}:{number}: a tab"
        if match := UNFINISHED.search(line):
            yield f"{path}:{number}: {match.group()}: finish it, or say in the docs what is missing"
        if match := ONE_MACHINE.search(line):
            yield f"{path}:{number}: a path of one machine: {match.group()}"

    if text.startswith("#!") and not os.access(file, os.X_OK):
        yield f"{path}: begins with #! and is not executable"
    if path.endswith((".cpp", ".hpp")) and not text.startswith("//"):
        yield f"{path}: does not open with a comment that says what lives here"
    # What is included several times on purpose says so.
    if path.endswith(".hpp") and "#pragma once" not in text and "no guard" not in text[:400]:
        yield f"{path}: no #pragma once"
    if path.endswith(".md"):
        for target in LINK.findall(FENCE.sub("", text)):
            place = target.split("#")[0]
            if place and not re.match(r"[a-z]+:", place) and not (file.parent / place).exists():
                yield f"{path}: links to {target}, which is not there"


def check(root):
    """Returns how many files there are, and the breaches."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=root, check=True, capture_output=True, text=True).stdout
    paths = sorted({p for p in listed.split("\0") if p and (root / p).is_file()})
    return len(paths), [breach for path in paths for breach in breaches_of(root, path)]


BAD = {
    "src/a.cpp": ["// A.\nint x; \n", "// A.\n// FIX" "ME: later\n", "int x;\n", "// A.\n\tint x;\n",
                  "// A.\n" + "int x;\n" * MAX_LINES, "// A.", '// A.\nopen("/ro' 'ot/x");\n'],
    "src/a.hpp": ["// A.\nint x;\n"],
    "scripts/go": ["#!/bin/sh\n"],
    "docs/a.md": ["See [there](missing.md).\n", "See [there](missing.md#part \"Title\").\n"],
}
GOOD = {
    "src/a.hpp": ["// A.\n#pragma once\n", "// A list: no guard.\n"],
    "docs/a.md": ["See [here](a.md#part), [web](https://example.org).\n\n```\n[x](missing)\n```\n"],
    "fuzz/corpus/a/1.json": ["get a \t \n"],
}


def self_test():
    wrong = []
    for texts_of, expected in ((BAD, 1), (GOOD, 0)):
        for path, texts in texts_of.items():
            for text in texts:
                with tempfile.TemporaryDirectory() as folder:
                    root = Path(folder)
                    subprocess.run(["git", "init", "-q", folder], check=True)
                    (root / path).parent.mkdir(parents=True)
                    (root / path).write_text(text)
                    _, breaches = check(root)
                    if len(breaches) != expected:
                        wrong.append(f"{path}: {text[:60]!r}: {breaches or 'not refused'}")
    print("\n".join(wrong) or "check_repo: refuses what it must, and nothing else")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    files, breaches = check(Path(__file__).resolve().parent.parent)
    print("\n".join(breaches) or f"check_repo: {files} files, all tidy")
    return 1 if breaches or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
