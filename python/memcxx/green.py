"""The client over Python's own sockets, with the verbs of memcxx.Client: for programs whose sockets
gevent or eventlet have patched. Whatever waits here waits in Python's modules, and so lets the hub
go on. memcxx.Client chooses it by itself where sockets are patched, or with transport="python".
Never here: which reply is whose, where a request goes, what is sent again (_passive), verbs
(_verbs).
"""

from __future__ import annotations

import copy
import functools
from typing import Any, Callable, List, Optional, Sequence, Union

from . import _core
from ._green_engine import Engine
from ._verbs import Key, Verbs  # noqa: F401
from .client import Seconds, seconds_of
from .errors import Error

__all__ = ["Client"]


def _waited(verb: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(verb)
    def call(self: "Client", *args: Any, **kwargs: Any) -> Any:
        return self._engine.run(verb(self._verbs, *args, **kwargs), self._timeout)
    return call


class Client:
    """A client of one or many servers; servers, options, errors as memcxx.Client.

    Threads, greenlets: safe to share; each call has connections of its own out of a pool of
    `pool_size` for each server. Fork: a child gets connections of its own. An exception may end a
    call at any moment (out of a signal handler, a timeout of gevent's): nothing stays behind.

    Deadlines: as memcxx.Client, but that a name that has to be resolved may take as long as
    Python's getaddrinfo does.
    """

    def __init__(self, servers: Union[str, Sequence[str]] = "127.0.0.1", *,
                 dumps: Optional[Callable[[Any], bytes]] = None,
                 loads: Optional[Callable[[bytes], Any]] = None,
                 on_server_down: Optional[Callable[[str, Error], None]] = None,
                 on_server_up: Optional[Callable[[str], None]] = None,
                 **options: Any) -> None:
        self._verbs = Verbs(servers, options, dumps, loads)
        self._engine = Engine(self._verbs.router, on_server_down, on_server_up)
        self._timeout: float = self._verbs.router.settings["timeout"]

    @classmethod
    def _over(cls, native: Any, uri: str, dumps: Any, loads: Any, on_server_down: Any,
              on_server_up: Any) -> "Client":
        """A client like a native one, with its servers of the moment and its timeout."""
        self = cls.__new__(cls)
        timeout = _core.Client.timeout.__get__(native)
        self._verbs = Verbs(uri, {}, dumps, loads, _core.Client(native, timeout))
        self._engine = Engine(self._verbs.router, on_server_down, on_server_up)
        self._timeout = timeout
        return self

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    get = _waited(Verbs.get)
    gat = _waited(Verbs.gat)
    get_item = _waited(Verbs.get_item)
    gets = _waited(Verbs.gets)
    get_many = _waited(Verbs.get_many)
    set = _waited(Verbs.set)
    add = _waited(Verbs.add)
    replace = _waited(Verbs.replace)
    cas = _waited(Verbs.cas)
    store = _waited(Verbs.store)
    set_many = _waited(Verbs.set_many)
    add_many = _waited(Verbs.add_many)
    append = _waited(Verbs.append)
    prepend = _waited(Verbs.prepend)
    delete = _waited(Verbs.delete)
    delete_many = _waited(Verbs.delete_many)
    touch = _waited(Verbs.touch)
    incr = _waited(Verbs.incr)
    decr = _waited(Verbs.decr)

    get_raw = _waited(Verbs.get_raw)
    gat_raw = _waited(Verbs.gat_raw)
    get_many_raw = _waited(Verbs.get_many_raw)
    store_raw = _waited(Verbs.store_raw)
    set_many_raw = _waited(Verbs.set_many_raw)

    flush_all = _waited(Verbs.flush_all)
    stats = _waited(Verbs.stats)
    version = _waited(Verbs.version)
    ping = _waited(Verbs.ping)
    verbosity = _waited(Verbs.verbosity)
    delete_everywhere = _waited(Verbs.delete_everywhere)

    def within(self, timeout: Seconds) -> "Client":
        """The same client with another timeout for whole calls: seconds, or a timedelta."""
        other = copy.copy(self)
        other._timeout = seconds_of("timeout", timeout)
        return other

    @property
    def timeout(self) -> float:
        """Seconds for a whole call."""
        return self._timeout

    def which(self, key: Key) -> str:
        """The server that a key lives on."""
        return self._verbs.core.which(key)

    def servers(self) -> List[str]:
        return self._verbs.core.servers()

    def add_server(self, server: str) -> None:
        """For calls that begin later; calls under way end on the servers they began with."""
        self._engine.change(self._verbs.core.add_server, server)

    def remove_server(self, server: str) -> None:
        self._engine.change(self._verbs.core.remove_server, server)

    def replace_servers(self, servers: Sequence[str]) -> None:
        self._engine.change(self._verbs.core.replace_servers, list(servers))

    def unclaimed_errors(self) -> int:
        """Failures of quiet calls, which nobody waited for."""
        return self._engine.unclaimed_errors()

    def disconnect(self) -> None:
        """Closes idle connections; the next call opens what it needs."""
        self._engine.disconnect()

    def close(self) -> None:
        self.disconnect()
