"""pymemcache.client.base: clients of one server, and what people take from there beside them."""

from ..exceptions import (
    MemcacheClientError,
    MemcacheIllegalInputError,
    MemcacheServerError,
    MemcacheUnexpectedCloseError,
    MemcacheUnknownCommandError,
    MemcacheUnknownError,
)
from ..serde import LegacyWrappingSerde
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

__all__ = [
    "Client", "KeepaliveOpts", "Key", "LegacyWrappingSerde", "MemcacheClientError",
    "MemcacheIllegalInputError", "MemcacheServerError", "MemcacheUnexpectedCloseError",
    "MemcacheUnknownCommandError", "MemcacheUnknownError", "PooledClient", "STAT_TYPES",
    "ServerSpec", "check_key_helper", "normalize_server_spec",
]
