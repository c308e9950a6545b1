"""How far the work is, as its steps tell it, and when its phase will probably end."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_TELLING = 0.01  # a smaller share done says nothing about the rest


@dataclass(frozen=True)
class Position:
    """The phase, the share of it that is done, and the seconds that it will still take if they are known."""

    phase: str
    share: float
    seconds_left: float | None


class Tracker:
    """A `Progress` that remembers the last step; `clock` in seconds.

    The speed is that of this attempt: what an earlier one has done is no work of this one's.

    >>> moments = iter([0.0, 10.0, 30.0])
    >>> tracker = Tracker(lambda: next(moments))
    >>> tracker("fit", 0.5)
    >>> tracker("fit", 0.6)
    >>> tracker.position()
    Position(phase='fit', share=0.6, seconds_left=20.0)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._phase, self._share, self._first_share = "start", 0.0, 0.0
        self._began: float | None = None
        self._at = 0.0

    def __call__(self, phase: str, share: float) -> None:
        """A step is done."""
        with self._lock:
            now = self._clock()
            if phase != self._phase or self._began is None:
                self._phase, self._first_share, self._began = phase, share, now
            self._share, self._at = min(max(share, 0.0), 1.0), now

    def position(self) -> Position:
        """Where the work is now."""
        with self._lock:
            done = self._share - self._first_share
            if self._began is None or done < _TELLING:
                return Position(self._phase, self._share, None)
            whole = (self._at - self._began) * (1 - self._share) / done
            left = max(0.0, whole - (self._clock() - self._at))
            return Position(self._phase, self._share, round(left, 1))
