"""The stand-in's time: the machine's, plus what a test has moved it on by, since waiting periods last weeks."""

from __future__ import annotations

import time

_FARTHEST = 100 * 365 * 86_400


class Clock:
    """Seconds since the epoch. It only ever moves forward."""

    def __init__(self, offset: float = 0.0) -> None:
        """`offset`: seconds by which an earlier run had moved on; kept, or its deadlines would lie far ahead."""
        self._offset = offset

    @property
    def offset(self) -> float:
        """Seconds ahead of the machine's clock."""
        return self._offset

    def now(self) -> float:
        """The time that keys, waiting periods and events go by."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`; raises `ValueError` for a step back, and for one so far that dates would end."""
        if not 0 <= seconds <= _FARTHEST - self._offset:
            raise ValueError(f"The clock moves forward only, {_FARTHEST} seconds in all at most.")
        self._offset += seconds
