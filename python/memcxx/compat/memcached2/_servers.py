"""memcached2's servers, and when one that failed is tried again.

Never here: which server a key belongs to (_selectors.py).
"""

from __future__ import annotations

import re
import threading
import time
from typing import Any, Dict, Iterable, Optional

from ... import errors
from ...client import Client as Core
from .._cluster import tcp_address
from ._exceptions import InvalidURI, NoAvailableServers, translated

#: seconds for a whole call, unless Memcache is told otherwise
USUAL_TIMEOUT = 3.0

_URI = re.compile(r"memcached://(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<host>[^:/\[\]]+))"
                  r"(?::(?P<port>[0-9]+))?/?$")


class ReconnectorBase:
    """Decides whether a server that failed may be tried. For subclasses of one's own."""

    def connectable(self, server_url: str) -> bool:
        """Whether a connection may be tried now."""
        raise NotImplementedError

    def had_error(self, server_url: str) -> None:
        """A call failed there."""
        raise NotImplementedError

    def had_success(self, server_url: str) -> None:
        """A call succeeded there."""
        raise NotImplementedError


class ReconnectorSimple(ReconnectorBase):
    """Tries at once, every time."""

    def connectable(self, server_url: str) -> bool:
        return True

    def had_error(self, server_url: str) -> None:
        pass

    def had_success(self, server_url: str) -> None:
        pass


class ReconnectorTime(ReconnectorBase):
    """Leaves a server alone for `timeout` seconds after it failed."""

    def __init__(self, timeout: float = 30) -> None:
        self.timeout = timeout
        self.last_error: Dict[str, float] = {}

    def connectable(self, server_url: str) -> bool:
        last = self.last_error.get(server_url)
        if last is None:
            return True
        if time.time() - last < self.timeout:
            return False
        self.had_success(server_url)
        return True

    def had_error(self, server_url: str) -> None:
        self.last_error.setdefault(server_url, time.time())

    def had_success(self, server_url: str) -> None:
        self.last_error.pop(server_url, None)


ReconnectorTimeout = ReconnectorTime


class ServerConnection:
    """One server. `uri`: "memcached://host[:port]/". InvalidURI: something else.

    Threads: safe to share; `core` has as many connections as calls need.
    """

    def __init__(self, uri: str, reconnector: Optional[ReconnectorBase] = None,
                 timeout: float = USUAL_TIMEOUT) -> None:
        self.uri = uri
        self.parsed_uri = self.parse_uri()
        self.reconnector = reconnector
        #: whether the last call had an answer; None before the first, and after a failure
        self.backend: Optional[bool] = None
        try:
            self.address = tcp_address(self.parsed_uri["host"], self.parsed_uri["port"])
            self.core = Core(self.address, timeout=timeout, connect_timeout=timeout,
                             max_failures=0)
        except (ValueError, errors.Error) as e:
            raise InvalidURI(f"{uri!r}: {e}") from None

    def parse_uri(self) -> Dict[str, Any]:
        """{"protocol": …, "host": …, "port": …}"""
        found = _URI.match(self.uri) if isinstance(self.uri, str) else None
        if found is None:
            raise InvalidURI(f"not memcached://host[:port]/ but {self.uri!r}")
        return {"protocol": "memcached", "host": found.group("v6") or found.group("host"),
                "port": int(found.group("port") or 11211)}

    def connect(self) -> None:
        """Sees whether it answers, unless it is known to. NoAvailableServers: it does not, or is
        not to be tried yet."""
        if self.backend:
            return
        if self.reconnector is not None and not self.reconnector.connectable(self.uri):
            raise NoAvailableServers(f"{self.uri} failed, and is not tried yet")
        for reply in self.core.ping().values():
            if isinstance(reply, errors.Error):
                self.failed()
                raise translated(reply)
        self.succeeded()

    def is_up(self) -> bool:
        """Whether it answers; tries, when that is not known."""
        try:
            self.connect()
        except (NoAvailableServers, errors.Error):
            return False
        return True

    def failed(self) -> None:
        """A call had no answer."""
        self.backend = None
        if self.reconnector is not None:
            self.reconnector.had_error(self.uri)

    def succeeded(self) -> None:
        """A call had an answer."""
        if not self.backend:
            self.backend = True
            if self.reconnector is not None:
                self.reconnector.had_success(self.uri)

    def reset(self) -> None:
        """Closes idle connections."""
        self.backend = None
        self.core.disconnect()

    def __repr__(self) -> str:
        return f"<ServerConnection to {self.uri}>"


class ServerPool:
    """Servers by URI, to be shared by more than one Memcache. Threads: safe to share."""

    def __init__(self, server_url_list: Iterable[str] = (),
                 reconnector: Optional[ReconnectorBase] = None) -> None:
        self.reconnector = reconnector
        self._lock = threading.Lock()
        self._servers: Dict[str, ServerConnection] = {}
        for uri in server_url_list:
            self.get(uri)

    def get(self, server_url: str) -> ServerConnection:
        """The server of this URI."""
        with self._lock:
            if server_url not in self._servers:
                self._servers[server_url] = ServerConnection(server_url, self.reconnector)
            return self._servers[server_url]

    def put(self, connection: ServerConnection) -> None:
        """Does nothing: a server may be in use by many at once."""
