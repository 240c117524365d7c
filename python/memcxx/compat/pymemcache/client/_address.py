"""Servers and keys as pymemcache's callers write them.

Never here: calls.
"""

from __future__ import annotations

import re
from typing import Any, Tuple, Union

from ..._cluster import tcp_address, unix_address
from ..exceptions import MemcacheIllegalInputError

ServerSpec = Union[Tuple[str, int], str]
Key = Union[bytes, str]

_WHITESPACE = re.compile(rb"[ \t\n\r\x0b\x0c]")


def check_key_helper(key: Key, allow_unicode_keys: bool, key_prefix: bytes = b"") -> bytes:
    """The key's bytes behind the prefix. MemcacheIllegalInputError: it cannot be sent."""
    if isinstance(key, str):
        try:
            key = key.encode("utf-8" if allow_unicode_keys else "ascii")
        except UnicodeEncodeError:
            raise MemcacheIllegalInputError(f"Non-ASCII key: {key!r}") from None
    whole = key_prefix + key
    if len(whole) > 250:
        raise MemcacheIllegalInputError(f"Key is too long: {whole!r}")
    if _WHITESPACE.search(whole):
        raise MemcacheIllegalInputError(f"Key contains whitespace: {whole!r}")
    if b"\0" in whole:
        raise MemcacheIllegalInputError(f"Key contains null: {whole!r}")
    return whole


def normalize_server_spec(server: Any) -> ServerSpec:
    """(host, port), or the path of a unix socket; "memory://" stays, for tests without a server.

    Reads (host, port), "host", "host:port", "[v6]", "[v6]:port", "unix:/path" and "/path".
    ValueError: anything else.
    """
    if isinstance(server, tuple):
        return server  # type: ignore[return-value]
    if not isinstance(server, str):
        raise ValueError(f"Unsupported server specification: {server!r}")
    if server == "memory://" or server.startswith("/"):
        return server
    if server.startswith("unix:"):
        return server[len("unix:"):]
    host, port = server, 11211
    if ":" in server and not server.endswith("]"):
        host, _, digits = server.rpartition(":")
        port = int(digits)
    if host.startswith("["):
        host = host.strip("[]")
    return host, port


def core_address(server: ServerSpec) -> str:
    """A normalized server as the core reads it. ValueError."""
    if server == "memory://":
        return "memory://"
    if isinstance(server, str):
        return unix_address(server)
    if len(server) != 2:
        raise ValueError(f"Unsupported server specification: {server!r}")
    return tcp_address(str(server[0]), int(server[1]))


class KeepaliveOpts:
    """TCP keepalive, as the original's is configured: seconds until the first probe, seconds
    between probes, number of probes. ValueError: less than 1.

    memcxx turns keepalive on by itself, with the system's times.
    """

    __slots__ = ("idle", "intvl", "cnt")

    def __init__(self, idle: int = 1, intvl: int = 1, cnt: int = 5) -> None:
        for name, value in (("idle", idle), ("intvl", intvl), ("cnt", cnt)):
            if value < 1:
                raise ValueError(f"The {name} parameter must be greater or equal to 1.")
        self.idle = idle
        self.intvl = intvl
        self.cnt = cnt
