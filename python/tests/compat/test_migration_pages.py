"""The code on the pages about python-memcached, cmemcache and pyermc runs as it is written."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from unittest import mock

import pytest

PAGES = Path(__file__).resolve().parents[3] / "docs" / "migrating"


@pytest.mark.parametrize("page", ["python-memcached", "cmemcache", "pyermc"])
def test_the_code_on_a_page_runs(flush, page):
    path = PAGES / f"{page}.md"
    if not path.exists():
        pytest.skip("the pages are not here")
    blocks = re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.S)
    assert blocks
    port = flush.rpartition(":")[2]
    for block in blocks:
        with mock.patch.dict(sys.modules):
            exec(compile(block.replace("11211", port), str(path), "exec"), {})
