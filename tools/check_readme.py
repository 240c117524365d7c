#!/usr/bin/env python3
"""Holds README.md and docs/ to the examples: their code is the examples', and so is their output.

usage: tools/check_readme.py [--programs DIRECTORY]
       tools/check_readme.py --write
       tools/check_readme.py --self-test

In a page, a line before a fenced block says where the block comes from:
  <!-- examples/hello.cpp -->            the lines between "// [hello]" and "// [end]"
  <!-- examples/errors.cpp [whose] -->   the lines between "// [whose]" and "// [end]"
  <!-- output of examples/hello.cpp -->  what DIRECTORY/example_hello prints
Before a table, "<!-- presets -->" says that its rows are the presets of src/routing/distributions.cpp
in their order, and that the last cell of each is the source of its vectors in tests/compat/golden.
Every block of C++ needs such a line, so that whatever is shown also compiles. With --programs, the
programs whose output is shown are run, each with three servers (scripts/with_servers). --write
brings the pages' code up to date with the examples instead.

Prints one line for each breach, and exits with 1 if there is one.
"""

import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
CODE = re.compile(r"<!-- (examples/(\w+)\.cpp)(?: \[(\w+)\])? -->")
OUTPUT = re.compile(r"<!-- output of examples/(\w+)\.cpp -->")
TABLE = re.compile(r"^<!-- presets -->\n\n?((?:\|.*\|\n)+)", re.M)
PRESET = re.compile(r'^    preset\{"([^"]+)"', re.M)
RUN_SECONDS = 60


def region_of(text, name):
    """The lines of a region without their common indentation; None when it is not there."""
    match = re.search(rf"^[ ]*// \[{name}\]\n(.*?)^[ ]*// \[end\]$", text, re.M | re.S)
    return textwrap.dedent(match.group(1)) if match else None


def output_of(root, program):
    """What a program prints over three servers, and why it failed if it did."""
    try:
        run = subprocess.run([root / "scripts/with_servers", "3", program], timeout=RUN_SECONDS,
                             capture_output=True, text=True)
    except (OSError, subprocess.TimeoutExpired) as e:
        return "", str(e)
    return run.stdout, f"ended with {run.returncode}: {run.stderr}" if run.returncode else ""


def first_difference(shown, real):
    pairs = zip([*shown.splitlines(), None], [*real.splitlines(), None])
    ours, theirs = next((a, b) for a, b in pairs if a != b)
    return f"has {ours!r} where there is {theirs!r}"


def source_of(root, preset):
    """The first line of a preset's vectors, without its "source"; None when it has none."""
    golden = root / "tests/compat/golden"
    for path in (golden / f"{preset}.txt", *sorted(golden.glob(f"{preset}+*.txt"))):
        if path.is_file():
            return path.read_text().split("\n", 1)[0].removeprefix("source ")
    return None


def presets_of(root, path, text):
    """Where a table of presets is wrong."""
    tables = [*TABLE.finditer(text)]
    if len(tables) != text.count("<!-- presets -->"):
        yield f"{path}: <!-- presets --> has no table behind it"
    for table in tables:
        where = f"{path}:{text.count(chr(10), 0, table.start()) + 1}"
        rows = [[cell.strip() for cell in line.strip("|").split("|")]
                for line in table[1].splitlines()[2:]]
        shown = [row[0].strip("`") for row in rows]
        real = PRESET.findall((root / "src/routing/distributions.cpp").read_text())
        if shown != real:
            yield f"{where}: {first_difference(chr(10).join(shown), chr(10).join(real))}"
        for preset, row in zip(shown, rows):
            source = source_of(root, preset)
            if source and row[-1] != source:
                yield f"{where}: {preset} is said to be from {row[-1]!r}, and is from {source!r}"


def breaches_of(root, page, programs):
    path = page.relative_to(root).as_posix()
    text = page.read_text(encoding="utf-8")
    used = set()
    yield from presets_of(root, path, text)
    for fence in FENCE.finditer(text):
        language, block = fence.groups()
        line = text.count("\n", 0, fence.start())
        where = f"{path}:{line + 1}"
        before = text[: fence.start()].rstrip("\n").rsplit("\n", 1)[-1]
        code, output = CODE.fullmatch(before), OUTPUT.fullmatch(before)
        if code or output:
            used.add(before)
        if code:
            source = root / code[1]
            region = code[3] or code[2]
            wanted = region_of(source.read_text(), region) if source.is_file() else None
            if language != "cpp":
                yield f"{where}: a block of an example that is not marked as cpp"
            if wanted is None:
                yield f"{where}: there is no [{region}] in {code[1]}"
            elif block != wanted:
                yield f"{where}: {first_difference(block, wanted)} in {code[1]} [{region}]"
        elif language == "cpp":
            yield f"{where}: C++ that comes from no example"
        elif output and programs:
            real, failure = output_of(root, programs / f"example_{output[1]}")
            if failure:
                yield f"{where}: example_{output[1]} {failure}"
            elif block != real:
                yield f"{where}: {first_difference(block, real)} in the output of {output[1]}"
    for mark in re.findall(r"^<!-- (?:output of )?examples/.*$", text, re.M):
        if mark not in used:
            yield f"{path}: {mark} has no block behind it, or is not understood"


def pages_of(root):
    return [page for page in (root / "README.md", *sorted((root / "docs").glob("*.md")))
            if page.is_file()]


