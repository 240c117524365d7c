"""memcached2's Memcache.

Never here: where keys go (_selectors.py), what values are wrapped in (_values.py), failures taken
for misses (_misses.py).
"""

from __future__ import annotations

import operator
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ... import errors
from ...client import Client as Core
from .._values import expiry
from ._exceptions import (
    CASFailure,
    InvalidURI,
    MemcachedException,
    MultiStorageException,
    NotFound,
    NotStored,
    NoValue,
    translated,
)
from ._selectors import (
    HasherCMemcache,
    HasherZero,
    SelectorFirst,
    SelectorFractalSharding,
    SelectorRehashDownServers,
    usual_distribution,
)
from ._servers import (
    USUAL_TIMEOUT,
    ReconnectorSimple,
    ReconnectorTime,
    ServerConnection,
    ServerPool,
)

_FLAGS_OF_SETTINGS = ("maxconns_fast", "slab_reassign", "slab_automove", "detail_enabled",
                      "cas_enabled")
_NO_ANSWER = (errors.NetworkError, errors.Timeout, errors.Overloaded)


def _name(key: Any) -> bytes:
    return key if isinstance(key, bytes) else str(key).encode("latin-1")


def _data(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("latin-1")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"a value is str or bytes, not {type(value).__name__}")


def _line(e: Any) -> Optional[str]:
    """The server's words for what set_many_raw could not do; None when it had none."""
    if e is False:
        return "NOT_STORED"
    if isinstance(e, errors.NotSupported):
        return e.message if e.server else None
    if isinstance(e, errors.ClientError) or isinstance(e, errors.CallerError) and not e.server:
        return f"CLIENT_ERROR {e.message}"
    if isinstance(e, (errors.ServerError, errors.CallerError)):
        return f"SERVER_ERROR {e.message}"
    return None


