"""What memcxx.compat.pymemcache does better than pymemcache, on purpose.

See docs/migrating/pymemcache.md.
"""

from __future__ import annotations

import errno
import pickle
import socket
import ssl
import threading
import time
import types
import zlib

import memcxx
import originals
import pytest
from conftest import ServerProcess
from originals import in_threads, owners


_, ours, _ = originals.fixtures(
    "memcxx.compat.pymemcache", "pymemcache", originals.pymemcache_parts)


KEYS = [f"key:{i}:" + "x" * (i % 7) for i in range(400)]


def addresses(servers):
    return [(host, int(port)) for host, _, port in (s.rpartition(":") for s in servers)]


# --- better on purpose: see docs/migrating/pymemcache.md

def test_exceptions_are_memcxx_exceptions_as_well(ours, flush):
    made = ours.base.Client(flush, default_noreply=False)
    with pytest.raises(memcxx.errors.ValueTooLarge) as caught:
        made.set("key", b"x" * (2 << 20))
    assert isinstance(caught.value, ours.exceptions.MemcacheServerError)
    assert caught.value.server == flush
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is type(caught.value) and copy.server == flush


def test_a_refused_connection_has_its_number(ours):
    with ServerProcess() as s:
        address = s.address
    with pytest.raises(ConnectionRefusedError) as caught:
        ours.base.Client(address).get("key")
    assert caught.value.errno == errno.ECONNREFUSED
    assert caught.value.server == address


def test_an_answer_nobody_waited_for_is_not_the_next_ones(ours, flush):
    # The original reads "SERVER_ERROR object too large" as the answer to the next call.
    made = ours.base.Client(flush)
    assert made.set("large", b"x" * (2 << 20)) is True
    assert made.get("large") is None
    assert made.set("key", "v", noreply=False) is True
    assert made.get("key") == b"v"
    assert made.unclaimed_errors() == 1


def test_what_set_many_did_not_wait_for_is_counted(ours, flush):
    made = ours.base.Client(flush)
    assert made.set_many({"large": b"x" * (2 << 20), "key": "v"}) == []
    assert made.get("key") == b"v"
    assert made.unclaimed_errors() == 1


def test_an_exception_is_copied_with_its_words(ours, flush):
    made = ours.base.Client(flush, default_noreply=False)
    with pytest.raises(ours.exceptions.MemcacheServerError) as caught:
        made.set("key", b"x" * (2 << 20))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.args == caught.value.args == (b"object too large for cache",)
    assert str(copy) == str(caught.value) and copy.message == "object too large for cache"


def test_a_client_is_shared_between_threads(ours, flush4):
    made = ours.hash.HashClient(flush4, default_noreply=False)
    wrong = []

    def work(t):
        for i in range(200):
            key = f"t{t}:{i}"
            made.set(key, key)
            if made.get(key) != key.encode() or made.get_many([key]) != {key: key.encode()}:
                wrong.append(key)

    in_threads(work)
    assert not wrong


def test_no_timeout_is_a_long_one(ours):
    assert ours.base.Client("h")._core.timeout == 10
    assert ours.base.Client("h", timeout=0.25)._core.timeout == 0.25
    assert ours.base.Client("h", timeout=10**9)._core.timeout == 24 * 60 * 60


def test_a_late_answer_is_never_the_next_calls(ours):
    with ServerProcess() as s:
        made = ours.base.Client(s.address, timeout=0.2, default_noreply=False)
        made.set("a", "A")
        made.set("b", "B")
        s.stop()
        try:
            with pytest.raises(socket.timeout):
                made.get("a")
        finally:
            s.cont()
        assert made.get("b") == b"B"


def test_a_generator_of_keys(ours, flush):
    made = ours.base.Client(flush, default_noreply=False)
    made.set_many({"a": "1", "b": "2"})
    assert made.get_many(key for key in ("a", "b")) == {"a": b"1", "b": b"2"}
    assert made.delete_many(key for key in ("a", "b")) is True
    assert made.get_many(["a", "b"]) == {}


@pytest.mark.parametrize("key", ["", "a\x01", "a\x7f"])
def test_keys_that_the_protocol_does_not_allow(ours, flush, key):
    with pytest.raises(ours.exceptions.MemcacheIllegalInputError):
        ours.base.Client(flush).get(key)


def test_a_failing_server_is_told_and_never_read_as_a_miss(ours):
    # The original answers with defaults for retry_timeout seconds, even without ignore_exc.
    with ServerProcess() as a, ServerProcess() as b:
        made = ours.hash.HashClient([a.address, b.address], default_noreply=False, retry_timeout=60)
        key = next(k for k in KEYS if made._node(k) == a.address)
        a.kill()
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                made.get(key)
        assert made.get(key) is None  # taken out: the other server has it now
        made.set(key, "v")
        assert owners([b], [key]) == {key: 0}


def test_the_last_server_is_never_taken_out(ours):
    with ServerProcess() as s:
        made = ours.hash.HashClient([s.address], retry_attempts=0, default_noreply=False)
        s.kill()
        for _ in range(5):
            with pytest.raises(ConnectionRefusedError):
                made.get("key")
        s.restart()
        assert made.set("key", "v") is True