def check(root, programs):
    """Returns how many pages there are, and the breaches."""
    pages = pages_of(root)
    return len(pages), [b for page in pages for b in breaches_of(root, page, programs)]


def write(root):
    """Puts what the examples say behind every mark, and in place of the block that is there."""
    block = re.compile(CODE.pattern + r"\n+(?:^```\w*\n.*?^```$|(?!```))", re.M | re.S)

    def renewed(match):
        source = root / match[1]
        region = region_of(source.read_text(), match[3] or match[2]) if source.is_file() else None
        if region is None:
            return match[0]
        mark = match[0].split("\n", 1)[0]
        tail = "" if match[0].endswith("```") else "\n\n"
        return f"{mark}\n```cpp\n{region}```{tail}"

    for page in pages_of(root):
        page.write_text(block.sub(renewed, page.read_text(encoding="utf-8")), encoding="utf-8")


SOURCE = "// A.\nint main() {\n  // [a]\n  one();\n    two();\n  // [end]\n  // [b]\n  // [end]\n}\n"
PRESETS = 'constexpr std::array presets = {\n    preset{"one", make_one},\n    preset{"two", f},\n};\n'
TABLE_OF = "<!-- presets -->\n\n| name | from |\n|---|---|\n| `one` | a, run |\n| `two` | b |\n\nText.\n"
RIGHT = "<!-- examples/a.cpp -->\n```cpp\none();\n  two();\n```\n"
GOOD = [
    RIGHT,
    RIGHT.replace("a.cpp", "a.cpp [a]"),
    RIGHT.replace("```cpp", "\n```cpp"),
    "<!-- output of examples/a.cpp -->\n```text\nhello\n```\n",
    "```sh\nscripts/test\n```\n",
    TABLE_OF,
]
BAD = [
    RIGHT.replace("two", "three"),
    RIGHT.replace("  two();\n", ""),
    RIGHT.replace("a.cpp", "other.cpp"),
    RIGHT.replace("a.cpp", "a.cpp [c]"),
    RIGHT.replace("```cpp", "```c"),
    "```cpp\none();\n```\n",
    "<!-- examples/a.cpp -->\nThere is no block.\n",
    "<!-- output of examples/a.cpp -->\n```text\ngoodbye\n```\n",
    "<!-- output of examples/b.cpp -->\n```text\nhello\n```\n",
    "<!-- output of examples/none.cpp -->\n```text\nhello\n```\n",
    TABLE_OF.replace("| `two` | b |\n", ""),
    TABLE_OF.replace("`two`", "`three`"),
    TABLE_OF.replace("a, run", "anew"),
    TABLE_OF.replace("| name", "name"),
]
# A page before and after --write.
STALE = [
    (RIGHT, RIGHT),
    (RIGHT.replace("two", "three") + "\nText.\n", RIGHT + "\nText.\n"),
    ("<!-- examples/a.cpp -->\n\nText.\n\n" + RIGHT, RIGHT + "\nText.\n\n" + RIGHT),
    ("<!-- examples/none.cpp -->\n```cpp\nx\n```\n", "<!-- examples/none.cpp -->\n```cpp\nx\n```\n"),
]


def self_test():
    wrong = []
    for pages, expected in ((GOOD, 0), (BAD, 1)):
        for page in pages:
            with tempfile.TemporaryDirectory() as folder:
                root = Path(folder)
                scripts = {"scripts/with_servers": 'shift; exec "$@"',
                           "bin/example_a": "echo hello", "bin/example_b": "echo hello; exit 3"}
                for name, body in scripts.items():
                    (root / name).parent.mkdir(exist_ok=True)
                    (root / name).write_text(f"#!/bin/sh\n{body}\n")
                    (root / name).chmod(0o755)
                (root / "examples").mkdir()
                (root / "examples/a.cpp").write_text(SOURCE)
                for name, body in (("src/routing/distributions.cpp", PRESETS),
                                   ("tests/compat/golden/one+md5.txt", "source a, run\n0\n"),
                                   ("tests/compat/golden/two.txt", "source b\n0\n")):
                    (root / name).parent.mkdir(parents=True, exist_ok=True)
                    (root / name).write_text(body)
                (root / "docs").mkdir()
                (root / "docs/page.md").write_text(page)
                _, breaches = check(root, root / "bin")
                if len(breaches) != expected:
                    wrong.append(f"{page!r}: {breaches or 'not refused'}")
    for page, expected in STALE:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "examples").mkdir()
            (root / "examples/a.cpp").write_text(SOURCE)
            (root / "README.md").write_text(page)
            write(root)
            if (root / "README.md").read_text() != expected:
                wrong.append(f"{page!r}: written as {(root / 'README.md').read_text()!r}")
    print("\n".join(wrong) or "check_readme: refuses what it must, and nothing else")
    return 1 if wrong else 0


def main():
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        return self_test()
    root = Path(__file__).resolve().parent.parent
    if arguments == ["--write"]:
        return write(root)
    if arguments and (len(arguments) != 2 or arguments[0] != "--programs"):
        sys.exit(__doc__)
    programs = Path(arguments[1]).resolve() if arguments else None
    pages, breaches = check(root, programs)
    print("\n".join(breaches) or f"check_readme: {pages} pages show what the examples "
          + ("do" if programs else "say; outputs were not compared"))
    return 1 if breaches or pages == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
