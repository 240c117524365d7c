"""memcxx: a memcached client over a C++ core.

    import memcxx
    cache = memcxx.Client("127.0.0.1")
    cache.set("user:42", {"name": "Ada", "visits": 3}, ttl=60)
    cache.get("user:42")
"""

from . import errors
from ._core import __version__
from .client import Client
from .errors import Error

__all__ = ["Client", "Error", "errors", "__version__"]
