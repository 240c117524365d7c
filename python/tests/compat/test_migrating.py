"""The code that opens each page of docs/migrating/ runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import memcxx
import pytest

PAGES = Path(__file__).resolve().parents[3] / "docs" / "migrating"
USUAL = "127.0.0.1:11211"
PATH = str(Path(memcxx.__file__).resolve().parents[1])


@pytest.mark.parametrize("page, printed", [
    ("pymemcache.md", "{'name': 'Ada'}\n{'a': b'1', 'b': b'2'}\n"),
    ("pylibmc.md", "{'name': 'Ada'}\n{'a': 1, 'b': 'two'}\n"),
    ("memcached2.md", "bar foo 0\nhello None\n"),
])
def test_the_first_lines_run(page, printed, flush, capsys):
    text = (PAGES / page).read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.S).group(1)
    assert USUAL in code
    exec(compile(code.replace(USUAL, flush), page, "exec"), {"__name__": "page"})
    assert capsys.readouterr().out == printed
    for line in printed.splitlines():  # and the page says what it prints
        assert f"# {line}\n" in code


@pytest.mark.parametrize("page, then", [
    ("pymemcache.md", "import pymemcache.client.hash, pymemcache.serde; found = pymemcache"),
    ("pylibmc.md", "import pylibmc.consts; found = pylibmc"),
])
def test_a_framework_can_be_given_the_module(page, then):
    text = (PAGES / page).read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", text, re.S)[1]
    script = f"{code}\n{then}\nprint(found.__name__)\n"
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": PATH},
                          capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "memcxx.compat." + page[:-len(".md")]
