"""Population stability index, and how much of it is sampling noise.

    PSI = sum over bins of (q - p) ln(q / p)        p, q: shares of reference and current

with half a count added to every bin, so that an empty one does not make it infinite. Without any drift PSI
is not 0: its mean is about (bins - 1)(1/n + 1/m), which the corrected index takes off.

Sources: N. Siddiqi, Credit Risk Scorecards (2006); B. Yurdakul, Statistical Properties of Population
Stability Index, Western Michigan University (2018).
"""

from typing import Any

import numpy as np

from perennial.drift.shares import smoothed, where_counted


def psi(reference: Any, current: Any) -> Any:
    """PSI of counts of the same bins, each of shape (..., bins); 0 where either is empty.

    >>> round(psi([50, 50], [50, 50]), 6)
    0.0
    >>> round(psi([500, 500], [900, 100]), 2)
    0.88
    """
    p, q = smoothed(reference), smoothed(current)
    return where_counted(((q - p) * np.log(q / p)).sum(axis=-1), reference, current)


def psi_noise(bins: int, n: int, m: int) -> float:
    """Mean PSI of two samples of one distribution.

    >>> round(psi_noise(11, 100, 100), 2)
    0.2
    """
    return (bins - 1) * (1 / n + 1 / m) if n and m else 0.0


def psi_corrected(reference: Any, current: Any) -> float:
    """PSI without its expected noise, at least 0: an effect that does not depend on the number of rows.

    >>> psi_corrected([50, 50], [45, 55])
    0.0
    """
    n, m = int(np.sum(reference)), int(np.sum(current))
    return max(0.0, float(psi(reference, current)) - psi_noise(len(reference), n, m))
