"""python-memcached's module, over memcxx: `from memcxx.compat import memcache`.

Names, signatures, what is returned and what is stored are those of python-memcached 1.62; keys live
on the servers where it puts them. docs/migrating/python-memcached.md lists what differs.
"""

from __future__ import annotations

import binascii
import pickle
import re
import sys
import threading
import time as _time
import weakref
import zlib
from functools import partial
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, TypeVar

from .. import __version__, errors  # noqa: F401
from ..client import Client as _Core
from ._cluster import FAILURES, Cluster
from ._memcache_host import (  # noqa: F401
    _DEAD_RETRY, _SOCKET_TIMEOUT, _ConnectionDeadError, _Error, _Host)
from ._memcache_values import Values
from ._plain import PlainSocket
from ._values import expiry, whole_number

T = TypeVar("T")

SERVER_MAX_KEY_LENGTH = 250
SERVER_MAX_VALUE_LENGTH = 1024 * 1024  #: bytes; to be set before a Client is made
_MAX_VALUE = 128 << 20  # the core's own limit, unless a client's is higher
_DAY = 24 * 60 * 60

valid_key_chars_re = re.compile(rb"[\x21-\x7e\x80-\xff]+$")


def cmemcache_hash(key: bytes) -> int:
    """The 15 bits by which a key finds its server."""
    return (binascii.crc32(key) >> 16) & 0x7fff


serverHashFunction: Callable[[bytes], int] = cmemcache_hash


def useOldServerHashFunction() -> None:
    """From now on keys are placed by the whole crc32, as the first versions did."""
    global serverHashFunction
    serverHashFunction = binascii.crc32


