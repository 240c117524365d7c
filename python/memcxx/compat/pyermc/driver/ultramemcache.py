"""The driver that stands where pyermc wrapped a C++ client over a Python socket."""

from .base import TCPDriver


class UMemcacheDriver(TCPDriver):
    """Speaks whichever text protocol the server has: meta, or classic."""

    protocol = "auto"
