"""Keys of memcxx.compat.memcache and of python-memcached, and which server they live on. Where
memcxx is better on purpose, the test says so.
"""

from __future__ import annotations


import pytest
from memcache_fixtures import mc, module, module_named, ours  # noqa: F401


# --- keys

BAD_KEYS = [(None, "None"), ("", "Character"), (b"", "Character"), ("a b", "Character"),
            ("a\x00", "Character"), ("a\x7f", "Character"), ("a\tb", "Character"),
            ("a" * 251, "Length"), ("ü" * 126, "Length"), (1, "Type"), (1.5, "Type"),
            ((0, 5), "Type"), ((0, "a b"), "Character")]


@pytest.mark.parametrize("key, kind", BAD_KEYS, ids=repr)
@pytest.mark.parametrize("verb", ["get", "gets", "set", "add", "replace", "append", "prepend",
                                  "cas", "delete", "touch", "incr", "decr"])
def test_a_bad_key_is_refused_by_every_verb(module, mc, verb, key, kind):
    values = ["v"] if verb in ("set", "add", "replace", "append", "prepend", "cas") else []
    with pytest.raises(getattr(module.Client, f"MemcachedKey{kind}Error")):
        getattr(mc, verb)(key, *values)


@pytest.mark.parametrize("key, kind", [k for k in BAD_KEYS if k[1] != "Type"], ids=repr)
def test_a_bad_key_among_many_stores_nothing(module, mc, key, kind):
    error = getattr(module.Client, f"MemcachedKey{kind}Error")
    with pytest.raises(error):
        mc.set_multi({"a": 1, key: 2})
    with pytest.raises(error):
        mc.get_multi(["a", key])
    with pytest.raises(error):
        mc.delete_multi(["a", key])
    assert mc.get("a") is None


def test_a_prefix_counts_and_is_checked(module, mc):
    with pytest.raises(module.Client.MemcachedKeyLengthError):
        mc.get_multi(["x"], key_prefix="a" * 250)
    with pytest.raises(module.Client.MemcachedKeyCharacterError):
        mc.get_multi(["x"], key_prefix="a b")
    with pytest.raises(TypeError):
        mc.set_multi({"x": 1}, key_prefix=5)


def test_the_longest_key_works(mc):
    assert mc.set("k" * 250, 1) is True
    assert mc.get("k" * 250) == 1


@pytest.mark.parametrize("key", [("x", "k"), ("x",)])
def test_a_tuple_that_is_no_key(mc, key):
    with pytest.raises((TypeError, IndexError)):
        mc.get(key)


def test_a_key_that_ends_in_a_newline():
    # The original's pattern lets it pass, and the rest of the line becomes another command.
    original = module_named("python-memcached")
    assert original.Client([]).check_key(b"a\n") is None
    with pytest.raises(ours.Client.MemcachedKeyCharacterError):
        ours.Client([]).check_key(b"a\n")


def test_without_check_keys_the_core_still_refuses_what_would_be_a_command(flush):
    # The original sends it.
    mc = ours.Client([flush], check_keys=False)
    with pytest.raises(ours.Client.MemcachedKeyCharacterError):
        mc.get("a\r\nflush_all")
    with pytest.raises(ours.Client.MemcachedKeyLengthError):
        mc.set_multi({"a" * 251: 1})
    with pytest.raises(TypeError):
        mc.set(5, "v")
    assert mc.set("fine", 1) is True and mc.get("fine") == 1


def test_the_limit_of_keys_can_be_set(module, flush):
    mc = module.Client([flush], server_max_key_length=5)
    with pytest.raises(module.Client.MemcachedKeyLengthError):
        mc.set("abcdef", 1)
    assert mc.set("abcde", 1) is True


def test_check_key(module, flush):
    mc = module.Client([flush])
    assert mc.check_key(b"a") is None
    assert mc.check_key("", 1) is None
    assert mc.check_key((0, b"a")) is None
    with pytest.raises(module.Client.MemcachedKeyNoneError):
        mc.check_key("")
    with pytest.raises(module.Client.MemcachedKeyTypeError):
        mc.check_key("a")
    with pytest.raises(module.Client.MemcachedKeyLengthError):
        mc.check_key(b"a", 250)


def test_a_key_encoder(module, flush):
    mc = module.Client([flush], key_encoder=lambda key: str(key).replace(" ", "_"))
    assert mc.set("a b", 1) is True
    assert mc.get("a b") == 1
    assert module.Client([flush]).get("a_b") == 1
    assert mc.get_multi(["a b"]) == {"a_b": 1}
    assert mc.set(5, 2) is True and mc.get(5) == 2
    assert mc.delete("a b") == 1


def test_a_key_encoder_that_gives_text_works_for_many_too(flush):
    # In the original set_multi and delete_multi fail with a TypeError then.
    mc = ours.Client([flush], key_encoder=lambda key: str(key).replace(" ", "_"))
    assert mc.set_multi({"a b": 1}) == []
    assert mc.get_multi(["a b"]) == {"a_b": 1}
    assert mc.delete_multi(["a b"]) == 1


