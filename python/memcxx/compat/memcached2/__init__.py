"""memcached2's names and placement of keys in Python 3, over memcxx.

    import memcxx.compat.memcached2 as memcached2
    mc = memcached2.Memcache(["memcached://localhost/"])
    mc.set("foo", "bar")
    mc.get("foo")                   # "bar"

What differs, and why: docs/migrating/memcached2.md.
"""

from ... import __version__  # noqa: F401
from ._exceptions import (
    CASFailure,
    CASRefreshFailure,
    InvalidURI,
    MemcachedException,
    MultiStorageException,
    NoAvailableServers,
    NonNumeric,
    NotFound,
    NotStored,
    NoValue,
    RetrieveException,
    ServerDisconnect,
    StoreException,
    UnexpectedReply,
    UnknownProtocol,
)
from ._memcache import Memcache
from ._misses import ExceptionsAreMissesMapping, ExceptionsAreMissesMemcache
from ._selectors import (
    HasherBase,
    HasherCMemcache,
    HasherZero,
    SelectorBase,
    SelectorConsistentHashing,
    SelectorFirst,
    SelectorFractalSharding,
    SelectorRehashDownServers,
)
from ._servers import (
    ReconnectorBase,
    ReconnectorSimple,
    ReconnectorTime,
    ReconnectorTimeout,
    ServerConnection,
    ServerPool,
)
from ._values import ValueDictionary, ValueSuperStr

__all__ = [
    "CASFailure", "CASRefreshFailure", "ExceptionsAreMissesMapping",
    "ExceptionsAreMissesMemcache", "HasherBase", "HasherCMemcache", "HasherZero", "InvalidURI",
    "Memcache", "MemcachedException", "MultiStorageException", "NoAvailableServers", "NoValue",
    "NonNumeric", "NotFound", "NotStored", "ReconnectorBase", "ReconnectorSimple",
    "ReconnectorTime", "ReconnectorTimeout", "RetrieveException", "SelectorBase",
    "SelectorConsistentHashing", "SelectorFirst", "SelectorFractalSharding",
    "SelectorRehashDownServers", "ServerConnection", "ServerDisconnect", "ServerPool",
    "StoreException", "UnexpectedReply", "UnknownProtocol", "ValueDictionary", "ValueSuperStr",
]
