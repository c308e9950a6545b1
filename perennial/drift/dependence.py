"""How much less a stream's rows say than as many independent ones would.

Rows in the order of time follow each other: errors come in runs. The mean of n of them then varies as that of
n / t independent ones,

    t = long-run variance / variance = 1 + 2 (sum of the autocorrelations)

The long-run variance is read off means of blocks of B = 16, 32 ... 256 rows, by differences of neighbours
(which a change of level touches once, where deviations from a common mean all bear it),

    V_B = B mean((m_j - m_{j-1})^2) / 2

of the last 32 differences without the largest tenth, and t = max V_B / variance over all B that 8 differences
know, each taken one standard error smaller. Where neighbouring rows are not correlated (less than 3 standard
errors), it is taken 3 standard errors smaller, so that a stream of independent rows keeps t = 1. What lasts
longer than 256 rows is a change of level, and not dependence: no stream tells the two apart.

Sources: J. von Neumann, Distribution of the ratio of the mean square successive difference to the variance,
Ann. Math. Statist. 12 (1941); C. Alexopoulos and A. F. Seila, Output data analysis, in Handbook of Simulation
(1998), for batch means.
"""

from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import Any, Self

import numpy as np

from perennial.columns import Floats

_FIRST, _LAST = 4, 8  # blocks have 2**4 rows at least, 2**8 at most
_LOCAL = 6  # those within which the variance is taken
_KEPT = 32  # differences of each length
_LEAST = 8
_TRIM, _TRIMMED_MEAN = 0.1, 0.623  # chi-square(1) without its largest tenth has this mean
_MEMORY = 4096  # rows after which what neighbours say has faded to 1 / e
_SURE = 3.0  # standard errors


@dataclass
class _Level:
    """Blocks of one length: the one that waits for its partner, and the last; means of values and squares."""

    waiting: list[float] = field(default_factory=list)
    last: float | None = None
    differences: list[float] = field(default_factory=list)


class Dependence:
    """Feed it the stream; `inflation` is t.

    >>> calm = Dependence()
    >>> calm.update(np.random.default_rng(0).random(4000) < 0.2)
    >>> calm.inflation
    1.0
    >>> runs = Dependence()
    >>> runs.update(np.repeat(np.random.default_rng(0).random(400) < 0.2, 10))  # t = 10
    >>> 7 < runs.inflation < 13
    True
    """

    def __init__(self) -> None:
        self._levels: list[_Level] = []
        self._rows = self._neighbours = self._spread = self._blocks = 0.0

    def update(self, values: Any) -> None:
        """Take in a block of values, of shape (n,), oldest first."""
        x = np.asarray(values, np.float64)
        if not x.size:
            return
        fade = float(np.exp(-x.size / _MEMORY))
        self._rows, self._neighbours = self._rows * fade, self._neighbours * fade
        self._spread, self._blocks = self._spread * fade, self._blocks * fade
        means = np.stack([x, np.square(x)], axis=1)
        number = 0
        while len(means) and number <= _LAST:
            means = self._fill(number, means)
            number += 1

    @property
    def inflation(self) -> float:
        """t, 1 or more."""
        if not self._blocks or self._spread <= 0:
            return 1.0
        within = self._spread / self._blocks
        alike = 1 - self._neighbours / self._rows / 2 / (within * (1 + 2.0**-_LOCAL))
        doubt = 1.0 if alike * sqrt(self._rows) > _SURE else _SURE
        found = max((v / (1 + doubt * sqrt(3 / pairs)) for v, pairs in self._long_run()), default=0.0)
        return float(max(1.0, found / (within + found / 2**_LOCAL)))

    def dump(self) -> dict[str, Any]:
        """The state as plain JSON values."""
        return {
            "sums": [self._rows, self._neighbours, self._spread, self._blocks],
            "levels": [[one.waiting, one.last, one.differences] for one in self._levels],
        }

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """Go on from what `dump` gave."""
        found = cls()
        found._rows, found._neighbours, found._spread, found._blocks = state["sums"]
        found._levels = [
            _Level(list(waiting), last, list(differences)) for waiting, last, differences in state["levels"]
        ]
        return found

    def _fill(self, number: int, means: Floats) -> Floats:
        """Take in blocks of one length, (blocks, 2); returns those of twice the length that became full."""
        if number == len(self._levels):
            self._levels.append(_Level())
        level = self._levels[number]
        plain = means[:, 0]
        before = plain[:1] if level.last is None else np.array([level.last])
        squares = np.square(np.diff(plain, prepend=before))[level.last is None :]
        level.last = float(plain[-1])
        if number == 0:
            self._rows += squares.size
            self._neighbours += float(squares.sum())
        if number == _LOCAL:
            self._blocks += len(means)
            self._spread += float((means[:, 1] - np.square(plain)).sum())
        if number >= _FIRST:
            level.differences = [*level.differences, *(float(f"{d:.6g}") for d in squares)][-_KEPT:]
        whole = np.concatenate([np.array([level.waiting]).reshape(-1, 2), means])
        pairs = len(whole) // 2
        level.waiting = whole[-1].tolist() if len(whole) % 2 else []
        return np.asarray(whole[: 2 * pairs].reshape(pairs, 2, 2).mean(axis=1))

    def _long_run(self) -> list[tuple[float, int]]:
        """V_B and the number of differences, of each B."""
        found = []
        for number, level in enumerate(self._levels):
            pairs = len(level.differences)
            if number >= _FIRST and pairs >= _LEAST:
                kept = sorted(level.differences)[: pairs - ceil(_TRIM * pairs)]
                found.append((2**number * sum(kept) / len(kept) / _TRIMMED_MEAN / 2, pairs))
        return found
