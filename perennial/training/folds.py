"""Which rows to learn from and which to ask about when a model is judged on the rows it is made of."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from perennial.metrics import Values
from perennial.training.rows import Times

Indices = npt.NDArray[np.intp]
Fold = tuple[Indices, Indices]


def make_folds(labels: Values, times: Times | None, folds: int, seed: int, task: str) -> list[Fold]:
    """Pairs (rows to learn from, rows to ask about), at most `folds` of them.

    In the order of time where `times` (n,) differ and two classes are there from the start, see time_folds.
    Otherwise drawn by `seed`, for classification with the same share of every class in each; a class with
    fewer rows than folds lowers the number of folds, down to 2.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    ordered = [] if times is None else time_folds(times, folds)
    if ordered and (task != "classification" or all(len(np.unique(labels[fit])) > 1 for fit, _ in ordered)):
        return ordered
    if task == "classification":
        smallest = int(np.unique(labels, return_counts=True)[1].min())
        if smallest >= 2:
            kind = StratifiedKFold(min(folds, smallest), shuffle=True, random_state=seed)
            return list(kind.split(labels, labels))
    return list(KFold(max(2, min(folds, len(labels))), shuffle=True, random_state=seed).split(labels))


def time_folds(times: Times, folds: int) -> list[Fold]:
    """Expanding windows: each part of the rows in the order of time is asked about after learning from all
    before it. Rows of equal time stay together, so parts may differ in size, and there may be fewer of them:
    none where all times are equal.

    As in forecasting from a rolling origin (Tashman, International Journal of Forecasting 16(4), 2000).

    >>> times = np.array([1, 1, 2, 3, 3, 4], dtype="datetime64[D]")
    >>> [(learn.tolist(), ask.tolist()) for learn, ask in time_folds(times, 2)]
    [([0, 1], [2]), ([0, 1, 2], [3, 4, 5])]
    """
    order = np.argsort(times, kind="stable")
    n = len(times)
    starts = np.flatnonzero(np.diff(times[order])) + 1  # where a new time begins
    if not len(starts):
        return []
    wanted = np.arange(1, folds + 1) * n / (folds + 1)
    nearest = starts[np.abs(starts[:, None] - wanted[None, :]).argmin(axis=0)]
    cuts = [*np.unique(nearest).tolist(), n]
    return [(order[:start], order[start:end]) for start, end in pairwise(cuts)]
