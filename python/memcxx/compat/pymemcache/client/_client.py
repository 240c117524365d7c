"""pymemcache's Client: one server.

Never here: many servers (hash.py), what becomes of values (serde.py).
"""

from __future__ import annotations

import socket
from types import ModuleType
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union
from urllib.parse import quote

from .... import errors
from ....client import Client as Core
from ..._values import expiry
from ..exceptions import (
    MemcacheIllegalInputError,
    MemcacheUnexpectedCloseError,
    MemcacheUnknownError,
    translated,
)
from ..serde import LegacyWrappingSerde
from . import _plain
from ._address import (
    KeepaliveOpts,
    Key,
    ServerSpec,
    check_key_helper,
    core_address,
    normalize_server_spec,
)

#: seconds that a call may take, or a connection, when no timeout was given
USUAL_TIMEOUT = 10.0
_LONGEST_TIMEOUT = 24 * 60 * 60.0
_ANSWERS = {"stored": True, "not_stored": False, "exists": False, "miss": None}


def is_refusal(e: Exception) -> bool:
    """Whether a server answered that it will not store."""
    return isinstance(e, (errors.ServerError, errors.ValueTooLarge)) and bool(e.server)


def _bounded(seconds: Optional[float], usual: float) -> float:
    return usual if seconds is None else min(max(seconds, 0.001), _LONGEST_TIMEOUT)


