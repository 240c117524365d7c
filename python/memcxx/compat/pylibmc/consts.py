"""Names and numbers of pylibmc's behaviors, hashes and distributions."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from . import _exceptions
from ._exceptions import exceptions

errors = tuple(e for _, e in exceptions)
for _name, _class in exceptions:
    globals()[_name] = _class

server_type_tcp = 1
server_type_udp = 2
server_type_unix = 4
server_type_map = {"tcp": server_type_tcp, "udp": server_type_udp, "unix": server_type_unix}

hashers: Dict[str, int] = {
    "default": 0, "md5": 1, "crc": 2, "fnv1_64": 3, "fnv1a_64": 4, "fnv1_32": 5, "fnv1a_32": 6,
    "hsieh": 7, "murmur": 8, "jenkins": 9,
}
hashers_rvs = {number: name for name, number in hashers.items()}

distributions: Dict[str, int] = {
    "modula": 0, "consistent": 1, "consistent ketama": 2, "random": 3, "consistent ketama spy": 4,
    "consistent weighted": 5, "virtual bucket": 6, "consistent max": 7,
}
distributions_rvs = {number: name for name, number in distributions.items()}

#: every behavior with what it is unless set; hash and distribution as numbers
usual_behaviors: Dict[str, Any] = {
    "no_block": 0, "tcp_nodelay": 0, "tcp_keepalive": 0, "hash": 0, "ketama_hash": 0, "ketama": 0,
    "ketama_weighted": 0, "distribution": 0, "cas": 0, "buffer_requests": 0, "verify_keys": 0,
    "connect_timeout": 4000, "send_timeout": 0, "receive_timeout": 0, "num_replicas": 0,
    "auto_eject": 0, "retry_timeout": 2, "remove_failed": 5, "failure_limit": 5,
    "_io_msg_watermark": 500, "_io_bytes_watermark": 66560, "_io_key_prefetch": 0,
    "_hash_with_prefix_key": 0, "_noreply": 0, "_sort_hosts": 0, "_poll_timeout": 5000,
    "_socket_send_size": 0, "_socket_recv_size": 0, "dead_timeout": 0, "pickle_protocol": -1,
}
all_behaviors = list(usual_behaviors)
all_callbacks = ["namespace"]
callback_namespace = 0


class BehaviorDict(dict):
    """A client's behaviors; what is set here is set there."""

    def __init__(self, client: Any, *args: Any, **kwds: Any) -> None:
        super().__init__(*args, **kwds)
        self.client = client

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self.client.set_behaviors({name: value})

    def update(self, d: Mapping[str, Any]) -> None:  # type: ignore[override]
        super().update(d)
        self.client.set_behaviors(dict(d))


MemcachedError = _exceptions.MemcachedError
