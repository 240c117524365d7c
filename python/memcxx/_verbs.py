"""The verbs of the clients over Python's own sockets, as steps: each is a generator that yields
legs to be brought to an end and returns what the caller gets. memcxx.aio awaits them, memcxx.green
waits for them; signatures, values and errors are memcxx.Client's.
Never here: sockets, waiting, where a request goes (_passive).
"""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from . import _core, errors
from ._passive import Ask, Reply, Router, Steps
from .client import build_uri, dialect_of
from .dialects import picklers

Key = Union[str, bytes]
MISSING = object()

_NO = {
    "store": ("not_stored", "exists", "miss"),
    "delete": ("miss", "exists"),
    "touch": ("miss",),
}


def _done(reply: Reply, no: Sequence[str]) -> bool:
    """True, or False for the answers of `no`; anything else raises."""
    if reply.status == "ok":
        return True
    if reply.status in no:
        return False
    raise reply.error()


def many_of(given: Iterable[Any]) -> List[Any]:
    """What is of many, as it is now; one key alone would be taken for its characters."""
    if isinstance(given, (str, bytes)):
        raise TypeError("many are a list or another iterable, and not one str or bytes")
    return list(given)


def pairs_of(given: Mapping[Key, Any]) -> Dict[Key, Any]:
    if not hasattr(given, "keys"):
        raise TypeError("many are a mapping: {key: value}")
    return dict(given)


def _undone(replies: Iterable[Tuple[Key, Reply]]) -> Dict[Key, Any]:
    """{key: what the verb for one key would have answered or raised, when that is not True}"""
    return {key: False if reply.status in _NO["store"] else reply.error()
            for key, reply in replies if reply.status != "ok"}


