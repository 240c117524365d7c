"""The Django backend, held to what Django's documentation says of caches and to what its own
PyMemcacheCache does: each behaviour runs on both."""

from __future__ import annotations

import asyncio
import collections
import datetime
import pickle
import threading
import time
import types

import pytest

pytest.importorskip("django")

from django.conf import settings  # noqa: E402

if not settings.configured:
    settings.configure(
        CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}, USE_TZ=True)

from django.core.cache import caches  # noqa: E402
from django.core.cache.backends.base import InvalidCacheKey  # noqa: E402
from django.core.cache.backends.memcached import PyMemcacheCache  # noqa: E402
from django.test.utils import override_settings  # noqa: E402
from django.utils.safestring import SafeString, mark_safe  # noqa: E402

import memcxx  # noqa: E402
from memcxx import errors  # noqa: E402
from memcxx.django import MemcxxCache  # noqa: E402

BACKENDS = {"memcxx": MemcxxCache, "pymemcache": PyMemcacheCache}


@pytest.fixture(params=sorted(BACKENDS))
def backend(request):
    if request.param == "pymemcache":
        pytest.importorskip("pymemcache")
    return BACKENDS[request.param]


@pytest.fixture
def open_cache(backend):
    made = []

    def start(location, **params):
        params["OPTIONS"] = {"timeout": 30, "connect_timeout": 30, **params.get("OPTIONS", {})}
        made.append(backend(location, params))
        return made[-1]
    yield start
    for cache in made:
        cache.close()


@pytest.fixture
def cache(open_cache, flush):
    return open_cache(flush)


class Thing:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return isinstance(other, Thing) and other.x == self.x


# --- basic use


def test_get_and_set(cache):
    assert cache.get("key") is None
    cache.set("key", "value")
    assert cache.get("key") == "value"


def test_get_with_a_default(cache):
    assert cache.get("none", "default") == "default"
    assert cache.get("none", default=5) == 5


def test_a_stored_none_is_not_the_default(cache):
    cache.set("none", None)
    assert cache.get("none", "default") is None
    assert "none" in cache
    assert cache.get_or_set("none", "default") is None
    cache.add("none2", None)
    assert cache.get("none2", "default") is None
    assert cache.get_many(["none", "none2", "none3"]) == {"none": None, "none2": None}


def test_add(cache):
    assert cache.add("key", 1) is True
    assert cache.add("key", 2) is False
    assert cache.get("key") == 1


def test_get_or_set(cache):
    assert cache.get_or_set("key", 1) == 1
    assert cache.get_or_set("key", 2) == 1
    assert cache.get_or_set("called", lambda: "made", timeout=10) == "made"
    assert cache.get_or_set("called", lambda: "again") == "made"
    assert cache.get_or_set("versioned", "v2", version=2) == "v2"
    assert cache.get("versioned") is None


def test_has_key_and_in(cache):
    cache.set("key", 1)
    assert cache.has_key("key") and "key" in cache
    assert not cache.has_key("none") and "none" not in cache
    assert not cache.has_key("key", version=2)


def test_delete(cache):
    cache.set("key", 1)
    assert cache.delete("key") is True
    assert cache.get("key") is None
    assert cache.delete("key") is False


def test_get_many(cache):
    for key in "abcd":
        cache.set(key, key.upper())
    assert cache.get_many(["a", "c", "d", "x"]) == {"a": "A", "c": "C", "d": "D"}
    assert cache.get_many(iter(["a", "b"])) == {"a": "A", "b": "B"}
    assert cache.get_many([]) == {}


def test_set_many(cache):
    assert cache.set_many({"a": 1, "b": [2]}) == []
    assert cache.get_many(["a", "b"]) == {"a": 1, "b": [2]}
    assert cache.set_many({}) == []
    cache.set_many({"c": 3}, version=2)
    assert cache.get("c") is None and cache.get("c", version=2) == 3


