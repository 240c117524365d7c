"""The default driver: the classic text protocol over a Python socket."""

from .base import TCPDriver


class TextProtoDriver(TCPDriver):
    """Speaks the text protocol; to queue servers (kestrel, darner), too."""

    protocol = "classic"