class Memcache:
    """Strings in memcached; whatever is not as it should be raises.

    `servers`: URIs, "memcached://host[:port]/". `value_wrapper`: called as (value, key, flags,
    cas_unique, memcache=self) for each value that is read: ValueSuperStr, ValueDictionary, or one's
    own. `selector`, `hasher`: which server a key belongs to. `server_pool`: shares servers with
    other Memcaches; its reconnector says when a server that failed is tried again. `timeout`:
    seconds for a whole call. InvalidURI: servers that cannot be used.

    A str is stored as Latin-1, and read as such: any bytes come back as one character each. Beyond
    Latin-1, encode it yourself: UnicodeEncodeError.

    Threads: safe to share. Fork: a child gets connections of its own.
    """

    def __init__(self, servers: Iterable[str], value_wrapper: Optional[Callable[..., Any]] = None,
                 selector: Any = None, hasher: Any = None,
                 server_pool: Optional[ServerPool] = None, *,
                 timeout: float = USUAL_TIMEOUT) -> None:
        if server_pool is None:
            self.servers = [ServerConnection(uri, None, timeout) for uri in servers]
        else:
            self.servers = [server_pool.get(uri) for uri in servers]
        if not self.servers:
            raise InvalidURI("there is no server")
        one = len(self.servers) == 1
        self.value_wrapper = value_wrapper
        self.hasher = hasher if hasher is not None else HasherZero() if one else HasherCMemcache()
        self.selector = (
            selector if selector is not None else SelectorFirst() if one
            else SelectorRehashDownServers() if len(self.servers) == 2
            else SelectorFractalSharding())
        self._cluster = self._make_cluster(server_pool, timeout)

    def _make_cluster(self, pool: Optional[ServerPool], timeout: float) -> Optional[Core]:
        """One core for all servers, where it places keys as selector and hasher do."""
        reconnector = None if pool is None else pool.reconnector
        if reconnector is not None and type(reconnector) not in (ReconnectorSimple,
                                                                  ReconnectorTime):
            return None
        if len(self.servers) == 1 and type(self.selector) is SelectorFirst:
            distribution: Optional[str] = "memcached2-rehash"
        else:
            distribution = usual_distribution(self.selector, self.hasher)
        if distribution is None:
            return None
        if len({s.address for s in self.servers}) < len(self.servers):
            return None  # the core takes a server once, and a selector counts it twice
        options: Dict[str, Any] = {"distribution": distribution, "timeout": timeout,
                                   "connect_timeout": timeout}
        if len(self.servers) > 1:
            # Connecting leaves time for the next server.
            options.update(failover="next", connect_timeout=timeout / 2)
        if type(reconnector) is ReconnectorSimple:
            options["max_failures"] = 0
        elif isinstance(reconnector, ReconnectorTime):
            wait = max(float(reconnector.timeout), 0.001)
            options.update(max_failures=1, retry_min=wait, retry_max=wait)
        try:
            return Core([s.address for s in self.servers], **options)
        except errors.Error as e:
            raise InvalidURI(str(e)) from None

    # --- which server

    def _run(self, key: Any, verb: Callable[[Any, bytes], Any]) -> Any:
        """verb(core, the key's bytes)"""
        name = _name(key)
        if self._cluster is not None:
            try:
                return verb(self._cluster, name)
            except errors.Error as e:
                raise translated(e) from None
        server = self.selector.select(self.servers, self.hasher.hash, key)
        try:
            found = verb(server.core, name)
        except errors.Error as e:
            if isinstance(e, _NO_ANSWER):
                server.failed()
            raise translated(e) from None
        server.succeeded()
        return found

    def _groups(self, keys: Iterable[Any]) -> List[Tuple[Core, List[Any],
                                                         Optional[ServerConnection]]]:
        if self._cluster is not None:
            return [(self._cluster, list(keys), None)]
        groups: Dict[int, Tuple[Core, List[Any], Optional[ServerConnection]]] = {}
        for key in keys:
            server = self.selector.select(self.servers, self.hasher.hash, key)
            groups.setdefault(id(server), (server.core, [], server))[1].append(key)
        return list(groups.values())

    def _everywhere(self, verb: str, *args: Any) -> List[Any]:
        """A reply or an exception for each server."""
        if self._cluster is not None:
            replies = getattr(self._cluster, verb)(*args)
            return [replies[name] for name in self._cluster.servers()]
        return [next(iter(getattr(s.core, verb)(*args).values())) for s in self.servers]

    # --- reads

    def _value(self, key: Any, found: Sequence[Any], with_cas: bool) -> Any:
        value = found[0].decode("latin-1")
        if self.value_wrapper is None:
            return value
        return self.value_wrapper(value, key, found[1], found[2] if with_cas else None,
                                  memcache=self)

    def get(self, key: Any, get_cas: bool = False) -> Any:
        """The value. NoValue: there is none. `get_cas`: asks for the token of set(cas_unique=…),
        which a value_wrapper gets."""
        found = self._run(key, lambda core, name: core.get_raw(name))
        if found is None:
            raise NoValue(key)
        return self._value(key, found, get_cas)

    def _token_of(self, key: Any, value: Any) -> Optional[int]:
        """The token of an item that has this value; None for another."""
        found = self._run(key, lambda core, name: core.get_raw(name))
        return None if found is None or found[0] != _data(value) else found[2]

    def get_multi(self, keys: Iterable[Any], get_cas: bool = False) -> Dict[Any, Any]:
        """{key: value} of those that there are."""
        found, failed = self._get_multi(keys, get_cas)
        for e in failed:
            raise translated(e)
        return found

    def _get_multi(self, keys: Iterable[Any], get_cas: bool
                   ) -> Tuple[Dict[Any, Any], List[errors.Error]]:
        out: Dict[Any, Any] = {}
        failed: List[errors.Error] = []
        for core, group, server in self._groups(keys):
            names = {_name(key): key for key in group}
            found = core.get_many_raw(list(names), cas=get_cas, errors_too=True)
            lost = [item for item in found.values() if isinstance(item, errors.Error)]
            failed += lost
            if server is not None:
                silent = any(isinstance(e, _NO_ANSWER) for e in lost)
                server.failed() if silent else server.succeeded()
            for name, item in found.items():
                if not isinstance(item, errors.Error):
                    out[names[name]] = self._value(names[name], item, get_cas)
        return out, failed

    def cache(self, key: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The value; or what function(key, …) returns, which is stored then."""
        try:
            return Memcache.get(self, key)
        except NoValue:
            data = function(key, *args, **kwargs)
            self.set(key, data)
            return data

    # --- stores

    def _store(self, verb: str, key: Any, value: Any, flags: int = 0, exptime: Any = 0,
               cas: int = 0) -> None:
        data = _data(value)
        ttl = expiry(exptime)
        answer = self._run(
            key, lambda core, name: core.store_raw(verb, name, data, flags, ttl, cas))
        if answer == "not_stored":
            raise NotStored(key)
        if answer == "exists":
            raise CASFailure(key)
        if answer == "miss":
            raise NotFound(key)

    def set(self, key: Any, value: Any, flags: int = 0, exptime: Any = 0,
            cas_unique: Optional[int] = None) -> None:
        """Stores. With the token of an earlier get: CASFailure when the item changed since,
        NotFound when it is gone."""
        if cas_unique is None:
            self._store("set", key, value, flags, exptime)
        else:
            self._store("cas", key, value, flags, exptime, operator.index(cas_unique))

    def add(self, key: Any, value: Any, flags: int = 0, exptime: Any = 0) -> None:
        """NotStored: there is an item."""
        self._store("add", key, value, flags, exptime)

    def replace(self, key: Any, value: Any, flags: int = 0, exptime: Any = 0) -> None:
        """NotStored: there is no item."""
        self._store("replace", key, value, flags, exptime)

    def append(self, key: Any, value: Any) -> None:
        """NotStored: there is no item."""
        self._store("append", key, value)

    def prepend(self, key: Any, value: Any) -> None:
        """NotStored: there is no item."""
        self._store("prepend", key, value)

    def set_multi(self, data: Iterable[Sequence[Any]], options: Optional[Mapping[str, Any]] = None,
                  return_successful: bool = True, return_failed: bool = True
                  ) -> Dict[Any, Optional[str]]:
        """Stores (key, value) or (key, value, options): {key: None, or the server's words when it
        was not stored}. Options: flags, exptime, cas_unique; of an entry they are for it alone.

        MultiStorageException: servers failed, or a key is none (CLIENT_ERROR); its `results` are
        those of all the others, and the words for the key.
        """
        usual = {"flags": 0, "exptime": 0, "cas_unique": None, **(options or {})}
        results: Dict[Any, Any] = {}
        plain: Dict[Any, Tuple[Any, Tuple[bytes, bytes, int]]] = {}
        for entry in data:
            key, value = entry[0], entry[1]
            own = {**usual, **(entry[2] if len(entry) > 2 else {})}
            if own["cas_unique"] is None:
                plain[key] = (own["exptime"], (_name(key), _data(value), own["flags"]))
            else:
                results[key] = self._set_one(key, value, own)
        self._set_plain(plain, results)
        failed: Dict[Any, Exception] = {
            key: e for key, e in results.items() if isinstance(e, MemcachedException)}
        for key in failed:
            del results[key]
        refused = [line for line in results.values() if line and line.startswith("CLIENT_ERROR")]
        results = {key: line for key, line in results.items()
                   if (return_successful if line is None else return_failed)}
        for e in failed.values():
            raise MultiStorageException(f"{len(failed)} keys: {e}", results) from e
        for line in refused:
            raise MultiStorageException(f"{len(refused)} keys: {line}", results)
        return results

    def _set_one(self, key: Any, value: Any, own: Mapping[str, Any]) -> Any:
        try:
            Memcache.set(self, key, value, **own)
        except NotFound:
            return "NOT_FOUND"
        except CASFailure:
            return "EXISTS"
        except MemcachedException as e:
            return (_line(e) if isinstance(e, errors.Error) else None) or e
        return None

    def _set_plain(self, plain: Dict[Any, Any], results: Dict[Any, Any]) -> None:
        for core, group, server in self._groups(plain):
            by_time: Dict[Any, List[Any]] = {}
            for key in group:
                by_time.setdefault(plain[key][0], []).append(key)
            for exptime, keys in by_time.items():
                failed = core.set_many_raw([plain[key][1] for key in keys], expiry(exptime))
                for key in keys:
                    e = failed.get(plain[key][1][0])
                    results[key] = None if e is None else _line(e) or translated(e)
                if server is not None:
                    silent = any(isinstance(e, _NO_ANSWER) for e in failed.values())
                    server.failed() if silent else server.succeeded()

    # --- verbs without a value

    def delete(self, key: Any) -> bool:
        """Whether there was an item."""
        return self._run(key, lambda core, name: core.delete(name))

    def delete_all(self, key: Any) -> bool:
        """Deletes on every server that answers; whether one had an item."""
        replies = self._everywhere("delete_everywhere", _name(key))
        answers = [r for r in replies if not isinstance(r, errors.Error)]
        for reply in replies:
            if isinstance(reply, errors.Error) and not (answers and isinstance(reply, _NO_ANSWER)):
                raise translated(reply)
        return any(answers)

    def touch(self, key: Any, exptime: Any) -> None:
        """Sets the item's time to live, in seconds; 0 is for ever. NotFound: there is none."""
        if not self._run(key, lambda core, name: core.touch(name, expiry(exptime))):
            raise NotFound(key)

    def incr(self, key: Any, value: int = 1) -> int:
        """The new value. NotFound: there is no item. NonNumeric: it is no number."""
        return self._count("incr", key, value)

    def decr(self, key: Any, value: int = 1) -> int:
        """The new value, not below 0. NotFound: there is no item. NonNumeric: it is no number."""
        return self._count("decr", key, value)

    def _count(self, verb: str, key: Any, value: Any) -> int:
        delta = int(value)
        if not 0 <= delta < 1 << 64:
            raise ValueError(f"not a number from 0 to 2^64-1: {value!r}")
        counted = self._run(key, lambda core, name: getattr(core, verb)(name, delta))
        if counted is None:
            raise NotFound(key)
        return counted

    # --- every server

    def flush_all(self) -> None:
        """Drops everything on every server; then raises for one that failed."""
        for reply in self._everywhere("flush_all"):
            if isinstance(reply, errors.Error):
                raise translated(reply)

    def _stats(self, group: str, read: Callable[[Dict[str, Any]], Any]) -> List[Any]:
        return [None if isinstance(r, errors.Error) else read(r)
                for r in self._everywhere("stats", group)]

    def stats(self) -> List[Optional[Dict[str, Any]]]:
        """[{name: int, float or str}], one for each server; None for one that does not answer."""
        return self._stats("", dict)

    def stats_items(self) -> List[Optional[Dict[str, Dict[str, Any]]]]:
        """[{slab class: {name: value}}], as stats()."""

        def read(reply: Dict[str, Any]) -> Dict[str, Dict[str, Any]]:
            out: Dict[str, Dict[str, Any]] = {}
            for name, value in reply.items():
                words = name.split(":")
                if len(words) == 3 and words[0] == "items":
                    out.setdefault(words[1], {})[words[2]] = value
            return out

        return self._stats("items", read)

    def stats_slabs(self) -> List[Optional[Dict[str, Any]]]:
        """[{name: value, "slabs": {slab class: {name: value}}}], as stats()."""

        def read(reply: Dict[str, Any]) -> Dict[str, Any]:
            slabs: Dict[str, Dict[str, Any]] = {}
            out: Dict[str, Any] = {"slabs": slabs}
            for name, value in reply.items():
                slab, colon, rest = name.partition(":")
                if colon:
                    slabs.setdefault(slab, {})[rest] = value
                else:
                    out[name] = value
            return out

        return self._stats("slabs", read)

    def stats_settings(self) -> List[Optional[Dict[str, Any]]]:
        """[{name: int, float, bool or str}], as stats()."""

        def read(reply: Dict[str, Any]) -> Dict[str, Any]:
            return {name: value in (1, "yes") if name in _FLAGS_OF_SETTINGS else value
                    for name, value in reply.items()}

        return self._stats("settings", read)

    def stats_sizes(self) -> List[Optional[List[Tuple[int, int]]]]:
        """[[(bytes, how many items)]], as stats(). Empty where the server does not keep them, which
        is usual."""

        def read(reply: Dict[str, Any]) -> List[Tuple[int, int]]:
            return sorted((int(name), value) for name, value in reply.items() if name.isdigit())

        return self._stats("sizes", read)

    def close(self) -> None:
        """Closes idle connections; the next call opens what it needs."""
        if self._cluster is not None:
            self._cluster.disconnect()
        for server in self.servers:
            server.reset()