def test_delete_many(cache):
    cache.set_many({"a": 1, "b": 2, "c": 3})
    cache.delete_many(["a", "c", "none"])
    assert cache.get_many(["a", "b", "c"]) == {"b": 2}
    cache.delete_many([])


def test_clear(cache):
    cache.set_many({"a": 1, "b": 2})
    cache.clear()
    assert cache.get_many(["a", "b"]) == {}


def test_incr_and_decr(cache):
    cache.set("n", 41)
    assert cache.incr("n") == 42
    assert cache.get("n") == 42
    assert cache.incr("n", 10) == 52
    assert cache.incr("n", -2) == 50
    assert cache.decr("n") == 49
    assert cache.decr("n", 9) == 40
    assert cache.decr("n", -2) == 42


def test_incr_and_decr_of_what_is_not_there(cache):
    for call in (cache.incr, cache.decr):
        with pytest.raises(ValueError):
            call("none")
    with pytest.raises(ValueError):
        cache.incr("none", -1)
    assert cache.get("none") is None


def test_close_and_go_on(cache):
    cache.set("key", 1)
    cache.close()
    cache.close()
    assert cache.get("key") == 1


# --- timeouts


def test_a_timeout(cache):
    cache.set("short", 1, 1)
    cache.set("long", 1, timeout=100)
    assert cache.add("added", 1, timeout=1)
    # The server's clock ticks once a second: the items may be gone at the next tick.
    deadline = time.monotonic() + 30
    while cache.get("short") is not None or cache.get("added") is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert cache.get("long") == 1


def seconds_left(server, key):
    """Of an item, by the server's clock; -1: for ever."""
    with memcxx.Client(server, protocol="meta", dialect="pymemcache", timeout=30) as c:
        return c.get_item(f":1:{key}", ttl=True)[1]["ttl"]


def test_a_timeout_of_none_is_for_ever(open_cache, flush):
    cache = open_cache(flush, TIMEOUT=1000)
    cache.set("never", 1, None)
    cache.set_many({"many": 1}, None)
    assert cache.add("added", 1, timeout=None)
    cache.set("usual", 1)
    cache.set("touched", 1)
    assert cache.touch("touched", None)
    assert {key: seconds_left(flush, key) for key in ("never", "many", "added", "touched")} == {
        "never": -1, "many": -1, "added": -1, "touched": -1}
    assert 0 < seconds_left(flush, "usual") <= 1000


def test_the_default_timeout_may_be_none(open_cache, flush):
    cache = open_cache(flush, TIMEOUT=None)
    assert cache.default_timeout is None
    cache.set("never", 1)
    assert seconds_left(flush, "never") == -1


@pytest.mark.parametrize("timeout", [0, 0.5, -1, -100])
def test_a_timeout_of_zero_or_less_expires_at_once(cache, timeout):
    cache.set("zero", 1, timeout)
    assert cache.get("zero") is None
    assert cache.add("zero", 1, timeout) is True
    assert cache.get("zero") is None
    cache.set_many({"zero": 1, "also": 2}, timeout)
    assert cache.get_many(["zero", "also"]) == {}
    cache.set("zero", 1)
    assert cache.touch("zero", timeout) is True
    assert cache.get("zero") is None


def test_a_timeout_of_more_than_thirty_days(cache):
    for days in (31, 365):
        cache.set("long", days, 60 * 60 * 24 * days + 1)
        assert cache.get("long") == days
        cache.add("long2", days, 60 * 60 * 24 * days + 1)
        assert cache.get("long2") == 31
        cache.set_many({"long3": days}, 60 * 60 * 24 * days + 1)
        assert cache.get("long3") == days
        assert cache.touch("long", 60 * 60 * 24 * days + 1)
        assert cache.get("long") == days


def test_a_float_timeout(cache):
    cache.set("key", 1, timeout=100.2)
    assert cache.get("key") == 1


