"""What a call is given and cannot take, or can only just, through each face."""

from __future__ import annotations

import asyncio
import collections
import subprocess
import sys
import types

import pytest

import memcxx
from faces import PATIENT
from memcxx import aio, errors

MANY = {
    "get_many": lambda c, what: c.get_many(what),
    "get_many, errors too": lambda c, what: c.get_many(what, errors_too=True),
    "get_many_raw": lambda c, what: c.get_many_raw(what),
    "delete_many": lambda c, what: c.delete_many(what),
    "set_many_raw": lambda c, what: c.set_many_raw(what),
    "set_many": lambda c, what: c.set_many(what),
    "add_many": lambda c, what: c.add_many(what),
}


class Text(str):
    pass


@pytest.mark.parametrize("what", ["abc", b"abc", "", Text("abc")], ids=repr)
@pytest.mark.parametrize("verb", MANY)
def test_one_key_is_not_many(make, verb, what):
    c = make("127.0.0.1:1")
    with pytest.raises(TypeError, match="many"):
        MANY[verb](c, what)


class Pairs(collections.abc.Mapping):
    def __init__(self, of):
        self.of = of

    def __getitem__(self, key):
        return self.of[key]

    def __iter__(self):
        return iter(self.of)

    def __len__(self):
        return len(self.of)


MAPPINGS = {"dict": dict, "OrderedDict": collections.OrderedDict, "UserDict": collections.UserDict,
            "ChainMap": lambda of: collections.ChainMap({"a": of["a"]}, of),
            "proxy": types.MappingProxyType, "Mapping": Pairs,
            "defaultdict": lambda of: collections.defaultdict(int, of)}


@pytest.mark.parametrize("form", MAPPINGS)
def test_any_mapping_is_stored(make, flush, form):
    c = make(flush)
    pairs = MAPPINGS[form]({"a": 1, "b": [2], b"c": "three"})
    assert c.set_many(pairs) == {}
    assert c.get_many(["a", "b", "c"]) == {"a": 1, "b": [2], "c": "three"}
    assert c.add_many(pairs) == {"a": False, "b": False, b"c": False}


@pytest.mark.parametrize("what", [[("a", 1)], {"a"}, None, 5, iter([("a", 1)])],
                         ids=["pairs", "set", "None", "5", "iterator"])
@pytest.mark.parametrize("verb", ["set_many", "add_many"])
def test_what_is_no_mapping_is_refused(make, verb, what):
    c = make("127.0.0.1:1")
    with pytest.raises(TypeError):
        getattr(c, verb)(what)


# --- numbers that are too large

LARGE = {"list": [2**64], "dict": {"n": -2**63 - 1}, "deep": [[{"n": [1, 2**100]}]],
         "key": {2**64: 1}}


@pytest.mark.parametrize("value", LARGE.values(), ids=LARGE)
def test_an_int_beyond_64_bits_inside_a_value(make, flush, value):
    c = make(flush)
    for call in (lambda: c.set("k", value), lambda: c.add("k", value),
                 lambda: c.cas("k", value, 5)):
        with pytest.raises(errors.WrongType, match="64 bits") as caught:
            call()
        assert isinstance(caught.value, (TypeError, ValueError))
    assert c.get("k") is None
    # Of many, it is that one's alone.
    failed = c.set_many({"a": 1, "k": value, "z": 3})
    assert list(failed) == ["k"] and isinstance(failed["k"], errors.WrongType)
    assert c.get_many(["a", "k", "z"]) == {"a": 1, "z": 3}


def test_such_an_int_among_values_in_pieces(make, flush):
    c = make(flush, split_over=1024)
    long = b"x" * 5000
    failed = c.set_many({"long": long, "k": [2**64], "after": long + b"y", "short": 1})
    assert list(failed) == ["k"] and isinstance(failed["k"], errors.WrongType)
    assert c.get_many(["long", "k", "after", "short"]) == {
        "long": long, "after": long + b"y", "short": 1}
    assert c.add_many({"long": long, "k": [2**64]})["long"] is False


@pytest.mark.parametrize("value", [2**64 - 1, -2**63])
def test_one_of_just_64_bits(make, flush, value):
    c = make(flush)
    c.set("k", [value])
    assert c.get("k") == [value]
    c.set("n", value * 2)  # outside of containers there is no limit
    assert c.get("n") == value * 2


