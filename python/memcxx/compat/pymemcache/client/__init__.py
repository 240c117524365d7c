"""pymemcache.client: the clients and exceptions, as the original re-exports them."""

from ..exceptions import (
    MemcacheClientError,
    MemcacheError,
    MemcacheIllegalInputError,
    MemcacheServerError,
    MemcacheUnexpectedCloseError,
    MemcacheUnknownCommandError,
    MemcacheUnknownError,
)
from .base import Client, PooledClient
from .hash import HashClient
from .retrying import RetryingClient

__all__ = [
    "Client", "HashClient", "PooledClient", "RetryingClient", "MemcacheClientError",
    "MemcacheError", "MemcacheIllegalInputError", "MemcacheServerError",
    "MemcacheUnexpectedCloseError", "MemcacheUnknownCommandError", "MemcacheUnknownError",
]
