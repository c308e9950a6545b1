"""Page-Hinkley: the sum of deviations from the running mean, and how far it has come off its extreme.

    U_t = a U_{t-1} + (x_t - mean_t - delta),   alarm where U_t - min U > threshold      (the mean rose)
    D_t = a D_{t-1} + (x_t - mean_t + delta),   alarm where max D - D_t > threshold      (the mean fell)

`delta` is the change per value that is tolerated, `threshold` the sum of what goes beyond it: twice the
threshold, half the false alarms, twice the delay. Sums of values that follow each other go as far as those of
independent ones of `inflation` times the variance (`dependence`), and so far is the threshold taken up. The
forgetting factor a lets old deviations fade. After an alarm everything starts anew.

Source: E. S. Page, Continuous inspection schemes, Biometrika 41 (1954); in this form D. Hinkley, Inference
about the change-point from cumulative sum tests, Biometrika 58 (1971). Defaults as in MOA and river.
"""

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from perennial.columns import Floats

_BLOCK = 1024  # values at a time: the forgetting factor's powers stay well inside a double

Direction = Literal["up", "down"]
Mode = Literal["up", "down", "both"]


@dataclass(frozen=True)
class Alarm:
    """The alarm was given after `at` values of the stream in all; `began` is the first value after the
    extreme of the sum, where the change most likely is.
    """

    at: int
    began: int
    direction: Direction


@dataclass
class _State:
    """Of the values since the last reset; `lowest_at` and `highest_at` count from the stream's beginning."""

    count: int = 0
    mean: float = 0.0
    up: float = 0.0
    down: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0
    lowest_at: int = 0
    highest_at: int = 0


class PageHinkley:
    """Feed it any stream of numbers; it says where the mean rose, or fell. `forget` is in [0.9, 1].

    >>> detector = PageHinkley(threshold=20)
    >>> [(alarm.at, alarm.began, alarm.direction) for alarm in detector.update([0.1] * 500 + [0.9] * 500)]
    [(526, 500, 'up')]
    """

    def __init__(
        self,
        *,
        delta: float = 0.005,
        threshold: float = 50.0,
        forget: float = 0.9999,
        mode: Mode = "both",
        warm_up: int = 30,
    ) -> None:
        if not 0.9 <= forget <= 1:
            raise ValueError(f"expected a forgetting factor in [0.9, 1], got {forget:g}")
        self.delta, self.threshold, self.forget = delta, threshold, forget
        self.mode, self.warm_up = mode, warm_up
        self.inflation = 1.0
        self.seen = 0
        self._state = _State()

    def update(self, values: Any) -> list[Alarm]:
        """Take in a block of values, of shape (n,), oldest first; as one by one, but faster."""
        stream = np.asarray(values, np.float64)
        alarms: list[Alarm] = []
        start = 0
        while start < stream.size:
            used, alarm = self._advance(stream[start : start + _BLOCK])
            start += used
            if alarm is not None:
                alarms.append(alarm)
                self._state = _State(lowest_at=self.seen, highest_at=self.seen)
        return alarms

    def dump(self) -> dict[str, Any]:
        """The state as plain JSON values."""
        parameters = {
            name: getattr(self, name) for name in ("delta", "threshold", "forget", "mode", "warm_up")
        }
        return {"parameters": parameters, "seen": self.seen, "state": vars(self._state).copy()}

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """Go on from what `dump` gave."""
        detector = cls(**state["parameters"])
        detector.seen, detector._state = state["seen"], _State(**state["state"])
        return detector

    def _advance(self, block: Floats) -> tuple[int, Alarm | None]:
        """Use the block up to its end, or to its first alarm."""
        old, steps = self._state, np.arange(1, block.size + 1)
        counts = old.count + steps
        means = (old.count * old.mean + np.cumsum(block)) / counts
        up = self._sums(old.up, block - means - self.delta)
        down = self._sums(old.down, block - means + self.delta)
        lowest = np.minimum.accumulate(np.concatenate(([old.lowest], up)))[1:]
        highest = np.maximum.accumulate(np.concatenate(([old.highest], down)))[1:]
        threshold = self.threshold * self.inflation
        rises = (up - lowest > threshold) & (self.mode != "down")
        falls = (highest - down > threshold) & (self.mode != "up")
        alarmed = np.flatnonzero((rises | falls) & (counts >= self.warm_up))
        last = int(alarmed[0]) if alarmed.size else block.size - 1
        lowest_at = self._place(up[: last + 1], old.lowest, old.lowest_at)
        highest_at = self._place(-down[: last + 1], -old.highest, old.highest_at)
        self.seen += last + 1
        self._state = _State(
            count=int(counts[last]),
            mean=float(means[last]),
            up=float(up[last]),
            down=float(down[last]),
            lowest=float(lowest[last]),
            highest=float(highest[last]),
            lowest_at=lowest_at,
            highest_at=highest_at,
        )
        if not alarmed.size:
            return block.size, None
        rose = bool(rises[last])
        return last + 1, Alarm(self.seen, lowest_at if rose else highest_at, "up" if rose else "down")

    def _sums(self, start: float, steps: Floats) -> Floats:
        """The recursion s = forget * s + step, for all steps at once."""
        powers = self.forget ** np.arange(1, steps.size + 1)
        return np.asarray(powers * (start + np.cumsum(steps / powers)))

    def _place(self, sums: Floats, lowest: float, known: int) -> int:
        """After how many values of the stream the sum was lowest."""
        place = int(sums.argmin())
        return self.seen + place + 1 if sums[place] < lowest else known
