"""Everything that memcxx raises: one class for each way in which a call can end without an answer.

A plain answer (a miss, "not stored") is never an exception: it is None or False.
"""

from __future__ import annotations


class Error(Exception):
    """The root. `server` names who answered or failed to; empty when nobody was asked."""

    code = "error"

    def __init__(self, message: str = "", server: str = "", item: tuple[int, bytes] | None = None):
        super().__init__(message)
        self.message = message
        self.server = server
        #: (flags, bytes) as read, when it is the stored value that is wrong
        self.item = item

    def __str__(self) -> str:
        where = f" at {self.server}" if self.server else ""
        return f"{self.code}{where}: {self.message}" if self.message else f"{self.code}{where}"


# --- the caller's: refused before anything was sent

class CallerError(Error):
    """What was asked cannot be asked."""


class InvalidKey(CallerError, ValueError):
    """Empty, over 250 bytes with the prefix, or with bytes that the protocol cannot carry."""
    code = "invalid_key"


class InvalidArgument(CallerError, ValueError):
    """A ttl, an option, a list of servers that cannot be used."""
    code = "invalid_argument"


class ValueTooLarge(CallerError, ValueError):
    """Over the client's limit, or with `server` set over the server's."""
    code = "value_too_large"


class NotSupported(CallerError):
    """This protocol, driver or server cannot do that."""
    code = "not_supported"


class Cancelled(CallerError):
    """Given up before it ended."""
    code = "cancelled"


# --- the server's

class ServerError(Error):
    """The server said SERVER_ERROR, or could not make sense of a request."""
    code = "server_error"


class OutOfMemory(ServerError):
    """SERVER_ERROR out of memory."""
    code = "out_of_memory"


class ClientError(ServerError):
    """The server called the request malformed."""
    code = "client_error"


class Unattributed(ServerError):
    """One of several requests failed, and the server did not say which."""
    code = "unattributed"


class NotANumber(ServerError, ValueError):
    """incr or decr on a value that is not a decimal number."""
    code = "not_a_number"


# --- the network's and the clock's

class NetworkError(Error, ConnectionError):
    """No connection, or one that ended too early."""


class ResolveFailed(NetworkError):
    """The name does not resolve."""
    code = "resolve_failed"


class ConnectFailed(NetworkError):
    """No address of the server accepted a connection."""
    code = "connect_failed"


class ServerDown(NetworkError):
    """Marked down after failures, and not tried."""
    code = "server_down"


class ConnectionClosed(NetworkError):
    """The connection ended before the whole answer came."""
    code = "connection_closed"


class ProtocolError(NetworkError):
    """Bytes that memcached never sends."""
    code = "protocol_error"


class Timeout(Error, TimeoutError):
    """The deadline passed; what the server did is unknown."""
    code = "timeout"


class Overloaded(Error):
    """No connection became free in time, or a queue is full; nothing was sent."""
    code = "overloaded"


# --- the stored value's

class StoredValueError(Error, ValueError):
    """The value came whole, and is not what was wanted. `item` has its flags and bytes."""


class UnknownFlags(StoredValueError):
    """Flags that the client's dialect does not have."""
    code = "unknown_flags"


class CorruptValue(StoredValueError):
    """Cut off, damaged, or not of the format that its flags say."""
    code = "corrupt_value"


class WrongType(StoredValueError, TypeError):
    """A value that cannot be written in this dialect, or not be read."""
    code = "wrong_type"


def _all(root: type[Error]):
    for c in root.__subclasses__():
        yield c
        yield from _all(c)


_BY_CODE = {c.code: c for c in _all(Error) if "code" in vars(c)}


def exception_of(code: str, message: str, server: str, item) -> Error:
    """The exception for a code of the core. Called by the extension module."""
    return _BY_CODE.get(code, Error)(message, server, item)