def test_a_ttl_beyond_all_numbers(make, flush):
    c = make(flush)
    for ttl in (2**63, 2**64, 10**400, 1e300, float("inf"), float("nan")):
        with pytest.raises(errors.InvalidArgument):
            c.set("k", 1, ttl=ttl)
    c.set("k", 1, ttl=-2**64)
    assert c.get("k") is None


@pytest.mark.parametrize("delay", [-1, -0.5, float("nan"), float("inf"), 2**70, 10**400])
def test_a_delay_that_cannot_be(make, flush, delay):
    c = make(flush)
    with pytest.raises(errors.InvalidArgument):
        for outcome in c.flush_all(delay).values():
            if isinstance(outcome, Exception):
                raise outcome


@pytest.mark.parametrize("delay", ["1", b"1", [1]], ids=repr)
def test_a_delay_that_is_no_number(make, flush, delay):
    with pytest.raises(TypeError):
        make(flush).flush_all(delay)


NUMBERS = {
    "delta": lambda c, n: c.incr("k", n), "delta, down": lambda c, n: c.decr("k", n),
    "initial": lambda c, n: c.incr("k", 1, n), "flags": lambda c, n: c.store_raw("set", "k", b"", n),
    "flags of many": lambda c, n: c.set_many_raw([("k", b"", n)]),
    "cas": lambda c, n: c.cas("k", 1, n), "cas, deleted": lambda c, n: c.delete("k", cas=n),
    "cas, raw": lambda c, n: c.store_raw("cas", "k", b"", cas=n),
    "min_compress": lambda c, n: c.set("k", 1, min_compress=n),
    "min_compress of many": lambda c, n: c.set_many({"k": 1}, min_compress=n),
    "level": lambda c, n: c.verbosity(n),
}


@pytest.mark.parametrize("number", [2**64, -2**64, -1, pytest.param(10**400, id="10**400")])
@pytest.mark.parametrize("what", NUMBERS)
def test_a_number_that_no_request_can_carry(make, flush, what, number):
    c = make(flush)
    c.set("k", 1)
    with pytest.raises((errors.InvalidArgument, TypeError)):
        NUMBERS[what](c, number)
    assert c.get("k") == 1


@pytest.mark.parametrize("what", ["flags", "flags of many", "level"])
def test_one_of_more_than_32_bits(make, flush, what):
    with pytest.raises((errors.InvalidArgument, TypeError)):
        NUMBERS[what](make(flush), 2**32 + 1)


# --- who said what

@pytest.mark.parametrize("protocol", ["classic", "meta", "binary"])
def test_not_a_number_names_the_server_and_its_words(make, flush, protocol):
    c = make(flush, protocol=protocol)
    c.set("word", "ten")
    for call in (lambda: c.incr("word"), lambda: c.decr("word"), lambda: c.incr("word", initial=5)):
        if protocol == "classic" and call.__code__.co_consts[-1] == ("initial",):
            continue
        with pytest.raises(errors.NotANumber) as caught:
            call()
        assert caught.value.server == flush
        assert "num" in caught.value.message.lower()
        assert flush in str(caught.value)


# --- a client with nothing else to do

def test_a_call_alone_is_never_too_much(make, flush):
    c = make(flush, timeout=4 * PATIENT)
    keys = [f"k{n}" for n in range(150_000)]
    c.set_many({"k0": 1, "k149999": 2})
    assert c.get_many(keys) == {"k0": 1, "k149999": 2}


def test_what_is_beside_others_is_bounded(flush):
    async def main():
        async with aio.Client(flush, max_requests=10, max_bytes=1000, timeout=PATIENT) as c:
            keys = [f"k{n}" for n in range(100)]
            assert await c.get_many(keys) == {}
            assert await c.set("k", b"x" * 5000)
            first = asyncio.ensure_future(c.get_many(keys))
            await asyncio.sleep(0)
            for call in (c.get("k"), c.set("k", b"x" * 5000)):
                with pytest.raises(errors.Overloaded):
                    await call
            await first
            assert await c.get("k") == b"x" * 5000
    asyncio.run(main())


# --- interpreters

def test_a_second_interpreter_is_told_that_it_cannot():
    code = """
import sys
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
import memcxx
tried = interpreters.create()
interpreters.run_string(tried, '''
try:
    import memcxx
except ImportError as why:
    assert "interpreter" in str(why), why
else:
    raise SystemExit("it was imported")
print("told", flush=True)
''')
interpreters.destroy(tried)
print(memcxx.Client("127.0.0.1:1").timeout)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          timeout=PATIENT * 2)
    assert done.stdout.split() == ["told", "1.0"], done
    assert memcxx.__version__
