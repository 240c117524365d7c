"""pylibmc's pools of clients.

Not needed here, since a Client may be shared between threads; programs that have them go on.
"""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from typing import Any, Iterator, Optional


class ClientPool(queue.Queue):
    """A queue of clients. `mc` and `n_slots`: begins with so many clones, and holds no more."""

    def __init__(self, mc: Any = None, n_slots: int = 0) -> None:
        super().__init__(n_slots)
        if mc is not None and n_slots:
            self.fill(mc, n_slots)

    @contextmanager
    def reserve(self, block: bool = False) -> Iterator[Any]:
        """A client for a `with`. queue.Empty when there is none, unless `block`: then it waits."""
        mc = self.get(block)
        try:
            yield mc
        finally:
            self.put(mc)

    def fill(self, mc: Any, n_slots: int) -> None:
        """Adds so many clones."""
        for _ in range(n_slots):
            self.put(mc.clone())


class ThreadMappedPool(dict):
    """A client for each thread, cloned from `master`."""

    def __new__(cls, master: Any) -> "ThreadMappedPool":
        return super().__new__(cls)

    def __init__(self, master: Any) -> None:
        super().__init__()
        self.master = master

    @property
    def current_key(self) -> Optional[int]:
        """What this thread's client is filed under."""
        return threading.current_thread().ident

    @contextmanager
    def reserve(self) -> Iterator[Any]:
        """This thread's client for a `with`."""
        key = self.current_key
        mc = self.pop(key, None)
        if mc is None:
            mc = self.master.clone()
        try:
            yield mc
        finally:
            self[key] = mc

    def relinquish(self) -> Any:
        """Forgets this thread's client; for a thread that ends."""
        return self.pop(self.current_key, None)
