"""memcxx.compat.pylibmc against what pylibmc does with the behavior _noreply.

Tests that take `lib` run against both, so their expectations are the original's.
"""

from __future__ import annotations

import importlib

import originals
import pytest
from noreply_fixtures import TIMEOUT, at_once, refusing, silent  # noqa: F401


lib, ours, _ = originals.fixtures(
    "memcxx.compat.pylibmc", "pylibmc", importlib.import_module)

#: libmemcached has no number to give, and gives the largest
UNKNOWN = 2**64 - 1
CALLS = [
    ("set", ("k", "v"), True), ("add", ("k", "v"), True), ("replace", ("k", "v"), True),
    ("append", ("k", "v"), True), ("prepend", ("k", "v"), True), ("cas", ("k", "v", 5), True),
    ("set_multi", ({"a": 1, "b": 2},), []), ("add_multi", ({"a": 1, "b": 2},), []),
    ("delete", ("k",), True), ("delete_multi", (["a", "b"],), True), ("incr", ("k",), UNKNOWN),
    ("decr", ("k",), UNKNOWN), ("incr_multi", (["a", "b"],), None), ("flush_all", (), True),
]
NAMES = [c[0] for c in CALLS]
QUIET = {"_noreply": True, "cas": True, "_poll_timeout": round(TIMEOUT * 1000)}


@pytest.mark.parametrize("verb, arguments, answer", CALLS, ids=NAMES)
def test_noreply_returns_at_once(lib, silent, verb, arguments, answer):
    client = lib.Client([silent.address], behaviors=QUIET)
    for _ in range(2):
        assert at_once(getattr(client, verb), *arguments) == answer


def test_touch_returns_at_once(ours, silent):
    # The original waits for this one.
    client = ours.Client([silent.address], behaviors=QUIET)
    assert at_once(client.touch, "k", 5) is True


def test_it_is_done_all_the_same(lib, flush):
    done_all_the_same(lib, flush, binary=False)


def test_it_is_done_all_the_same_in_binary(ours, flush):
    """Not the original: its get_multi behind such calls is {} a few times in a hundred (1.6.3)."""
    done_all_the_same(ours, flush, binary=True)


def done_all_the_same(lib, flush, binary):
    quiet = lib.Client([flush], binary=binary, behaviors={"_noreply": True})
    client = lib.Client([flush], binary=binary)
    assert quiet.set_multi({"n": 5, "m": 1, "o": 1}) == []
    assert [quiet.incr("n"), quiet.decr("n", 3), quiet.incr("none")] == [UNKNOWN] * 3
    assert quiet.delete("none") is True
    assert quiet.delete_multi(["m", "none"]) is True
    assert quiet.get_multi(["n", "m", "o"]) == {"n": 3, "o": 1}  # over the same connection
    assert client.get_multi(["n", "m", "o"]) == {"n": 3, "o": 1}
    assert quiet.flush_all() is True
    assert quiet.get("n") is None


@pytest.mark.parametrize("verb, arguments, answer", CALLS, ids=NAMES)
def test_counts_what_is_refused(ours, refusing, verb, arguments, answer):
    client = ours.Client([refusing], behaviors=QUIET)
    getattr(client, verb)(*arguments)
    assert client.get("k") is None
    assert client.unclaimed_errors() == (2 if "_m" in verb else 1)


def test_the_behavior_can_be_turned_off(lib, flush):
    client = lib.Client([flush], behaviors={"_noreply": True})
    client.set("n", 1)
    client.behaviors = {"_noreply": False}
    assert client.incr("n") == 2
    with pytest.raises(lib.NotFound):
        client.incr("none")
