"""memcached2's exceptions, and which of memcxx's each one stands for.

What is raised is of both kinds: `except memcached2.ServerDisconnect` and `except memcxx.Error`
catch it.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

from ... import errors
from .._both import Translation


class MemcachedException(Exception):
    """The root. Raised by itself for what cannot be asked, as a bad key; nothing was sent then."""


class UnknownProtocol(MemcachedException):
    """A server's URI is of another protocol."""


class InvalidURI(MemcachedException):
    """A server's URI cannot be read."""


class ServerDisconnect(MemcachedException):
    """The connection ended too early, or the answer did not come in time."""


class NoAvailableServers(MemcachedException):
    """No connection to the key's server, nor to one in its place."""


class StoreException(MemcachedException):
    """Something was not stored."""


class NotStored(StoreException):
    """add found an item; replace, append or prepend found none."""


class NotFound(StoreException):
    """There is no item: set with a token, touch, incr, decr."""


class NonNumeric(StoreException):
    """incr or decr of an item that is no number."""


class CASFailure(StoreException):
    """The item changed since its token was read, or the token was used up."""


class CASRefreshFailure(CASFailure):
    """The item changed between the store and the reading of its new token."""


class MultiStorageException(StoreException):
    """Servers failed during set_multi. `results`: what the others answered."""

    def __init__(self, message: str = "", results: Optional[Dict[Any, Any]] = None) -> None:
        super().__init__(message)
        self.message = message
        self.results = {} if results is None else results


class RetrieveException(MemcachedException):
    """Something was not read."""


class NoValue(RetrieveException):
    """There is no item."""


class UnexpectedReply(MemcachedException, NotImplementedError):
    """The server refused: out of memory, a value that is too large, … The original raises a plain
    NotImplementedError."""


_TABLE = Translation({
    errors.Error: MemcachedException,
    errors.ServerError: UnexpectedReply,
    errors.NotSupported: UnexpectedReply,
    errors.NotANumber: NonNumeric,
    errors.NetworkError: ServerDisconnect,
    errors.Timeout: ServerDisconnect,
    errors.ResolveFailed: NoAvailableServers,
    errors.ConnectFailed: NoAvailableServers,
    errors.ServerDown: NoAvailableServers,
    errors.Overloaded: NoAvailableServers,
})


def translated(e: errors.Error) -> errors.Error:
    """`e` as memcached2's exception."""
    if isinstance(e, errors.ValueTooLarge) and e.server:
        return _TABLE.made(UnexpectedReply, e)
    return _TABLE.of(e)
