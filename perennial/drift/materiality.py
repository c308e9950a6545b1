"""When is a change large enough to matter? One scale for all: standard deviations of a normal shift.

A distance D between two distributions, in [0, 1] (Kolmogorov-Smirnov, total variation, difference of
shares), equals that of a normal distribution shifted by

    d = 2 Phi^-1((1 + D) / 2)   standard deviations

and so any change can be held against one threshold. What sampling alone would bring is taken off in
quadrature first, so that the effect means the same at every number of rows.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import ndtri

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

    Columns without an importance, and all where nothing is known, have 1. Negative importances count as none.

    >>> leanings(["a", "b", "c"], {"a": 0.9, "b": 0.1})
    {'a': 1.8, 'b': 0.25, 'c': 1.0}
    """
    known = (
        {name: max(0.0, float(importances[name])) for name in names if name in (importances or {})}
        if importances
        else {}
    )
    mean = sum(known.values()) / len(known) if known else 0.0
    low, high = _LEAN
    return {
        name: min(max(known[name] / mean, low), high) if mean > 0 and name in known else 1.0 for name in names
    }
