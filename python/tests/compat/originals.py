"""What the tests of the drop-in modules share: the originals beside them, values, and servers that
answer by script."""

from __future__ import annotations

import contextlib
import importlib
import socket
import threading
import types
from typing import Any, Callable, Dict, Iterable

import pytest
from silent import FIRST_ANSWERS, Monotonous


class Point:
    """Something to pickle."""

    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other) is Point and other.x == self.x


class Number(int):
    """A subclass of a plain type."""


VALUES = [
    b"", b"bytes\0\xff", "", "text", "t\u00e9xt \u20ac \U0001f600", 0, 1, -5, 2**70, True, False,
    None, 1.5, [1, "a"], {"k": (1, 2)}, Point(3), Number(4), "x" * 5000, b"y" * 5000, list(range(1000)),
]


def name_of(value: Any) -> str:
    """A test's name for one of VALUES: the same in each process, whatever its address."""
    shown = repr(value).partition(" at 0x")[0]
    return f"{type(value).__name__}-{shown[:20]}"


def fixtures(ours: str, theirs: str, load: Callable[[str], Any]):
    """(lib, ours, theirs): lib is each in turn, and theirs skips where it is not installed."""

    @pytest.fixture(params=[ours, theirs], ids=["memcxx", "original"], name="lib")
    def both(request):
        if request.param == theirs:
            pytest.importorskip(theirs)
        return load(request.param)

    @pytest.fixture(name="ours")
    def our_own():
        return load(ours)

    @pytest.fixture(name="theirs")
    def the_original():
        pytest.importorskip(theirs)
        return load(theirs)

    return both, our_own, the_original


def pymemcache_parts(name: str) -> types.SimpleNamespace:
    """The modules of pymemcache, or of what stands in for it."""
    paths = {"base": ".client.base", "hash": ".client.hash", "retrying": ".client.retrying",
             "rendezvous": ".client.rendezvous", "murmur3": ".client.murmur3", "serde": ".serde",
             "exceptions": ".exceptions", "fallback": ".fallback", "top": "", "client": ".client"}
    return types.SimpleNamespace(
        **{part: importlib.import_module(name + path) for part, path in paths.items()})


def owners(processes: Iterable[Any], keys: Iterable[Any], prefix: bytes = b"") -> Dict[Any, int]:
    """{key: index of the server that has it}"""
    names = {prefix + (key.encode() if isinstance(key, str) else key): key for key in keys}
    out = {}
    for i, process in enumerate(processes):
        answer = process.ask(b"get " + b" ".join(names) + b"\r\n", b"END\r\n")
        for line in answer.split(b"\r\n"):
            if line.startswith(b"VALUE "):
                out[names[line.split()[1]]] = i
    return out


def in_threads(work: Callable[[int], None], count: int = 8) -> None:
    """Runs work(0), work(1), … at the same time."""
    threads = [threading.Thread(target=work, args=(t,)) for t in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def answering():
    """answering(reply, …) starts a Monotonous server, and tells its address."""
    with contextlib.ExitStack() as stack:
        yield lambda *args: stack.enter_context(contextlib.closing(Monotonous(*args))).address


class Scripted:
    """A server that answers the first request of each connection with `reply`, and closes it.

    Whether it knows the meta commands, which memcxx asks first, it denies.
    """

    def __init__(self, reply: bytes):
        self.reply = reply
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._socket.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                try:
                    self._answer(connection)
                except OSError:
                    pass

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        asked = connection.recv(1 << 16)
        if asked.startswith(b"ms memcxx:"):
            connection.sendall(FIRST_ANSWERS["classic"])
            asked = connection.recv(1 << 16)
        if asked:
            connection.sendall(self.reply)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1 << 16)

    def __enter__(self) -> "Scripted":
        return self

    def __exit__(self, *_: Any) -> None:
        self._socket.close()
