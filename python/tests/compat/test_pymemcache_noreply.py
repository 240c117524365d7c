"""memcxx.compat.pymemcache against what pymemcache does with noreply.

Tests that take `lib` run against both, so their expectations are the original's.
"""

from __future__ import annotations

import contextlib

import originals
import pytest
from noreply_fixtures import TIMEOUT, at_once, refusing, silent  # noqa: F401
from silent import SilentServer


lib, ours, _ = originals.fixtures(
    "memcxx.compat.pymemcache", "pymemcache", originals.pymemcache_parts)

#: verb, arguments, what it answers
CALLS = [
    ("set", ("k", "v"), True), ("add", ("k", "v"), True), ("replace", ("k", "v"), True),
    ("append", ("k", "v"), True), ("prepend", ("k", "v"), True), ("cas", ("k", "v", 5), True),
    ("set_many", ({"a": "1", "b": "2"},), []), ("set_multi", ({"a": "1", "b": "2"},), []),
    ("delete", ("k",), True), ("delete_many", (["a", "b"],), True),
    ("delete_multi", (["a", "b"],), True), ("touch", ("k", 5), True), ("incr", ("k", 1), None),
    ("decr", ("k", 1), None), ("flush_all", (), True),
]
KINDS = ["Client", "PooledClient", "HashClient"]


def made(lib, kind, address, **options):
    if kind == "HashClient":
        return lib.hash.HashClient([address], **options)
    return getattr(lib.base, kind)(address, **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb, arguments, answer", CALLS,
                         ids=[c[0] for c in CALLS])
def test_noreply_returns_at_once(lib, silent, kind, verb, arguments, answer):
    client = made(lib, kind, silent.address, timeout=TIMEOUT)
    if kind == "HashClient" and verb == "flush_all":
        answer = None
    for _ in range(2):
        assert at_once(getattr(client, verb), *arguments, noreply=True) is answer or answer == []


@pytest.mark.parametrize("kind", KINDS)
def test_noreply_is_the_default_for_many(lib, silent, kind):
    client = made(lib, kind, silent.address, timeout=TIMEOUT)
    assert at_once(client.set_many, {"a": "1", "b": "2"}) == []
    assert at_once(client.delete_many, ["a", "b"]) is True
    assert at_once(client.touch, "k", 5) is True
    at_once(client.flush_all)
    assert silent.was_told(b"flush_all")


def test_many_servers(lib):
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(contextlib.closing(SilentServer())) for _ in range(3)]
        client = lib.hash.HashClient([s.address for s in servers], timeout=TIMEOUT)
        keys = [f"key:{i}" for i in range(100)]
        assert at_once(client.set_many, dict.fromkeys(keys, "v")) == []
        assert at_once(client.delete_many, keys) is True
        assert at_once(client.flush_all) is None
        assert all(s.was_told(b"flush_all") for s in servers)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb, arguments, answer", CALLS,
                         ids=[c[0] for c in CALLS])
def test_counts_what_is_refused(ours, refusing, kind, verb, arguments, answer):
    client = made(ours, kind, refusing, timeout=TIMEOUT)
    getattr(client, verb)(*arguments, noreply=True)
    assert client.get("k") is None  # not the answer to what was before
    assert client.unclaimed_errors() == (2 if "_m" in verb else 1)
