"""The driver that stands where pyermc wrapped a C++ client over a Python socket."""

from .base import TCPDriver


class UMemcacheDriver(TCPDriver):
    """Speaks whichever text protocol the server has: meta, or classic. For sockets that gevent or
    eventlet replaced; `core.CoreDriver` is faster where there are none."""

    protocol = "auto"
