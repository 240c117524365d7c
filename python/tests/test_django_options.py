"""The Django backend: PyMemcacheCache's OPTIONS, and one deadline for a call that asks several
times."""

from __future__ import annotations

import asyncio
import time

import pytest

pytest.importorskip("django")

from django.conf import settings as djangos  # noqa: E402

if not djangos.configured:
    djangos.configure(
        CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}, USE_TZ=True)

from django.core.cache.backends.memcached import PyMemcacheCache  # noqa: E402

from memcxx import errors  # noqa: E402
from memcxx.django import MemcxxCache  # noqa: E402
from silent import hung  # noqa: E402

OF_PYMEMCACHE = {"ignore_exc": True, "max_pool_size": 4, "no_delay": True, "use_pooling": True,
                 "timeout": 0.5, "connect_timeout": 0.25}


@pytest.mark.parametrize("backend", [MemcxxCache, PyMemcacheCache])
def test_options_of_pymemcache_cache(flush, backend):
    cache = backend(flush, {"OPTIONS": OF_PYMEMCACHE})
    cache.set("key", [1])
    assert cache.get("key") == [1]


def test_what_they_become(flush):
    settings = MemcxxCache(flush, {"OPTIONS": OF_PYMEMCACHE})._cache.settings()
    assert settings["errors_are_misses"] and settings["pool_size"] == 4
    assert settings["timeout"] == 0.5 and settings["connect_timeout"] == 0.25
    off = {"ignore_exc": False, "max_pool_size": None, "no_delay": False, "use_pooling": False,
           "timeout": None, "connect_timeout": None}
    settings = MemcxxCache(flush, {"OPTIONS": off})._cache.settings()
    assert settings == MemcxxCache(flush, {})._cache.settings()
    # memcxx's own word for it comes first.
    both = {"ignore_exc": True, "on_error": "surface", "max_pool_size": 4, "pool_size": 5}
    settings = MemcxxCache(flush, {"OPTIONS": both})._cache.settings()
    assert not settings["errors_are_misses"] and settings["pool_size"] == 5
    with pytest.raises(errors.InvalidArgument, match="timeout"):
        MemcxxCache(flush, {"OPTIONS": {"timeout": 0}})


ONE_CALL = {
    "set": lambda c: c.set("k", 1),
    "aset": lambda c: asyncio.run(c.aset("k", 1)),
    "set_many": lambda c: c.set_many({"k": 1, "l": 2}),
    "get_or_set": lambda c: c.get_or_set("k", 1),
    "get_or_set, computed": lambda c: c.get_or_set("k", lambda: 1),
    "aget_or_set": lambda c: asyncio.run(c.aget_or_set("k", 1)),
    "get_many": lambda c: c.get_many(["k", "l"]),
    "has_key": lambda c: c.has_key("k"),
}


@pytest.mark.parametrize("name", ONE_CALL)
def test_a_call_has_one_deadline(scripted, name):
    cache = MemcxxCache(scripted(hung).address, {"OPTIONS": {
        "timeout": 0.6, "on_error": "miss", "max_failures": 0}})
    for _ in range(2):
        begun = time.monotonic()
        ONE_CALL[name](cache)
        assert 0.45 < time.monotonic() - begun < 1.1  # connect_timeout is half a second


def slow_to_store(s):
    """Values are there, and are stored late; too large ones are refused."""
    reading = s.makefile("rb")
    for line in reading:
        words = line.split()
        if words[0] == b"get":
            s.sendall(b"VALUE %s 0 1\r\n1\r\nEND\r\n" % words[1])
        elif words[0] == b"set":
            size = int(words[4])
            reading.read(size + 2)
            time.sleep(0.4)
            s.sendall(b"SERVER_ERROR object too large for cache\r\n" if size > 1000 else
                      b"STORED\r\n")


@pytest.mark.parametrize("call", [
    lambda c: c.set("k", "x" * 2000), lambda c: c.incr_version("k"),
    lambda c: c.decr_version("k", version=2), lambda c: asyncio.run(c.aincr_version("k"))])
def test_also_one_that_asks_again_after_an_answer(scripted, call):
    cache = MemcxxCache(scripted(slow_to_store).address, {"OPTIONS": {
        "timeout": 1.0, "protocol": "classic", "max_failures": 0}})
    begun = time.monotonic()
    with pytest.raises((errors.Timeout, errors.ValueTooLarge)):
        call(cache)
    assert 0.95 < time.monotonic() - begun < 1.3
    begun = time.monotonic()
    with pytest.raises(errors.Timeout):  # the next one has all of its time again
        cache.delete("k")
    assert 0.95 < time.monotonic() - begun < 1.3


@pytest.mark.parametrize("call", [
    lambda c: c.set_many({"k": "x" * 2000, "l": 1}),
    lambda c: asyncio.run(c.aset_many({"k": "x" * 2000, "l": 1}))])
def test_also_many_of_which_one_is_too_large(scripted, call):
    cache = MemcxxCache(scripted(slow_to_store).address, {"OPTIONS": {
        "timeout": 1.0, "protocol": "classic", "max_failures": 0}})
    begun = time.monotonic()
    assert call(cache) == ["k"]
    assert 0.95 < time.monotonic() - begun < 1.3  # two stores, and what is left for the old value


def test_what_is_computed_takes_its_own_time(flush):
    cache = MemcxxCache(flush, {"OPTIONS": {"timeout": 0.3, "connect_timeout": 0.3}})

    def compute():
        assert cache.get("other") is None  # with a whole deadline of its own
        time.sleep(0.5)
        assert cache.get("other") is None
        return 5
    assert cache.get_or_set("k", compute) == 5 == cache.get("k")
    assert asyncio.run(cache.aget_or_set("l", lambda: time.sleep(0.5) or 6)) == 6
    assert cache.get("l") == 6
