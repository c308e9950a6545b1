"""Kullback-Leibler divergence of the current distribution from the reference's, in nats.

    KL = sum over bins of q ln(q / p)        p, q: shares of reference and current, half a count added to each

How much longer, on average, the current rows get when coded as if they came from the reference. Not
symmetric, not bounded.

Source: S. Kullback and R. A. Leibler, On information and sufficiency, Ann. Math. Statist. 22 (1951).
"""

from typing import Any

import numpy as np

from perennial.drift.shares import smoothed, where_counted


def kullback_leibler(reference: Any, current: Any) -> Any:
    """KL of counts of the same bins, each of shape (..., bins); 0 where either is empty.

    >>> kullback_leibler([50, 50], [50, 50])
    0.0
    >>> round(kullback_leibler([500, 500], [900, 100]), 2)
    0.37
    """
    p, q = smoothed(reference), smoothed(current)
    return where_counted(np.maximum((q * np.log(q / p)).sum(axis=-1), 0.0), reference, current)
