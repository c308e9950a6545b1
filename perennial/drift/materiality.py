"""When is a change large enough to matter? One scale for all: standard deviations of a normal shift.

A distance D between two distributions, in [0, 1] (Kolmogorov-Smirnov, total variation, difference of
shares), equals that of a normal distribution shifted by

    d = 2 Phi^-1((1 + D) / 2)   standard deviations

and so any change can be held against one threshold. What sampling alone would bring is taken off in
quadrature first, so that the effect means the same at every number of rows.

A size is *surely* more than harmless where it exceeds the background by more than chance brings anywhere in
the table: `size - z error > background`. The background is how far the table's other columns have moved, at
most 0.4 of the threshold: where all columns are off by 0.05, one of them may well be seen at 0.2; where none
is, 0.2 is news. Learning what is usual from the bulk of the tests: B. Efron, Large-scale simultaneous
hypothesis testing: the choice of a null hypothesis, J. Am. Stat. Assoc. 99 (2004).
"""

from collections.abc import Mapping
from math import isfinite, pi, sqrt
from typing import Any

import numpy as np
from scipy.special import ndtri

HARMLESS = 0.4  # of the smallest effect that matters
_MOST = 6.0  # a distance of 1 is infinitely far; JSON knows no infinity
_LEAN = (0.25, 2.0)


def in_deviations(distance: Any) -> Any:
    """The normal shift with this distance.

    >>> round(in_deviations(0.0995), 3), in_deviations(1.0)
    (0.25, 6.0)
    """
    shift = np.minimum(2 * ndtri((1 + np.clip(distance, 0.0, 1.0)) / 2), _MOST)
    return float(shift) if np.ndim(shift) == 0 else shift


def without_noise(effect: Any, noise: Any) -> Any:
    """sqrt(effect^2 - noise^2), at least 0.

    >>> without_noise(0.5, 0.3), without_noise(0.1, 0.3)
    (0.4, 0.0)
    """
    left = np.sqrt(np.maximum(np.square(effect) - np.square(noise), 0.0))
    return float(left) if np.ndim(left) == 0 else left


def leanings(names: list[str], importances: Mapping[str, float] | None) -> dict[str, float]:
    """How much the model leans on each column: its importance over the mean one, within 1/4 and 2.

    Columns without a finite importance, and all where nothing is known, have 1. Negative ones count as 0.

    >>> leanings(["a", "b", "c"], {"a": 0.9, "b": 0.1})
    {'a': 1.8, 'b': 0.25, 'c': 1.0}
    """
    given = {name: float(value) for name, value in (importances or {}).items() if name in names}
    known = {name: max(0.0, value) for name, value in given.items() if isfinite(value)}
    mean = sum(known.values()) / len(known) if known else 0.0
    low, high = _LEAN
    return {
        name: min(max(known[name] / mean, low), high) if mean > 0 and name in known else 1.0 for name in names
    }


def share_error(count: int, n: int, other: int, m: int) -> float:
    """Standard error of the difference of two shares, as a normal shift; 0 where nothing was counted.

    >>> round(share_error(50, 100, 50, 100), 3)
    0.177
    """
    if not (n and m):
        return 0.0
    share = (count + other) / (n + m)
    return sqrt(2 * pi) * sqrt(share * (1 - share) * (1 / n + 1 / m))


def background(sizes: Any, errors: Any, most: float) -> Any:
    """How far a column's fellows moved, of shape (columns,): the root mean square of the others' true
    effects, one standard error above its estimate, at most `most`; `most` where there are no others.

    >>> background([0.05], [0.01], 0.05).tolist()
    [0.05]
    >>> background([0.5] + 99 * [0.0], [0.02] * 100, 0.05).round(3).tolist()[:2]
    [0.0, 0.047]
    """
    size = np.square(np.minimum(np.asarray(sizes, float), _MOST))
    noise = np.square(np.minimum(np.asarray(errors, float), _MOST))
    others = size.size - 1
    if others < 1:
        return np.full(size.shape, most)
    excess = size - noise
    mean = (excess.sum() - excess) / others
    doubt = sqrt(2 / others) * (noise.sum() - noise) / others
    return np.minimum(np.sqrt(np.maximum(mean + doubt, 0.0)), most)
