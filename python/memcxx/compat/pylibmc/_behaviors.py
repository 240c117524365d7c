"""What a client's behaviors come to: where keys go, and the core's options.

libmemcached keeps a hash, a distribution and whether weights count. Each is changed by more than
one behavior, and by the order in which they are set; keys are placed here as they then are there.

Never here: calls.
"""

from __future__ import annotations

import copy
from typing import Any, Dict, List, Mapping, Tuple
from urllib.parse import quote

from .._cluster import tcp_address, unix_address
from ._exceptions import Error, NotSupportedError
from .consts import (
    all_behaviors,
    all_callbacks,
    distributions,
    distributions_rvs,
    hashers,
    hashers_rvs,
    server_type_udp,
    server_type_unix,
    usual_behaviors,
)

#: (type, host or path, port, weight)
Server = Tuple[int, str, int, int]

_MODULA, _CONSISTENT, _KETAMA = 0, 1, 2
_SPY, _WEIGHTED = 4, 5
_RINGS = (_CONSISTENT, _KETAMA, _SPY, _WEIGHTED)
_LONGEST_TIMEOUT = 24 * 60 * 60.0


def numeric(behaviors: Mapping[str, Any]) -> Dict[str, Any]:
    """Names of hashes and distributions as numbers. ValueError: an unknown behavior; KeyError: an
    unknown hash or distribution."""
    out = dict(behaviors)
    if "_retry_timeout" in out:
        out.setdefault("retry_timeout", out.pop("_retry_timeout"))
    unknown = sorted(str(b) for b in out if b not in usual_behaviors and b not in all_callbacks)
    if unknown:
        raise ValueError(f"unknown behavior names: {', '.join(unknown)}")
    for name, table in (("hash", hashers), ("ketama_hash", hashers),
                        ("distribution", distributions)):
        value = out.get(name)
        if isinstance(value, str):
            out[name] = table[value]
    return out


