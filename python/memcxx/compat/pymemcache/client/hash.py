"""pymemcache's HashClient: many servers, each key on one of them.

With the usual hasher and clients one core has all the servers, and asks them at the same time. Keys
that are bytes (their place is that of their repr), a hasher or a client class of one's own go
through a client for each server.

Never here: values, the protocol.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

from ..exceptions import MemcacheError, MemcacheIllegalInputError
from ._address import Key, ServerSpec, check_key_helper, core_address, normalize_server_spec
from ._client import Client
from ._pooled import PooledClient
from .rendezvous import RendezvousHash

logger = logging.getLogger(__name__)

Node = Any


class _Cluster(Client):
    """The verbs over all servers at once; `addresses` as the core reads them."""

    def __init__(self, addresses: List[str], pool_size: int, **arguments: Any) -> None:
        self._addresses = addresses
        self._pool_size = pool_size
        super().__init__("memory://", **arguments)

    def _connect(self) -> None:
        self._core = self._make_core(self._addresses, distribution="pymemcache",
                                     prefix_in_hash=False)


class HashClient:
    """A client of many servers, with the original's arguments, answers and exceptions.

    `servers`: as Client's. A server that fails `retry_attempts` + 1 times in a row is taken out,
    and its keys move to the others; after `dead_timeout` seconds it is tried again. Calls that
    overlap in time count as one failure, and the last server is never taken out. Keys that moved,
    and move back, may be read as they were before: see docs/clusters.md. `retry_timeout` is
    understood, and not needed: failures are told as they are. `ignore_exc`: failures are misses,
    and stores answer False.

    Threads: safe to share. Fork: a child gets connections of its own.
    """

    #: the class of self.clients' values
    client_class = Client

    def __init__(self, servers: Iterable[ServerSpec], hasher: Any = RendezvousHash,
                 serde: Any = None, serializer: Any = None, deserializer: Any = None,
                 connect_timeout: Optional[float] = None, timeout: Optional[float] = None,
                 no_delay: bool = False, socket_module: Any = socket, socket_keepalive: Any = None,
                 key_prefix: Union[bytes, str] = b"", max_pool_size: Optional[int] = None,
                 pool_idle_timeout: float = 0, lock_generator: Any = None, retry_attempts: int = 2,
                 retry_timeout: float = 1, dead_timeout: float = 60, use_pooling: bool = False,
                 ignore_exc: bool = False, allow_unicode_keys: bool = False,
                 default_noreply: bool = True, encoding: str = "ascii",
                 tls_context: Any = None) -> None:
        self.clients: Dict[Node, Any] = {}
        self.hasher = hasher()
        self.retry_attempts = retry_attempts
        self.retry_timeout = retry_timeout
        self.dead_timeout = dead_timeout
        self.use_pooling = use_pooling
        self.key_prefix = key_prefix.encode("ascii") if isinstance(key_prefix, str) else key_prefix
        self.ignore_exc = ignore_exc
        self.allow_unicode_keys = allow_unicode_keys
        self.encoding = encoding
        self.tls_context = tls_context
        self.default_kwargs = {
            "connect_timeout": connect_timeout, "timeout": timeout, "no_delay": no_delay,
            "socket_module": socket_module, "socket_keepalive": socket_keepalive,
            "key_prefix": key_prefix, "serde": serde, "serializer": serializer,
            "deserializer": deserializer, "allow_unicode_keys": allow_unicode_keys,
            "default_noreply": default_noreply, "encoding": encoding, "tls_context": tls_context,
        }
        self._common = dict(self.default_kwargs)
        if use_pooling:
            self.default_kwargs.update(max_pool_size=max_pool_size, lock_generator=lock_generator,
                                       pool_idle_timeout=pool_idle_timeout)
        self._pool_size = max_pool_size or Client._pool_size
        self._lock = threading.RLock()
        self._failures: Dict[Node, Tuple[int, float]] = {}  # how many in a row, when the last was
        self._dead: Dict[Node, Tuple[float, ServerSpec]] = {}  # since when
        self._specs: Dict[Node, ServerSpec] = {}
        self._nodes: Dict[str, Node] = {}  # by the core's name for a server
        self._cluster: Optional[_Cluster] = None
        self._has_usual_rules = (
            type(self.hasher) is RendezvousHash and self.hasher.is_usual
            and self.client_class is Client)
        for server in servers:
            self.add_server(normalize_server_spec(server))

    # --- servers

    def _make_client_key(self, server: Any) -> Node:
        if isinstance(server, (list, tuple)) and len(server) == 2:
            return "%s:%s" % tuple(server)
        return server

    @staticmethod
    def _spec(server: Any, port: Optional[int]) -> Any:
        if port is None:
            return server
        if not isinstance(server, str):
            raise TypeError("Server must be a string when passing port.")
        return server, port

    def add_server(self, server: Any, port: Optional[int] = None) -> None:
        """(host, port), or host and port, or a path. Does nothing when it is there."""
        server = self._spec(server, port)
        node = self._make_client_key(server)
        with self._lock:
            self._dead.pop(node, None)
            if node in self._specs:
                return
            if node not in self.clients:
                self.clients[node] = self._make_client(server)
            if self._has_usual_rules:
                self._add_to_cluster(node, core_address(normalize_server_spec(server)))
            self._specs[node] = server
            self.hasher.add_node(node)

    def _make_client(self, server: Any) -> Any:
        if not self.use_pooling:
            return self.client_class(server, **self.default_kwargs)
        made = PooledClient(server, **self.default_kwargs)
        made.client_class = self.client_class
        return made

    def _add_to_cluster(self, node: Node, address: str) -> None:
        if self._cluster is None:
            self._cluster = _Cluster([address], self._pool_size, **self._common)
        else:
            self._cluster._core.add_server(address)
        self._nodes[self._cluster._core.servers()[-1]] = node

    def remove_server(self, server: Any, port: Optional[int] = None) -> None:
        """Takes a server out for good. ValueError: it is not there."""
        node = self._make_client_key(self._spec(server, port))
        with self._lock:
            if self._dead.pop(node, None) is None:
                self._take_out(node)
            self._failures.pop(node, None)

    def _take_out(self, node: Node) -> None:
        self.hasher.remove_node(node)
        self._specs.pop(node, None)
        if self._cluster is not None:
            if len(self._cluster._core.servers()) == 1:
                self._cluster = None
            else:
                name = next(n for n, of in self._nodes.items() if of == node)
                self._cluster._core.remove_server(name)

    def _failed(self, node: Node, began: float) -> None:
        with self._lock:
            count, last = self._failures.get(node, (0, -1.0))
            if began <= last or node not in self._specs:
                return  # one incident
            self._failures[node] = (count + 1, time.monotonic())
            if count >= self.retry_attempts and len(self._specs) > 1:
                logger.debug("taking out %s", node)
                self._dead[node] = (time.monotonic(), self._specs[node])
                self._take_out(node)

    def _noted(self, e: Exception, began: float, node: Node = None) -> None:
        """An exception was raised: is it one of a server that cannot be used?"""
        if isinstance(e, OSError):
            node = self._nodes.get(getattr(e, "server", "")) if node is None else node
            if node is not None:
                self._failed(node, began)

    def _retry_dead(self) -> None:
        now = time.monotonic()
        with self._lock:
            for node, (since, server) in list(self._dead.items()):
                if now - since > self.dead_timeout:
                    logger.debug("bringing back %s", node)
                    self.add_server(server)
                    # One more failure, and it goes again.
                    self._failures[node] = (max(self.retry_attempts, 0), now)

    # --- keys

    def _check(self, key: Key) -> None:
        check_key_helper(key, self.allow_unicode_keys, self.key_prefix)

    def _node(self, key: Key) -> Node:
        """The node of a key. None: there is none, and that is to be ignored."""
        cluster = self._cluster
        if cluster is not None:
            return self._nodes[cluster._core.which(key if isinstance(key, str) else repr(key))]
        node = self.hasher.get_node(key)
        if node is None and not self.ignore_exc:
            raise MemcacheError("All servers seem to be down right now")
        return node

    def _get_client(self, key: Key) -> Any:
        """The client of a key's server; None when there is none, and that is to be ignored."""
        self._check(key)
        if self._dead:
            self._retry_dead()
        return self.clients.get(self._node(key))

    def _groups(self, keys: Iterable[Key]) -> Tuple[List[Tuple[Any, Node, List[Key]]], List[Key]]:
        """([(client, its node or None for all, its keys)], keys without a server)"""
        if self._dead:
            self._retry_dead()
        groups: Dict[Node, List[Key]] = {}
        together: List[Key] = []
        homeless: List[Key] = []
        cluster = self._cluster
        for key in keys:
            if cluster is not None and isinstance(key, str):
                together.append(key)
                continue
            self._check(key)
            node = self._node(key)
            if node is None:
                homeless.append(key)
            else:
                groups.setdefault(node, []).append(key)
        out: List[Tuple[Any, Node, List[Key]]] = [(cluster, None, together)] if together else []
        out += [(self.clients[node], node, group) for node, group in groups.items()]
        return out, homeless

    # --- verbs of one key

    def _run_cmd(self, cmd: str, key: Key, default_val: Any, *args: Any, **kwargs: Any) -> Any:
        if self._dead:
            self._retry_dead()
        client: Any = self._cluster
        node = None
        if self.ignore_exc:
            self._check(key)
        if client is None or not isinstance(key, str):
            self._check(key)
            node = self._node(key)
            if node is None:
                return default_val
            client = self.clients[node]
        began = time.monotonic()
        try:
            result = getattr(client, cmd)(key, *args, **kwargs)
        except Exception as e:
            self._noted(e, began, node)
            if self.ignore_exc:
                return default_val
            raise
        if self._failures:
            self._failures.pop(self._node(key) if node is None else node, None)
        return result

    def get(self, key: Key, default: Any = None, **kwargs: Any) -> Any:
        """The value, or `default`."""
        return self._run_cmd("get", key, default, default=default, **kwargs)

    def gets(self, key: Key, *args: Any, **kwargs: Any) -> Any:
        """(value, token for cas), or (None, None)."""
        return self._run_cmd("gets", key, None, *args, **kwargs)

    def set(self, key: Key, *args: Any, **kwargs: Any) -> Any:
        """As Client.set."""
        return self._run_cmd("set", key, False, *args, **kwargs)

    def add(self, key: Key, *args: Any, **kwargs: Any) -> Any:
        """As Client.add."""
        return self._run_cmd("add", key, False, *args, **kwargs)

    def replace(self, key: Key, *args: Any, **kwargs: Any) -> Any:
        """As Client.replace."""
        return self._run_cmd("replace", key, False, *args, **kwargs)

    def append(self, key: Key, *args: Any, **kwargs: Any) -> Any:
        """As Client.append."""
        return self._run_cmd("append", key, False, *args, **kwargs)

    def prepend(self, key: Key, *args: Any, **kwargs: Any) -> Any:
        """As Client.prepend."""
        return self._run_cmd("prepend", key, False, *args, **kwargs)

    def cas(self, key: Key, *args: Any, **kwargs: Any) -> Any:
        """As Client.cas."""
        return self._run_cmd("cas", key, False, *args, **kwargs)

    def delete(self, key: Key, *args: Any, **kwargs: Any) -> Any:
        """As Client.delete."""
        return self._run_cmd("delete", key, False, *args, **kwargs)

    def incr(self, key: Key, *args: Any, **kwargs: Any) -> Any:
        """As Client.incr."""
        return self._run_cmd("incr", key, False, *args, **kwargs)

    def decr(self, key: Key, *args: Any, **kwargs: Any) -> Any:
        """As Client.decr."""
        return self._run_cmd("decr", key, False, *args, **kwargs)

    def touch(self, key: Key, *args: Any, **kwargs: Any) -> Any:
        """As Client.touch."""
        return self._run_cmd("touch", key, False, *args, **kwargs)

    # --- verbs of many keys

    def _raise_unless_ignored(self, failed: List[Exception]) -> None:
        for e in failed:
            if isinstance(e, MemcacheIllegalInputError) or not self.ignore_exc:
                raise e

    def _note_all(self, failed: Iterable[Exception], began: float) -> List[Exception]:
        noted = list(failed)
        for e in noted:
            self._noted(e, began)
        return noted

    def get_many(self, keys: Iterable[Key], gets: bool = False, *args: Any,
                 **kwargs: Any) -> Dict[Key, Any]:
        """{key: value} of the hits. A failure raises; with ignore_exc its keys are misses."""
        found: Dict[Key, Any] = {}
        failed: List[Exception] = []
        for client, node, group in self._groups(keys)[0]:
            began = time.monotonic()
            try:
                if node is None:
                    some, bad = client._fetch(group, gets, *args, **kwargs)
                    found.update(some)
                    failed += self._note_all(bad.values(), began)
                else:
                    read = client.gets_many if gets else client.get_many
                    found.update(read(group, *args, **kwargs))
            except Exception as e:
                self._noted(e, began, node)
                failed.append(e)
        self._raise_unless_ignored(failed)
        return found

    get_multi = get_many

    def gets_many(self, keys: Iterable[Key], *args: Any,
                  **kwargs: Any) -> Dict[Key, Tuple[Any, Any]]:
        """{key: (value, token for cas)} of the hits."""
        return self.get_many(keys, True, *args, **kwargs)

    gets_multi = gets_many

    def set_many(self, values: Dict[Key, Any], *args: Any, **kwargs: Any) -> List[Key]:
        """As Client.set_many. Without ignore_exc what went wrong raises."""
        groups, lost = self._groups(values)
        failed: List[Exception] = []
        for client, node, group in groups:
            some = {key: values[key] for key in group}
            began = time.monotonic()
            try:
                if node is None:
                    bad, raised = client._set_many(some, *args, **kwargs)
                    lost += bad
                    failed += self._note_all(raised, began)
                else:
                    lost += client.set_many(some, *args, **kwargs)
            except Exception as e:
                self._noted(e, began, node)
                failed.append(e)
                lost += group
        self._raise_unless_ignored(failed)
        return lost

    set_multi = set_many

    def delete_many(self, keys: Iterable[Key], *args: Any, **kwargs: Any) -> bool:
        """As Client.delete_many. Without ignore_exc what went wrong raises."""
        failed: List[Exception] = []
        for client, node, group in self._groups(keys)[0]:
            began = time.monotonic()
            try:
                if node is None:
                    failed += self._note_all(client._delete_many(group, *args, **kwargs), began)
                else:  # a client class of one's own need not have more
                    for key in group:
                        client.delete(key, *args, **kwargs)
            except Exception as e:
                self._noted(e, began, node)
                failed.append(e)
        self._raise_unless_ignored(failed)
        return True

    delete_multi = delete_many

    # --- every server

    def flush_all(self, *args: Any, **kwargs: Any) -> None:
        """As Client.flush_all, on every server; what went wrong then raises."""
        failed: List[Exception] = []
        began = time.monotonic()
        cluster = self._cluster
        if cluster is not None:
            failed += self._note_all(cluster._flush_all(*args, **kwargs), began)
        else:
            for node, client in list(self.clients.items()):
                try:
                    client.flush_all(*args, **kwargs)
                except Exception as e:
                    self._noted(e, began, node)
                    failed.append(e)
        self._raise_unless_ignored(failed)

    def unclaimed_errors(self) -> int:
        """Failures that nobody waited for: of calls with noreply."""
        asked = [self._cluster, *self.clients.values()]
        return sum(c.unclaimed_errors() for c in asked if hasattr(c, "unclaimed_errors"))

    def close(self) -> None:
        """Closes idle connections; the next call opens what it needs."""
        if self._cluster is not None:
            self._cluster.close()
        for client in list(self.clients.values()):
            client.close()

    disconnect_all = close

    def quit(self) -> None:
        """The same as close()."""
        self.close()
