"""What a value read from the cache may be wrapped in.

Never here: calls of their own; they go through the Memcache that read the value.
"""

from __future__ import annotations

from typing import Any, Optional

from ._exceptions import CASFailure, CASRefreshFailure


class ValueSuperStr(str):
    """A value that knows its key, flags and, when asked for, its token, and can be stored again.

    With a token it can be set once; then CASFailure, unless `update_cas`. Every other change raises
    CASFailure.
    """

    key: Any
    flags: int
    cas_unique: Optional[int]
    cas_unavailable: bool
    memcache: Any

    def __new__(cls, value: str, key: Any, flags: int, cas_unique: Optional[int] = None,
                memcache: Any = None) -> "ValueSuperStr":
        made = super().__new__(cls, value)
        made.key = key
        made.flags = flags
        made.cas_unique = cas_unique
        made.cas_unavailable = False
        made.memcache = memcache
        return made

    def set(self, value: Any, flags: int = 0, exptime: Any = 0, update_cas: bool = False) -> None:
        """Stores under the same key, if the item is still this one where a token is known.

        `update_cas`: reads the new token, so that this can be set again. CASRefreshFailure:
        somebody else stored in between. The value of this object stays as it is.
        """
        if self.cas_unique is not None:
            if self.cas_unavailable:
                raise CASFailure("the token was used up by an earlier set")
            self.cas_unavailable = True
        self.memcache.set(self.key, value, flags=flags, exptime=exptime,
                          cas_unique=self.cas_unique)
        if self.cas_unique is None or not update_cas:
            return
        token = self.memcache._token_of(self.key, value)
        if token is None:
            raise CASRefreshFailure("the item changed before its new token was read")
        self.cas_unique = token
        self.cas_unavailable = False

    def _without_token(self) -> Any:
        if self.cas_unique is not None:
            raise CASFailure("not possible with a token")
        return self.memcache

    def append(self, value: Any) -> None:
        """As Memcache.append."""
        self._without_token().append(self.key, value)

    def prepend(self, value: Any) -> None:
        """As Memcache.prepend."""
        self._without_token().prepend(self.key, value)

    def incr(self, value: int = 1) -> int:
        """As Memcache.incr."""
        return self._without_token().incr(self.key, value)

    def decr(self, value: int = 1) -> int:
        """As Memcache.decr."""
        return self._without_token().decr(self.key, value)

    def delete(self) -> bool:
        """As Memcache.delete."""
        return self._without_token().delete(self.key)

    def delete_all(self) -> bool:
        """As Memcache.delete_all."""
        return self._without_token().delete_all(self.key)

    def touch(self, exptime: Any) -> None:
        """As Memcache.touch."""
        self._without_token().touch(self.key, exptime)


class ValueDictionary(dict):
    """{"key": …, "value": …, "flags": …, "cas_unique": …}"""

    def __init__(self, value: str, key: Any, flags: int, cas_unique: Optional[int] = None,
                 memcache: Any = None) -> None:
        super().__init__(key=key, value=value, flags=flags, cas_unique=cas_unique)
