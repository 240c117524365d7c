"""The blocking client: thread-safe, fork-safe, over the C++ core.

Values keep their type: None, bool, int, float, str, bytes, list and dict of these come back equal
and of the same type. With a dialect of another client (`dialect="pymemcache"`) they are written and
read as that client does; only the dialects of clients that pickle will pickle.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Sequence, Union
from urllib.parse import quote

from . import _core
from .dialects import picklers
from .errors import Error

Key = Union[str, bytes]
_TIMES = {"timeout", "connect_timeout", "retry_min", "retry_max", "gutter_ttl"}


def build_uri(servers: Union[str, Sequence[str]], options: Mapping[str, Any]) -> str:
    """Servers and keyword options as one URI of the core (docs of parse_uri)."""
    uri = servers if isinstance(servers, str) else ",".join(servers)
    parts = []
    for name, value in options.items():
        if value is None:
            continue
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif name in _TIMES and isinstance(value, (int, float)):
            text = f"{max(1, round(value * 1000))}ms"
        elif isinstance(value, (list, tuple)):
            text = ",".join(value)
        else:
            text = str(value)
        parts.append(f"{name}={quote(text, safe='')}")
    if not parts:
        return uri
    return uri + ("&" if "?" in uri else "?") + "&".join(parts)


def _dialect_of(uri: str) -> str:
    for part in uri.partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        if name == "dialect":
            return value
    return "native"


class Client(_core.Client):
    """A client of one or many servers.

    `servers`: "host", "a:11211,b", "unix:/path", "memcached://…?timeout=250ms", or a list.
    Options are those of the core, as keywords: timeout and connect_timeout (seconds), protocol
    ("auto", "classic", "meta", "binary"), distribution, pool_size, prefix, failover, replicas,
    dialect, compressor, min_compress, split_over, hash_long_keys, on_error ("surface" or "miss":
    failures of server, network and clock read as misses), …

    Threads: safe to share. Fork: a child gets connections of its own.
    Errors: memcxx.errors; a miss is None, "not stored" is False.
    """

    def __init__(self, servers: Union[str, Sequence[str]] = "127.0.0.1", *,
                 dumps: Optional[Callable[[Any], bytes]] = None,
                 loads: Optional[Callable[[bytes], Any]] = None,
                 on_server_down: Optional[Callable[[str, Error], None]] = None,
                 on_server_up: Optional[Callable[[str], None]] = None,
                 **options: Any) -> None:
        uri = build_uri(servers, options)
        own_dumps, own_loads = picklers(_dialect_of(uri))
        super().__init__(uri, dumps or own_dumps, loads or own_loads, on_server_down, on_server_up)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # get, gat, get_item, get_many, set, set_many, delete, delete_many, touch, incr, decr and what
    # is for every server come from the extension as they are.

    def gets(self, key: Key) -> Optional[tuple[Any, int]]:
        """(value, cas token), or None."""
        found = self.get_item(key)
        return None if found is None else (found[0], found[1]["cas"])

    def add(self, key: Key, value: Any, ttl: Any = 0, min_compress: Optional[int] = None) -> bool:
        """Stores only if there is no item; else False."""
        return self.store("add", key, value, ttl, 0, min_compress)

    def replace(self, key: Key, value: Any, ttl: Any = 0,
                min_compress: Optional[int] = None) -> bool:
        """Stores only if there is an item; else False."""
        return self.store("replace", key, value, ttl, 0, min_compress)

    def cas(self, key: Key, value: Any, cas: int, ttl: Any = 0,
            min_compress: Optional[int] = None) -> bool:
        """Stores only if the item is still the one whose token gets() told; else False."""
        return self.store("cas", key, value, ttl, cas, min_compress)

    def append(self, key: Key, value: Union[str, bytes]) -> bool:
        """Puts bytes behind the item's; False when there is none."""
        return self._splice("append", key, value)

    def prepend(self, key: Key, value: Union[str, bytes]) -> bool:
        """Puts bytes before the item's; False when there is none."""
        return self._splice("prepend", key, value)

    def _splice(self, verb: str, key: Key, value: Union[str, bytes]) -> bool:
        if isinstance(value, str):
            value = value.encode()
        return self.store_raw(verb, key, value) == "stored"

    def close(self) -> None:
        """Closes idle connections; the next call opens what it needs."""
        self.disconnect()
