"""What a pyermc Client can be driven by; `Driver` is for subclasses of your own."""

from .base import Driver, TCPDriver  # noqa: F401
from .textproto import TextProtoDriver

DEFAULT_DRIVER = TextProtoDriver
