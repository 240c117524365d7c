"""Servers as pylibmc's callers write them."""

from __future__ import annotations

from typing import Any, Iterable, List, Tuple

from ._exceptions import Error
from .consts import server_type_tcp, server_type_udp, server_type_unix


def translate_server_spec(server: str, port: int = 11211, weight: int = 1
                          ) -> Tuple[int, str, int, int]:
    """(type, host or path, port, weight) of "host", "host:port", "host:port:weight",
    "[v6]:port:weight", "udp:…" or "/path". ValueError: something else."""
    if not isinstance(server, str):
        raise TypeError(f"a server is a str, not {type(server).__name__}")
    if server.startswith("/"):
        return server_type_unix, server, 0, int(weight)
    kind, spec = server_type_tcp, server
    if spec.startswith("udp:"):
        kind, spec = server_type_udp, spec[len("udp:"):]
    if spec.startswith("["):
        host, closed, rest = spec[1:].partition("]")
        if not closed or rest[:1] not in ("", ":"):
            raise ValueError(server)
        rest = rest[1:]
    else:
        host, _, rest = spec.partition(":")
    if rest:
        digits, _, times = rest.partition(":")
        port = int(digits)
        weight = int(times) if times else weight
    return kind, host, int(port), int(weight)


def translate_server_specs(servers: Iterable[Any]) -> List[Tuple[int, str, int, int]]:
    """The same for many; (type, host, port) is understood, too. pylibmc.Error: there is none."""
    out = []
    for server in servers:
        if isinstance(server, tuple) and len(server) in (3, 4):
            kind, host, port, weight = server if len(server) == 4 else (*server, 1)
            out.append((int(kind), str(host), int(port or 0), int(weight)))
        else:
            out.append(translate_server_spec(server))
    if not out:
        raise Error("empty server list")
    return out
