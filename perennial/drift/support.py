"""Where a batch lies beside the holdout: which rows are unlike any, and which are more frequent now.

Rows become points: numbers in standard deviations of the holdout, with a mark where they are missing,
categories one coordinate per level. A row is *outside* where its nearest neighbour in the holdout is half
again as far as 99 of 100 of the holdout's own rows have theirs. How much more frequent rows of a kind are
now, the *density ratio* q(x) / p(x), is read off a logistic regression that tells batch from holdout:

    q(x) / p(x) = n_holdout / n_batch * P(batch | x) / P(holdout | x)

Sources: M. Sugiyama, T. Suzuki and T. Kanamori, Density Ratio Estimation in Machine Learning (2012), ch. 4;
distance to the training set as domain of applicability: H. Zhu et al., J. Chem. Inf. Model. 52 (2012).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from perennial.columns import Floats
from perennial.config import ModelConfig

if TYPE_CHECKING:
    import pandas as pd

_NEIGHBOURS = 1_000  # rows of the holdout that are looked at
_CHUNK = 1_000
_LEVELS = 20
_FAR = 8.0  # standard deviations: all beyond are equally far
_RIDGE = 1.0
_BOUND = 20.0  # no row counts more than twenty times, or less than a twentieth


@dataclass(frozen=True)
class Space:
    """How the columns of a frame become coordinates."""

    numbers: tuple[tuple[str, float, float, bool], ...]
    levels: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, frame: "pd.DataFrame", config: ModelConfig) -> "Space":
        """The space of a holdout's features; date-times and texts have no place in it."""
        numbers, levels = [], []
        for name in config.features:
            kind = config.columns[name].type
            if kind == "number":
                values = np.asarray(frame[name], np.float64)
                finite = values[np.isfinite(values)]
                centre = float(np.median(finite)) if finite.size else 0.0
                spread = float(finite.std()) if finite.size else 0.0
                numbers.append((name, centre, spread or 1.0, finite.size < values.size))
            elif kind in {"category", "boolean"}:
                common = frame[name].astype(str).value_counts().index[:_LEVELS]
                levels.append((name, tuple(sorted(common))))
        return cls(tuple(numbers), tuple(levels))

    def points(self, frame: "pd.DataFrame") -> Floats:
        """Coordinates of shape (rows, dimensions)."""
        columns: list[Any] = []
        for name, centre, spread, sparse in self.numbers:
            values = np.asarray(frame[name], np.float64)
            missing = ~np.isfinite(values)
            scaled = (np.where(missing, centre, values) - centre) / spread
            columns.append(np.clip(scaled, -_FAR, _FAR))
            if sparse:  # what the holdout has not cannot be told apart by it
                columns.append(missing.astype(float))
        for name, known in self.levels:
            text = frame[name].astype(str).to_numpy(object)
            columns += [(text == level).astype(float) for level in known]
        return np.column_stack(columns) if columns else np.zeros((len(frame), 0))


def outside(reference: Floats, current: Floats) -> Any:
    """Which rows of `current` (m, d) are unlike any of `reference` (n, d): True or False, of shape (m,).

    >>> grid = np.random.default_rng(0).normal(size=(500, 2))
    >>> outside(grid, np.array([[0.0, 0.0], [7.0, 7.0]])).tolist()
    [False, True]
    """
    known = reference[:: max(1, -(-len(reference) // _NEIGHBOURS))]
    if len(known) < 2 or not known.shape[1]:
        return np.zeros(len(current), bool)
    usual = np.quantile(_nearest(known, known, own=True), 0.99)
    return _nearest(known, current) > max(1.5 * float(usual), 1e-9)


@dataclass(frozen=True)
class DensityRatio:
    """How much more frequent rows of a place are now than they were: the logistic regression and its odds."""

    weight: Floats
    prior: float

    @classmethod
    def fit(cls, reference: Floats, current: Floats) -> "DensityRatio":
        """Learn to tell `current` (m, d) from `reference` (n, d), both with at least one row."""
        n, m = len(reference), len(current)
        both = np.column_stack([np.ones(n + m), np.concatenate([reference, current])])
        side = np.concatenate([np.zeros(n), np.ones(m)])
        weight, penalty = np.zeros(both.shape[1]), np.full(both.shape[1], _RIDGE)
        penalty[0] = 1e-6
        for _ in range(25):
            chance = 1 / (1 + np.exp(-np.clip(both @ weight, -30, 30)))
            slope = both.T @ (chance - side) + penalty * weight
            curve = (both * (chance * (1 - chance))[:, None]).T @ both + np.diag(penalty)
            step = np.linalg.solve(curve, slope)
            weight = weight - step
            if np.abs(step).max() < 1e-6:
                break
        return cls(weight, n / m)

    def of(self, points: Floats) -> Floats:
        """The ratio at points (k, d), of shape (k,), in [1/20, 20]."""
        odds = np.exp(np.clip(self.weight[0] + points @ self.weight[1:], -30, 30)) * self.prior
        return np.asarray(np.clip(odds, 1 / _BOUND, _BOUND))


def density_ratio(reference: Floats, current: Floats) -> Floats:
    """How much more frequent each row of `reference` (n, d) is in `current` (m, d), of shape (n,), in
    [1/20, 20].

    >>> random = np.random.default_rng(0)
    >>> before, now = random.normal(size=(500, 1)), random.normal(1, size=(500, 1))
    >>> ratio = density_ratio(before, now)
    >>> bool(ratio[before[:, 0] > 1].min() > 1 > ratio[before[:, 0] < 0].max())
    True
    """
    return DensityRatio.fit(reference, current).of(reference)


def _nearest(known: Floats, points: Floats, *, own: bool = False) -> Floats:
    """Distance from each point to its nearest known one, not counting itself where the two are the same."""
    norms, found = np.square(known).sum(axis=1), []
    for start in range(0, len(points), _CHUNK):
        chunk = points[start : start + _CHUNK]
        squared = np.square(chunk).sum(axis=1)[:, None] + norms[None, :] - 2 * chunk @ known.T
        if own:
            np.fill_diagonal(squared[:, start:], np.inf)
        found.append(squared.min(axis=1))
    return np.sqrt(np.maximum(np.concatenate(found), 0.0)) if found else np.zeros(0)
