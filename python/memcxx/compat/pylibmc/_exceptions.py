"""pylibmc's exceptions, and which of memcxx's each one stands for.

What is raised is of both kinds: `except pylibmc.Error` and `except memcxx.Error` catch it.
`retcode` is libmemcached's number.
"""

from __future__ import annotations

from typing import List, Optional, Tuple

from ... import errors as own
from .._both import Translation


class Error(Exception):
    """The root."""

    retcode: Optional[int] = None


class CacheMiss(Error):
    """Raised by a deserialize() of one's own: the value counts as a miss."""


class Failure(Error):
    retcode = 1


class HostLookupError(Error):
    """The name does not resolve."""

    retcode = 2


class ConnectionError(Error):  # noqa: A001 - the original's name
    """No connection, or one that ended too early."""

    retcode = 3


class ConnectionBindError(Error):
    retcode = 4


class WriteError(Error):
    retcode = 5


class ReadError(Error):
    retcode = 6


class UnknownReadFailure(Error):
    retcode = 7


class ProtocolError(Error):
    """Bytes that memcached never sends."""

    retcode = 8


class ClientError(Error):
    """The server called the request malformed, or the item is no number."""

    retcode = 9


class ServerError(Error):
    """The server failed."""

    retcode = 10


class SocketCreateError(Error):
    retcode = 11


class DataExists(Error):
    retcode = 12


class DataDoesNotExist(Error):
    retcode = 13


class NotFound(Error):
    """There is no item: incr, decr, cas."""

    retcode = 16


class AllocationError(Error):
    retcode = 17


class SomeErrors(Error):
    """A call to all servers failed at one or more of them."""

    retcode = 19


class NoServers(Error):
    retcode = 20


class UnixSocketError(Error):
    retcode = 27


class NotSupportedError(Error):
    """memcxx, the protocol or the server cannot do that."""

    retcode = 28


class FetchNotFinished(Error):
    retcode = 30


class BadKeyProvided(Error):
    """A key that cannot be sent; nothing was."""

    retcode = 33


class InvalidHostProtocolError(Error):
    retcode = 34


class ServerDead(Error):
    retcode = 35


class ServerDown(Error):
    """Marked down after failures, and not tried."""

    retcode = 47


class TooBig(Error):
    """Over the server's limit for an item."""

    retcode = 37


class UnknownStatKey(Error):
    retcode = 36


MemcachedError = Error

#: (name, class)
exceptions: List[Tuple[str, type]] = [(c.__name__, c) for c in (
    Error, CacheMiss, Failure, HostLookupError, ConnectionError, ConnectionBindError, WriteError,
    ReadError, UnknownReadFailure, ProtocolError, ClientError, ServerError, SocketCreateError,
    DataExists, DataDoesNotExist, NotFound, AllocationError, SomeErrors, NoServers,
    UnixSocketError, NotSupportedError, FetchNotFinished, BadKeyProvided,
    InvalidHostProtocolError, ServerDead, ServerDown, TooBig, UnknownStatKey)]

for _name, _class in exceptions:
    _class.__module__ = __name__.rpartition(".")[0]

_TABLE = Translation({
    own.Error: Error,
    own.InvalidKey: BadKeyProvided,
    own.NotSupported: NotSupportedError,
    own.ValueTooLarge: TooBig,
    own.ServerError: ServerError,
    own.ClientError: ClientError,
    own.NotANumber: ClientError,
    own.ResolveFailed: HostLookupError,
    own.NetworkError: ConnectionError,
    own.ProtocolError: ProtocolError,
    own.ServerDown: ServerDown,
})


def translated(e: own.Error) -> own.Error:
    """`e` as pylibmc's exception."""
    return _TABLE.of(e)


def at_some_servers(e: own.Error) -> own.Error:
    """`e` as the exception of a call to all servers."""
    return _TABLE.made(SomeErrors, e)
