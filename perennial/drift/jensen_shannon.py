"""Jensen-Shannon distance: the square root of the divergence of both distributions from their average.

    JS = sqrt((KL(p || a) + KL(q || a)) / 2),   a = (p + q) / 2,   logarithms to base 2

A metric in [0, 1]: 0 for equal shares, 1 for distributions that share no bin.

Sources: J. Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37 (1991); D. M.
Endres and J. E. Schindelin, A new metric for probability distributions, ibid. 49 (2003).
"""

from typing import Any

import numpy as np
from scipy.special import rel_entr

from perennial.drift.shares import shares, where_counted


def jensen_shannon(reference: Any, current: Any) -> Any:
    """JS of counts of the same bins, each of shape (..., bins); 0 where either is empty.

    >>> jensen_shannon([10, 0], [0, 5])
    1.0
    >>> round(jensen_shannon([500, 500], [900, 100]), 3)
    0.383
    """
    p, q = shares(reference), shares(current)
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / (2 * np.log(2))
    return where_counted(np.sqrt(np.clip(divergence, 0.0, 1.0)), reference, current)