def test_touch(cache, flush):
    cache.set("key", 1, timeout=100)
    assert cache.touch("key", timeout=1000) is True
    assert cache.touch("none") is False
    assert 100 < seconds_left(flush, "key") <= 1000
    assert cache.get("key") == 1
    cache.set("versioned", 1, version=2)
    assert cache.touch("versioned", 10) is False and cache.touch("versioned", 10, version=2) is True


# --- keys and versions


def test_versions(open_cache, flush):
    v1, v2 = open_cache(flush), open_cache(flush, VERSION=2)
    v1.set("key", "one")
    assert v1.get("key") == "one" and v1.get("key", version=1) == "one"
    assert v1.get("key", version=2) is None and v2.get("key") is None
    v2.set("key", "two")
    assert v1.get("key") == "one" and v2.get("key") == "two" and v1.get("key", version=2) == "two"
    assert v2.delete("key", version=1) and v1.get("key") is None and v2.get("key") == "two"
    assert v1.get_many(["key"], version=2) == {"key": "two"}
    assert v2.add("key", 3) is False and v2.add("key", 3, version=1) is True
    v1.delete_many(["key"], version=2)
    assert v2.get("key") is None


def test_incr_version(cache):
    cache.set("key", "value")
    assert cache.incr_version("key") == 2
    assert cache.get("key") is None and cache.get("key", version=2) == "value"
    assert cache.incr_version("key", version=2, delta=3) == 5
    assert cache.decr_version("key", version=5) == 4
    assert cache.get("key", version=4) == "value"
    with pytest.raises(ValueError):
        cache.incr_version("none")
    with pytest.raises(ValueError):
        cache.decr_version("none")


def test_prefixes(open_cache, flush):
    plain, prefixed = open_cache(flush), open_cache(flush, KEY_PREFIX="site")
    plain.set("key", "plain")
    assert prefixed.get("key") is None
    prefixed.set("key", "prefixed")
    assert plain.get("key") == "plain" and prefixed.get("key") == "prefixed"
    assert prefixed.get_many(["key"]) == {"key": "prefixed"}


def test_a_key_function(open_cache, flush):
    cache = open_cache(flush, KEY_FUNCTION=lambda key, prefix, version: f"CUSTOM-{version}-{key}")
    cache.set("key", "value")
    assert memcxx.Client(flush, dialect="pymemcache").get("CUSTOM-1-key") == "value"
    assert cache.get_many(["key"]) == {"key": "value"}


@pytest.mark.parametrize("key", ["key with spaces and 清", "a" * 251, "line\nend", "\x7f"])
def test_a_key_that_memcached_would_refuse(cache, key):
    for call in (lambda: cache.get(key), lambda: cache.set(key, 1), lambda: cache.add(key, 1),
                 lambda: cache.delete(key), lambda: cache.touch(key), lambda: cache.incr(key),
                 lambda: cache.decr(key), lambda: cache.get_many([key, "fine"]),
                 lambda: cache.set_many({key: 1, "fine": 2}),
                 lambda: cache.delete_many([key, "fine"]), lambda: cache.has_key(key),
                 lambda: cache.get_or_set(key, 1), lambda: cache.incr_version(key)):
        with pytest.raises(InvalidCacheKey):
            call()


def test_keys_that_are_not_text(cache):
    cache.set(42, "number")
    assert cache.get(42) == "number" and cache.get("42") == "number"
    assert cache.get_many([42]) == {42: "number"}
    assert cache.set_many({43: 1}) == [] and cache.get("43") == 1


def test_unicode(cache):
    for key, value in {"ascii": "ascii_value", "unicode_ascii": "Iñtërnâtiônàlizætiøn1",
                       "Iñtërnâtiônàlizætiøn": "Iñtërnâtiônàlizætiøn2", "清": {"清": "世界"}}.items():
        cache.set(key, value)
        assert cache.get(key) == value
        assert cache.delete(key)
        assert cache.add(key, value)
        assert cache.get(key) == value
        cache.delete(key)
        cache.set_many({key: value})
        assert cache.get_many([key]) == {key: value}


# --- values


