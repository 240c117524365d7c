"""What the tests of calls share whose answer nobody waits for: servers that never answer, or refuse
everything. Such calls return when they are written, and what went wrong is counted."""

from __future__ import annotations

import contextlib

import pytest
from silent import AT_ONCE, Monotonous, SilentServer, seconds_of

TIMEOUT = 30.0  # seconds; nothing takes as long


@pytest.fixture(params=["meta", "classic"])
def silent(request):
    """A server that answers what a connection begins with, and nothing more."""
    with contextlib.closing(SilentServer(request.param)) as s:
        yield s


@pytest.fixture
def mute():
    """A server that never answers anything."""
    with contextlib.closing(SilentServer(None)) as s:
        yield s


@pytest.fixture
def refusing():
    """The address of a server that answers all but a get with SERVER_ERROR."""
    with contextlib.closing(Monotonous(b"SERVER_ERROR no\r\n")) as s:
        yield s.address


def at_once(call, *args, **kwargs):
    """What the call answers; it must not wait."""
    answers = []
    assert seconds_of(lambda: answers.append(call(*args, **kwargs))) < AT_ONCE
    return answers[0]
