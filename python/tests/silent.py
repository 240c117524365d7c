"""Servers that take everything and answer nothing, or the same to everything: for calls that do not
wait, and for what the words of a server become."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List

from conftest import ScriptedServer

#: what memcached 1.6.18 and 1.4.33 answer to the client's first question
FIRST_ANSWERS: Dict[str, bytes] = {
    "meta": b"NS\r\nMN\r\nVERSION 1.6.18\r\n",
    "classic": b"ERROR\r\n" * 3 + b"VERSION 1.4.33\r\n",
}
#: seconds; a call that waits takes as long as its timeout, which is longer
AT_ONCE = 5.0


class SilentServer(ScriptedServer):
    """`speaks`: "meta" or "classic": it answers the question that a connection begins with, and
    nothing behind it; None: nothing at all. `told`: the lines that came, blocks of values too."""

    def __init__(self, speaks: Any = "meta"):
        self._speaks = speaks
        self.told: List[bytes] = []
        super().__init__(self._listen)

    def _listen(self, s: Any) -> None:
        with s.makefile("rb") as lines:
            for line in lines:
                if not self._speaks or not line.startswith(b"ms memcxx:"):
                    self.told.append(line.rstrip(b"\r\n"))
                    continue
                while not line.startswith(b"version"):
                    line = lines.readline()
                s.sendall(FIRST_ANSWERS[self._speaks])

    def was_told(self, *beginnings: bytes, limit: float = 30.0) -> bool:
        """Whether a line with each of these beginnings came; they may be on their way."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if all(any(line.startswith(b) for line in list(self.told)) for b in beginnings):
                return True
            time.sleep(0.002)
        return False


class Monotonous(ScriptedServer):
    """Speaks classic, and answers every command with `reply`, a get with `to_get`."""

    _STORES = (b"set", b"add", b"replace", b"append", b"prepend", b"cas")

    def __init__(self, reply: bytes, to_get: bytes = b"END\r\n"):
        self._reply = reply
        self._to_get = to_get
        super().__init__(self._answer)

    def _answer(self, s: Any) -> None:
        with s.makefile("rb") as lines:
            for line in lines:
                word = line.split()[0]
                if word == b"ms":
                    while not line.startswith(b"version"):
                        line = lines.readline()
                    s.sendall(FIRST_ANSWERS["classic"])
                    continue
                if word in self._STORES:
                    lines.readline()
                s.sendall(self._to_get if word in (b"get", b"gets") else self._reply)


def hung(s: Any) -> None:
    """For scripted(): answers the question that a connection begins with, and then nothing."""
    lines = s.makefile("rb")
    while not lines.readline().startswith(b"version"):
        pass
    s.sendall(FIRST_ANSWERS["meta"])
    lines.read()


def seconds_of(call: Callable[[], Any]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began
