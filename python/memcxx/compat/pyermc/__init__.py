"""pyermc's package, over memcxx: `from memcxx.compat import pyermc`.

Names, signatures, what is returned and what is stored are those of pyermc 0.7, which was for
Python 2. docs/migrating/pyermc.md lists what differs.
"""

from ... import __version__  # noqa: F401
from . import driver, memcache  # noqa: F401
from .driver import binaryproto, core, noop, textproto, ultramemcache  # noqa: F401
from .memcache import (  # noqa: F401
    MAX_KEY_LENGTH,
    MAX_VALUE_LENGTH,
    Client,
    MemcacheDriverException,
    MemcacheKeyError,
    MemcacheSocketException,
    MemcacheValueError,
)
