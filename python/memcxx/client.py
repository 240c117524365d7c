"""The blocking client: thread-safe, fork-safe, over the C++ core.

Values keep their type: None, bool, int, float, str, bytes, list and dict of these come back equal
and of the same type. With a dialect of another client (`dialect="pymemcache"`) they are written and
read as that client does; only the dialects of clients that pickle will pickle.
"""

from __future__ import annotations

import math
import socket
from datetime import timedelta
from typing import Any, Callable, Mapping, Optional, Sequence, Union
from urllib.parse import quote

from . import _core
from .dialects import picklers
from .errors import Error, InvalidArgument, NotSupported

Key = Union[str, bytes]
#: seconds, or a timedelta
Seconds = Union[float, timedelta]
#: options that are times, and how many days they may be at most
_TIMES = {"timeout": 1, "connect_timeout": 1, "retry_min": 1, "retry_max": 1, "gutter_ttl": 30}


def seconds_of(name: str, value: Seconds) -> float:
    """What the core takes for this option; less than a millisecond counts as one."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not hasattr(seconds, "__float__"):
        raise TypeError(f"{name} is a number of seconds or a timedelta, "
                        f"not {type(value).__name__}")
    try:
        seconds = float(seconds)
    except OverflowError:
        seconds = value = math.inf
    days = _TIMES[name]
    if not 0 < seconds <= days * 86_400:  # nor is it no number at all
        raise InvalidArgument(f"{name} of {value} is not more than 0 and at most {days} "
                              f"day{'s' if days > 1 else ''}")
    return max(seconds, 0.001)


def build_uri(servers: Union[str, Sequence[str]], options: Mapping[str, Any]) -> str:
    """Servers and keyword options as one URI of the core (docs of parse_uri)."""
    uri = servers if isinstance(servers, str) else ",".join(servers)
    parts = []
    for name, value in options.items():
        if value is None:
            continue
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif name in _TIMES and not isinstance(value, str):
            text = f"{round(seconds_of(name, value) * 1000)}ms"
        elif isinstance(value, (list, tuple)):
            text = ",".join(value)
        else:
            text = str(value)
        parts.append(f"{name}={quote(text, safe='')}")
    if not parts:
        return uri
    return uri + ("&" if "?" in uri else "?") + "&".join(parts)


def dialect_of(uri: str) -> str:
    """The dialect that a URI asks for."""
    for part in uri.partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        if name == "dialect":
            return value
    return "native"


def _over_python(transport: str, uri: str) -> bool:
    """Whether a client goes over Python's sockets instead of the core's."""
    if transport == "auto":
        # Theirs in place of Python's: a call that waits in the core would hold up the whole hub.
        patched = socket.socket.__module__.partition(".")[0] in ("gevent", "eventlet")
        return patched and _core.Client(uri).settings()["network"]
    if transport not in ("native", "python"):
        raise InvalidArgument(f"transport is auto, native or python, not {transport!r}")
    return transport == "python"


class Client(_core.Client):
    """A client of one or many servers.

    `servers`: "host", "a:11211,b", "unix:/path", "memcached://…?timeout=250ms", or a list.
    Options are those of the core, as keywords: timeout and connect_timeout (seconds), protocol
    ("auto", "classic", "meta", "binary"), distribution, pool_size, prefix, failover, replicas,
    dialect, compressor, min_compress, split_over, hash_long_keys, on_error ("surface" or "miss":
    failures of server, network and clock read as misses), …

    `transport`: "native" waits in the core, with the GIL let go; "python" goes over Python's own
    sockets; "auto" does that only where gevent or eventlet have patched them. What such a call
    answers is a memcxx.green.Client, which has the same methods and is no subclass of this one. A
    client that was made before they did goes over Python's sockets from then on; a subclass of this
    one is always native, and its calls then raise NotSupported.

    Threads: safe to share. Fork: a child gets connections of its own.
    Errors: memcxx.errors; a miss is None, "not stored" is False.
    """

    def __new__(cls, servers: Union[str, Sequence[str]] = "127.0.0.1", *, transport: str = "auto",
                dumps: Any = None, loads: Any = None, on_server_down: Any = None,
                on_server_up: Any = None, **options: Any) -> Any:
        if cls is Client and _over_python(transport, build_uri(servers, options)):
            from .green import Client as Green
            return Green(servers, dumps=dumps, loads=loads, on_server_down=on_server_down,
                         on_server_up=on_server_up, **options)
        return super().__new__(cls)

    def __init__(self, servers: Union[str, Sequence[str]] = "127.0.0.1", *,
                 transport: str = "auto",
                 dumps: Optional[Callable[[Any], bytes]] = None,
                 loads: Optional[Callable[[bytes], Any]] = None,
                 on_server_down: Optional[Callable[[str, Error], None]] = None,
                 on_server_up: Optional[Callable[[str], None]] = None,
                 **options: Any) -> None:
        if transport == "python":
            raise NotSupported("what is derived from memcxx.Client is native: derive from "
                               "memcxx.green.Client")
        uri = build_uri(servers, options)
        own_dumps, own_loads = picklers(dialect_of(uri))
        super().__init__(uri, dumps or own_dumps, loads or own_loads, on_server_down, on_server_up)
        if transport != "native" and self.settings()["network"]:
            self._made = (uri, dumps, loads, on_server_down, on_server_up)
            self._mind_greenlets()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # get, gat, get_item, get_many, set, set_many, add_many, delete, delete_many, touch, incr, decr
    # and what is for every server come from the extension as they are.

    def within(self, timeout: Seconds) -> "Client":
        """The same client with another timeout for whole calls: seconds, or a timedelta."""
        if type(self) is Client and _core.greenlets_are_here():
            green = _instead(self)
            if green is not None:
                return green.within(timeout)
        other = _core.Client.__new__(type(self))
        _core.Client.__init__(other, self, seconds_of("timeout", timeout))
        vars(other).update(vars(self))
        return other

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


def _instead(client: Client) -> Any:
    """Who takes the calls of a client that was made before gevent or eventlet patched sockets.
    None: it was chosen to be native."""
    known = vars(client)
    made = known.get("_made")
    if made is None:
        return None
    green = known.get("_green")
    if green is None:
        from .green import Client as Green
        try:
            green = known.setdefault("_green", Green._over(client, *made))
        except NotSupported as why:
            raise NotSupported(
                f"{why.message}; this client was made before gevent or eventlet patched sockets, "
                "and would hold up every greenlet: say transport=\"native\" to have that"
            ) from None
        _core.Client.disconnect(client)
    return green


_NO_CALLS = {"request", "item_request", "settings", "places", "which", "servers", "timeout"}
for _name in dir(_core.Client):
    if not _name.startswith("_") and _name not in vars(Client) and _name not in _NO_CALLS:
        setattr(Client, _name,
                _core.verb_of(Client, _name, getattr(_core.Client, _name), _instead))
