"""What pymemcache's Client does by lines rather than by verbs: statistics, and commands of one's
own. Each call has a connection of its own, so that nothing it leaves behind reaches another call.

Never here: values.
"""

from __future__ import annotations

import socket
import time
from typing import Any, Callable, Dict, Sequence

from ..._plain import MOST_BYTES, MOST_LINES, PlainSocket
from ..exceptions import (
    MemcacheClientError,
    MemcacheIllegalInputError,
    MemcacheServerError,
    MemcacheUnexpectedCloseError,
    MemcacheUnknownCommandError,
    MemcacheUnknownError,
)
from ._address import ServerSpec

_LONGEST_ANSWER = 128 << 20


def _yes(text: bytes) -> bool:
    return text == b"yes"


def _nonzero(text: bytes) -> bool:
    return int(text) != 0


def _seconds(text: bytes) -> float:
    return float(text.replace(b":", b"."))


def _octal(text: bytes) -> int:
    return int(text, 8)


#: statistics that are no integer: how each is read
STAT_TYPES: Dict[bytes, Callable[[bytes], Any]] = {
    b"version": bytes,
    b"rusage_user": _seconds,
    b"rusage_system": _seconds,
    b"hash_is_expanding": _nonzero,
    b"slab_reassign_running": _nonzero,
    b"inter": bytes,
    b"growth_factor": float,
    b"stat_key_prefix": bytes,
    b"umask": _octal,
    b"detail_enabled": _nonzero,
    b"cas_enabled": _nonzero,
    b"auth_enabled_sasl": _yes,
    b"maxconns_fast": _nonzero,
    b"slab_reassign": _nonzero,
    b"slab_automove": _nonzero,
}


def raise_errors(line: bytes, command: bytes) -> None:
    """Raises what an error line of the server stands for."""
    if line.startswith(b"ERROR"):
        raise MemcacheUnknownCommandError(command)
    if line.startswith(b"CLIENT_ERROR"):
        raise MemcacheClientError(line.partition(b" ")[2])
    if line.startswith(b"SERVER_ERROR"):
        raise MemcacheServerError(line.partition(b" ")[2])


def ask(server: ServerSpec, timeout: float, command: bytes, until: bytes,
        name: bytes = b"", longest: int = _LONGEST_ANSWER) -> bytes:
    """Sends a command's line, and returns the answer up to `until`, without it.

    `timeout`: seconds, for all of it. An error line of the server ends the answer, too, and raises;
    what it does not know is called by its `name` then, or by the whole line.
    """
    name = name or command
    if not isinstance(server, tuple) and server == "memory://":
        raise MemcacheUnknownCommandError(command)
    deadline = time.monotonic() + timeout
    address = server if isinstance(server, str) else (str(server[0]), int(server[1]))
    plain = PlainSocket(address, timeout)
    try:
        connected = plain.connect()
        connected.sendall(command + b"\r\n")
        answer = bytearray()
        while True:
            at = answer.find(until, max(0, len(answer) - (1 << 16) - len(until)))
            if at >= 0:
                raise_errors(bytes(answer[:at]), name)
                return bytes(answer[:at])
            if answer.endswith(b"\r\n") and answer.count(b"\r\n", 0, 4096) == 1:
                raise_errors(bytes(answer[:-2]), name)
            left = deadline - time.monotonic()
            if left <= 0:
                raise socket.timeout(f"no {until!r} within {timeout} s")
            connected.settimeout(left)
            piece = connected.recv(1 << 16)
            if not piece:
                raise MemcacheUnexpectedCloseError("the connection ended before the whole answer")
            answer += piece
            if len(answer) > longest:
                raise MemcacheUnknownError(f"more than {longest} bytes")
    finally:
        plain.close()


def statistics(server: ServerSpec, timeout: float, groups: Sequence[Any]) -> Dict[bytes, Any]:
    """{name: value}, typed where the type is known, else bytes."""
    words = [str(g).encode() if not isinstance(g, bytes) else g for g in groups]
    for word in words:
        if not word or any(c <= 0x20 or c == 0x7f for c in word):
            raise MemcacheIllegalInputError(f"not a word of a command: {word!r}")
    # "stats reset" answers RESET alone, and everything else ends with END.
    end = b"RESET\r\n" if words == [b"reset"] else b"END\r\n"
    answer = ask(server, timeout, b" ".join([b"stats", *words]), end, b"stats", MOST_BYTES)
    if answer.count(b"\r\n") > MOST_LINES:
        raise MemcacheUnknownError(f"more than {MOST_LINES} lines")
    out: Dict[bytes, Any] = {}
    for line in answer.split(b"\r\n"):
        word, _, rest = line.partition(b" ")
        name, _, value = rest.partition(b" ")
        if word == b"STAT":
            out[name] = _typed(name, value)
        elif word == b"ITEM":
            out[name] = value
        elif line:
            raise MemcacheUnknownError(line[:32])
    return out


def _typed(name: bytes, value: bytes) -> Any:
    try:
        return STAT_TYPES.get(name, int)(value)
    except ValueError:
        return value
