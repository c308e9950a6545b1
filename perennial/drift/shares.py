"""Counts as shares, the way every statistic of binned counts takes them: bins along the last axis."""

from typing import Any

import numpy as np

from perennial.columns import Floats


def shares(counts: Any) -> Floats:
    """Counts of shape (..., bins) as shares; all 0 where nothing was counted.

    >>> shares([1, 3]).tolist(), shares([0, 0]).tolist()
    ([0.25, 0.75], [0.0, 0.0])
    """
    counts = np.asarray(counts, float)
    total = counts.sum(axis=-1, keepdims=True)
    return np.asarray(counts / np.where(total > 0, total, 1.0))


def smoothed(counts: Any) -> Floats:
    """Shares with half a count added to every bin, so that an empty one does not make a logarithm infinite.

    >>> smoothed([0, 1]).tolist()
    [0.25, 0.75]
    """
    return shares(np.asarray(counts, float) + 0.5)


def both_counted(reference: Any, current: Any) -> Any:
    """Whether both sides counted anything: of shape (...)."""
    return (np.sum(reference, axis=-1) > 0) & (np.sum(current, axis=-1) > 0)


def where_counted(value: Any, reference: Any, current: Any) -> Any:
    """`value`, and 0 where either side is empty; a float for a single pair of counts."""
    found = np.where(both_counted(reference, current), value, 0.0)
    return float(found) if found.ndim == 0 else found
