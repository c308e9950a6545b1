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