class Verbs:
    """Threads: safe to share; nothing here changes but the list of servers."""

    def __init__(self, servers: Union[str, Sequence[str]], options: Mapping[str, Any],
                 dumps: Optional[Callable[[Any], bytes]], loads: Optional[Callable[[bytes], Any]],
                 core: Optional[_core.Client] = None):
        uri = build_uri(servers, options)
        own_dumps, own_loads = picklers(dialect_of(uri))
        # Routes, and makes requests; it opens no connection, as no verb of it is called.
        self.core = core or _core.Client(uri)
        self.router = Router(self.core)
        self.codec = _core.ValueCodec(uri.partition("?")[2], dumps or own_dumps, loads or own_loads)
        self._long_keys = self.router.settings["hash_long_keys"]

    # --- typed values

    def get(self, key: Key, default: Any = None) -> Steps:
        """The value, or `default`."""
        found = yield from self._read("get", key)
        return default if found is MISSING else found

    def gat(self, key: Key, ttl: Any, default: Any = None) -> Steps:
        """The value, whose ttl is set; or `default`."""
        found = yield from self._read("gat", key, ttl=ttl)
        return default if found is MISSING else found

    def get_item(self, key: Key, ttl: bool = False, last_access: bool = False,
                 hit_before: bool = False, size: bool = False, vivify: Any = None,
                 recache: Any = None) -> Steps:
        """(value, attributes), or None."""
        name = self._item_key(key)
        ask = Ask(self.core.item_request(name, ttl, last_access, hit_before, size, vivify, recache),
                  name)
        yield from self.router.by_key((ask,))
        value = yield from self._value(key, ask.reply)
        return None if value is MISSING else (value, ask.reply.extra)

    def gets(self, key: Key) -> Steps:
        """(value, cas token), or None."""
        found = yield from self.get_item(key)
        return None if found is None else (found[0], found[1]["cas"])

    def get_many(self, keys: Iterable[Key], errors_too: bool = False) -> Steps:
        """{key: value} of the hits; what failed raises, or is its exception."""
        keys = many_of(keys)
        asks = [self._try("get", key, long=True) for key in keys]
        yield from self._all(asks, run=True)
        found: Dict[Key, Any] = {}
        for key, ask in zip(keys, asks):
            try:
                value = yield from self._value(key, ask.reply)
            except Exception as why:  # a pickle's, too
                if not errors_too:
                    raise
                value = why
            if value is not MISSING:
                found[key] = value
        return found

    def set(self, key: Key, value: Any, ttl: Any = 0, min_compress: Optional[int] = None) -> Steps:
        """Stores, whatever is there. True."""
        return (yield from self.store("set", key, value, ttl, 0, min_compress))

    def add(self, key: Key, value: Any, ttl: Any = 0, min_compress: Optional[int] = None) -> Steps:
        """Stores only if there is no item; else False."""
        return (yield from self.store("add", key, value, ttl, 0, min_compress))

    def replace(self, key: Key, value: Any, ttl: Any = 0,
                min_compress: Optional[int] = None) -> Steps:
        """Stores only if there is an item; else False."""
        return (yield from self.store("replace", key, value, ttl, 0, min_compress))

    def cas(self, key: Key, value: Any, cas: int, ttl: Any = 0,
            min_compress: Optional[int] = None) -> Steps:
        """Stores only if the item is still the one whose token gets() told; else False."""
        return (yield from self.store("cas", key, value, ttl, cas, min_compress))

    def store(self, verb: str, key: Key, value: Any, ttl: Any = 0, cas: int = 0,
              min_compress: Optional[int] = None) -> Steps:
        """What set, add, replace and cas are made of."""
        ask, pieces = self._store(verb, key, value, ttl, cas, min_compress)
        if pieces:
            # The pieces first, so that nobody reads an item that names what is not there.
            yield from self.router.by_key(pieces)
            for piece in pieces:
                _done(piece.reply, ())
        yield from self.router.by_key((ask,))
        return _done(ask.reply, _NO["store"])

    def set_many(self, pairs: Mapping[Key, Any], ttl: Any = 0,
                 min_compress: Optional[int] = None) -> Steps:
        """{key: exception} of those that were not stored; False in place of one that is a miss by
        on_error."""
        return (yield from self._store_many("set", pairs, ttl, min_compress))

    def add_many(self, pairs: Mapping[Key, Any], ttl: Any = 0,
                 min_compress: Optional[int] = None) -> Steps:
        """{key: False or exception} of those that were not stored; False: there is an item."""
        return (yield from self._store_many("add", pairs, ttl, min_compress))

    # --- items as they are: bytes and flags

    def get_raw(self, key: Key) -> Steps:
        """(bytes, flags, cas), or None."""
        return (yield from self._raw(self._ask("get", key, want_cas=True)))

    def gat_raw(self, key: Key, ttl: Any) -> Steps:
        """(bytes, flags, cas) of the item, whose ttl is set; or None."""
        return (yield from self._raw(self._ask("gat", key, ttl=ttl, want_cas=True)))

    def get_many_raw(self, keys: Iterable[Key], cas: bool = False,
                     errors_too: bool = False) -> Steps:
        """{key: (bytes, flags, cas)} of the hits; what failed raises, or is its exception."""
        keys = many_of(keys)
        asks = [self._try("get", key, want_cas=cas) for key in keys]
        yield from self._all(asks, run=True)
        found: Dict[Key, Any] = {}
        for key, ask in zip(keys, asks):
            reply = ask.reply
            if reply.status == "ok":
                found[key] = (reply.value, reply.flags, reply.cas)
            elif reply.status != "miss":
                if not errors_too:
                    raise reply.error()
                found[key] = reply.error()
        return found

    def store_raw(self, verb: str, key: Key, value: bytes, flags: int = 0, ttl: Any = 0,
                  cas: int = 0, quiet: bool = False) -> Steps:
        """"stored", "not_stored", "exists" or "miss"."""
        ask = self._ask(verb, key, value=value, flags=flags, ttl=ttl, cas=cas)
        yield from self.router.by_key((ask,), quiet=quiet)
        return "stored" if _done(ask.reply, _NO["store"]) else ask.reply.status

    def set_many_raw(self, entries: Iterable[Tuple[Key, bytes, int]], ttl: Any = 0,
                     quiet: bool = False) -> Steps:
        """{key: False or exception} of those that were not stored; False: the server said so."""
        entries = many_of(entries)
        asks = [self._try("set", key, value=value, flags=flags, ttl=ttl)
                for key, value, flags in entries]
        yield from self._all(asks, quiet=quiet)
        return _undone((key, ask.reply) for (key, _, _), ask in zip(entries, asks))

    def append(self, key: Key, value: Union[str, bytes]) -> Steps:
        """Puts bytes behind the item's; False when there is none."""
        return (yield from self._splice("append", key, value))

    def prepend(self, key: Key, value: Union[str, bytes]) -> Steps:
        """Puts bytes before the item's; False when there is none."""
        return (yield from self._splice("prepend", key, value))

    # --- verbs without a value

    def delete(self, key: Key, quiet: bool = False, cas: int = 0) -> Steps:
        """False when there was no item."""
        ask = self._ask("remove", self._item_key(key), cas=cas)
        yield from self.router.by_key((ask,), quiet=quiet)
        return _done(ask.reply, _NO["delete"])

    def delete_many(self, keys: Iterable[Key], quiet: bool = False) -> Steps:
        """{key: False or exception} of those that were not deleted; False: there was no item."""
        keys = many_of(keys)
        asks = [self._try("remove", key, long=True) for key in keys]
        yield from self._all(asks, quiet=quiet)
        return _undone((key, ask.reply) for key, ask in zip(keys, asks))

    def touch(self, key: Key, ttl: Any = 0, quiet: bool = False) -> Steps:
        """Sets the ttl; False when there is no item."""
        ask = self._ask("touch", self._item_key(key), ttl=ttl)
        yield from self.router.by_key((ask,), quiet=quiet)
        return _done(ask.reply, _NO["touch"])

    def incr(self, key: Key, delta: int = 1, initial: Optional[int] = None, ttl: Any = 0,
             quiet: bool = False) -> Steps:
        """The counter's new value; None when there is none. `initial` creates it."""
        return (yield from self._count("incr", key, delta, initial, ttl, quiet))

    def decr(self, key: Key, delta: int = 1, initial: Optional[int] = None, ttl: Any = 0,
             quiet: bool = False) -> Steps:
        """As incr, but downwards; it stops at 0."""
        return (yield from self._count("decr", key, delta, initial, ttl, quiet))

    # --- every server: {server: answer or exception}

    def flush_all(self, delay: float = 0, quiet: bool = False) -> Steps:
        """Drops everything, after `delay` seconds."""
        if not delay >= 0:
            raise errors.InvalidArgument("flush: the delay is negative")
        # Beyond what a ttl may be it is refused; here it has to be a whole number.
        seconds = math.ceil(min(delay, 1e12))
        return (yield from self._everywhere("flush", number=seconds, quiet=quiet))

    def stats(self, group: str = "", text: bool = False) -> Steps:
        """{server: {name: int, float or str}}; with `text` every value as the server wrote it."""
        return (yield from self._everywhere("stats", group, read=lambda r: r.extra or {},
                                            as_text=text))

    def version(self) -> Steps:
        """{server: "1.6.18"}"""
        return (yield from self._everywhere("version", read=lambda r: r.text.decode()))

    def ping(self) -> Steps:
        """{server: True}"""
        return (yield from self._everywhere("ping"))

    def verbosity(self, level: int) -> Steps:
        """Sets the servers' log level."""
        return (yield from self._everywhere("verbosity", number=level))

    def delete_everywhere(self, key: Key) -> Steps:
        """{server: whether it had the item}, for keys that moved between them."""
        name = self._item_key(key)
        replies = yield from self.router.everywhere(lambda: self.core.request("remove", name))
        return {server: False if reply.status == "miss" else _true(reply)
                for server, reply in replies}

    # --- what they are made of

    def _ask(self, verb: str, key: Key, **parts: Any) -> Ask:
        return Ask(self.core.request(verb, key, **parts), key)

    def _try(self, verb: str, key: Key, long: bool = False, **parts: Any) -> Ask:
        """One of many: what is refused has its reply already, and no request."""
        try:
            return self._ask(verb, self._item_key(key) if long else key, **parts)
        except errors.Error as why:
            refused = Ask(None, key)
            refused.reply = Reply(why.code, text=why.message.encode())
            return refused

    def _all(self, asks: Sequence[Ask], run: bool = False, quiet: bool = False) -> Steps:
        return self.router.by_key([a for a in asks if a.request is not None], quiet, run)

    def _item_key(self, key: Key) -> Key:
        return self.codec.item_key(key) if self._long_keys else key

    def _read(self, verb: str, key: Key, **parts: Any) -> Steps:
        ask = self._ask(verb, self._item_key(key), **parts)
        yield from self.router.by_key((ask,))
        return (yield from self._value(key, ask.reply))

    def _value(self, key: Key, reply: Reply) -> Steps:
        """What an item's reply holds, of one item or of many; or MISSING."""
        if reply.status == "miss":
            return MISSING
        if reply.status != "ok":
            raise reply.error()
        flags, data = reply.flags, reply.value
        try:
            if self.codec.is_split(flags):
                plan = self.codec.pieces_of(key, flags, data)
                pieces = [self._ask("get", name) for name in plan.keys]
                yield from self.router.by_key(pieces, run=True)
                replies = [piece.reply for piece in pieces]
                bad = next((r for r in replies if r.status not in ("ok", "miss")), None)
                if bad is not None:  # a failure says more than a miss
                    raise bad.error()
                if any(r.status == "miss" for r in replies):
                    return MISSING
                flags, data = plan.flags, plan.join([r.value for r in replies])
            return self.codec.unpack(key, flags, data, MISSING)
        except errors.Error as why:
            why.server = why.server or reply.server
            raise

    def _store(self, verb: str, key: Key, value: Any, ttl: Any, cas: int,
               min_compress: Optional[int], errors_too: bool = False) -> Tuple[Any, List[Ask]]:
        """The request that stores a value under its key, and those for its pieces."""
        try:
            name = self._item_key(key)
            flags, data = self.codec.pack(key, value, min_compress)
            pieces: List[Ask] = []
            split = self.codec.split(key, flags, data)
            if split is not None:
                flags, data, piece_flags, parts = split
                pieces = [self._ask("set", its, value=part, flags=piece_flags, ttl=ttl)
                          for its, part in parts]
            return self._ask(verb, name, value=data, flags=flags, ttl=ttl, cas=cas), pieces
        except errors.Error as why:
            if errors_too:
                return why, []
            raise

    def _store_many(self, verb: str, pairs: Mapping[Key, Any], ttl: Any,
                    min_compress: Optional[int]) -> Steps:
        stores = [(key, *self._store(verb, key, value, ttl, 0, min_compress, errors_too=True))
                  for key, value in pairs_of(pairs).items()]
        failed = {key: ask for key, ask, _ in stores if isinstance(ask, errors.Error)}
        stores = [s for s in stores if s[0] not in failed]
        pieces = [piece for _, _, its in stores for piece in its]
        if pieces:
            yield from self.router.by_key(pieces)
        replies = []
        whole = []
        for key, ask, its in stores:
            bad = next((p.reply for p in its if p.reply.status != "ok"), None)
            if bad is None:
                whole.append((key, ask))
            else:
                replies.append((key, bad))
        yield from self.router.by_key([ask for _, ask in whole])
        replies += [(key, ask.reply) for key, ask in whole]
        failed.update(_undone(replies))
        return failed

    def _raw(self, ask: Ask) -> Steps:
        yield from self.router.by_key((ask,))
        reply = ask.reply
        if reply.status == "ok":
            return reply.value, reply.flags, reply.cas
        if reply.status == "miss":
            return None
        raise reply.error()

    def _splice(self, verb: str, key: Key, value: Union[str, bytes]) -> Steps:
        data = value.encode() if isinstance(value, str) else value
        return (yield from self.store_raw(verb, key, data)) == "stored"

    def _count(self, verb: str, key: Key, delta: int, initial: Optional[int], ttl: Any,
               quiet: bool) -> Steps:
        ask = self._ask(verb, key, number=delta, initial=initial, ttl=ttl)
        yield from self.router.by_key((ask,), quiet=quiet)
        if ask.reply.status == "ok":
            return None if quiet else ask.reply.count
        if ask.reply.status == "miss":
            return None
        raise ask.reply.error()

    def _everywhere(self, verb: str, key: str = "", number: int = 1, as_text: bool = False,
                    read: Callable[[Reply], Any] = lambda reply: True,
                    quiet: bool = False) -> Steps:
        replies = yield from self.router.everywhere(
            lambda: self.core.request(verb, key, number=number, as_text=as_text), quiet)
        return {server: read(reply) if reply.status == "ok" else reply.error()
                for server, reply in replies}


def _true(reply: Reply) -> Any:
    return True if reply.status == "ok" else reply.error()


#: every verb, in the order of the documentation
NAMES = tuple(name for name, what in vars(Verbs).items()
              if not name.startswith("_") and callable(what))
