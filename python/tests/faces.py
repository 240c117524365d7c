"""The three faces of the client as one for the tests: memcxx.Client ("native"), the client over
Python's sockets ("python"), and the asyncio client, each of whose calls is run to its end
("asyncio")."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, Callable, Iterator

import pytest

import memcxx
from memcxx import aio

FACES = ("native", "python", "asyncio")


class Awaited:
    """memcxx.aio.Client for callers that wait."""

    def __init__(self, client: aio.Client, loop: asyncio.AbstractEventLoop):
        self.client = client
        self.loop = loop

    def __getattr__(self, name: str) -> Any:
        what = getattr(self.client, name)
        if inspect.iscoroutinefunction(what):
            return lambda *args, **options: self.loop.run_until_complete(what(*args, **options))
        return what

    def within(self, timeout: float) -> "Awaited":
        return Awaited(self.client.within(timeout), self.loop)

    def __enter__(self) -> "Awaited":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self.loop.run_until_complete(self.client.close())


# Seconds. Whatever a test does not measure may take as long as a loaded machine needs for it.
PATIENT = 30.0


def open_face(face: str, servers: Any, **options: Any) -> Any:
    options = {"timeout": PATIENT, "connect_timeout": PATIENT, **options}
    if face == "asyncio":
        return Awaited(aio.Client(servers, **options), asyncio.new_event_loop())
    return memcxx.Client(servers, transport=face, **options)


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def make(face: str) -> Iterator[Callable[..., Any]]:
    """make(servers, **options): a client of this face, which is closed with the test."""
    made = []

    def start(servers: Any, **options: Any) -> Any:
        made.append(open_face(face, servers, **options))
        return made[-1]
    yield start
    for client in made:
        client.close()
        if isinstance(client, Awaited):
            client.loop.close()


def free_port() -> int:
    """A port on which nothing listens."""
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
