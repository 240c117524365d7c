"""pymemcache's exceptions, and which of memcxx's each one stands for.

What is raised is of both kinds: `except MemcacheServerError` and `except memcxx.Error` catch it.
Where the original lets an exception of the socket module through, so does this.
"""

from __future__ import annotations

import socket

from ... import errors
from .._both import Translation, os_error


class MemcacheError(Exception):
    """The root."""


class MemcacheClientError(MemcacheError):
    """The request was malformed, or does not fit the value that is there."""


class MemcacheUnknownCommandError(MemcacheClientError):
    """The server does not know the command."""


class MemcacheIllegalInputError(MemcacheClientError):
    """A key, a value or an argument that cannot be sent; nothing was."""


class MemcacheServerError(MemcacheError):
    """The server failed: out of memory, a value that is too large for it, …"""


class MemcacheUnknownError(MemcacheError):
    """An answer that memcached never gives; the connection was closed."""


class MemcacheUnexpectedCloseError(MemcacheServerError):
    """The connection ended before the whole answer came."""


_TABLE = Translation({
    errors.CallerError: MemcacheIllegalInputError,
    errors.NotSupported: MemcacheUnknownCommandError,
    errors.ServerError: MemcacheServerError,
    errors.ClientError: MemcacheClientError,
    errors.NotANumber: MemcacheClientError,
    errors.ResolveFailed: socket.gaierror,
    errors.ConnectionClosed: MemcacheUnexpectedCloseError,
    errors.ProtocolError: MemcacheUnknownError,
    errors.Timeout: socket.timeout,
    errors.Overloaded: RuntimeError,
})


def translated(e: errors.Error, command: bytes = b"") -> errors.Error:
    """`e` as pymemcache's exception, or as the socket module's. The server's words are in its `args`
    as bytes; or the `command` that it does not know."""
    made = _translated(e)
    if isinstance(made, errors.NotSupported) and made.server:
        made.args = (command or made.message.encode(),)
    elif isinstance(made, (MemcacheServerError, MemcacheClientError)) and not isinstance(
            made, (errors.NetworkError, MemcacheIllegalInputError)):
        made.args = (made.message.encode(),)
    return made


def _translated(e: errors.Error) -> errors.Error:
    if isinstance(e, (errors.ConnectFailed, errors.ServerDown)):
        theirs = os_error(e)
        return e if isinstance(e, theirs) else _TABLE.made(theirs, e)
    if isinstance(e, errors.ValueTooLarge) and e.server:
        return _TABLE.made(MemcacheServerError, e)
    return _TABLE.of(e)
