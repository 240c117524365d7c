"""Finds the servers of a managed cluster, and makes a client of them."""

from __future__ import annotations

from typing import List, Union

from .. import _plain
from .client import Client

_TIMEOUT = 5.0  # seconds


class UnsupportedAutoconfMethod(Exception):
    """The server has no "config" command."""


class NoAutoconfFound(Exception):
    """Nobody has told this server about its cluster."""


def _text(value: Union[str, bytes]) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else value


def _asked(address: str, key: str) -> bytes:
    host, _, port = address.rpartition(":")
    plain = _plain.PlainSocket((host.strip("[]"), int(port)), _TIMEOUT)
    try:
        plain.send(f"config get {key}\r\n".encode("ascii"))
        words = (plain.readline() or b"").split()
        if words[:1] == [b"ERROR"]:
            raise UnsupportedAutoconfMethod(address)
        if len(words) != 4 or words[0] != b"CONFIG" or not words[3].isdigit():
            raise NoAutoconfFound(f"{address}: {b' '.join(words)!r}")
        return plain.read(min(int(words[3]), 1 << 20))
    finally:
        plain.close()


def _hosts(config: bytes) -> List[str]:
    """Of a version and, on the next line, "name|address|port" between spaces."""
    lines = config.decode("ascii").split("\n")
    if len(lines) < 2:
        raise NoAutoconfFound(f"not the configuration of a cluster: {config[:80]!r}")
    nodes = [node.split("|") for node in lines[1].split()]
    if not nodes or any(len(node) != 3 for node in nodes):
        raise NoAutoconfFound(f"not the configuration of a cluster: {config[:80]!r}")
    return [f"{address or name}:{port}" for name, address, port in nodes]


def elasticache(address: str = "127.0.0.1:11211", config_key: Union[str, bytes] = b"cluster",
                mc_key: str = "AmazonElastiCache:cluster") -> Client:
    """A client of the servers that a configuration endpoint names.

    Raises NoAutoconfFound, and OSError when the endpoint cannot be reached.
    """
    try:
        config = _asked(address, _text(config_key))
    except UnsupportedAutoconfMethod:
        found = Client([address]).get(mc_key)
        if found is None:
            raise NoAutoconfFound(address) from None
        config = found if isinstance(found, bytes) else str(found).encode("ascii")
    return Client(_hosts(config))
