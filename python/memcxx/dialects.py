"""How each dialect pickles: whose protocol, and whether at all.

The native dialect, gomemcached's and dalli's never unpickle: reading a pickle that others can write
runs their code.
"""

from __future__ import annotations

import pickle
from typing import Any, Callable, Optional

#: dialect -> pickle protocol of its original; only these load pickles
PROTOCOLS = {
    "python-memcached": 0,
    "cmemcache": 2,
    "pyermc": 2,
    "pymemcache": pickle.HIGHEST_PROTOCOL,
    "pylibmc": pickle.HIGHEST_PROTOCOL,
    "libmc": 2,
}

NAMES = ("native", *PROTOCOLS, "gomemcached", "dalli")


def picklers(
        dialect: str) -> tuple[Optional[Callable[[Any], bytes]], Optional[Callable[[bytes], Any]]]:
    """(dumps, loads) of a dialect; (None, None) where there is no pickling."""
    protocol = PROTOCOLS.get(dialect)
    if protocol is None:
        return None, None
    return (lambda value: pickle.dumps(value, protocol)), pickle.loads