# --- placement

KEYS = [*(f"key:{i}" for i in range(1000)), *(f"ü{i}" for i in range(200)), "foo", "x", "hello"]


def homes(processes, keys):
    found = {}
    for index, server in enumerate(processes):
        for key in keys:
            if b"VALUE" in server.ask(b"get " + key.encode() + b"\r\n", b"END\r\n"):
                found.setdefault(key, []).append(index)
    return found


def weighted(servers, weights):
    return [(s, w) for s, w in zip(servers, weights)]


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (3, 1, 0, 2)])
def test_keys_land_on_the_same_servers(flush4, weights):
    original = module_named("python-memcached")
    servers = weighted(flush4, weights)
    theirs, mine = original.Client(servers), ours.Client(servers)
    for key in KEYS:
        theirs.set(key, "theirs")
    assert all(mine.get(key) == "theirs" for key in KEYS)
    assert mine.get_multi(KEYS) == dict.fromkeys(KEYS, "theirs")
    mine.set_multi(dict.fromkeys(KEYS, "mine"))
    assert theirs.get_multi(KEYS) == dict.fromkeys(KEYS, "mine")
    assert {mine._get_server(k)[0].port for k in KEYS} == {
        mine.servers[i].port for i, w in enumerate(weights) if w}


def test_keys_with_a_prefix_land_on_the_same_servers(flush4):
    original = module_named("python-memcached")
    theirs, mine = original.Client(flush4), ours.Client(flush4)
    theirs.set_multi(dict.fromkeys(KEYS, 1), key_prefix="pre:")
    assert mine.get_multi(KEYS, key_prefix="pre:") == dict.fromkeys(KEYS, 1)
    assert all(mine.get(f"pre:{key}") == 1 for key in KEYS)


def test_keys_with_a_hash_land_on_the_same_servers(flush4, server_processes4):
    original = module_named("python-memcached")
    theirs, mine = original.Client(flush4), ours.Client(flush4)
    keys = [(i, f"k{i}") for i in range(40)]
    for key in keys:
        theirs.set(key, 1)
    assert all(mine.get(key) == 1 for key in keys)
    assert mine.get_multi(keys) == dict.fromkeys(keys, 1)
    assert homes(server_processes4, ["k0", "k5", "k38"]) == {"k0": [0], "k5": [1], "k38": [2]}
    mine.set_multi({key: 2 for key in keys}, key_prefix="p")
    assert theirs.get_multi(keys, key_prefix="p") == dict.fromkeys(keys, 2)
    assert mine.delete_multi(keys) == 1
    assert theirs.get_multi(keys) == {}


def test_a_server_that_is_listed_twice_counts_twice(flush4):
    original = module_named("python-memcached")
    servers = [flush4[0], flush4[1], flush4[0], flush4[2]]
    theirs, mine = original.Client(servers), ours.Client(servers)
    for key in KEYS[:200]:
        theirs.set(key, 1)
    assert mine.get_multi(KEYS[:200]) == dict.fromkeys(KEYS[:200], 1)
    assert mine.get(KEYS[0]) == 1


def test_a_hash_function_of_ones_own(flush4):
    original = module_named("python-memcached")
    try:
        for module in (original, ours):
            module.serverHashFunction = lambda key: len(key)
        theirs, mine = original.Client(flush4), ours.Client(flush4)
        for key in KEYS[:200]:
            theirs.set(key, 1)
        assert mine.get_multi(KEYS[:200]) == dict.fromkeys(KEYS[:200], 1)
        assert mine.get(KEYS[7]) == 1
        for module in (original, ours):
            module.useOldServerHashFunction()
        mine.set_multi(dict.fromkeys(KEYS[:200], 2))
        assert theirs.get_multi(KEYS[:200]) == dict.fromkeys(KEYS[:200], 2)
    finally:
        for module in (original, ours):
            module.serverHashFunction = module.cmemcache_hash


@pytest.mark.parametrize("by_hash", [False, True])
def test_keys_of_dead_servers_land_on_the_same_others(new_server, by_hash):
    original = module_named("python-memcached")
    processes = [new_server() for _ in range(4)]
    servers = [p.address for p in processes]
    processes[1].kill()
    processes[2].kill()
    theirs, mine = original.Client(servers), ours.Client(servers)
    keys = [(i, f"k{i}") for i in range(100)] if by_hash else KEYS[:300]
    mine.get("a")  # hears of the dead
    for key in keys:
        theirs.set(key, 1)
    assert [mine.get(key) for key in keys] == [1] * len(keys)
    assert mine.get_multi(keys) == dict.fromkeys(keys, 1)
    assert mine.set_multi(dict.fromkeys(keys, 2)) == []
    assert theirs.get_multi(keys) == dict.fromkeys(keys, 2)
