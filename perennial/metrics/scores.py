"""The built-in metrics: every one of a task by name, and what each row adds.

accuracy, balanced_accuracy (mean recall of the classes), f1_macro (mean F1 of the classes)
log_loss           mean of -ln p(label); a class that the model does not know has the smallest probability
roc_auc            of two classes, or the mean of each class against the rest; ties count half
brier              mean of Σ (p - truth)² over the classes, of two classes half of it, in [0, 1]
calibration_error  of the likeliest class: |share right - mean probability| in 15 bins of equal width,
                   weighted by their rows (Guo et al., ICML 2017)
r2, mae, rmse
mape               mean of |error / label| as a share; rows whose label is 0 are left out
pinball            mean of max(q e, (q - 1) e), e = label - predicted (Koenker and Bassett, 1978)
"""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from perennial.metrics.answers import Answers, Floats, Values

_SMALLEST = float(np.finfo(np.float64).eps)
_BINS = 15


def scores(labels: Values, answers: Answers, task: str, quantile: float = 0.5) -> dict[str, float]:
    """Every metric of the task that these answers have, by name; none for no rows."""
    if not len(labels):
        return {}
    if task == "regression":
        found = _regression(labels, answers.predicted.astype(np.float64), quantile)
    else:
        found = _classification(labels, answers.predicted)
        if answers.probabilities is not None and answers.classes is not None:
            found |= _probabilistic(labels, answers.probabilities, answers.classes)
    return {name: value for name, value in found.items() if not math.isnan(value)}


def contributions(metric: str, labels: Values, answers: Answers, quantile: float = 0.5) -> Floats | None:
    """What each row adds to a metric, higher being better: two models differ in the metric as the means of
    these differ (for rmse, up to a factor, in the squared error). None where a metric is no sum over rows.
    Of roc_auc they are DeLong's placements: their standard error is his (E. R. DeLong et al., Biometrics 44,
    1988).
    """
    if metric in {"f1_macro", "calibration_error"}:
        return None
    if metric == "accuracy":
        return np.asarray(answers.predicted == labels, dtype=np.float64)
    if metric == "balanced_accuracy":
        codes, levels = pd.factorize(labels)
        counts = np.bincount(codes, minlength=len(levels))
        weights = len(labels) / (len(counts) * counts[codes])
        return np.asarray((answers.predicted == labels) * weights, dtype=np.float64)
    if metric in {"log_loss", "brier", "roc_auc"}:
        return _of_probabilities(metric, labels, answers)
    return -_losses(metric, labels.astype(np.float64), answers.predicted.astype(np.float64), quantile)


def on_places(metric: str, labels: Values, answers: Answers) -> Callable[[Values], float] | None:
    """The metric as a function of places of rows, which may come often: what is the same in every draw is
    worked out once. None where a draw gains nothing by it.
    """
    if metric == "f1_macro":
        actual, said = _coded(labels, answers.predicted)
        return lambda places: _f1_macro(actual[places], said[places])
    if metric == "calibration_error" and answers.probabilities is not None and answers.classes is not None:
        bins, gaps = _calibration(_places(labels, answers.classes), answers.probabilities)
        return lambda places: _calibration_gap(bins[places], gaps[places])
    return None


def _of_probabilities(metric: str, labels: Values, answers: Answers) -> Floats | None:
    if answers.probabilities is None or answers.classes is None:
        return None
    places = _places(labels, answers.classes)
    if metric == "roc_auc":
        return _placements(places, answers.probabilities)
    given = _given(places, answers.probabilities)
    return -_surprise(given) if metric == "log_loss" else -_squares(given, answers.probabilities)


def _losses(metric: str, labels: Floats, predicted: Floats, quantile: float) -> Floats:
    errors = labels - predicted
    if metric == "mae":
        return np.abs(errors)
    if metric == "pinball":
        return np.maximum(quantile * errors, (quantile - 1) * errors)
    if metric == "mape":
        told = labels != 0
        shares = np.abs(errors) / np.where(told, np.abs(labels), 1.0)
        return np.asarray(np.where(told, shares, 0.0) * (len(labels) / max(1, int(told.sum()))))
    if metric == "r2":
        spread = float(np.mean((labels - labels.mean()) ** 2))
        return np.asarray(errors**2 / (spread or 1.0))
    return np.asarray(errors**2)


def _classification(labels: Values, predicted: Values) -> dict[str, float]:
    actual, said = _coded(labels, predicted)
    hits, came, _ = _counts(actual, said)
    return {
        "accuracy": float(np.mean(actual == said)),
        "balanced_accuracy": float(np.mean(hits[came > 0] / came[came > 0])),
        "f1_macro": _f1_macro(actual, said),
    }


def _coded(labels: Values, predicted: Values) -> tuple[Values, Values]:
    """Both (n,) as numbers of the same classes, from 0."""
    codes, _ = pd.factorize(np.concatenate([labels, predicted]))
    return codes[: len(labels)], codes[len(labels) :]


def _counts(actual: Values, said: Values) -> tuple[Floats, Floats, Floats]:
    """By class: how often it was rightly said, came, and was said."""
    classes = 1 + int(max(actual.max(), said.max()))
    parts = (actual[actual == said], actual, said)
    hits, came, claimed = (np.bincount(part, minlength=classes).astype(np.float64) for part in parts)
    return hits, came, claimed


