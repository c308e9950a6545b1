"""Multivariate drift: can a classifier tell current rows from the reference's?

Both samples get a label, reference or current; gradient-boosted trees learn it on four fifths of the rows
and rank the fifth they have not seen, five times over. Given what was learned, the unseen rows' labels are
exchangeable under no drift, so that each fold's Mann-Whitney test of the ranks has its null distribution
whatever the classifier does; the five p-values, which share rows, are combined by Cauchy's method. The area
under the ROC curve is the effect (a normal shift of d standard deviations has AUC = Phi(d / sqrt(2))), never
the test.

Two things that are no drift would be learned at once. Numbers written with fewer decimals in one sample give
themselves away: both are rounded alike first (`precision`). Copies of a row, where most rows are distinct,
would be learned in one fold and met in another: they are of one fold, and the test's variance is that of
independent groups of equal rows, if it is larger.

Sources: D. Lopez-Paz and M. Oquab, Revisiting classifier two-sample tests, ICLR 2017; K.-Y. Liang and S. L.
Zeger, Longitudinal data analysis using generalized linear models, Biometrika 73 (1986), for the variance.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from perennial.drift.cauchy import cauchy_combination
from perennial.errors import InvalidData, MissingColumn

_FOLDS = 5
_LEAST_ROWS = 50
_DECIMALS = 6  # powers of ten that are looked at
_CLEARLY = 4.0  # standard errors


@dataclass(frozen=True)
class MultivariateChange:
    """AUC over the folds, p-value, and the effect in standard deviations of a normal shift."""

    auc: float
    p_value: float
    effect: float
    reference_rows: int
    current_rows: int


def compare_samples(
    reference: Any, current: Any, *, seed: int, most_rows: int = 2000
) -> MultivariateChange | None:
    """Compare two pandas DataFrames of the same columns, at most `most_rows` rows of each, chosen by `seed`.

    None where either has fewer than 50 rows, or no column can be compared. Raises InvalidData where one is no
    pandas DataFrame, MissingColumn where `current` lacks a column. Imports scikit-learn.
    """
    _need_frames(reference, current)
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    if min(len(reference), len(current)) < _LEAST_ROWS:
        return None
    rng = np.random.default_rng(seed)
    first, second = (_drawn(frame, most_rows, rng) for frame in (reference, current))
    y = np.repeat([0, 1], [len(first), len(second)])
    X, kinds = _encoded(first, second, y)
    if not kinds:
        return None
    groups = _groups(X)
    folds = _folds(groups, y, rng)
    areas, p_values = [], []
    for fold in range(_FOLDS):
        test = folds == fold
        if len(np.unique(y[test])) < 2:
            continue
        model = HistGradientBoostingClassifier(
            max_iter=60, max_leaf_nodes=8, early_stopping=False, categorical_features=kinds, random_state=seed
        )
        with threadpool_limits(1):  # on a busy machine threads wait for each other
            score = model.fit(X[~test], y[~test]).predict_proba(X[test])[:, 1]
        area, p_value = ranked_higher(score, y[test], groups[test])
        areas.append(area)
        p_values.append(p_value)
    if not areas:
        return None
    area = float(np.mean(areas))
    effect = float(np.sqrt(2) * ndtri(min(max(area, 0.5), 1 - 1e-5)))
    return MultivariateChange(area, cauchy_combination(p_values), effect, len(first), len(second))


def _need_frames(reference: Any, current: Any) -> None:
    for name, frame in (("reference", reference), ("current", current)):
        if not (hasattr(frame, "iloc") and hasattr(frame, "columns")):
            raise InvalidData(f"{name}: expected a pandas DataFrame, got {type(frame).__name__}")
    missing = [name for name in reference.columns if name not in current.columns]
    if missing:
        raise MissingColumn(f"current has no column {', '.join(map(repr, missing))}, which reference has")


def ranked_higher(scores: Any, current: Any, groups: Any) -> tuple[float, float]:
    """The share of pairs in which the current row has the higher score, and the one-sided p-value of
    Mann-Whitney's test: scores, current (1 or 0) and groups of equal rows, of shape (n,) each.

    >>> ranked_higher(np.arange(20.0), np.repeat([0, 1], 10), np.arange(20))[0]
    1.0
    >>> alone = ranked_higher(np.arange(20.0), np.repeat([0, 1], 10), np.arange(20))[1]
    >>> ranked_higher(np.arange(20.0), np.repeat([0, 1], 10), np.arange(20) // 5)[1] > 10 * alone
    True
    """
    from scipy.stats import mannwhitneyu, rankdata

    test = mannwhitneyu(scores[current == 1], scores[current == 0], alternative="greater")
    pairs = int((current == 1).sum()) * int((current == 0).sum())
    area, p_value = float(test.statistic) / pairs, float(test.pvalue)
    places = np.unique(groups, return_inverse=True)[1]
    if places.max() + 1 < len(scores):
        ranks = rankdata(scores)
        parts = np.bincount(places, (current - current.mean()) * (ranks - ranks.mean()))
        spread = float(np.sqrt(np.square(parts).sum()))
        above = float(test.statistic) - pairs / 2 - 0.5
        p_value = max(p_value, float(ndtr(-above / spread)) if spread else 1.0)
    return area, p_value


def precision(reference: Any, current: Any) -> float | None:
    """The step that both samples of a number must be rounded to, None where they are equally precise.

    It is the power of ten, or 2, 2.5 or 5 of one, up to a quarter of the interquartile range, of which one
    sample most clearly holds more multiples than the other.

    >>> rng = np.random.default_rng(0)
    >>> coarse, fine = rng.normal(5, 1, 200).round(1), rng.normal(5, 1, 200).round(2)
    >>> precision(coarse, fine), precision(fine, rng.normal(5, 1, 200).round(2))
    (0.1, None)
    """
    first, second = (values[np.isfinite(values)] for values in (reference, current))
    if not (first.size and second.size):
        return None
    low, high = np.quantile(np.concatenate([first, second]), [0.25, 0.75])
    if high <= low:
        return None
    most = (high - low) / 4
    top = int(np.floor(np.log10(most)))
    found: tuple[float, float | None] = (_CLEARLY, None)
    for step in (
        float(f"{part}e{power}") for power in range(top, top - _DECIMALS, -1) for part in (5, 2.5, 2, 1)
    ):
        if step > most:
            continue
        hits = [np.abs(v / step - np.rint(v / step)) < 1e-6 for v in (first, second)]
        share = np.concatenate(hits).mean()
        error = np.sqrt(share * (1 - share) * (1 / first.size + 1 / second.size))
        apart = abs(hits[0].mean() - hits[1].mean())
        if apart > found[0] * error:
            found = (float(apart / error), step)
    return found[1]


def _groups(X: Any) -> Any:
    """Which rows are equal, of shape (n,): all apart where most rows have an equal, as discrete data do."""
    places = np.unique(np.nan_to_num(X, nan=np.inf), axis=0, return_inverse=True)[1].ravel()
    return places if places.max() + 1 >= len(X) / 2 else np.arange(len(X))


def _folds(groups: Any, y: Any, rng: np.random.Generator) -> Any:
    """A fold for each row, groups whole, both labels evenly: of shape (n,)."""
    places = np.unique(groups, return_inverse=True)[1]
    sizes, current = np.bincount(places), np.bincount(places, y)
    order = np.lexsort([rng.random(sizes.size), current / sizes, -sizes])
    folds = np.empty(sizes.size, int)
    folds[order] = np.arange(sizes.size) % _FOLDS
    return folds[places]


def _drawn(frame: Any, most: int, rng: np.random.Generator) -> Any:
    return frame if len(frame) <= most else frame.iloc[rng.choice(len(frame), most, replace=False)]


def _encoded(first: Any, second: Any, y: Any) -> tuple[Any, list[bool]]:
    """Both samples as one matrix: numbers equally precise, categories as codes of their 250 most frequent
    levels over both samples.
    """
    import pandas as pd

    whole = pd.concat([first, second[list(first.columns)]], ignore_index=True)
    columns, kinds = [], []
    for name in whole.columns:
        values = whole[name]
        number = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
        if number:
            found = values.to_numpy(dtype=float, na_value=np.nan)
            step = precision(found[y == 0], found[y == 1])
            columns.append(np.rint(found / step) * step if step else found)
        elif pd.api.types.is_datetime64_any_dtype(values.dtype):
            continue  # time always moves on
        else:
            frequent = values.value_counts().index[:250]
            columns.append(pd.Categorical(values, categories=frequent).codes.astype(float))
            columns[-1][columns[-1] < 0] = np.nan
        kinds.append(not number)
    return np.column_stack(columns) if columns else np.zeros((len(whole), 0)), kinds
