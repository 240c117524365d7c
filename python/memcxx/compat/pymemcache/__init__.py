"""pymemcache's modules, names, values and placement of keys, over memcxx.

    from memcxx.compat.pymemcache.client.base import Client
    client = Client("localhost")
    client.set("some_key", "some_value")
    client.get("some_key")          # b"some_value"

What differs, and why: docs/migrating/pymemcache.md.
"""

from .client.base import Client, KeepaliveOpts, PooledClient
from .client.hash import HashClient
from .exceptions import (
    MemcacheClientError,
    MemcacheError,
    MemcacheIllegalInputError,
    MemcacheServerError,
    MemcacheUnexpectedCloseError,
    MemcacheUnknownCommandError,
    MemcacheUnknownError,
)

#: the version whose behaviour this has
__version__ = "4.0.0"

__all__ = [
    "Client", "HashClient", "KeepaliveOpts", "PooledClient", "MemcacheClientError",
    "MemcacheError", "MemcacheIllegalInputError", "MemcacheServerError",
    "MemcacheUnexpectedCloseError", "MemcacheUnknownCommandError", "MemcacheUnknownError",
]