def _f1_macro(actual: Values, said: Values) -> float:
    """Over the classes that came or were said."""
    hits, came, claimed = _counts(actual, said)
    there = came + claimed > 0
    return float(np.mean(2 * hits[there] / (came + claimed)[there]))


def _probabilistic(labels: Values, probabilities: Floats, classes: Values) -> dict[str, float]:
    places = _places(labels, classes)
    given = _given(places, probabilities)
    return {
        "log_loss": float(np.mean(_surprise(given))),
        "roc_auc": _roc_auc(places, probabilities),
        "brier": float(np.mean(_squares(given, probabilities))),
        "calibration_error": _calibration_gap(*_calibration(places, probabilities)),
    }


def _places(labels: Values, classes: Values) -> Values:
    """Column of each label's class (n,); -1 for one that the model does not know."""
    codes, levels = pd.factorize(labels)
    return np.asarray(pd.Index(classes).get_indexer(pd.Index(levels))[codes])


def _given(places: Values, probabilities: Floats) -> Floats:
    """What each label was given (n,); 0 where the model does not know it."""
    return np.asarray(np.where(places >= 0, probabilities[np.arange(len(places)), places], 0.0))


def _surprise(given: Floats) -> Floats:
    return np.asarray(-np.log(np.clip(given, _SMALLEST, 1.0)))


def _squares(given: Floats, probabilities: Floats) -> Floats:
    whole = np.einsum("ij,ij->i", probabilities, probabilities) - 2 * given + 1
    return np.asarray(whole / 2 if probabilities.shape[1] == 2 else whole)


def _columns(places: Values, probabilities: Floats) -> list[int]:
    """The second of two classes; of more, those that some rows have and some have not."""
    columns = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    return [column for column in columns if 0 < np.count_nonzero(places == column) < len(places)]


def _roc_auc(places: Values, probabilities: Floats) -> float:
    """The mean over the classes; NaN where there is no pair."""
    areas = [_area(places == column, probabilities[:, column]) for column in _columns(places, probabilities)]
    return float(np.mean(areas)) if areas else math.nan


def _area(positive: Values, given: Floats) -> float:
    """The share of pairs of a positive and another row that are in order; ties count half."""
    ups, downs = np.sort(given[positive]), np.sort(given[~positive])
    below, upto = (np.searchsorted(downs, ups, side).sum(dtype=np.int64) for side in ("left", "right"))
    return float(below + upto) / (2.0 * len(ups) * len(downs))


def _placements(places: Values, probabilities: Floats) -> Floats | None:
    """Of each row (n,), the mean over the classes; its mean is the area. None where there is no pair."""
    columns = _columns(places, probabilities)
    found = [_placed(places == column, probabilities[:, column]) for column in columns]
    return np.asarray(np.mean(found, axis=0)) if found else None


def _placed(positive: Values, given: Floats) -> Floats:
    """The share of the rows of the other kind that each row is on the right side of (ties count half), its
    distance from the area weighted so that both kinds count alike."""
    order = np.argsort(given)
    sorted_values, kinds = given[order], positive[order]
    starts = np.flatnonzero(np.append(True, sorted_values[1:] != sorted_values[:-1]))
    sizes = np.diff(np.append(starts, len(given)))
    ups = np.append(0, np.cumsum(kinds))  # positives below each place
    at = np.repeat(np.arange(len(starts)), sizes)
    below, among = ups[starts][at], (ups[starts + sizes] - ups[starts])[at]
    n, rows = int(ups[-1]), len(given)
    negatives_below, negatives_among = starts[at] - below, sizes[at] - among
    share = np.where(kinds, (negatives_below + negatives_among / 2) / (rows - n), (n - below - among / 2) / n)
    area = float(share[kinds].mean())
    found = np.empty(rows)
    found[order] = area + (share - area) * np.where(kinds, rows / n, rows / (rows - n))
    return found


def _calibration(places: Values, probabilities: Floats) -> tuple[Values, Floats]:
    """Of each row (n,): its bin, and by how much being right exceeds the probability that was given."""
    likeliest = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(places)), likeliest]
    right = likeliest == places
    bins = np.clip(np.ceil(np.nan_to_num(confidence) * _BINS).astype(int) - 1, 0, _BINS - 1)
    return bins, np.asarray(right - confidence)


def _calibration_gap(bins: Values, gaps: Floats) -> float:
    return float(np.abs(np.bincount(bins, weights=gaps, minlength=_BINS)).sum() / len(bins))


def _regression(labels: Values, predicted: Floats, quantile: float) -> dict[str, float]:
    errors = labels - predicted
    spread = float(np.sum((labels - labels.mean()) ** 2))
    squared = float(np.sum(errors**2))
    perfect_or_not = 1.0 if squared == 0 else 0.0  # scikit-learn's convention where all labels are equal
    return {
        "r2": 1.0 - squared / spread if spread else perfect_or_not,
        "mae": float(np.mean(np.abs(errors))),
        "rmse": float(np.sqrt(np.mean(errors**2))),
        "mape": float(np.mean(_losses("mape", labels, predicted, quantile))) if labels.any() else math.nan,
        "pinball": float(np.mean(_losses("pinball", labels, predicted, quantile))),
    }
