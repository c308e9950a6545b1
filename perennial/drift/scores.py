"""Normal scores of binned values: what the rank tests for location and scale add up.

    location score of a bin (a, b]   E[Z | a < Phi(Z) <= b] = (phi(z_a) - phi(z_b)) / (b - a)
    scale score                      E[Z^2 | a < Phi(Z) <= b] = 1 + (z_a phi(z_a) - z_b phi(z_b)) / (b - a)

with a, b the cumulated shares at the bin's edges and z their normal quantiles. Scale scores are capped, so
that the few outermost rows, whose bins a small reference places badly, do not decide. The tests built on
them lose nothing against Student's t and Fisher's F where the values are normal, and are indifferent to
outliers where they are not (H. Chernoff and I. R. Savage, Asymptotic normality and efficiency of certain
nonparametric test statistics, Ann. Math. Statist. 29, 1958; J. Klotz, Nonparametric tests for scale, ibid.
33, 1962).
"""

from math import pi, sqrt

import numpy as np
from scipy.special import ndtri

from perennial.columns import Floats

_MOST_SCALE = 2.5


def normal_scores(counts: Floats) -> tuple[Floats, Floats]:
    """Location and scale scores of bins, each of the shape of `counts` (..., bins); 0 for empty bins.

    >>> location, scale = normal_scores(np.array([50.0, 50.0]))
    >>> location.round(3).tolist(), scale.round(3).tolist()
    ([-0.798, 0.798], [1.0, 1.0])
    """
    total = counts.sum(axis=-1, keepdims=True)
    ends = np.cumsum(counts, axis=-1) / np.where(total > 0, total, 1.0)
    quantiles = ndtri(np.clip(ends, 0.0, 1.0))
    inside = np.isfinite(quantiles)
    quantiles = np.where(inside, quantiles, 0.0)
    density = np.where(inside, np.exp(-0.5 * quantiles * quantiles) / sqrt(2 * pi), 0.0)
    weighted = quantiles * density
    widths = np.where(counts > 0, counts / np.where(total > 0, total, 1.0), np.inf)
    location = -_steps(density) / widths
    scale = np.where(counts > 0, 1.0 - _steps(weighted) / widths, 0.0)
    return location, np.minimum(scale, _MOST_SCALE)


def _steps(values: Floats) -> Floats:
    return np.diff(values, axis=-1, prepend=0.0)
