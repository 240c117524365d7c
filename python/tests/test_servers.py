"""Servers that fall silent, come and go, and are many, through each face."""

from __future__ import annotations

import time

import pytest

import memcxx
from faces import PATIENT, free_port
from memcxx import errors


# --- time


def test_a_silent_server_is_a_timeout_and_no_miss(make, new_server):
    server = new_server()
    patient = make(server.address, max_failures=0)
    c = patient.within(0.3)
    patient.set("k", 1)
    server.stop()
    begun = time.monotonic()
    try:
        with pytest.raises(errors.Timeout) as caught:
            c.get("k")
        assert isinstance(caught.value, TimeoutError) and caught.value.server == server.address
        with pytest.raises(errors.Error):
            c.set("k", 2)
        with pytest.raises(errors.Timeout):
            c.within(0.05).get("k")
        assert time.monotonic() - begun < PATIENT / 2
    finally:
        server.cont()
    assert patient.get("k") in (1, 2)


def test_within_is_the_same_client(make, flush):
    c = make(flush)
    short = c.within(0.5)
    assert short.add("w", 1) and c.get("w") == 1
    assert short.gets("w")[0] == 1 and short.replace("w", 2) and short.append("w", "0")
    assert short.within(1).get("w") == 20
    assert short.servers() == c.servers()


# --- servers that come and go


def test_it_goes_on_after_a_server_restarted(make, new_server):
    server = new_server()
    c = make(server.address)
    for _ in range(3):
        assert c.set("k", 1) and c.get("k") == 1
        server.restart()
        time.sleep(0.1)
        assert c.get("k") is None  # empty again, and no error


def test_a_server_that_is_down_is_left_alone_and_comes_back(make, new_server):
    server = new_server()
    events = []
    c = make(server.address, max_failures=2, retry_min=0.05, retry_max=0.1,
             on_server_down=lambda name, why: events.append(("down", name, type(why))),
             on_server_up=lambda name: events.append(("up", name)))
    c.set("k", 1)
    server.kill()
    seen = set()
    for _ in range(10):
        with pytest.raises(errors.NetworkError) as caught:
            c.get("k")
        seen.add(type(caught.value))
    assert errors.ServerDown in seen
    server.restart()
    deadline = time.monotonic() + PATIENT
    while True:
        try:
            assert c.get("k") is None
            break
        except errors.NetworkError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    c.ping()
    assert events[0][:2] == ("down", server.address)
    assert issubclass(events[0][2], errors.NetworkError)
    assert events[-1] == ("up", server.address)


def test_one_server_of_many_costs_only_its_keys(make, new_server, flush4):
    dead = f"127.0.0.1:{free_port()}"
    c = make([*flush4, dead])
    keys = [f"key:{n}" for n in range(200)]
    failed = c.set_many({k: k for k in keys})
    assert set(failed) == {k for k in keys if c.which(k) == dead}
    assert failed
    found = c.get_many(keys, errors_too=True)
    for k in keys:
        if c.which(k) == dead:
            assert isinstance(found[k], errors.NetworkError)
        else:
            assert found[k] == k
    with pytest.raises(errors.NetworkError):
        c.get_many(keys)


def test_the_list_of_servers_may_change(make, flush4):
    c = make(flush4[:2])
    keys = [f"key:{n}" for n in range(100)]
    assert c.set_many({k: k for k in keys}) == {}
    assert c.servers() == flush4[:2]
    c.add_server(flush4[2])
    assert c.servers() == flush4[:3]
    homes = {k: c.which(k) for k in keys}
    assert set(homes.values()) == set(flush4[:3])
    moved = [k for k in keys if homes[k] == flush4[2]]
    assert c.get_many(keys) == {k: k for k in keys if k not in moved}
    c.remove_server(flush4[0])
    assert c.servers() == flush4[1:3]
    assert c.set_many({k: k for k in keys}) == {} and len(c.get_many(keys)) == 100
    c.replace_servers([flush4[3]])
    assert c.set("k", 1) and c.get("k") == 1 and set(c.ping()) == {flush4[3]}
    for bad in (lambda: c.remove_server(flush4[3]), lambda: c.remove_server("nobody"),
                lambda: c.add_server(flush4[3]), lambda: c.replace_servers([]),
                lambda: c.add_server("::::")):
        with pytest.raises(errors.InvalidArgument):
            bad()
    assert c.get("k") == 1


@pytest.mark.parametrize("distribution", ("ketama", "modula", "pymemcache", "python-memcached",
                                          "libmemcached-ketama", "jump"))
def test_the_faces_agree_on_where_a_key_lives(make, flush4, distribution):
    c = make(flush4, distribution=distribution)
    native = memcxx.Client(flush4, transport="native", distribution=distribution)
    for n in range(300):
        assert c.which(f"key:{n}") == native.which(f"key:{n}")
    assert c.set_many({f"key:{n}": n for n in range(300)}) == {}
    assert native.get_many([f"key:{n}" for n in range(300)]) == {f"key:{n}": n for n in range(300)}


def test_keys_of_a_dead_server_may_go_elsewhere(make, flush4):
    dead = f"127.0.0.1:{free_port()}"
    c = make([dead, *flush4[:2]], failover="next", distribution="modula")
    keys = [f"key:{n}" for n in range(100)]
    assert any(c.which(k) == dead for k in keys)
    assert c.set_many({k: k for k in keys}) == {}
    assert c.get_many(keys) == {k: k for k in keys}
    for k in keys[:10]:
        assert c.get(k) == k and c.delete(k)
    alone = make([dead, f"127.0.0.1:{free_port()}"], failover="next")
    with pytest.raises(errors.NetworkError) as caught:
        alone.get("k")
    assert caught.value.server == alone.which("k")