class Client(Values):
    """A client of one or many servers. A key is text, bytes, or a tuple (hash, key) whose hash
    chooses the server.

    A server that cannot be reached is a miss (None, 0, or among the failed keys), and for
    `dead_retry` seconds its keys go to other servers. `socket_timeout` (seconds) bounds a whole
    call; connecting may take half of it.

    Threads: safe to share; each has cas ids of its own. Fork: a child gets its own connections.
    """

    _SERVER_RETRIES = 10

    class MemcachedKeyError(Exception):
        """A key that cannot be sent; nothing was."""

    class MemcachedKeyLengthError(MemcachedKeyError):
        pass

    class MemcachedKeyCharacterError(MemcachedKeyError):
        pass

    class MemcachedKeyNoneError(MemcachedKeyError):
        pass

    class MemcachedKeyTypeError(MemcachedKeyError):
        pass

    class MemcachedStringEncodingError(Exception):
        pass

    def __init__(self, servers: Iterable[Any], debug: int = 0, pickleProtocol: int = 0,
                 pickler: Callable[..., Any] = pickle.Pickler,
                 unpickler: Callable[..., Any] = pickle.Unpickler,
                 compressor: Callable[[bytes], bytes] = zlib.compress,
                 decompressor: Callable[[bytes], bytes] = zlib.decompress,
                 pload: Optional[Callable[[Any], Any]] = None,
                 pid: Optional[Callable[[Any], Any]] = None,
                 server_max_key_length: Optional[int] = None,
                 server_max_value_length: Optional[int] = None,
                 dead_retry: float = _DEAD_RETRY, socket_timeout: Optional[float] = _SOCKET_TIMEOUT,
                 cache_cas: bool = False, flush_on_reconnect: Any = 0, check_keys: bool = True,
                 key_encoder: Optional[Callable[[Any], Any]] = None):
        super().__init__(
            pickleProtocol, pickler, unpickler, compressor, decompressor, pload, pid,
            SERVER_MAX_VALUE_LENGTH if server_max_value_length is None else server_max_value_length)
        self.debug = debug
        self.dead_retry = dead_retry
        self.socket_timeout = socket_timeout
        self.flush_on_reconnect = flush_on_reconnect
        self.stats: Dict[str, int] = {}
        self.cache_cas = cache_cas
        self._of_thread = threading.local()
        self.do_check_key = check_keys
        self.key_encoder = key_encoder or (lambda key: key)
        self.server_max_key_length = (
            SERVER_MAX_KEY_LENGTH if server_max_key_length is None else server_max_key_length)
        self.set_servers(servers)

    # --- servers

    def set_servers(self, servers: Iterable[Any]) -> None:
        """From now on these: "host", "host:port", "inet:host:port", "inet6:[address]:port",
        "unix:path", or (one of them, weight). ValueError, TypeError."""
        each = [servers] if isinstance(servers, str) else servers
        hosts = [_Host(s, self.debug, dead_retry=self.dead_retry,
                       socket_timeout=self.socket_timeout,
                       flush_on_reconnect=self.flush_on_reconnect) for s in each]
        cluster = self._cluster_of(hosts)
        self.servers = hosts
        self._cluster = cluster

    def _cluster_of(self, hosts: Sequence["_Host"]) -> Cluster:
        timeout = _DAY if self.socket_timeout is None else self.socket_timeout
        if timeout < 0:
            raise ValueError(f"socket_timeout is {timeout}")
        timeout = max(timeout, 0.001)
        retry = min(max(self.dead_retry, 0.001), _DAY)
        me = weakref.ref(self)

        def on_down(index: int, why: errors.Error) -> None:
            hosts[index].found_down(_time.time() + retry)
            client = me()
            if client is not None:
                client.debuglog(f"{hosts[index]}: {why}. Left alone for {retry} seconds.")

        def on_up(index: int) -> None:
            hosts[index].found_down(0)

        cluster = Cluster(
            [(h.core_address, h.weight) for h in hosts], distribution="python-memcached",
            hash_of=lambda key: serverHashFunction(key), tries=self._SERVER_RETRIES,
            on_down=on_down, on_up=on_up, options={
                "protocol": "classic", "timeout": timeout, "connect_timeout": timeout / 2,
                "failover": "next", "max_failures": 2, "retry_min": retry, "retry_max": retry,
                "flush_on_reconnect": bool(self.flush_on_reconnect),
                "max_value_size": min(max(_MAX_VALUE, self.server_max_value_length), 1 << 30)})
        those = weakref.ref(cluster)  # no circle: connections end with the client

        def when_marked(index: int, until: float) -> None:
            cluster = those()
            if cluster is not None:
                cluster.leave_alone(index, until)

        for index, host in enumerate(hosts):
            host.when_marked = partial(when_marked, index)
        return cluster

    @property
    def buckets(self) -> List["_Host"]:
        """Each server as often as its weight: a key's hash modulo their number is its bucket."""
        return [self.servers[i] for i in self._cluster.buckets]

    def _get_server(self, key: Any) -> Tuple[Optional["_Host"], Any]:
        # (server, key), the server with a plain socket of its own for those who speak by hand
        key = self._encode_key(key)
        if not isinstance(key, (bytes, tuple)):
            raise TypeError(f"a key is text or bytes, not {type(key).__name__}")
        for index in self._cluster.candidates(key):
            if self.servers[index].connect():
                return self.servers[index], key[1] if isinstance(key, tuple) else key
        return None, None

    def forget_dead_hosts(self) -> None:
        """Servers that were left alone are tried again at once."""
        for host in self.servers:
            host.deaduntil = 0
        self._cluster = self._cluster_of(self.servers)

    def disconnect_all(self) -> None:
        """Closes every connection; the next call opens what it needs."""
        for host in self.servers:
            host.close_socket()
        self._cluster.disconnect()

    def quit_all(self) -> None:
        """The same; a plain socket of a server says "quit" and waits for its end."""
        for host in self.servers:
            host.quit()
        self._cluster.disconnect()

    # --- what is asked of every server

    def get_stats(self, stat_args: Optional[str] = None) -> List[Tuple[str, Dict[str, str]]]:
        """[("host:port (weight)", {name: text})] of the servers that answer. ValueError: a group
        that a server does not know."""
        return [(name, {k: v for _, k, v in lines}) for name, lines in self._stats(stat_args or "")]

    def get_slab_stats(self) -> List[Tuple[str, Dict[str, Any]]]:
        """"stats slabs" as [(server, {slab: {name: text}, name: text})]."""
        return [(name, _nested(lines, 0)) for name, lines in self._stats("slabs")]

    def get_slabs(self) -> List[Tuple[str, Dict[str, Any]]]:
        """"stats items" as [(server, {slab: {name: text}})]."""
        return [(name, _nested(lines, 1)) for name, lines in self._stats("items")]

    def _stats(self, group: str) -> List[Tuple[str, List[List[str]]]]:
        found = []
        for host in self.servers:
            if host._check_dead():
                continue
            try:
                lines = PlainSocket(host.address, self.socket_timeout).statistics(group)
            except OSError as e:
                self.debuglog(f"{host}: {e}")
                continue
            found.append((host.name, lines))
        return found

    def flush_all(self) -> None:
        """Drops everything on every server that can be reached."""
        for index, host in enumerate(self.servers):
            if host._check_dead():
                continue
            reply = next(iter(self._cluster.single(index).flush_all().values()))
            if isinstance(reply, Exception):
                self.debuglog(f"{host}: {reply}")

    def unclaimed_errors(self) -> int:
        """Failures that nobody waited for: of calls with `noreply`."""
        return self._cluster.unclaimed_errors()

    # --- logging and counts

    def debuglog(self, str: str) -> None:
        """What the client has to say when `debug` is set; to be overridden."""
        if self.debug:
            sys.stderr.write(f"MemCached: {str}\n")

    def _statlog(self, func: str) -> None:
        self.stats[func] = self.stats.get(func, 0) + 1

    @property
    def cas_ids(self) -> Dict[bytes, int]:
        """This thread's cas ids by key, with `cache_cas`."""
        mine = self._of_this_thread()
        try:
            return mine.cas_ids
        except AttributeError:
            mine.cas_ids = {}
            return mine.cas_ids

    @cas_ids.setter
    def cas_ids(self, ids: Dict[bytes, int]) -> None:
        self._of_this_thread().cas_ids = ids

    def _of_this_thread(self) -> Any:
        if type(self._of_thread) is not threading.local:  # greenlets are threads by now
            self._of_thread = threading.local()
        return self._of_thread

    def reset_cas(self) -> None:
        """Forgets this thread's cas ids."""
        self.cas_ids = {}

    # --- keys

    def _encode_key(self, key: Any) -> Any:
        if isinstance(key, str):
            return key.encode("utf8")
        if isinstance(key, tuple) and isinstance(key[1], str):
            return (key[0], key[1].encode("utf8"))
        return key

    def check_key(self, key: Any, key_extra_len: int = 0) -> None:
        """Raises a MemcachedKeyError for what no server takes as a key: bytes, once encoded, 1 to
        `server_max_key_length` with `key_extra_len`, no spaces or control bytes."""
        if isinstance(key, tuple):
            key = key[1]
        if key is None:
            raise Client.MemcachedKeyNoneError("no key: None")
        if key == "":
            if key_extra_len == 0:
                raise Client.MemcachedKeyNoneError("the key is empty")
            return
        if not isinstance(key, bytes):
            raise Client.MemcachedKeyTypeError(
                f"a key is text or bytes, not {type(key).__name__}")
        most = self.server_max_key_length
        if most != 0 and len(key) + key_extra_len > most:
            raise Client.MemcachedKeyLengthError(
                f"the key has {len(key) + key_extra_len} bytes, over {most}")
        if not valid_key_chars_re.match(key) or key.endswith(b"\n"):
            raise Client.MemcachedKeyCharacterError(
                f"spaces and control bytes cannot be in a key: {key!r}")

    def _prepared(self, key: Any) -> Any:
        key = self._encode_key(self.key_encoder(key))
        if self.do_check_key:
            self.check_key(key)
        elif not isinstance(_name(key), bytes):
            raise TypeError(f"a key is text or bytes, not {type(_name(key)).__name__}")
        if isinstance(key, tuple):
            _check_hash(key)
        return key

    def _prefixed(self, keys: Iterable[Any], key_prefix: Any) -> Tuple[List[Any], List[Any]]:
        # (keys for the cluster, the keys that they came from), without repetitions
        prefix = self._encode_key(key_prefix)
        if not isinstance(prefix, bytes):
            raise TypeError(f"key_prefix is text or bytes, not {type(key_prefix).__name__}")
        if prefix and self.do_check_key:
            self.check_key(prefix)
        origins: Dict[bytes, Any] = {}
        prepared: Dict[bytes, Any] = {}
        for origin in keys:
            key = self._encode_key(origin)
            name = key[1] if isinstance(key, tuple) else key
            if not isinstance(name, bytes) and name is not None:
                name = str(name).encode()  # numbers are welcome here
            if self.do_check_key:
                self.check_key(name, key_extra_len=len(prefix))
            elif name is None:
                raise TypeError("a key is text or bytes, not None")
            name = prefix + name
            if isinstance(key, tuple):
                _check_hash(key)
            prepared[name] = (key[0], name) if isinstance(key, tuple) else name
            origins[name] = origin
        return list(prepared.values()), list(origins.values())

    # --- asking

    def _ask(self, key: Any, verb: Callable[[_Core, bytes], T], failed: T,
             again: bool = False, refused: Optional[T] = None) -> T:
        # failed: what stands for an answer; refused: the same, when the server would not
        try:
            return self._cluster.call(key, verb, serverHashFunction is not cmemcache_hash, again)
        except errors.InvalidKey as e:
            raise self._key_error(e) from None
        except errors.NotANumber:
            raise
        except FAILURES as e:
            self.debuglog(str(e))
            said = isinstance(e, (errors.ServerError, errors.NotSupported)) and e.server
            return refused if said and refused is not None else failed

    @staticmethod
    def _key_error(e: errors.InvalidKey) -> "Client.MemcachedKeyError":
        if "longer" in e.message:
            return Client.MemcachedKeyLengthError(e.message)
        return Client.MemcachedKeyCharacterError(e.message)

    # --- reading

    def get(self, key: Any, default: Any = None) -> Any:
        """The value, or `default`. ValueError: a value of another client, by its flags."""
        key = self._prepared(key)
        self._statlog("get")
        found = self._ask(key, lambda core, k: core.get_raw(k), None)
        return default if found is None else self._value(found[0], found[1])

    def gets(self, key: Any) -> Any:
        """The value, or None. With `cache_cas` remembers its cas id for cas()."""
        key = self._prepared(key)
        self._statlog("gets")
        found = self._ask(key, lambda core, k: core.get_many_raw([k], cas=True).get(k), None)
        if found is None:
            return None
        if self.cache_cas:
            self.cas_ids[key[1] if isinstance(key, tuple) else key] = found[2]
        return self._value(found[0], found[1])

    def get_multi(self, keys: Iterable[Any], key_prefix: Any = "") -> Dict[Any, Any]:
        """{key: value} of those that are there. The keys are those given (as `key_encoder` made
        them), without the prefix."""
        self._statlog("get_multi")
        prepared, origins = self._prefixed([self.key_encoder(k) for k in keys], key_prefix)
        values: Dict[Any, Any] = {}
        for core, positions in self._grouped(prepared):
            found = core.get_many_raw([_name(prepared[i]) for i in positions], errors_too=True)
            for i in positions:
                item = found.get(_name(prepared[i]))
                if isinstance(item, tuple):
                    values[origins[i]] = self._value(item[0], item[1])
                elif item is not None:
                    self._failed(item)
        return values

    def _grouped(self, prepared: List[Any]) -> List[Tuple[_Core, List[int]]]:
        return self._cluster.group(prepared, serverHashFunction is not cmemcache_hash)

    def _failed(self, why: Exception) -> None:
        if isinstance(why, errors.InvalidKey):
            raise self._key_error(why)
        if not isinstance(why, (FAILURES, errors.ValueTooLarge)):
            raise why
        self.debuglog(str(why))

    # --- storing

    def set(self, key: Any, val: Any, time: Any = 0, min_compress_len: Any = 0,
            noreply: Any = False) -> Any:
        """True; False or 0 when it was not stored. `time`: seconds, a timedelta, or a point in time
        when over 30 days. `min_compress_len`: compress what is longer (bytes); 0 is never."""
        return self._set("set", key, val, time, min_compress_len, noreply)

    def add(self, key: Any, val: Any, time: Any = 0, min_compress_len: Any = 0,
            noreply: Any = False) -> Any:
        """set(), only if there is no such item."""
        return self._set("add", key, val, time, min_compress_len, noreply)

    def replace(self, key: Any, val: Any, time: Any = 0, min_compress_len: Any = 0,
                noreply: Any = False) -> Any:
        """set(), only if there is such an item."""
        return self._set("replace", key, val, time, min_compress_len, noreply)

    def append(self, key: Any, val: Any, time: Any = 0, min_compress_len: Any = 0,
               noreply: Any = False) -> Any:
        """Puts the value's bytes behind the item's."""
        return self._set("append", key, val, time, min_compress_len, noreply)

    def prepend(self, key: Any, val: Any, time: Any = 0, min_compress_len: Any = 0,
                noreply: Any = False) -> Any:
        """Puts the value's bytes before the item's."""
        return self._set("prepend", key, val, time, min_compress_len, noreply)

    def cas(self, key: Any, val: Any, time: Any = 0, min_compress_len: Any = 0,
            noreply: Any = False) -> Any:
        """set(), only if the item is still what this thread's gets() saw; a plain set() when it
        remembers none."""
        return self._set("cas", key, val, time, min_compress_len, noreply)

    def _set(self, cmd: str, key: Any, val: Any, time: Any, min_compress_len: Any = 0,
             noreply: Any = False) -> Any:
        key = self._prepared(key)
        self._statlog(cmd)
        ttl = expiry(time)
        info = self._val_to_store_info(val, min_compress_len)
        if not info:
            return 0
        flags, data, cas = info[0], info[2], 0
        if cmd == "cas":
            cas = self.cas_ids.get(_name(key), 0) if self.cache_cas else 0
            if cas == 0:
                cmd = "set"
        try:
            answer = self._ask(
                key, lambda core, k: core.store_raw(cmd, k, data, flags, ttl, cas, bool(noreply)),
                "", cmd in ("set", "replace"), "not_stored")
        except errors.ValueTooLarge as e:
            self.debuglog(str(e))
            return False
        return answer == "stored" if answer else 0

    def set_multi(self, mapping: Mapping[Any, Any], time: Any = 0, key_prefix: Any = "",
                  min_compress_len: Any = 0, noreply: Any = False) -> List[Any]:
        """The keys that were not stored."""
        self._statlog("set_multi")
        ttl = expiry(time)
        encoded = {self.key_encoder(k): k for k in mapping.keys()}
        prepared, origins = self._prefixed(encoded, key_prefix)
        stored = [False] * len(prepared)
        infos = [self._val_to_store_info(mapping[encoded[o]], min_compress_len) for o in origins]
        for core, positions in self._grouped(prepared):
            sent = [i for i in positions if infos[i]]
            failed = self._cluster.repeated(
                lambda entries: core.set_many_raw(entries, ttl, bool(noreply)),
                [(_name(prepared[i]), infos[i][2], infos[i][0]) for i in sent], lambda e: e[0])
            for i in sent:
                why = failed.get(_name(prepared[i]))
                stored[i] = why is None
                if why:  # False: the server says that it did not
                    self._failed(why)
        return [] if noreply else [encoded[o] for o, done in zip(origins, stored) if not done]

    # --- other verbs

    def delete(self, key: Any, noreply: Any = False) -> int:
        """1 when it was there, and with `noreply`; else 0."""
        key = self._prepared(key)
        self._statlog("delete")
        quiet = bool(noreply)
        return int(self._ask(key, lambda core, k: core.delete(k, quiet) or quiet, False, True))

    def delete_multi(self, keys: Iterable[Any], time: Any = None, key_prefix: Any = "",
                     noreply: Any = False) -> int:
        """1, whether they were there or not; 0 when a server failed on the way. `time` is ignored:
        no server has known it for long."""
        self._statlog("delete_multi")
        prepared, _ = self._prefixed([self.key_encoder(k) for k in keys], key_prefix)
        done = 1
        for core, positions in self._grouped(prepared):
            names = [_name(prepared[i]) for i in positions]
            failed = self._cluster.repeated(
                lambda some: core.delete_many(some, bool(noreply)), names, lambda k: k)
            for why in failed.values():
                if why is not False:  # there was none
                    self._failed(why)
                    done = 0
        return done

    def touch(self, key: Any, time: Any = 0, noreply: Any = False) -> int:
        """Gives an item a new time. 1, or 0 when there is none."""
        key = self._prepared(key)
        self._statlog("touch")
        ttl = expiry(time)
        quiet = bool(noreply)
        return int(self._ask(key, lambda core, k: core.touch(k, ttl, quiet) or quiet, False, True))

    def incr(self, key: Any, delta: Any = 1, noreply: Any = False) -> Optional[int]:
        """The new number, or None when there is no item. ValueError: the item is no number, or
        `delta` is none from 0 to 2^64-1."""
        return self._incrdecr("incr", key, delta, noreply)

    def decr(self, key: Any, delta: Any = 1, noreply: Any = False) -> Optional[int]:
        """As incr(), and stops at 0."""
        return self._incrdecr("decr", key, delta, noreply)

    def _incrdecr(self, cmd: str, key: Any, delta: Any, noreply: Any = False) -> Optional[int]:
        key = self._prepared(key)
        self._statlog(cmd)
        amount = whole_number(delta)
        return self._ask(
            key, lambda core, k: getattr(core, cmd)(k, amount, quiet=bool(noreply)), None)


def _name(key: Any) -> bytes:
    return key[1] if isinstance(key, tuple) else key


def _check_hash(key: Tuple[Any, Any]) -> None:
    if not isinstance(key[0], int):
        raise TypeError(f"a key as a tuple is (number, key), not ({type(key[0]).__name__}, …)")


def _nested(lines: List[List[str]], skip: int) -> Dict[str, Any]:
    # "1:chunk_size 96" -> {"1": {"chunk_size": "96"}}; what has no slab stays as it is
    found: Dict[str, Any] = {}
    for _, name, text in lines:
        path = name.split(":")[skip:]
        if len(path) == 2:
            found.setdefault(path[0], {})[path[1]] = text
        else:
            found[name] = text
    return found
