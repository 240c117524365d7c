"""memcxx.compat.memcache against what python-memcached does with noreply.

Tests that take `lib` run against both, so their expectations are the original's.
"""

from __future__ import annotations

import importlib

import originals
import pytest
from noreply_fixtures import TIMEOUT, at_once, mute, refusing  # noqa: F401


lib, ours, _ = originals.fixtures(
    "memcxx.compat.memcache", "memcache", importlib.import_module)

CALLS = [
    ("set", ("k", "v"), True), ("add", ("k", "v"), True), ("replace", ("k", "v"), True),
    ("append", ("k", "v"), True), ("prepend", ("k", "v"), True), ("cas", ("k", "v"), True),
    ("set_multi", ({"a": 1, "b": 2},), []), ("delete", ("k",), 1),
    ("delete_multi", (["a", "b"],), 1), ("touch", ("k", 5), 1), ("incr", ("k",), None),
    ("decr", ("k",), None),
]
NAMES = [c[0] for c in CALLS]


@pytest.mark.parametrize("verb, arguments, answer", CALLS, ids=NAMES)
def test_noreply_returns_at_once(lib, mute, verb, arguments, answer):
    client = lib.Client([mute.address], socket_timeout=TIMEOUT)
    for _ in range(2):
        assert at_once(getattr(client, verb), *arguments, noreply=True) == answer
    assert mute.was_told(verb.split("_")[0].replace("cas", "set").encode() + b" ")


@pytest.mark.parametrize("verb, arguments, answer", CALLS, ids=NAMES)
def test_counts_what_is_refused(ours, refusing, verb, arguments, answer):
    client = ours.Client([refusing], socket_timeout=TIMEOUT)
    assert getattr(client, verb)(*arguments, noreply=True) == answer
    assert client.get("k") is None
    assert client.unclaimed_errors() == (2 if "_m" in verb else 1)


def test_a_server_that_the_key_names(ours, refusing):
    client = ours.Client([refusing], socket_timeout=TIMEOUT)
    assert client.set((7, "k"), "v", noreply=True) is True
    assert client.get((7, "k")) is None
    assert client.unclaimed_errors() == 1
