"""Multivariate drift: can a classifier tell current rows from the reference's?

Both samples get a label, reference or current; gradient-boosted trees learn it on four fifths of the rows
and rank the fifth they have not seen, five times over. Given what was learned, the unseen rows' labels are
exchangeable under no drift, so that each fold's Mann-Whitney test of the ranks has its exact null
distribution whatever the classifier does; the five p-values, which share rows, are combined by Cauchy's
method. The area under the ROC curve is the effect (a normal shift of d standard deviations has AUC = Phi(d
/ sqrt(2))), never the test.

Source: D. Lopez-Paz and M. Oquab, Revisiting classifier two-sample tests, ICLR 2017.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from perennial.drift.cauchy import cauchy_combination

_FOLDS = 5
_LEAST_ROWS = 50


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

    None where either has fewer than 50 rows. Imports scikit-learn.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    if min(len(reference), len(current)) < _LEAST_ROWS:
        return None
    rng = np.random.default_rng(seed)
    first, second = (_drawn(frame, most_rows, rng) for frame in (reference, current))
    X, kinds = _encoded(first, second)
    y = np.repeat([0, 1], [len(first), len(second)])
    areas, p_values = [], []
    for train, test in StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(X, y):
        model = HistGradientBoostingClassifier(
            max_iter=60, max_leaf_nodes=8, early_stopping=False, categorical_features=kinds, random_state=seed
        )
        with threadpool_limits(1):  # on a busy machine threads wait for each other
            score = model.fit(X[train], y[train]).predict_proba(X[test])[:, 1]
        area, p_value = _ranked_higher(score[y[test] == 1], score[y[test] == 0])
        areas.append(area)
        p_values.append(p_value)
    area = float(np.mean(areas))
    effect = float(np.sqrt(2) * ndtri(min(max(area, 0.5), 1 - 1e-5)))
    return MultivariateChange(area, cauchy_combination(p_values), effect, len(first), len(second))


def _ranked_higher(current: Any, reference: Any) -> tuple[float, float]:
    from scipy.stats import mannwhitneyu

    test = mannwhitneyu(current, reference, alternative="greater")
    return float(test.statistic) / (len(current) * len(reference)), float(test.pvalue)


def _drawn(frame: Any, most: int, rng: np.random.Generator) -> Any:
    return frame if len(frame) <= most else frame.iloc[rng.choice(len(frame), most, replace=False)]


def _encoded(first: Any, second: Any) -> tuple[Any, list[bool]]:
    """Both samples as one matrix: categories as codes of their 250 most frequent levels over both samples."""
    import pandas as pd

    whole = pd.concat([first, second[list(first.columns)]], ignore_index=True)
    columns, kinds = [], []
    for name in whole.columns:
        values = whole[name]
        number = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
        if number:
            columns.append(values.to_numpy(dtype=float, na_value=np.nan))
        elif pd.api.types.is_datetime64_any_dtype(values.dtype):
            continue  # time always moves on
        else:
            frequent = values.value_counts().index[:250]
            columns.append(pd.Categorical(values, categories=frequent).codes.astype(float))
            columns[-1][columns[-1] < 0] = np.nan
        kinds.append(not number)
    return np.column_stack(columns), kinds
