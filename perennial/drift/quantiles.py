"""Quantiles from binned counts, and the share of rows outside the range that the reference had.

The q-quantile is the place of the first bin whose cumulated share reaches q (definition 1 of R. J. Hyndman
and Y. Fan, Sample quantiles in statistical packages, Am. Stat. 50, 1996).
"""

from math import exp, inf, sqrt
from typing import Any

import numpy as np
from scipy.special import log_ndtr

from perennial.columns import Floats
from perennial.drift.shares import shares
from perennial.profile import NumberColumn


def quantile(counts: Any, places: Any, q: float) -> Floats:
    """Quantile of binned values; `counts` and `places` of shape (..., bins).

    >>> float(quantile([1, 2, 1], [0.0, 1.0, 2.0], 0.5))
    1.0
    """
    reached = np.cumsum(shares(counts), axis=-1) >= q - 1e-9
    return np.take_along_axis(np.asarray(places, float), np.argmax(reached, axis=-1)[..., None], axis=-1)[
        ..., 0
    ]


def quantile_change(reference: Any, current: Any, places: Any, q: float) -> Floats:
    """Change of a quantile, in the unit of `places`.

    >>> float(quantile_change([1, 1, 0], [0, 1, 1], [0.0, 1.0, 2.0], 0.5))
    1.0
    """
    return np.asarray(quantile(current, places, q) - quantile(reference, places, q))


def outside_share(reference: NumberColumn, current: NumberColumn) -> float:
    """About this share of current values lies above the reference's largest or below its smallest value.

    Exact where no value or every one does, and where the bins tell. Else of the outermost bin's values those
    that would lie beyond the reference's extreme if the column were normal with its mean and variance (spread
    evenly where it has none), but no more than the bin holds beyond the reference's share of it, and at least
    one where the extremes say so.

    >>> def column(low, high, counts):
    ...     return NumberColumn("number", sum(counts), 0, 0, low, high, 0.0, 0.0, (1.0, 2.0), counts)
    >>> outside_share(column(0.5, 3.0, (2, 4, 2)), column(1.5, 4.0, (0, 2, 6)))
    0.375
    """
    m, edges, counts = current.count, reference.edges, current.counts
    if reference.low is None or reference.high is None or not (edges and m):
        return 0.0
    if current.low is None or current.high is None:
        return 1.0  # all infinite
    if not current.infinite and (current.low > reference.high or current.high < reference.low):
        return 1.0
    first = int(reference.edge_array.searchsorted(reference.low, side="left"))
    found = float(sum(counts[:first]))
    if first < len(edges):
        found += _beyond(reference, current, first, (edges[first], reference.low, current.low))
    if edges[-1] < reference.high:
        found += _beyond(reference, current, -1, (edges[-1], reference.high, current.high))
    else:
        found += counts[-1]
    return found / m


def _beyond(
    reference: NumberColumn, current: NumberColumn, place: int, ends: tuple[float, float, float]
) -> float:
    """How many current values of the bin at a place lie beyond the reference's extreme: `ends` are the bin's
    edge, that extreme, and the current one.
    """
    count = current.counts[place]
    excess = max(count - reference.counts[place] * current.count / reference.count, 0.0)
    edge, extreme, reached = ends
    if current.infinite:
        return excess
    if not (reached < extreme <= edge or reached > extreme > edge):
        return 0.0
    side = 1.0 if reached > extreme else -1.0
    # in halves: the span of the largest floats is infinite
    share = (reached / 2 - extreme / 2) / (reached / 2 - edge / 2)
    variance = current.variance
    if 0.0 < variance < inf:
        within, beyond = (
            float(log_ndtr(side * (current.mean / 2 - end / 2) / (sqrt(variance) / 2)))
            for end in (edge, extreme)
        )
        share = exp(beyond - within) if within > -inf else share
    return max(1.0, min(excess, count * share))
