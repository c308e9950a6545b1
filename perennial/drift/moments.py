"""Change of mean and of standard deviation, from binned counts, in units that columns share.

    mean change = (mean_current - mean_reference) / sd_reference        standard error sqrt(1/n + 1/m)
    scale change = ln(sd_current / sd_reference)           standard error sqrt((k - 1) / 4 (1/n + 1/m))

k: kurtosis of the reference, m4 / m2^2 (B. Everitt, Var(s) from the fourth moment; see R. G. Miller, Beyond
ANOVA, 1986, section 7.2). Means and deviations are those of the bins' places with both ends of the
reference drawn in to its 1 % and 99 % quantiles: one wild value neither is a drift nor hides one.
"""

from typing import Any, NamedTuple

import numpy as np

from perennial.columns import Floats
from perennial.drift.shares import shares

_TRIM = 0.01
_FARTHEST = 1e100


class Spread(NamedTuple):
    """Mean, standard deviation and kurtosis, each of shape (...)."""

    mean: Floats
    deviation: Floats
    kurtosis: Floats


def spread(counts: Any, places: Any) -> Spread:
    """Moments of binned values; `counts` and `places` of shape (..., bins).

    >>> found = spread([1, 2, 1], [0.0, 1.0, 2.0])
    >>> float(found.mean), round(float(found.deviation), 3), round(float(found.kurtosis), 6)
    (1.0, 0.707, 2.0)
    """
    p, places = shares(counts), np.asarray(places, float)
    mean = (p * places).sum(axis=-1)
    away = places - mean[..., None]
    largest = np.abs(away).max(axis=-1, initial=0.0)
    # scaled first: the square of a tiny deviation would vanish, that of a huge one be infinite
    scaled = away / np.where(largest > 0, largest, 1.0)[..., None]
    deviation = largest * np.sqrt((p * np.square(scaled)).sum(axis=-1))
    flat = deviation <= 0
    standard = np.clip(away / np.where(flat, 1.0, deviation)[..., None], -1e60, 1e60)
    kurtosis = np.where(flat, 3.0, (p * np.square(np.square(standard))).sum(axis=-1))
    return Spread(mean, deviation, kurtosis)


def over_deviation(reference: Spread, places: Any) -> Floats:
    """Places of shape (..., bins), or distances, in standard deviations; as they are where the reference
    never varies. None is so far off that the distance of two, or its square, would be infinite.

    >>> over_deviation(spread([1, 1], [0.0, 4.0]), [0.0, 4.0, 1e308]).tolist()
    [0.0, 2.0, 1e+100]
    """
    with np.errstate(over="ignore"):
        scaled = places / np.where(reference.deviation > 0, reference.deviation, 1.0)[..., None]
    return np.asarray(np.clip(scaled, -_FARTHEST, _FARTHEST))


def drawn_in(counts: Any, places: Any) -> Floats:
    """Places with those beyond the 1 % and 99 % quantiles of `counts` moved there: of shape (..., bins).

    >>> drawn_in([1, 98, 1, 0], [0.0, 5.0, 6.0, 99.0]).tolist()
    [0.0, 5.0, 5.0, 5.0]
    """
    places = np.asarray(places, float)
    before = np.cumsum(shares(counts), axis=-1)
    low = np.take_along_axis(places, np.argmax(before >= _TRIM - 1e-9, axis=-1)[..., None], axis=-1)
    high = np.take_along_axis(places, np.argmax(before >= 1 - _TRIM - 1e-9, axis=-1)[..., None], axis=-1)
    return np.asarray(np.clip(places, low, high))


def mean_change(reference: Spread, current: Spread) -> Floats:
    """In standard deviations of the reference; 0 where it never varies.

    >>> float(mean_change(spread([1, 1], [0.0, 2.0]), spread([0, 1], [0.0, 2.0])))
    1.0
    """
    flat = reference.deviation <= 0
    gap = current.mean - reference.mean
    return np.asarray(np.where(flat, 0.0, gap / np.where(flat, 1.0, reference.deviation)))


def scale_change(reference: Spread, current: Spread) -> Floats:
    """Logarithm of the ratio of standard deviations; 0 where either never varies.

    >>> round(float(scale_change(spread([1, 1], [0.0, 2.0]), spread([1, 1], [0.0, 4.0]))), 3)
    0.693
    """
    flat = (reference.deviation <= 0) | (current.deviation <= 0)
    ratio = np.where(flat, 1.0, current.deviation) / np.where(flat, 1.0, reference.deviation)
    return np.asarray(np.log(ratio))