@pytest.mark.parametrize("value", [
    "text", "", 1, 0, -1, 2**40, 1.5, True, False, None, b"bytes", b"", b"\0\xff", [1, [2]], (1, 2),
    {"a": {"b": None}}, {1, 2}, datetime.date(2024, 2, 29),
    datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc), Thing(5), "é" * 1000,
], ids=lambda v: repr(v)[:20])
def test_values_of_all_types(cache, value):
    cache.set("v", value)
    found = cache.get("v", "missing")
    assert found == value and type(found) is type(value)
    assert cache.get_many(["v"]) == {"v": value}


def test_a_safe_string_stays_safe(cache):
    cache.set("html", mark_safe("<b>bold</b>"))
    assert isinstance(cache.get("html"), SafeString)


def test_what_cannot_be_pickled(cache):
    class Unpicklable:
        def __getstate__(self):
            raise pickle.PickleError
    with pytest.raises(pickle.PickleError):
        cache.add("unpicklable", Unpicklable())
    with pytest.raises(pickle.PickleError):
        cache.set("unpicklable", Unpicklable())
    assert cache.get("unpicklable") is None


def test_a_failed_set_drops_the_old_value(cache):
    cache.set("key", "small")
    with pytest.raises(Exception):
        cache.set("key", "a" * (2 * 1024 * 1024))
    assert cache.get("key") is None


# --- asynchronous


def test_the_asynchronous_methods(cache):
    async def main():
        assert await cache.aget("key") is None
        await cache.aset("key", "value")
        assert await cache.aget("key") == "value"
        assert await cache.aadd("key", "x") is False
        assert await cache.ahas_key("key")
        assert await cache.atouch("key", 100) is True
        assert await cache.aset_many({"a": 1, "b": 2}) == []
        assert await cache.aget_many(["a", "b", "c"]) == {"a": 1, "b": 2}
        await cache.adelete_many(["a", "b"])
        assert await cache.aget_many(["a", "b"]) == {}
        assert await cache.adelete("key") is True
        assert await cache.aget_or_set("made", lambda: 5) == 5
        await cache.aset("n", 1)
        assert await cache.aincr("n") == 2
        assert await cache.adecr("n") == 1
        with pytest.raises(ValueError):
            await cache.aincr("none")
        assert await cache.aincr_version("n") == 2
        await cache.aclear()
        assert await cache.aget("made") is None
        await cache.aclose()
    asyncio.run(main())


# --- several servers, and each other's data


def test_several_servers(open_cache, flush4):
    for location in (flush4, ",".join(flush4), ";".join(flush4)):
        cache = open_cache(location)
        values = {f"key:{n}": n for n in range(100)}
        assert cache.set_many(values) == []
        assert cache.get_many(values) == values
        cache.clear()
        assert cache.get_many(values) == {}


def test_a_unix_socket(open_cache, unix_server):
    for location in (unix_server, unix_server[len("unix:"):]):
        cache = open_cache(location)
        cache.set("key", 1)
        assert cache.get("key") == 1


def test_each_reads_what_the_other_stored(flush4):
    pytest.importorskip("pymemcache")
    theirs, ours = PyMemcacheCache(flush4, {}), MemcxxCache(flush4, {})
    values = {"text": "é", "bytes": b"\0", "number": 5, "big": 2**80, "truth": True, "none": None,
              "float": 2.5, "thing": Thing(1), "safe": mark_safe("<b>"), "list": [1, (2,)]}
    values.update({f"key:{n}": n for n in range(200)})
    assert theirs.set_many(values) == []
    assert ours.get_many(values) == values
    for key, value in values.items():
        assert type(ours.get(key)) is type(value)
    ours.clear()
    assert ours.set_many(values) == []
    assert theirs.get_many(values) == values
    for key, value in values.items():
        assert type(theirs.get(key)) is type(value)
    assert ours.incr("number") == 6 and theirs.incr("number") == 7 and ours.get("number") == 7
    theirs.close()


# --- memcxx's own