class Behaviors:
    """The state of one client. Threads: not safe while it changes."""

    def __init__(self, servers: List[Server], given: Mapping[str, Any]) -> None:
        self.values = dict(usual_behaviors)
        self.namespace = b""
        self._given = servers
        first: Dict[Tuple[int, str, int], Server] = {}
        for server in servers:
            first.setdefault(server[:3], server)
        self.servers = list(first.values())  # each once
        self._weighted = False
        self._ring_hash = 0  # what the ring's points are made with, while weights do not count
        self.set(given)
        # Servers come after the behaviors: on a ring, one with a weight turns weights on.
        if self.values["distribution"] in _RINGS and any(weight > 1 for *_, weight in servers):
            self._weighted = True

    def copy(self) -> "Behaviors":
        other = copy.copy(self)
        other.values = dict(self.values)
        return other

    def set(self, given: Mapping[str, Any]) -> None:
        """Changes those that are given, in libmemcached's order; numeric() made them."""
        for name in all_behaviors:
            if given.get(name) is not None:
                self._set(name, given[name])
        if "namespace" in given:
            prefix = given["namespace"] or b""
            self.namespace = prefix.encode("utf-8") if isinstance(prefix, str) else bytes(prefix)

    def _set(self, name: str, value: Any) -> None:
        number = int(value)
        if name == "hash":
            if number not in hashers_rvs:
                raise Error(f"there is no hash {number}")
            self.values["hash"] = number
        elif name == "distribution":
            self._set_distribution(number)
        elif name == "ketama":
            self._set_distribution(_KETAMA if number else _MODULA)
        elif name == "ketama_weighted":
            if number:
                self.values["hash"] = hashers["md5"]
            self._set_distribution(_WEIGHTED if number else _KETAMA)
        elif name == "remove_failed":
            self.values["auto_eject"] = int(number > 0)
            self.values["remove_failed"] = number
            self.values["failure_limit"] = number
        elif name != "ketama_hash":  # libmemcached has it, and places no key by it
            self.values[name] = number

    def _set_distribution(self, number: int) -> None:
        if number not in distributions_rvs or number == distributions["consistent max"]:
            raise Error(f"there is no distribution {number}")
        if number in (distributions["random"], distributions["virtual bucket"]):
            raise NotSupportedError(f"distribution {distributions_rvs[number]!r}")
        if number == _WEIGHTED:
            self._weighted = True
        elif number != _SPY:
            self._weighted = False
        self.values["distribution"] = number
        self._ring_hash = self.values["hash"]

    def symbolic(self) -> Dict[str, Any]:
        """All of them, as they are read."""
        out = dict(self.values)
        number = out["distribution"]
        out["hash"] = hashers_rvs[out["hash"]]
        out["ketama_hash"] = self.values["hash"]
        out["distribution"] = distributions_rvs[number]
        out["ketama"] = int(number in _RINGS)
        out["ketama_weighted"] = int(number in _RINGS and self._weighted)
        return out

    # --- for the core

    def _distribution(self) -> Tuple[str, bool]:
        """(the core's name, whether weights count)"""
        number = self.values["distribution"]
        hash_name = hashers_rvs[self.values["hash"]]
        if number == _MODULA:
            return f"libmemcached-modula/{hash_name}", False
        if self._weighted:
            ring = "spy" if number == _SPY else "ketama-weighted"
            return f"libmemcached-{ring}/{hash_name}", True
        if len(self.servers) > 1 and self._ring_hash != self.values["hash"]:
            raise NotSupportedError(
                f"the ring was made with hash {hashers_rvs[self._ring_hash]!r}, and keys would be "
                f"hashed with {hash_name!r}: set hash before ketama, or both at once")
        ring = "spy" if number == _SPY else "consistent"
        return f"libmemcached-{ring}/{hash_name}", False

    def _in_order(self, servers: List[Server]) -> List[Server]:
        if not self.values["_sort_hosts"]:
            return servers
        return sorted(servers, key=lambda s: (s[1], s[2]))

    @property
    def places(self) -> List[int]:
        """Of each of the core's servers the place in the list as it was given."""
        given = [server[:3] for server in self._in_order(self._given)]
        return [given.index(server[:3]) for server in self._in_order(self.servers)]

    def uri(self) -> str:
        """The servers and the namespace."""
        _, with_weights = self._distribution()
        servers = self._in_order(self.servers)
        # The core's spy ring has weighted points when there is a weight over 1; all may be equal.
        times = 2 if self.values["distribution"] == _SPY else 1
        addresses = []
        for kind, host, port, weight in servers:
            if kind == server_type_udp:
                raise NotSupportedError("UDP")
            address = unix_address(host) if kind == server_type_unix else tcp_address(host, port)
            addresses.append(f"{address}*{weight * times}" if with_weights else address)
        uri = ",".join(addresses)
        return f"{uri}?prefix={quote(self.namespace, safe='')}" if self.namespace else uri

    def options(self, binary: bool) -> Dict[str, Any]:
        """Everything else."""
        b = self.values
        eject = bool(b["auto_eject"])
        retry = (b["dead_timeout"] if eject else 0) or b["retry_timeout"] or 2
        retry = max(retry, 0.001)
        replicas = min(b["num_replicas"] + 1, len(self.servers), 16) if binary else 1
        return {
            "distribution": self._distribution()[0],
            "prefix_in_hash": bool(b["_hash_with_prefix_key"]),
            "protocol": "binary" if binary else "auto",
            "timeout": self.timeout(),
            "connect_timeout": self._seconds(b["connect_timeout"], 1e-3) or 4.0,
            "max_failures": b["failure_limit"] if b["failure_limit"] != 5 else 3,
            "retry_min": float(retry) if eject else min(0.05, retry),
            "retry_max": float(retry),
            "replicas": replicas,
            "failover": "next" if eject and replicas == 1 else None,
        }

    @staticmethod
    def _seconds(value: int, unit: float) -> float:
        return min(max(value * unit, 0.001), _LONGEST_TIMEOUT) if value > 0 else 0.0

    def timeout(self) -> float:
        """Seconds for a whole call: the shortest of those that are set."""
        b = self.values
        given = [self._seconds(b["_poll_timeout"], 1e-3), self._seconds(b["send_timeout"], 1e-6),
                 self._seconds(b["receive_timeout"], 1e-6)]
        return min([t for t in given if t] or [usual_behaviors["_poll_timeout"] * 1e-3])
