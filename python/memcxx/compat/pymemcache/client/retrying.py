"""Calls of another client, tried again.

A call that failed may have happened all the same: an incr that is tried again may count twice.
"""

from __future__ import annotations

import functools
import time
from typing import Any, Callable, Iterable, List, Optional, Tuple, Type

Exceptions = Optional[Iterable[Type[Exception]]]


def _exceptions(name: str, given: Exceptions) -> Tuple[Type[Exception], ...]:
    if given is None:
        return ()
    if not isinstance(given, (tuple, set, list)):
        raise ValueError(f"{name} must be either a tuple, a set or a list.")
    for each in given:
        if not (isinstance(each, type) and issubclass(each, Exception)):
            raise ValueError(f"{name} is only allowed to contain subclasses of Exception.")
    return tuple(given)


class RetryingClient:
    """Wraps a Client, PooledClient or HashClient: up to `attempts` tries of each method, with
    `retry_delay` seconds between them.

    `retry_for`: only these exceptions are tried again; `do_not_retry_for`: these never are.
    ValueError: less than one attempt, or exceptions that are none, or in both lists.
    Threads: as safe as the client it wraps.
    """

    def __init__(self, client: Any, attempts: int = 2, retry_delay: float = 0,
                 retry_for: Exceptions = None, do_not_retry_for: Exceptions = None) -> None:
        if attempts < 1:
            raise ValueError("attempts must be at least 1; otherwise nothing is tried.")
        self._client = client
        self._attempts = attempts
        self._retry_delay = retry_delay
        self._retry_for = _exceptions("retry_for", retry_for)
        self._do_not_retry_for = _exceptions("do_not_retry_for", do_not_retry_for)
        for each in self._retry_for:
            if each in self._do_not_retry_for:
                raise ValueError(f"{each!r} is both in retry_for and in do_not_retry_for.")

    def _is_final(self, e: Exception) -> bool:
        return bool(self._retry_for and not isinstance(e, self._retry_for)
                    or self._do_not_retry_for and isinstance(e, self._do_not_retry_for))

    def _retry(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        for left in range(self._attempts - 1, -1, -1):
            try:
                return call(*args, **kwargs)
            except Exception as e:
                if left == 0 or self._is_final(e):
                    raise
            time.sleep(self._retry_delay)
        raise AssertionError("unreachable")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_client":  # before __init__, as a copy is made
            raise AttributeError(name)
        found = getattr(self._client, name)
        return functools.partial(self._retry, found) if callable(found) else found

    def __dir__(self) -> List[str]:
        return dir(self._client)

    # Python does not look these up by __getattr__.

    def __setitem__(self, key: Any, value: Any) -> None:
        self.set(key, value, noreply=True)

    def __getitem__(self, key: Any) -> Any:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __delitem__(self, key: Any) -> None:
        self.delete(key, noreply=True)
