"""The stand-in's time: the machine's, plus what a test has moved it on by, since waiting periods last weeks."""

from __future__ import annotations

import time


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
        """Move on by `seconds`; raises `ValueError` for a step back."""
        if seconds < 0:
            raise ValueError("The clock moves forward only.")
        self._offset += seconds
