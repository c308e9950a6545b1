"""Quantiles from binned counts, and the share of rows outside the range that the reference had.

The q-quantile is the place of the first bin whose cumulated share reaches q (definition 1 of R. J. Hyndman
and Y. Fan, Sample quantiles in statistical packages, Am. Stat. 50, 1996).
"""

from typing import Any

import numpy as np

from perennial.columns import Floats
from perennial.drift.shares import shares


def quantile(counts: Any, places: Any, q: float) -> Floats:
    """Quantile of binned values; `counts` and `places` of shape (..., bins).

    >>> float(quantile([1, 2, 1], [0.0, 1.0, 2.0], 0.5))
    1.0
    """
    reached = np.cumsum(shares(counts), axis=-1) >= q - 1e-9
    return np.take_along_axis(np.asarray(places, float), np.argmax(reached, axis=-1)[..., None], axis=-1)[
        ..., 0
    ]


def quantile_change(reference: Any, current: Any, places: Any, deviation: Any, q: float) -> Floats:
    """Change of a quantile in reference standard deviations (`deviation`, of shape (...)).

    >>> float(quantile_change([1, 1, 0], [0, 1, 1], [0.0, 1.0, 2.0], 0.5, 0.5))
    2.0
    """
    deviation = np.asarray(deviation, float)
    gap = quantile(current, places, q) - quantile(reference, places, q)
    return np.asarray(np.where(deviation > 0, gap / np.where(deviation > 0, deviation, 1.0), 0.0))


def outside_share(low: float | None, high: float | None, edges: Any, counts: Any) -> float:
    """At least this share of current values lies above the reference's largest (`high`) or below its smallest
    value, as far as bins can tell.

    >>> outside_share(1.0, 2.0, [1.0, 2.0], [0, 6, 2])
    0.25
    """
    edges, counts = np.asarray(edges, float), np.asarray(counts)
    if low is None or high is None or not edges.size or not (total := float(counts.sum())):
        return 0.0
    above = float(counts[-1]) if edges[-1] >= high else 0.0
    below = float(counts[: edges.searchsorted(low, side="left")].sum())
    return (above + below) / total
