"""The driver for the binary protocol, over a Python socket."""

from .base import TCPDriver


class BinaryProtoDriver(TCPDriver):
    """Speaks the binary protocol. Many keys are quiet gets that a no-op closes."""

    protocol = "binary"
