"""Bounded: of a large holdout so many rows are drawn, each label's share kept, the same ones every time."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from perennial.metrics import Mask, Values


def sample(labels: Values, recent: Mask, most: int, *, classes: bool, seed: int) -> npt.NDArray[np.int64]:
    """Places of at most about `most` rows, in their order; all where there are no more.

    Stratified by `recent` and, where labels are `classes`, by label; no stratum is left out.

    >>> len(sample(np.array(["a"] * 90 + ["b"] * 10), np.zeros(100, bool), 20, classes=True, seed=0))
    20
    """
    rows = len(labels)
    if rows <= most:
        return np.arange(rows)
    codes = pd.factorize(labels)[0] if classes else np.zeros(rows, np.int64)
    strata = codes * 2 + recent
    random = np.random.default_rng(seed)
    chosen = []
    for stratum in np.unique(strata):
        places = np.flatnonzero(strata == stratum)
        size = max(1, round(len(places) * most / rows))
        chosen.append(random.choice(places, size, replace=False))
    return np.sort(np.concatenate(chosen))
