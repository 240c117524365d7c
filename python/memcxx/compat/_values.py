"""What the modules for older clients share about values: times as they give them, and pickles that
Python 2 wrote.

Never here: flags, sockets.
"""

from __future__ import annotations

import datetime
import io
import math
import pickle
from typing import Any, Callable, Union

#: up to here memcached takes a time for seconds from now, above for a point in time
_RELATIVE = 60 * 60 * 24 * 30
_MOST = 2**31 - 1

Time = Union[int, float, datetime.timedelta]


def expiry(time: Any) -> Any:
    """A client's `time` as a ttl of memcxx: seconds from now up to 30 days, above them a point in
    time in seconds since 1970, 0 for never; or a timedelta.

    TypeError: not a number. ValueError: not finite, or later than 2038-01-19, which memcached
    cannot keep.
    """
    if time.__class__ is int and 0 <= time <= _RELATIVE:
        return time
    if isinstance(time, datetime.timedelta):
        return time
    if not isinstance(time, (int, float)):
        raise TypeError(f"time is a number of seconds or a timedelta, not {type(time).__name__}")
    if isinstance(time, float):
        if not math.isfinite(time):
            raise ValueError(f"time is {time}")
        time = math.ceil(time)  # half a second is not "never"
    if time < 0:
        return -1
    if time <= _RELATIVE:
        return int(time)
    if time > _MOST:
        raise ValueError(f"time is {time}: after 2038-01-19, which memcached cannot keep")
    return datetime.datetime.fromtimestamp(time, datetime.timezone.utc)


def _with_byte_state(made: Callable[..., Any]) -> Callable[..., Any]:
    def make(*args: Any) -> Any:
        if args and isinstance(args[0], str):
            return made(args[0].encode("utf-8", "surrogateescape"), *args[1:])
        return made(*args)

    return make


class _DatesOfPython2(pickle.Unpickler):
    """The state of Python 2's dates and times is a str. Python 3 wants the bytes that it was."""

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        if module == "datetime" and name in ("datetime", "date", "time"):
            return _with_byte_state(found)
        return found


def load_pickle(data: bytes) -> Any:
    """The object of a pickle, whichever Python wrote it. Python 2's str is read as UTF-8; bytes that
    are none are kept as surrogates.

    Raises what pickle raises, and UnpicklingError for bytes behind the pickle: somebody appended to
    it, and what was appended must not vanish unseen.
    """
    try:
        return _load(pickle.Unpickler, data)
    except (TypeError, ValueError):
        if b"datetime" not in data:
            raise
    return _load(_DatesOfPython2, data)


def _load(unpickler: Callable[..., Any], data: bytes) -> Any:
    stream = io.BytesIO(data)
    found = unpickler(stream, encoding="utf-8", errors="surrogateescape").load()
    if stream.read(1):
        raise pickle.UnpicklingError("bytes behind a pickle: something was appended to it")
    return found


def whole_number(delta: Any) -> int:
    """The amount of an incr or decr, 0 to 2^64-1; digits as text are understood. ValueError."""
    try:
        number = int(delta) if isinstance(delta, (int, str, bytes)) else -1
    except ValueError:
        number = -1
    if not 0 <= number < 2**64:
        raise ValueError(f"not a whole number from 0 to 2^64-1: {delta!r}")
    return number
