"""Exceptions that are another client's and memcxx's at once.

Whoever catches the other client's class goes on catching it; the server, the code and the item of
memcxx.errors are there as well. Never here: which class stands for which.
"""

from __future__ import annotations

import errno
import os
from typing import Any, Dict, Mapping, Tuple, Type

from .. import errors

_NUMBERS = {os.strerror(number): number for number in errno.errorcode}


def _rebuild(theirs: type, ours: type, *args: Any) -> Any:
    return both(theirs, ours)(*args)


_made: Dict[Tuple[type, type], type] = {}


def both(theirs: type, ours: type) -> type:
    """The class that is both; it has the other client's name. Always the same for the same two."""
    made = _made.get((theirs, ours))
    return made if made is not None else _made.setdefault((theirs, ours), _make(theirs, ours))


def _make(theirs: type, ours: type) -> type:
    def reduce(self: Any) -> Any:
        return _rebuild, (theirs, ours, self.message, self.server, self.item), {"args": self.args}

    # memcxx's first: Python's own classes would otherwise take the arguments for an errno.
    return type(theirs.__name__, (ours, theirs), {
        "__module__": theirs.__module__, "__doc__": theirs.__doc__, "__reduce__": reduce})


def os_error(e: errors.Error) -> Type[OSError]:
    """What Python's own socket would have raised for a connection that failed."""
    number = _NUMBERS.get(e.message.split(";")[0])
    return ConnectionRefusedError if number is None else type(OSError(number, ""))


class Translation:
    """`table`: {class of memcxx.errors: the other client's class}; subclasses follow parents."""

    def __init__(self, table: Mapping[Type[errors.Error], type]):
        self._table = dict(table)

    def of(self, e: errors.Error) -> errors.Error:
        """The exception to raise instead of `e`."""
        for ours in type(e).__mro__:
            theirs = self._table.get(ours)
            if theirs is not None:
                return e if isinstance(e, theirs) else self.made(theirs, e)
        return e

    @staticmethod
    def made(theirs: type, e: errors.Error) -> errors.Error:
        """`e` as one of the other client's class."""
        new = both(theirs, type(e))(e.message, e.server, e.item)
        if isinstance(new, OSError):
            new.errno = _NUMBERS.get(e.message.split(";")[0])
        return new
