"""How each dialect pickles: whose protocol, and whether at all.

The native dialect, gomemcached's and dalli's never unpickle: reading a pickle that others can write
runs their code. libmc pickles only what Python's marshal refuses.
"""

from __future__ import annotations

import marshal
import pickle
from typing import Any, Callable, Optional, Tuple, Union

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


#: a pickle; or what it is called that is none, and its bytes
Dumped = Union[bytes, Tuple[str, bytes]]


def _marshalled(value: Any) -> Dumped:
    """As libmc does: of what marshal refuses, a pickle."""
    try:
        return "marshal", marshal.dumps(value, 2)
    except ValueError:
        return pickle.dumps(value, PROTOCOLS["libmc"])


def picklers(
        dialect: str) -> tuple[Optional[Callable[[Any], Dumped]], Optional[Callable[[bytes], Any]]]:
    """(dumps, loads) of a dialect; (None, None) where there is no pickling."""
    protocol = PROTOCOLS.get(dialect)
    if protocol is None:
        return None, None
    if dialect == "libmc":
        return _marshalled, pickle.loads
    return (lambda value: pickle.dumps(value, protocol)), pickle.loads
