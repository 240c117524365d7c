"""memcxx: a memcached client over a C++ core.

    import memcxx
    cache = memcxx.Client("127.0.0.1")
    cache.set("user:42", {"name": "Ada", "visits": 3}, ttl=60)
    cache.get("user:42")
"""

from importlib import import_module as _import_module
from typing import Any as _Any

from . import errors
from ._core import __version__
from .client import Client
from .errors import Error

__all__ = ["Client", "Error", "errors", "__version__"]


def __getattr__(name: str) -> _Any:
    """memcxx.aio and memcxx.green, for those who use them (PEP 562)."""
    if name in ("aio", "green"):
        return _import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