def test_an_answer_in_between_begins_the_count_anew(ours):
    with ServerProcess() as a, ServerProcess() as b:
        made = ours.hash.HashClient([a.address, b.address], default_noreply=False)
        key = next(k for k in KEYS if made._node(k) == a.address)
        for _ in range(2):
            a.kill()
            for _ in range(2):
                with pytest.raises(ConnectionRefusedError):
                    made.get(key)
            a.restart()
            assert made.get(key) is None
        assert made._node(key) == a.address


def test_failures_at_the_same_time_are_one(ours):
    with ServerProcess() as a, ServerProcess() as b:
        made = ours.hash.HashClient([a.address, b.address], timeout=1, connect_timeout=1,
                                    retry_attempts=1)
        key = next(k for k in KEYS if made._node(k) == a.address)
        a.stop()
        try:
            raised = []

            def call(_):
                try:
                    made.get(key)
                except socket.timeout:
                    raised.append(True)

            in_threads(call, 10)
            assert len(raised) == 10
        finally:
            a.cont()
        assert made._node(key) == a.address
        assert made.get(key) is None


def test_a_server_can_be_removed_for_good(ours, flush4):
    made = ours.hash.HashClient(flush4, default_noreply=False, dead_timeout=0)
    made.remove_server(addresses(flush4)[0])
    assert made.set_many({key: "v" for key in KEYS}) == []
    assert {made._node(key) for key in KEYS} == set(flush4[1:])
    time.sleep(0.01)
    made.get("key")
    assert {made._node(key) for key in KEYS} == set(flush4[1:])
    with pytest.raises(ValueError):
        made.remove_server(addresses(flush4)[0])


def test_flush_all_reaches_every_server_and_then_raises(ours):
    with ServerProcess() as a, ServerProcess() as b:
        made = ours.hash.HashClient([a.address, b.address], default_noreply=False)
        made.set_many({key: "v" for key in KEYS})
        a.kill()
        with pytest.raises(OSError):
            made.flush_all()
        assert owners([b], KEYS) == {}


def test_large_numbers_are_compressed(ours, flush):
    # The original hands text to zlib.compress, which refuses it.
    made = ours.base.Client(flush, serde=ours.serde.compressed_serde, default_noreply=False)
    made.set("key", 10**1000)
    assert made.get("key") == 10**1000


def test_something_appended_to_a_pickle_is_not_read_over(ours):
    data = pickle.dumps([1]) + b"more"
    assert ours.serde.python_memcache_deserializer("k", data, ours.serde.FLAG_PICKLE) is None


def test_an_error_ends_an_answer_before_its_end_tokens(ours, flush):
    with pytest.raises(ours.exceptions.MemcacheUnknownCommandError):
        ours.base.Client(flush, timeout=5).raw_command("bogus", "END\r\n")


def test_a_small_item_is_no_large_value(ours, monkeypatch):
    monkeypatch.setattr(ours.serde, "MOST_DECOMPRESSED", 1000)
    data = zlib.compress(b"x" * 1001)
    with pytest.raises(zlib.error):
        ours.serde.compressed_serde.deserialize("k", data, ours.serde.FLAG_COMPRESSED)
    with pytest.raises(zlib.error):
        ours.serde.compressed_serde.deserialize("k", data[:5], ours.serde.FLAG_COMPRESSED)


def test_what_is_not_there_is_refused(ours):
    with pytest.raises(NotImplementedError):
        ours.base.Client("h", tls_context=ssl.create_default_context())
    with pytest.raises(NotImplementedError):
        ours.base.Client("h", socket_module=types)
    with pytest.raises(ValueError):
        ours.base.Client(("two words", 1))


def test_memory_stands_in_for_a_server(ours):
    made = ours.base.Client("memory://", serde=ours.serde.pickle_serde, default_noreply=False)
    made.set("key", [1])
    assert made.get("key") == [1]
    assert made.add("key", 2) is False
    assert made.incr("nothing", 1) is None


def test_fallback_asks_on_for_the_keys_that_missed(ours, flush4):
    new, old = (ours.base.Client(s, default_noreply=False) for s in flush4[:2])
    new.set("a", "1")
    old.set_many({"a": "0", "b": "2"})
    both = ours.fallback.FallbackClient([new, old])
    assert both.get_many(["a", "b", "c"]) == {"a": b"1", "b": b"2"}
    assert both.gets_many(["b"])["b"][0] == b"2"
    with pytest.raises(ValueError):
        ours.fallback.FallbackClient([])


def test_retrying_passes_plain_attributes_on(ours, flush):
    made = ours.retrying.RetryingClient(ours.base.Client(flush))
    assert made.default_noreply is True
    with pytest.raises(AttributeError):
        made.no_such_thing


def test_a_pool_that_is_too_small_waits_and_then_says_so(ours):
    with ServerProcess() as s:
        made = ours.base.PooledClient(s.address, max_pool_size=1, timeout=0.3, connect_timeout=0.3)
        assert made.get("key") is None
        s.stop()
        # Takes the one connection, for longer than the others wait.
        patient = threading.Thread(target=made._client._core.within(30).get_raw, args=("key",))
        try:
            patient.start()
            time.sleep(0.05)
            with pytest.raises(RuntimeError) as caught:
                made.get("key")
            assert isinstance(caught.value, memcxx.errors.Overloaded)
        finally:
            s.cont()
            patient.join()
        assert made.get("key") is None
