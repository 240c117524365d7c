"""When the clients over Python's own sockets leave a server alone."""

from __future__ import annotations

import threading
import types

from memcxx._green_pool import Pool
from memcxx._passive import Health

HEALTH = {"max_failures": 3, "retry_min": 1.0, "retry_max": 4.0}


def down(**more):
    h = Health({**HEALTH, **more})
    for n in range(3):
        assert h.failed("refused", began=n, now=n) is (n == 2)
    return h


def test_failures_in_a_row_mark_a_server_down_and_an_answer_brings_it_back():
    h = down()
    assert h.down and not h.spotless and not h.admit(2.1)
    assert "refused; tried again in" in h.why_down(2.1)
    assert h.answered() is True
    assert h.spotless and h.admit(2.2) and h.answered() is False


def test_failures_that_overlap_count_once():
    h = Health(HEALTH)
    for _ in range(100):
        h.failed("timeout", began=0.0, now=1.0)
    assert not h.down
    h.failed("timeout", began=0.5, now=1.5)
    assert not h.down
    h.failed("timeout", began=1.5, now=2.0)
    assert h.failed("timeout", began=2.0, now=2.5) is True


def test_an_answer_between_failures_starts_the_count_anew():
    h = Health(HEALTH)
    for n in range(20):
        assert not h.failed("closed", began=n, now=n)
        if n % 2:
            h.answered()
    assert not h.down


def test_one_call_in_a_while_tries_a_server_that_is_down():
    h = down()
    now, waits = 2.0, []
    for _ in range(5):
        begun = now
        while not h.admit(now):
            now += 0.01
        waits.append(now - begun)
        assert not h.admit(now)  # the others go on waiting
        h.failed("refused", began=now, now=now)
    for waited, expected in zip(waits, (1, 2, 4, 4, 4)):
        assert expected * 0.74 <= waited <= expected * 1.27


def test_a_try_without_an_outcome_is_followed_by_another():
    h = down()
    assert h.admit(10.0) and not h.admit(10.5) and h.admit(20.0)


def test_zero_failures_is_never():
    h = Health({**HEALTH, "max_failures": 0})
    for n in range(50):
        assert not h.failed("refused", began=n, now=n)
    assert h.admit(100)


def test_of_threads_that_race_each_failure_counts_and_one_tries():
    h = Health({**HEALTH, "max_failures": 800})
    start = threading.Barrier(8)
    went_down, tried = [], []

    def work(n):
        start.wait()
        for _ in range(100):
            if h.failed("refused", began=1, now=0):
                went_down.append(n)
        start.wait()
        if h.admit(100):
            tried.append(n)
    many = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in many:
        t.start()
    for t in many:
        t.join()
    assert len(went_down) == 1 and len(tried) == 1


def test_of_two_that_saw_the_same_one_changes_it():
    h = Health({**HEALTH, "max_failures": 1})
    h.failed("refused", began=0, now=0)
    seen = h._now()
    first, second = seen.copy(), seen.copy()
    assert seen.follow(first) and not seen.follow(second)
    assert h._now() is first and seen.latest() is first


class Idle:
    """A connection that looks as good as new."""

    class line:
        class core:
            failed = False
            unclaimed_errors = 0

    def __init__(self):
        self.ended = False

    def is_sound(self, now):
        return True

    def fail(self, code, why):
        self.ended = True

    def close(self):
        assert self.ended


def test_a_probe_has_a_connection_of_its_own():
    server = types.SimpleNamespace(health=Health(HEALTH), left=False)
    pool = Pool(server, 2)
    kept, others = Idle(), Idle()
    for link in (others, kept):
        claim = pool.enter(None)
        claim.link = link
        pool.give_back(claim)
    claim = pool.enter(None)
    assert pool.take_idle(claim, 1.0) and claim.link is kept
    server.health = down()
    probe = pool.enter(None)
    assert not pool.take_idle(probe, 3.0) and probe.link is None
    assert others.ended and not kept.ended


def test_a_line_that_changes_while_it_is_looked_at():
    class Line(dict):
        looks = 0

        def __iter__(self):
            Line.looks += 1
            one = super().__iter__()
            if Line.looks == 1:  # as another thread would
                self["meanwhile"] = None
            return one

    pool = Pool(types.SimpleNamespace(health=Health(HEALTH), left=False), 1)
    pool._line = Line({"a": None, "b": None})
    assert pool._first(2) == ["a", "b"] and Line.looks == 2
