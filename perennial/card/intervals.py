"""Metrics of a holdout with intervals that cover the truth with a probability of 95 %.

    accuracy            Wilson's score interval
    balanced accuracy   a mean of shares: their Wilson intervals put together (MOVER)
    F1, macro           quantiles of its posterior: the cells of the confusion matrix are drawn from a
                        Dirichlet distribution, with Jeffreys' half a row for hits and half a row for misses
                        of each class
    any other           Student's interval by the jackknife over at most 40 groups of rows, of the logarithm
                        where the metric is a loss, and of that of 1 - m for m = R² or ROC AUC

All take time in proportion to the rows at most, the same rows and seed give the same interval. Rows are
taken as independent. The jackknife needs 10 rows.

Sources: E. B. Wilson, JASA 22 (1927); G. Y. Zou and A. Donner, Construction of confidence limits about effect
measures, Stat. Med. 27 (2008); C. Goutte and E. Gaussier, A probabilistic interpretation of precision, recall
and F-score, ECIR 2005; L. D. Brown, T. T. Cai and A. DasGupta, Interval estimation for a binomial proportion,
Stat. Sci. 16 (2001); B. Efron and C. Stein, The jackknife estimate of variance, Ann. Stat. 9 (1981).
"""

from math import exp, isfinite, log, sqrt

import numpy as np
from scipy.special import stdtrit

from perennial.card.contract import Scored
from perennial.config import ModelConfig
from perennial.drift.proportions import share_interval
from perennial.errors import InvalidModelFile
from perennial.metrics import Answers, Floats, Metric, Values, all_scores, metric_of

LEVEL = 0.95
_GROUPS, _LEAST_ROWS = 40, 10
_DRAWS, _MOST_CLASSES = 1_000, 50
_AT_MOST_ONE = ("r2", "roc_auc")  # whose intervals are skewed near it, and end before it


def scored(labels: Values, answers: Answers, config: ModelConfig) -> dict[str, Scored]:
    """Every metric of n rows, the cost and the user's own too, with its interval where one can be told; none
    for no rows."""
    found = _all_scores(labels, answers, config)
    shares = _shares(labels, answers, config.seed) if config.task == "classification" and found else {}
    rest = _jackknife(found, labels, answers, config) if set(found) - set(shares) else {}
    return {
        name: _around(value, *(shares.get(name) or rest.get(name) or (None, "")))
        for name, value in found.items()
    }


type _Interval = tuple[tuple[float, float] | None, str]


def _around(value: float, interval: tuple[float, float] | None, method: str) -> Scored:
    """An interval holds its estimate, also where all rows agree."""
    if interval is None:
        return Scored(value=value, method=method)
    return Scored(value=value, low=min(interval[0], value), high=max(interval[1], value), method=method)


def _shares(labels: Values, answers: Answers, seed: int) -> dict[str, _Interval]:
    """Of the metrics that count hits."""
    levels, codes = np.unique(np.concatenate([labels, answers.predicted]), return_inverse=True)
    actual, claimed = codes[: len(labels)], codes[len(labels) :]
    k = len(levels)
    cells = np.bincount(actual * k + claimed, minlength=k * k).reshape(k, k) if k <= 1_000 else None
    hits = np.bincount(actual[actual == claimed], minlength=k)
    rows = np.bincount(actual, minlength=k)
    found: dict[str, _Interval] = {
        "accuracy": (share_interval(int(hits.sum()), len(labels), LEVEL), "Wilson"),
        "balanced_accuracy": (mean_of_shares(hits[rows > 0], rows[rows > 0]), "Wilson by class, MOVER"),
    }
    if cells is not None and k <= _MOST_CLASSES:
        found["f1_macro"] = (f1_interval(cells, seed), "posterior of the confusion matrix")
    return found


def mean_of_shares(hits: Values, rows: Values) -> tuple[float, float]:
    """Interval of the plain mean of `hits / rows` (k,).

    >>> [round(end, 3) for end in mean_of_shares(np.array([50, 40]), np.array([50, 50]))]
    [0.826, 0.944]
    """
    shares = hits / rows
    ends = np.array([share_interval(int(h), int(n), LEVEL) for h, n in zip(hits, rows, strict=True)])
    middle, k = float(shares.mean()), len(shares)
    low = sqrt(float(np.sum((shares - ends[:, 0]) ** 2))) / k
    high = sqrt(float(np.sum((ends[:, 1] - shares) ** 2))) / k
    return max(0.0, middle - low), min(1.0, middle + high)


def f1_interval(cells: Values, seed: int) -> tuple[float, float]:
    """Of the macro-averaged F1 of a confusion matrix (k, k), rows being actual classes."""
    k, actual = len(cells), cells.sum(axis=1) > 0
    prior = np.where(np.eye(k, dtype=bool), 0.5, 0.5 / max(1, k - 1)) * actual[:, None]
    draws = max(200, min(_DRAWS, 1_000_000 // k**2))
    weights = np.random.default_rng(seed).standard_gamma(cells + prior, size=(draws, k, k))
    both = weights.sum(axis=2) + weights.sum(axis=1)
    hits = np.diagonal(weights, axis1=1, axis2=2)
    f1 = np.divide(2 * hits, both, out=np.zeros_like(both), where=both > 0)
    low, high = np.quantile(f1.mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _all_scores(labels: Values, answers: Answers, config: ModelConfig) -> dict[str, float]:
    """Without the user's own metrics where one of them cannot judge so small a part: the holdout as a whole
    was judged by them when the training was scored."""
    try:
        return all_scores(labels, answers, config)
    except InvalidModelFile:
        without = config.evaluation.model_copy(update={"metrics": {}})
        return all_scores(labels, answers, config.model_copy(update={"evaluation": without}))


def _jackknife(
    whole: dict[str, float], labels: Values, answers: Answers, config: ModelConfig
) -> dict[str, _Interval]:
    """Each metric once more without each group of rows: how much it varies. None of one that some rows
    leave undefined, as ROC AUC where the only row of a class is left out."""
    n = len(labels)
    if n < _LEAST_ROWS:
        return {}
    groups = min(_GROUPS, n)
    group = np.random.default_rng(config.seed).permutation(n) % groups
    left_out = [_all_scores(labels[group != g], answers.of(group != g), config) for g in range(groups)]
    return {
        name: (
            _student(metric_of(config, name), value, np.array([one[name] for one in left_out])),
            f"jackknife, {groups} groups",
        )
        for name, value in whole.items()
        if all(name in one for one in left_out)
    }


def _student(metric: Metric, value: float, without: Floats) -> tuple[float, float] | None:
    groups = len(without)
    error = sqrt((groups - 1) / groups * float(np.sum((without - without.mean()) ** 2)))
    reach = float(stdtrit(groups - 1, (1 + LEVEL) / 2)) * error
    if not isfinite(reach) or reach == 0:
        return None
    loss, top = (1 - value, True) if metric.name in _AT_MOST_ONE else (value, False)
    if loss <= 0 or (not top and metric.higher_is_better):
        return value - reach, value + reach
    low, high = (exp(log(loss) + side * reach / loss) for side in (-1, 1))
    return (1 - high, 1 - low) if top else (low, high)
