"""A stream in O(log n) memory: sums over buckets that are fine for what is recent and coarse for what is old.

Buckets hold 1, 2, 4, ... values, the oldest the most. Where there are more than `per_size` of one size, the
two oldest of them become one of the next size.

Source: M. Datar, A. Gionis, P. Indyk and R. Motwani, Maintaining stream statistics over sliding windows, SIAM
J. Comput. 31 (2002).
"""

from typing import Any, Self

import numpy as np

from perennial.columns import Floats


class ExponentialHistogram:
    """Sizes, sums and squared deviations of runs of values.

    >>> histogram = ExponentialHistogram(per_size=2)
    >>> histogram.insert([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> [part.tolist() for part in histogram.buckets()]
    [[2.0, 2.0, 1.0], [3.0, 7.0, 5.0], [0.5, 0.5, 0.0]]
    >>> histogram.drop(2)
    >>> len(histogram), histogram.total
    (3, 12.0)
    """

    def __init__(self, per_size: int) -> None:
        self.per_size = per_size
        self._rows: list[tuple[list[float], list[float]]] = [([], [])]
        """Buckets of 2**row values, the oldest first: their sums, and squared deviations from their means."""

    def __len__(self) -> int:
        """How many values it holds."""
        return sum(len(sums) << row for row, (sums, _) in enumerate(self._rows))

    @property
    def total(self) -> float:
        """Sum of all values held."""
        return sum(sum(sums) for sums, _ in self._rows)

    def insert(self, block: list[float]) -> None:
        """Add values, oldest first. The result is that of adding them one by one."""
        sums, squares, row = block, [0.0] * len(block), 0
        while sums:
            if row == len(self._rows):
                self._rows.append(([], []))
            mine, spread = self._rows[row]
            mine.extend(sums)
            spread.extend(squares)
            pairs = max(0, (len(mine) - self.per_size + 1) // 2)
            sums, squares = [], []
            for i in range(0, 2 * pairs, 2):
                a, b = mine[i], mine[i + 1]
                sums.append(a + b)
                squares.append(spread[i] + spread[i + 1] + (a - b) * (a - b) / (2 << row))
            del mine[: 2 * pairs], spread[: 2 * pairs]
            row += 1

    def drop(self, values: int) -> None:
        """Forget the oldest values: as many whole buckets as they fill."""
        for row in range(len(self._rows) - 1, -1, -1):
            sums, squares = self._rows[row]
            buckets = min(len(sums), values >> row)
            del sums[:buckets], squares[:buckets]
            values -= buckets << row
            if sums:
                break
        while len(self._rows) > 1 and not self._rows[-1][0]:
            self._rows.pop()

    def buckets(self) -> tuple[Floats, Floats, Floats]:
        """Sizes, sums and squared deviations, each of shape (buckets,), the oldest first."""
        sizes: list[float] = []
        sums: list[float] = []
        squares: list[float] = []
        for row in range(len(self._rows) - 1, -1, -1):
            mine, spread = self._rows[row]
            sizes.extend([float(1 << row)] * len(mine))
            sums.extend(mine)
            squares.extend(spread)
        return np.array(sizes), np.array(sums), np.array(squares)

    def dump(self) -> dict[str, Any]:
        """The state as plain JSON values."""
        return {"per_size": self.per_size, "rows": [[list(s), list(q)] for s, q in self._rows]}

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """Go on from what `dump` gave."""
        histogram = cls(state["per_size"])
        histogram._rows = [(list(sums), list(squares)) for sums, squares in state["rows"]]
        return histogram
