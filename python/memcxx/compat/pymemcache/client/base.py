"""pymemcache.client.base: clients of one server."""

from ._address import (
    KeepaliveOpts,
    Key,
    ServerSpec,
    check_key_helper,
    normalize_server_spec,
)
from ._client import Client
from ._plain import STAT_TYPES
from ._pooled import PooledClient

__all__ = ["Client", "KeepaliveOpts", "Key", "PooledClient", "STAT_TYPES", "ServerSpec",
           "check_key_helper", "normalize_server_spec"]
