"""The driver for the binary protocol, over a Python socket."""

from __future__ import annotations

from typing import Any, Optional

from ..._values import expiry
from .base import TCPDriver

#: a time with which a missing counter is not created
_NEVER_CREATE = 0xFFFFFFFF


class BinaryProtoDriver(TCPDriver):
    """Speaks the binary protocol. Many keys are quiet gets that a no-op closes."""

    protocol = "binary"

    def incr(self, key: bytes, val: int, time: Any = 0) -> Optional[int]:
        """The new number. A counter that is missing is created with 0, which is the answer then;
        `time` is its time to live. With 0xffffffff it is not created: None."""
        return self._counted("incr", key, val, time)

    def decr(self, key: bytes, val: int, time: Any = 0) -> Optional[int]:
        """The new number; creates as incr does."""
        return self._counted("decr", key, val, time)

    def _counted(self, verb: str, key: bytes, val: int, time: Any) -> Optional[int]:
        if time == _NEVER_CREATE:
            return self._count(verb, key, number=val)
        return self._count(verb, key, number=val, initial=0, ttl=expiry(time))
