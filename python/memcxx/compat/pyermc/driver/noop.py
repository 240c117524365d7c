"""The driver that does nothing, for measuring what everything else costs."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .base import Driver


class NoopDriver(Driver):
    """Stores nothing, finds nothing, and is always connected."""

    def __init__(self, host: str, port: int, timeout: Optional[float] = 3,
                 connect_timeout: Optional[float] = 3, disable_nagle: bool = True):
        self.host = host
        self.port = port
        self.timeout = timeout
        self.connect_timeout = connect_timeout
        self.disable_nagle = disable_nagle

    def is_connected(self) -> bool:
        return True

    def connect(self, reconnect: bool = False) -> None:
        pass

    @property
    def socket(self) -> None:
        return None

    def close(self) -> None:
        pass

    def stats(self) -> Dict[str, str]:
        return {}

    def version(self) -> str:
        return "0.0.0"

    def flush_all(self) -> bool:
        return True

    def delete(self, key: bytes) -> bool:
        return True

    def incr(self, key: bytes, val: int) -> int:
        return val + 1

    def decr(self, key: bytes, val: int) -> int:
        return val - 1

    def get(self, key: bytes) -> None:
        return None

    def gets(self, key: bytes) -> None:
        return None

    def get_multi(self, keys: List[bytes]) -> Dict[bytes, Any]:
        return {}

    def gets_multi(self, keys: List[bytes]) -> Dict[bytes, Any]:
        return {}

    def _stored(self, *_: Any) -> bool:
        return True

    set = add = replace = append = prepend = cas = _stored  # type: ignore[assignment]
