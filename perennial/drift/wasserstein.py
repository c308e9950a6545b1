"""Wasserstein distance (earth mover's): how far, on average, a value has to move.

    W = integral over x of |F_reference(x) - F_current(x)| dx

from binned counts: the distribution functions are exact at the edges and taken as a step half-way between
them. Divided by the reference's standard deviation, a shift of half a standard deviation has W = 0.5. What
lies beyond the outermost edges counts as lying on them.

Source: L. N. Vaserstein, Markov processes over denumerable products of spaces, Probl. Inf. Transm. 5
(1969).
"""

from typing import Any

import numpy as np

from perennial.columns import Floats
from perennial.drift.shares import shares, where_counted


def wasserstein(reference: Any, current: Any, places: Any) -> Any:
    """W of counts of the same bins, in the unit of `places` (a value for each bin, ascending): each (...,
    bins).

    >>> wasserstein([10, 0, 0], [0, 5, 5], [0.0, 1.0, 3.0])
    2.0
    """
    gaps = np.abs(np.cumsum(shares(reference) - shares(current), axis=-1))[..., :-1]
    moved = (gaps * np.diff(np.asarray(places, float), axis=-1)).sum(axis=-1)
    return where_counted(moved, reference, current)


def least_movement(reference: Any, current: Any, places: Any) -> tuple[Floats, Floats]:
    """How far values moved at least, wherever in their bins they lie, and how far they would seem to without
    any drift: each (...), in the unit of `places`.

    Without drift the mean of W is about sqrt(2 / pi) sqrt(1/n + 1/m) integral of sqrt(F (1 - F)) dx.

    >>> moved, accident = least_movement([50, 50, 0], [0, 50, 50], [0.0, 1.0, 2.0])
    >>> float(moved), round(float(accident), 2)  # 0 and 1 may have become 0.01 and 1.01
    (0.0, 0.1)
    """
    first, second = shares(reference), shares(current)
    before, now = np.cumsum(first, axis=-1), np.cumsum(second, axis=-1)
    apart = np.maximum(before - now - _next(second), now - before - _next(first))
    widths = np.diff(np.asarray(places, float), axis=-1)
    n, m = (np.maximum(np.sum(side, axis=-1), 1) for side in (reference, current))
    both = (before * n[..., None] + now * m[..., None]) / (n + m)[..., None]
    swing = np.sqrt(np.clip(both * (1 - both), 0.0, None))[..., :-1] * widths
    moved = (np.maximum(apart[..., :-1], 0.0) * widths).sum(axis=-1)
    return moved, np.sqrt(2 / np.pi * (1 / n + 1 / m)) * swing.sum(axis=-1)


def _next(counts: Floats) -> Floats:
    """What the bin after each holds: the last bin has none after it."""
    return np.concatenate([counts[..., 1:], np.zeros_like(counts[..., :1])], axis=-1)
