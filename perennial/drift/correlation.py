"""Correlation structure: does any pair of number columns hang together otherwise than in the reference?

    d_ij = atanh(r_ij current) - atanh(r_ij reference),   Var d_ij = k_ij (1 / (n - 3) + 1 / (m - 3))

r from the co-moments that profiles carry, k_ij = 1 + max(0, excess kurtosis of i, of j) / 3: 1 for normal
columns, more for heavy tails, whose correlations vary more than normal theory says (exact for elliptical
distributions, too large for independent columns). The pairs' p-values are combined by Cauchy's method.
Columns with an excess kurtosis over 20 are left out: there a correlation is the accident of a few rows.

Sources: R. A. Fisher, On the probable error of a coefficient of correlation deduced from a small sample,
Metron 1 (1921); R. J. Muirhead, Aspects of Multivariate Statistical Theory (1982), section 5.1.4.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from perennial.columns import Floats
from perennial.drift.cauchy import cauchy_combination
from perennial.profile import NumberColumn, Profile

_MOST_EXCESS = 20.0
_LEAST_ROWS = 30


@dataclass(frozen=True)
class Structure:
    """Correlations of the same columns on both sides, (columns, columns) each; NaN where there is none.

    `pooled`: their average by rows, 0 where unknown. `excess`: kurtosis beyond the normal's, (columns,).
    """

    names: tuple[str, ...]
    reference: Floats
    current: Floats
    pooled: Floats
    reference_rows: Floats
    current_rows: Floats
    excess: Floats

    @property
    def rows(self) -> float:
        """Rows on both sides together."""
        return float(np.max(self.reference_rows) + np.max(self.current_rows))


class StructureChange(NamedTuple):
    """The pair that changed most, its correlations, the noise-free change and the p-value of all pairs."""

    first: str
    second: str
    before: float
    now: float
    effect: float
    p_value: float


def structure(reference: Profile, current: Profile, names: list[str]) -> Structure | None:
    """From the co-moments of two profiles; None where either has none or fewer than two columns are among
    `names`.
    """
    before, now = getattr(reference, "products", None), getattr(current, "products", None)
    if before is None or now is None or tuple(before.names) != tuple(now.names):
        return None
    places = [place for place, name in enumerate(before.names) if name in names]
    if len(places) < 2:
        return None
    grid = np.ix_(places, places)
    kept = tuple(before.names[place] for place in places)
    sides = [(side.correlation()[grid], np.asarray(side.rows, float)[grid]) for side in (before, now)]
    (first, n), (second, m) = sides
    known, also = np.isfinite(first), np.isfinite(second)
    total = np.where(known, n, 0) + np.where(also, m, 0)
    pooled = np.where(known, first, 0) * n + np.where(also, second, 0) * m
    pooled = np.where(total > 0, pooled / np.where(total > 0, total, 1), 0.0)
    np.fill_diagonal(pooled, 1.0)
    excess = np.maximum(*(np.array([_excess(side, name) for name in kept]) for side in (reference, current)))
    return Structure(kept, first, second, pooled, n, m, excess)


def change_of_structure(pair: Structure) -> StructureChange:
    """Compare all pairs of columns.

    >>> before, now = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.6], [0.6, 1.0]])
    >>> rows = np.full((2, 2), 200.0)
    >>> change = change_of_structure(Structure(("a", "b"), before, now, now, rows, rows, np.zeros(2)))
    >>> change.first, change.second, change.p_value < 1e-9, round(change.effect, 1)
    ('a', 'b', True, 0.6)
    """
    i, j = np.triu_indices(len(pair.names), 1)
    n, m = pair.reference_rows[i, j], pair.current_rows[i, j]
    before, now = pair.reference[i, j], pair.current[i, j]
    heavy = np.maximum(pair.excess[i], pair.excess[j])
    usable = (
        np.isfinite(before) & np.isfinite(now) & (np.minimum(n, m) >= _LEAST_ROWS) & (heavy <= _MOST_EXCESS)
    )
    if not usable.any():
        return StructureChange("", "", 0.0, 0.0, 0.0, 1.0)
    i, j = i[usable], j[usable]
    before, now, n, m, heavy = (part[usable] for part in (before, now, n, m, heavy))
    variance = (1 + np.maximum(heavy, 0.0) / 3) * (1 / (n - 3) + 1 / (m - 3))
    z = (_fisher(now) - _fisher(before)) / np.sqrt(variance)
    most = int(np.argmax(np.abs(z)))
    noise = variance[most] * (1 - before[most] * now[most]) ** 2
    return StructureChange(
        pair.names[i[most]],
        pair.names[j[most]],
        float(before[most]),
        float(now[most]),
        float(np.sqrt(max((now[most] - before[most]) ** 2 - noise, 0.0))),
        cauchy_combination(2 * ndtr(-np.abs(z))),
    )


def _fisher(correlation: Any) -> Any:
    return np.arctanh(np.clip(correlation, -0.999, 0.999))


def _excess(profile: Profile, name: str) -> float:
    column = profile.columns[name]
    fourth = getattr(column, "m4", None)
    if not isinstance(column, NumberColumn) or fourth is None or column.m2 <= 0:
        return float("inf")
    finite = column.count - column.infinite
    return float(finite * (fourth / column.m2) / column.m2 - 3)
