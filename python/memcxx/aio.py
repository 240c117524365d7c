"""The asyncio client: the verbs of memcxx.Client, to be awaited.

    async with memcxx.aio.Client("10.0.0.1,10.0.0.2") as cache:
        await cache.set("user:42", {"name": "Ada"}, ttl=60)
        await cache.get("user:42")

One connection to each server, which all tasks share: their requests leave together, in order, and
the core matches the replies. It runs on the event loop alone; no thread, but for asyncio's own
while it resolves a name.
Never here: which reply is whose, where a request goes, what is sent again (_passive), verbs
(_verbs).
"""

from __future__ import annotations

import copy
import functools
from typing import Any, Callable, List, Optional, Sequence, Union

from ._aio_engine import Engine
from ._verbs import Key, Verbs  # noqa: F401
from .client import Seconds, seconds_of
from .errors import Error

__all__ = ["Client"]


def _awaited(verb: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(verb)
    async def call(self: "Client", *args: Any, **kwargs: Any) -> Any:
        return await self._engine.run(verb(self._verbs, *args, **kwargs), self._timeout)
    return call


class Client:
    """A client of one or many servers, for the tasks of one event loop.

    `servers` and options: as memcxx.Client, but for pool_size; `connections` to each server are
    shared by all tasks. `max_requests` and `max_bytes` (of keys and values) may be under way; what
    is beyond raises Overloaded at once.

    Threads: one, that of its event loop. It may be made anywhere, and belongs to the loop of its
    first call; when that loop has ended, to the next. Fork: a child gets connections of its own.

    Deadlines: `timeout` for a whole call, or `within(seconds)`. A call that runs out of time, or
    whose task is cancelled, leaves its connection to the others: the reply is read, and dropped. A
    connection over which no reply comes to its end for as long as `timeout`, while such are owed to
    calls that left, is closed.

    Errors: memcxx.errors, as memcxx.Client. Cancelling a task raises asyncio.CancelledError in it;
    what was sent by then may have been executed. `on_server_down`, `on_server_up` are called by the
    event loop, soon after.
    """

    def __init__(self, servers: Union[str, Sequence[str]] = "127.0.0.1", *,
                 dumps: Optional[Callable[[Any], bytes]] = None,
                 loads: Optional[Callable[[bytes], Any]] = None,
                 on_server_down: Optional[Callable[[str, Error], None]] = None,
                 on_server_up: Optional[Callable[[str], None]] = None,
                 connections: int = 1, max_requests: int = 100_000,
                 max_bytes: int = 256 << 20, **options: Any) -> None:
        self._verbs = Verbs(servers, options, dumps, loads)
        self._engine = Engine(self._verbs.router.settings, connections, max_requests, max_bytes,
                              on_server_down, on_server_up)
        self._timeout: float = self._verbs.router.settings["timeout"]

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    get = _awaited(Verbs.get)
    gat = _awaited(Verbs.gat)
    get_item = _awaited(Verbs.get_item)
    gets = _awaited(Verbs.gets)
    get_many = _awaited(Verbs.get_many)
    set = _awaited(Verbs.set)
    add = _awaited(Verbs.add)
    replace = _awaited(Verbs.replace)
    cas = _awaited(Verbs.cas)
    store = _awaited(Verbs.store)
    set_many = _awaited(Verbs.set_many)
    add_many = _awaited(Verbs.add_many)
    append = _awaited(Verbs.append)
    prepend = _awaited(Verbs.prepend)
    delete = _awaited(Verbs.delete)
    delete_many = _awaited(Verbs.delete_many)
    touch = _awaited(Verbs.touch)
    incr = _awaited(Verbs.incr)
    decr = _awaited(Verbs.decr)

    get_raw = _awaited(Verbs.get_raw)
    gat_raw = _awaited(Verbs.gat_raw)
    get_many_raw = _awaited(Verbs.get_many_raw)
    store_raw = _awaited(Verbs.store_raw)
    set_many_raw = _awaited(Verbs.set_many_raw)

    flush_all = _awaited(Verbs.flush_all)
    stats = _awaited(Verbs.stats)
    version = _awaited(Verbs.version)
    ping = _awaited(Verbs.ping)
    verbosity = _awaited(Verbs.verbosity)
    delete_everywhere = _awaited(Verbs.delete_everywhere)

    def within(self, timeout: Seconds) -> "Client":
        """The same client with another timeout for whole calls: seconds, or a timedelta."""
        other = copy.copy(self)
        other._timeout = seconds_of("timeout", timeout)
        return other

    @property
    def timeout(self) -> float:
        """Seconds for a whole call."""
        return self._timeout

    # --- servers: at once, no need to await

    def which(self, key: Key) -> str:
        """The server that a key lives on."""
        return self._verbs.core.which(key)

    def servers(self) -> List[str]:
        return self._verbs.core.servers()

    def add_server(self, server: str) -> None:
        """For calls that begin later; calls under way end on the servers they began with."""
        self._change(self._verbs.core.add_server, server)

    def remove_server(self, server: str) -> None:
        self._change(self._verbs.core.remove_server, server)

    def replace_servers(self, servers: Sequence[str]) -> None:
        self._change(self._verbs.core.replace_servers, list(servers))

    def _change(self, edit: Callable[..., None], what: Any) -> None:
        self._engine.retire(self._verbs.router.change(edit, what))

    def unclaimed_errors(self) -> int:
        """Failures that nobody waited for, of quiet calls and cancelled ones."""
        return self._engine.unclaimed_errors()

    def disconnect(self) -> None:
        """Closes connections that nobody uses; the next call opens what it needs."""
        self._engine.disconnect()

    async def close(self) -> None:
        """Takes no more calls (they raise Cancelled), waits for those under way, and closes the
        connections. It takes as long as their deadlines, at most."""
        await self._engine.close()
