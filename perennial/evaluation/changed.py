"""How many answers of the challenger are others than those of the model that serves."""

from typing import Any

import numpy as np


def changed(before: Any, after: Any, labels: Any) -> float:
    """The share of rows whose answer is another. Arguments of shape (n,); labels for the scale of numbers.

    Numbers count as other from a tenth of the labels' standard deviation on.

    >>> changed(np.array(["a", "b"]), np.array(["a", "c"]), np.array(["a", "b"]))
    0.5
    >>> changed(np.array([1.0, 2.0]), np.array([1.05, 3.0]), np.array([0.0, 2.0]))
    0.5
    """
    if np.asarray(before).dtype.kind == "f":
        return float(np.mean(np.abs(after - before) > 0.1 * np.std(labels.astype(np.float64))))
    return float(np.mean(before != after))
