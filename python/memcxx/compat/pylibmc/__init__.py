"""pylibmc's names, values and placement of keys, over memcxx.

    import memcxx.compat.pylibmc as pylibmc
    mc = pylibmc.Client(["127.0.0.1"], behaviors={"ketama": True})
    mc["some_key"] = "Some value"
    mc["some_key"]                  # "Some value"

What differs, and why: docs/migrating/pylibmc.md.
"""

from ... import __version__ as _own_version
from . import consts, pools
from . import client as client
from ._exceptions import (  # noqa: A004 - ConnectionError is the original's name
    AllocationError,
    BadKeyProvided,
    CacheMiss,
    ClientError,
    ConnectionBindError,
    ConnectionError,
    DataDoesNotExist,
    DataExists,
    Error,
    Failure,
    FetchNotFinished,
    HostLookupError,
    InvalidHostProtocolError,
    MemcachedError,
    NoServers,
    NotFound,
    NotSupportedError,
    ProtocolError,
    ReadError,
    ServerDead,
    ServerDown,
    ServerError,
    SocketCreateError,
    SomeErrors,
    TooBig,
    UnixSocketError,
    UnknownReadFailure,
    UnknownStatKey,
    WriteError,
    exceptions,
)
from .client import Client
from .consts import (
    all_behaviors,
    all_callbacks,
    callback_namespace,
    distributions,
    hashers,
    server_type_tcp,
    server_type_udp,
    server_type_unix,
)
from .pools import ClientPool, ThreadMappedPool

#: the versions whose behaviour this has
__version__ = "1.6.3"
libmemcached_version = "1.0.16"
libmemcached_version_hex = 0x01000016
support_compression = True
support_sasl = False

# hash_md5, distribution_consistent_ketama, …
globals().update({"hash_" + name: number for name, number in hashers.items()})
globals().update({"distribution_" + name.replace(" ", "_"): number
                  for name, number in distributions.items()})


def build_info() -> str:
    """One line about what this is."""
    return (f"pylibmc {__version__} for libmemcached {libmemcached_version}, by memcxx "
            f"{_own_version} (compression={support_compression}, sasl={support_sasl})")


__all__ = [
    "Client", "ClientPool", "MemcachedError", "ThreadMappedPool", "all_behaviors", "all_callbacks",
    "build_info", "callback_namespace", "client", "consts", "distributions", "exceptions",
    "hashers", "libmemcached_version", "libmemcached_version_hex", "pools", "server_type_tcp",
    "server_type_udp", "server_type_unix", "support_compression", "support_sasl",
    "AllocationError", "BadKeyProvided", "CacheMiss", "ClientError", "ConnectionBindError",
    "ConnectionError", "DataDoesNotExist", "DataExists", "Error", "Failure", "FetchNotFinished",
    "HostLookupError", "InvalidHostProtocolError", "NoServers", "NotFound", "NotSupportedError",
    "ProtocolError", "ReadError", "ServerDead", "ServerDown", "ServerError",
    "SocketCreateError", "SomeErrors", "TooBig", "UnixSocketError", "UnknownReadFailure",
    "UnknownStatKey", "WriteError",
]
__all__ += ["hash_" + name for name in hashers]
__all__ += ["distribution_" + name.replace(" ", "_") for name in distributions]
