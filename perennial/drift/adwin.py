"""ADWIN: a window over a stream that keeps as much of the past as still agrees with the present.

The window is cut in two at every boundary of its buckets. Where the means of the older and the newer part
differ by more than chance allows,

    |mean_0 - mean_1| > sqrt(2 s2 L / m) + 2 L / (3 m),   1/m = 1/n_0 + 1/n_1,   L = ln(2 ln(n) / delta)

(s2: variance of the window's n values), the older part is dropped and the rest is looked at again. A stream
that does not change is cut with probability at most `delta` per look, a change is seen after
O(ln(1/delta) / change²) values. The window is an exponential histogram: O(log n) memory however long the
stream.

Values that follow each other say less than independent ones: where `inflation` of them say as much as one
(`dependence`), m counts that many fewer. With 1, as it is at first, this is the paper's detector.

The paper drops the oldest bucket only, and so cuts again and again for one change while it lets the past go;
here all is dropped that lies before the likeliest place of the change, so that one change is one cut.

Source: A. Bifet and R. Gavaldà, Learning from time-changing data with adaptive windowing, SIAM International
Conference on Data Mining (2007), algorithm ADWIN2; looked at every `clock` values, as MOA and river do.
"""

from dataclasses import dataclass
from math import log
from typing import Any, Self

import numpy as np

from perennial.drift.exponential_histogram import ExponentialHistogram

_BUCKETS = 5  # of one size
_SHORTEST = 5  # values that either part must have
_WARM_UP = 10


@dataclass(frozen=True)
class Cut:
    """The window was cut after `at` values of the stream in all; `began` is the most likely first value of
    the new level (as many came before it), and `before` and `after` are the means on its two sides.
    """

    at: int
    began: int
    before: float
    after: float


class Adwin:
    """Feed it values in [0, 1], such as errors (1) and right answers (0); it says where the mean changed.

    >>> detector = Adwin()
    >>> cuts = detector.update([0.0, 0.1] * 500 + [0.9, 1.0] * 500)
    >>> [(cut.at, cut.began, round(cut.before, 2), round(cut.after, 2)) for cut in cuts]
    [(1024, 1000, 0.05, 0.95)]
    >>> detector.width, round(detector.mean, 2)
    (1000, 0.95)
    """

    def __init__(self, delta: float = 0.002, clock: int = 32) -> None:
        self.delta, self.clock = delta, clock
        self.inflation = 1.0
        self.seen = 0
        self._window = ExponentialHistogram(_BUCKETS)

    @property
    def width(self) -> int:
        """How many values the window holds."""
        return len(self._window)

    @property
    def mean(self) -> float:
        """Mean of the window, 0 while it is empty."""
        return self._window.total / (self.width or 1)

    def update(self, values: Any) -> list[Cut]:
        """Take in a block of values, of shape (n,), oldest first; as one by one, but faster."""
        stream: list[float] = np.asarray(values, np.float64).tolist()
        cuts: list[Cut] = []
        start = 0
        while start < len(stream):
            block = stream[start : start + self.clock - self.seen % self.clock]
            self._window.insert(block)
            self.seen += len(block)
            start += len(block)
            if self.seen % self.clock == 0:
                cuts += self._look()
        return cuts

    def dump(self) -> dict[str, Any]:
        """The state as plain JSON values."""
        return {"delta": self.delta, "clock": self.clock, "seen": self.seen, "window": self._window.dump()}

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """Go on from what `dump` gave."""
        detector = cls(state["delta"], state["clock"])
        detector.seen = state["seen"]
        detector._window = ExponentialHistogram.load(state["window"])
        return detector

    def _look(self) -> list[Cut]:
        cuts: list[Cut] = []
        while (cut := self._split()) is not None:
            cuts.append(cut)
            self._window.drop(self.width - (self.seen - cut.began))
        return cuts

    def _split(self) -> Cut | None:
        """The likeliest place of a change, if the parts of any split differ too much."""
        sizes, sums, squares = self._window.buckets()
        before, total, width = np.cumsum(sizes)[:-1], float(sums.sum()), float(sizes.sum())
        least = _SHORTEST * self.inflation
        usable = (before >= least) & (width - before >= least)
        if width <= _WARM_UP or not usable.any():
            return None
        n0, u0 = before[usable], np.cumsum(sums)[:-1][usable]
        variance = float((squares + np.square(sums - sizes * (total / width)) / sizes).sum()) / width
        first, second = u0 / n0, (total - u0) / (width - n0)
        share = self.inflation * (1 / n0 + 1 / (width - n0))
        bound = log(2 * log(width) / self.delta)
        gap = np.abs(first - second)
        if not (gap > np.sqrt(2 * variance * bound * share) + 2 / 3 * bound * share).any():
            return None
        likeliest = int(np.argmax(gap / np.sqrt(share)))
        began = self.seen - int(width - n0[likeliest])
        return Cut(self.seen, began, float(first[likeliest]), float(second[likeliest]))