def test_by_djangos_settings(flush):
    config = {"default": {"BACKEND": "memcxx.django.MemcxxCache", "LOCATION": flush, "TIMEOUT": 60,
                          "KEY_PREFIX": "p", "OPTIONS": {"timeout": 2, "MAX_ENTRIES": 1000}}}
    with override_settings(CACHES=config):
        cache = caches["default"]
        assert isinstance(cache, MemcxxCache)
        cache.set("key", {"a": 1})
        assert cache.get("key") == {"a": 1} and cache.default_timeout == 60
        assert memcxx.Client(flush, protocol="meta", dialect="pymemcache").get_item(
            "p:1:key", ttl=True)[1]["ttl"] <= 60
        others = []
        thread = threading.Thread(target=lambda: others.append(caches["default"]))
        thread.start()
        thread.join()
        assert others[0] is not cache and others[0]._cache is cache._cache


def test_another_dialect(flush):
    cache = MemcxxCache(flush, {"OPTIONS": {"dialect": "native"}})
    cache.set("key", {"a": [1, None]})
    assert memcxx.Client(flush).get(":1:key") == {"a": [1, None]}
    with pytest.raises(TypeError):
        cache.set("thing", Thing(1))


def test_an_option_that_is_not_there():
    with pytest.raises(errors.InvalidArgument):
        MemcxxCache("127.0.0.1", {"OPTIONS": {"no_such_option": True}})


def test_a_timeout_beyond_the_protocols_end_is_for_ever(flush):
    cache = MemcxxCache(flush, {})
    cache.set("key", 1, 100 * 365 * 86400)
    assert cache.get("key") == 1


@pytest.mark.parametrize("keys", ["abc", b"abc", ""], ids=repr)
def test_one_key_is_not_many(flush, keys):
    cache = MemcxxCache(flush, {})
    for call in (lambda: cache.get_many(keys), lambda: cache.delete_many(keys),
                 lambda: asyncio.run(cache.aget_many(keys)), lambda: cache.set_many(keys)):
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize("form", [dict, collections.OrderedDict, collections.UserDict,
                                  types.MappingProxyType])
def test_any_mapping_is_stored(flush, form):
    cache = MemcxxCache(flush, {})
    assert cache.set_many(form({"a": 1, "b": [2]})) == []
    assert cache.get_many(["a", "b"]) == {"a": 1, "b": [2]}


def test_not_a_number_names_the_server_and_its_words(flush):
    cache = MemcxxCache(flush, {})
    cache.set("word", "ten")
    for call in (lambda: cache.incr("word"), lambda: cache.decr("word"),
                 lambda: asyncio.run(cache.aincr("word"))):
        with pytest.raises(errors.NotANumber, match="num") as caught:  # a ValueError, as Django's
            call()
        assert caught.value.server == flush


def test_a_server_that_is_not_there():
    from faces import free_port
    location = f"127.0.0.1:{free_port()}"
    cache = MemcxxCache(location, {})
    for call in (lambda: cache.get("k"), lambda: cache.set("k", 1), cache.clear,
                 lambda: cache.get_many(["k", "l"]), lambda: cache.delete_many(["k"])):
        with pytest.raises(ConnectionError):
            call()
    assert cache.set_many({"k": 1, "l": 2}) == ["k", "l"]
    forgiving = MemcxxCache(location, {"OPTIONS": {"on_error": "miss"}})
    assert forgiving.get("k", 5) == 5 and forgiving.get_many(["k"]) == {}
    forgiving.set("k", 1)
    assert forgiving.add("k", 1) is False and forgiving.delete("k") is False
    with pytest.raises(ValueError):
        forgiving.incr("k")


def test_counting_is_atomic_in_async_code(flush):
    cache = MemcxxCache(flush, {})

    async def main():
        await cache.aset("n", 0)
        await asyncio.gather(*(cache.aincr("n") for _ in range(50)))
        assert await cache.aget("n") == 50
    asyncio.run(main())
