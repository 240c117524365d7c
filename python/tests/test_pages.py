"""The code on the package's page and in docs/python.md runs as it is written, and prints what
stands behind it."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\s*^```text\n(.*?)^```$)?", re.M | re.S)


@pytest.mark.parametrize("page", ["python/README.md", "docs/python.md"])
def test_the_code_on_a_page_runs(flush, page):
    path = ROOT / page
    if not path.exists():
        pytest.skip("the pages are not here")
    blocks = BLOCK.findall(path.read_text(encoding="utf-8"))
    assert blocks
    names: dict = {}
    for code, expected in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = code.replace('"127.0.0.1"', f'"{flush}?connect_timeout=30s"')
            code = code.replace("timeout=0.5", "timeout=30")  # on a machine that does other things
            exec(compile(code, str(path), "exec"), names)
        assert printed.getvalue() == expected


def test_what_the_page_says_of_verbs_is_true(flush):
    """A comment behind a line of the block of verbs begins with what the line answers."""
    path = ROOT / "docs" / "python.md"
    if not path.exists():
        pytest.skip("the pages are not here")
    section = path.read_text(encoding="utf-8").partition("## Verbs")[2]
    names: dict = {}
    exec(f"import memcxx\ncache = memcxx.Client({flush!r})", names)
    checked = 0
    for line in BLOCK.search(section).group(1).splitlines():
        code, _, comment = (part.strip() for part in line.partition("  #"))
        told = re.match(r"(True|False|None|\d+|\{[^…]*?\}|\[.*?\])(?=$|[;:,])", comment)
        if told and " = " not in code:
            assert eval(code, names) == eval(told.group(1)), line
            checked += 1
        elif code:
            exec(code, names)
    assert checked >= 12


def test_what_is_named_on_the_page_is_there(flush):
    import memcxx
    assert memcxx.aio.Client.__module__ == "memcxx.aio"
    assert memcxx.green.Client.__module__ == "memcxx.green"
    with pytest.raises(AttributeError):
        memcxx.nothing_of_the_kind