class Client:
    """A client of one server, with the original's arguments, answers and exceptions.

    `server`: (host, port), "host", "host:port", "[v6]:port", "/path", "unix:/path", or "memory://"
    for a store within this process. `timeout`: seconds for a whole call; `connect_timeout`: for the
    part of it that connects; None is 10 s rather than for ever. `ignore_exc`: failures of reads are
    misses. `default_noreply`: whether stores return before their answer; failures that nobody
    waited for are counted (unclaimed_errors()), and never taken for the next call's answer.

    Threads: safe to share. Fork: a child gets connections of its own.
    """

    _pool_size = 32

    def __init__(self, server: ServerSpec, serde: Any = None, serializer: Any = None,
                 deserializer: Any = None, connect_timeout: Optional[float] = None,
                 timeout: Optional[float] = None, no_delay: bool = False, ignore_exc: bool = False,
                 socket_module: ModuleType = socket,
                 socket_keepalive: Optional[KeepaliveOpts] = None,
                 key_prefix: Union[bytes, str] = b"", default_noreply: bool = True,
                 allow_unicode_keys: bool = False, encoding: str = "ascii",
                 tls_context: Any = None) -> None:
        self.server = normalize_server_spec(server)
        self.serde = serde or LegacyWrappingSerde(serializer, deserializer)
        self.connect_timeout = connect_timeout
        self.timeout = timeout
        self.no_delay = no_delay
        self.ignore_exc = ignore_exc
        self.socket_module = socket_module
        self.socket_keepalive = socket_keepalive
        self.key_prefix = key_prefix.encode("ascii") if isinstance(key_prefix, str) else key_prefix
        self.default_noreply = default_noreply
        self.allow_unicode_keys = allow_unicode_keys
        self.encoding = encoding
        self.tls_context = tls_context
        if not isinstance(self.key_prefix, bytes):
            raise TypeError("key_prefix should be bytes.")
        if socket_keepalive is not None and not isinstance(socket_keepalive, KeepaliveOpts):
            raise ValueError("socket_keepalive should be a KeepaliveOpts.")
        if tls_context is not None:
            raise NotImplementedError("tls_context: memcxx has no TLS yet")
        if socket_module is not socket:
            raise NotImplementedError("socket_module: memcxx has sockets of its own")
        self._connect()

    def _connect(self) -> None:
        """Makes the core; nothing is opened before the first call."""
        self._core = self._make_core([core_address(self.server)])

    def _make_core(self, servers: List[str], **options: Any) -> Core:
        # The prefix is bytes of any kind, so it is written here.
        uri = f"{','.join(servers)}?prefix={quote(self.key_prefix, safe='')}" \
            if self.key_prefix else ",".join(servers)
        call = self._seconds()
        try:
            return Core(uri, timeout=call, connect_timeout=_bounded(self.connect_timeout, call),
                        pool_size=self._pool_size, max_failures=0, **options)
        except errors.Error as e:
            raise ValueError(str(e)) from None

    # --- what is sent

    def check_key(self, key: Key, key_prefix: bytes) -> bytes:
        """The key's bytes behind the prefix. MemcacheIllegalInputError: it cannot be sent."""
        return check_key_helper(key, self.allow_unicode_keys, key_prefix)

    def _whole_key(self, key: Key) -> bytes:
        return check_key_helper(key, self.allow_unicode_keys, self.key_prefix)

    def _check_text(self, key: Key) -> None:
        # The core looks at the rest.
        if isinstance(key, str) and not self.allow_unicode_keys and not key.isascii():
            raise MemcacheIllegalInputError(f"Non-ASCII key: {key!r}")

    def _packed(self, key: Key, value: Any, flags: Optional[int]) -> Tuple[bytes, int]:
        data, own_flags = self.serde.serialize(self._whole_key(key), value)
        if not isinstance(data, bytes):
            try:
                data = str(data).encode(self.encoding)
            except UnicodeEncodeError as e:
                raise MemcacheIllegalInputError(f"Data values must be binary-safe: {e}") from None
        flags = own_flags if flags is None else flags
        if not (isinstance(flags, int) and 0 <= flags < 1 << 32):
            raise MemcacheIllegalInputError(f"flags must be 32 bits, got bad value: {flags!r}")
        return bytes(data), flags

    @staticmethod
    def _integer(value: Any, name: str) -> int:
        if not isinstance(value, int):
            raise MemcacheIllegalInputError(f"{name} must be integer, got bad value: {value!r}")
        return value

    def _ttl(self, expire: Any) -> Any:
        try:
            return expiry(self._integer(expire, "expire"))
        except ValueError as e:
            raise MemcacheIllegalInputError(str(e)) from None

    @staticmethod
    def _token(cas: Any) -> int:
        if not isinstance(cas, (int, str, bytes)):
            raise MemcacheIllegalInputError(
                f"cas must be integer, string, or bytes, got bad value: {cas!r}")
        digits = cas if isinstance(cas, bytes) else str(cas).encode("utf-8", "replace")
        if not digits.isdigit() or len(digits) > 20 or int(digits) >= 1 << 64:
            raise MemcacheIllegalInputError(
                f"cas must only contain values in 0-9, got bad value: {cas!r}")
        return int(digits)

    def _is_quiet(self, noreply: Optional[bool]) -> bool:
        return bool(self.default_noreply if noreply is None else noreply)

    # --- stores

    def _store(self, verb: str, key: Key, value: Any, expire: int, noreply: Optional[bool],
               flags: Optional[int], cas: int = 0) -> Optional[bool]:
        ttl = self._ttl(expire)
        data, flags = self._packed(key, value, flags)
        quiet = self._is_quiet(noreply)
        try:
            answer = self._core.store_raw(verb, key, data, flags, ttl, cas, quiet)
        except errors.Error as e:
            raise translated(e, verb.encode()) from None
        return True if quiet else _ANSWERS[answer]

    def set(self, key: Key, value: Any, expire: int = 0, noreply: Optional[bool] = None,
            flags: Optional[int] = None) -> Optional[bool]:
        """True."""
        return self._store("set", key, value, expire, noreply, flags)

    def add(self, key: Key, value: Any, expire: int = 0, noreply: Optional[bool] = None,
            flags: Optional[int] = None) -> Optional[bool]:
        """False when there is an item; with noreply always True."""
        return self._store("add", key, value, expire, noreply, flags)

    def replace(self, key: Key, value: Any, expire: int = 0, noreply: Optional[bool] = None,
                flags: Optional[int] = None) -> Optional[bool]:
        """False when there is no item; with noreply always True."""
        return self._store("replace", key, value, expire, noreply, flags)

    def append(self, key: Key, value: Any, expire: int = 0, noreply: Optional[bool] = None,
               flags: Optional[int] = None) -> Optional[bool]:
        """False when there is no item; with noreply always True. The item keeps its flags."""
        return self._store("append", key, value, expire, noreply, flags)

    def prepend(self, key: Key, value: Any, expire: int = 0, noreply: Optional[bool] = None,
                flags: Optional[int] = None) -> Optional[bool]:
        """False when there is no item; with noreply always True. The item keeps its flags."""
        return self._store("prepend", key, value, expire, noreply, flags)

    def cas(self, key: Key, value: Any, cas: Union[int, str, bytes], expire: int = 0,
            noreply: bool = False, flags: Optional[int] = None) -> Optional[bool]:
        """True; False when the item changed since gets() told its token; None when it is gone."""
        return self._store("cas", key, value, expire, bool(noreply), flags, self._token(cas))

    def set_many(self, values: Dict[Key, Any], expire: int = 0, noreply: Optional[bool] = None,
                 flags: Optional[int] = None) -> List[Key]:
        """The keys that were not stored. Without noreply, what the server refused raises."""
        lost, failed = self._set_many(values, expire, noreply, flags)
        for e in failed:
            raise e
        return lost

    set_multi = set_many

    def _set_many(self, values: Dict[Key, Any], expire: int = 0, noreply: Optional[bool] = None,
                  flags: Optional[int] = None) -> Tuple[List[Key], List[errors.Error]]:
        """(keys that were not stored, what there is to raise)"""
        ttl = self._ttl(expire)
        entries = [(key, *self._packed(key, value, flags)) for key, value in values.items()]
        quiet = self._is_quiet(noreply)
        lost = self._core.set_many_raw(entries, ttl, quiet)
        failed = [translated(e, b"set") for e in lost.values() if e is not False]  # NOT_STORED
        return list(lost), [e for e in failed if not (quiet and is_refusal(e))]

    # --- reads

    def _is_ignored(self, e: Exception) -> bool:
        return self.ignore_exc and not isinstance(e, (MemcacheIllegalInputError, errors.InvalidKey))

    def get(self, key: Key, default: Any = None) -> Any:
        """The value, or `default`."""
        self._check_text(key)
        try:
            found = self._core.get_raw(key)
            if found is None:
                return default
            return self.serde.deserialize(key, found[0], found[1])
        except Exception as e:
            if self._is_ignored(e):
                return default
            if isinstance(e, errors.Error):
                raise translated(e, b"get") from None
            raise

    def gets(self, key: Key, default: Any = None, cas_default: Any = None) -> Tuple[Any, Any]:
        """(value, token for cas), or (default, cas_default)."""
        self._check_text(key)
        try:
            found = self._core.get_raw(key)
            if found is None:
                return default, cas_default
            return self.serde.deserialize(key, found[0], found[1]), b"%d" % found[2]
        except Exception as e:
            if self._is_ignored(e):
                return default, cas_default
            if isinstance(e, errors.Error):
                raise translated(e, b"gets") from None
            raise

    def get_many(self, keys: Iterable[Key]) -> Dict[Key, Any]:
        """{key: value} of the hits."""
        return self._get_many(keys, False)

    get_multi = get_many

    def gets_many(self, keys: Iterable[Key]) -> Dict[Key, Tuple[Any, Any]]:
        """{key: (value, token for cas)} of the hits."""
        return self._get_many(keys, True)

    def _get_many(self, keys: Iterable[Key], with_cas: bool) -> Dict[Key, Any]:
        try:
            found, failed = self._fetch(keys, with_cas)
        except Exception as e:
            if self._is_ignored(e):
                return {}
            raise
        for each in failed.values():
            if not self._is_ignored(each):
                raise each
        return found

    def _fetch(self, keys: Iterable[Key], with_cas: bool) -> Tuple[Dict[Key, Any], Dict[Key, Any]]:
        """({key: value or (value, token)}, {key: exception})"""
        wanted = list(keys)
        if not wanted:
            return {}, {}
        for key in wanted:
            self._check_text(key)
        found = self._core.get_many_raw(wanted, cas=with_cas, errors_too=True)
        failed: Dict[Key, Any] = {}
        deserialize = self.serde.deserialize
        for key, item in found.items():
            if isinstance(item, errors.Error):
                failed[key] = translated(item, b"gets" if with_cas else b"get")
            elif with_cas:
                found[key] = (deserialize(key, item[0], item[1]), b"%d" % item[2])
            else:
                found[key] = deserialize(key, item[0], item[1])
        for key in failed:
            del found[key]
        return found, failed

    # --- verbs without a value

    def delete(self, key: Key, noreply: Optional[bool] = None) -> bool:
        """Whether there was an item; with noreply always True."""
        self._check_text(key)
        quiet = self._is_quiet(noreply)
        try:
            return self._core.delete(key, quiet) or quiet
        except errors.Error as e:
            raise translated(e, b"delete") from None

    def delete_many(self, keys: Iterable[Key], noreply: Optional[bool] = None) -> bool:
        """True. Raises when one of them could not be asked for."""
        for e in self._delete_many(keys, noreply):
            raise e
        return True

    delete_multi = delete_many

    def _delete_many(self, keys: Iterable[Key], noreply: Optional[bool] = None
                     ) -> List[errors.Error]:
        wanted = list(keys)
        for key in wanted:
            self._check_text(key)
        failed = self._core.delete_many(wanted, self._is_quiet(noreply))
        return [translated(e, b"delete") for e in failed.values() if e is not False]  # a miss

    def incr(self, key: Key, value: int, noreply: Optional[bool] = False) -> Optional[int]:
        """The new value; None when there is no item, and with noreply."""
        return self._count("incr", key, value, noreply)

    def decr(self, key: Key, value: int, noreply: Optional[bool] = False) -> Optional[int]:
        """The new value, not below 0; None when there is no item, and with noreply."""
        return self._count("decr", key, value, noreply)

    def _count(self, verb: str, key: Key, value: int, noreply: Optional[bool]) -> Optional[int]:
        self._check_text(key)
        if not 0 <= self._integer(value, "value") < 1 << 64:
            raise MemcacheIllegalInputError(f"value must be 64 bits, got bad value: {value!r}")
        try:
            return getattr(self._core, verb)(key, int(value), quiet=bool(noreply))
        except errors.Error as e:
            raise translated(e, verb.encode()) from None

    def touch(self, key: Key, expire: int = 0, noreply: Optional[bool] = None) -> bool:
        """Whether there was an item; with noreply always True."""
        self._check_text(key)
        ttl = self._ttl(expire)
        quiet = self._is_quiet(noreply)
        try:
            return self._core.touch(key, ttl, quiet) or quiet
        except errors.Error as e:
            raise translated(e, b"touch") from None

    # --- the server

    def _of_server(self, replies: Dict[str, Any], command: bytes) -> Any:
        for reply in replies.values():
            if isinstance(reply, errors.Error):
                raise translated(reply, command) from None
        return next(iter(replies.values()), None)

    def stats(self, *args: Any) -> Dict[bytes, Any]:
        """{name: value}; words for "stats" as arguments ("items", "settings", …)."""
        try:
            return _plain.statistics(self.server, self._seconds(), args)
        except Exception as e:
            if self._is_ignored(e):
                return {}
            raise

    def version(self) -> bytes:
        """The server's version."""
        return str(self._of_server(self._core.version(), b"version")).encode()

    def flush_all(self, delay: int = 0, noreply: Optional[bool] = None) -> bool:
        """Drops everything after `delay` seconds. True."""
        for e in self._flush_all(delay, noreply):
            raise e
        return True

    def _flush_all(self, delay: int = 0, noreply: Optional[bool] = None) -> List[errors.Error]:
        replies = self._core.flush_all(self._integer(delay, "delay"), self._is_quiet(noreply))
        return [translated(reply, b"flush_all") for reply in replies.values()
                if isinstance(reply, errors.Error)]

    def cache_memlimit(self, memlimit: int) -> bool:
        """Sets how many megabytes the server may use. True."""
        line = b"cache_memlimit %d" % self._integer(memlimit, "memlimit")
        answer = _plain.ask(self.server, self._seconds(), line, b"\r\n", b"cache_memlimit")
        if answer != b"OK":
            raise MemcacheUnknownError(answer[:32])
        return True

    def raw_command(self, command: Union[str, bytes],
                    end_tokens: Union[str, bytes] = "\r\n") -> bytes:
        """Sends a line as it is, on a connection of its own, and returns the answer up to
        `end_tokens`."""
        encoding = "utf-8" if self.allow_unicode_keys else "ascii"
        line = command.encode(encoding) if isinstance(command, str) else command
        until = end_tokens.encode(encoding) if isinstance(end_tokens, str) else end_tokens
        return _plain.ask(self.server, self._seconds(), line, until or b"\r\n")

    def shutdown(self, graceful: bool = False) -> None:
        """Ends the server, if it was started with -A."""
        try:
            self.raw_command("shutdown graceful" if graceful else "shutdown")
        except (MemcacheUnexpectedCloseError, ConnectionError):
            pass  # as it should be

    def _seconds(self) -> float:
        return _bounded(self.timeout, USUAL_TIMEOUT)

    def unclaimed_errors(self) -> int:
        """Failures that nobody waited for: of calls with noreply."""
        return self._core.unclaimed_errors()

    def close(self) -> None:
        """Closes idle connections; the next call opens what it needs."""
        self._core.disconnect()

    disconnect_all = close

    def quit(self) -> None:
        """The same as close()."""
        self.close()

    # --- as a dictionary

    def __setitem__(self, key: Key, value: Any) -> None:
        self.set(key, value, noreply=True)

    def __getitem__(self, key: Key) -> Any:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __delitem__(self, key: Key) -> None:
        self.delete(key, noreply=True)
