"""Fork: what a child does about the sockets that it has from its parent.

The C++ client sees to its own. In a child the others let go of their copies of the parent's sockets
before anything else runs: not a byte is written to them, and the parent's stay open.
Never here: what an engine does besides.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from typing import Any, Iterable

_engines: "weakref.WeakSet[Any]" = weakref.WeakSet()


def register(engine: Any) -> None:
    """`engine.in_child()` is called in a child, for as long as the engine lives."""
    _engines.add(engine)


def let_go(descriptors: Iterable[int]) -> None:
    """Puts nothing (/dev/null) in place of each descriptor. Its owner may close it as ever; an
    event loop that the child shares with its parent is not told."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        for descriptor in descriptors:
            if descriptor >= 0:
                os.dup2(nothing, descriptor, inheritable=False)
    finally:
        os.close(nothing)


def _in_child() -> None:
    for engine in list(_engines):
        with contextlib.suppress(OSError):
            engine.in_child()


os.register_at_fork(after_in_child=_in_child)
