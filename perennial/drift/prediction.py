"""Prediction drift: does the champion answer otherwise than on its holdout?

Its answers are a table like any other: the predicted class (or number), and the score of that class. They are
profiled into the bins of those on the holdout and tested by the same statistics as the data's columns. Beside
the verdict stand the numbers that a person asks for: class shares, quantiles, mean, median and extremes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from perennial.columns import Floats
from perennial.data_config import Column
from perennial.profile import Profile

PREDICTION, SCORE = "prediction", "score"
_QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}


@dataclass(frozen=True)
class Spread:
    """Mean, quantiles and extremes of numbers."""

    mean: float
    median: float
    q05: float
    q25: float
    q75: float
    q95: float
    low: float
    high: float


def answers_table(predicted: Any, probabilities: Floats | None) -> dict[str, Any]:
    """What is profiled of the answers: `prediction` (n,), and for a classifier `score` (n,), the probability
    of its likeliest class.

    >>> answers_table(np.array(["b"]), np.array([[0.2, 0.8]]))
    {'prediction': array(['b'], dtype='<U1'), 'score': array([0.8])}
    """
    table: dict[str, Any] = {PREDICTION: np.asarray(predicted)}
    if probabilities is not None:
        table[SCORE] = np.asarray(probabilities, np.float64).max(axis=1)
    return table


def profile_answers(table: dict[str, Any], like: Profile | None = None) -> Profile:
    """The profile of `answers_table`, in the bins of another where that is given."""
    if like is not None:
        return Profile.of(table, like=like)
    numeric = np.asarray(table[PREDICTION]).dtype.kind in "fiu" and SCORE not in table
    kinds = {PREDICTION: Column(type="number" if numeric else "category"), SCORE: Column(type="number")}
    return Profile.of(table, schema={name: kinds[name] for name in table})


def describe(table: dict[str, Any]) -> dict[str, Any]:
    """`shares` of the predicted classes, or the `spread` of predicted numbers, and the spread of scores.

    >>> describe(answers_table(np.array(["a", "b", "b", "b"]), None))
    {'shares': {'a': 0.25, 'b': 0.75}}
    >>> describe(answers_table(np.array([1.0, 3.0]), None))["spread"].mean
    2.0
    """
    predicted = np.asarray(table[PREDICTION])
    if predicted.dtype.kind in "fiu" and SCORE not in table:
        return {"spread": _spread(predicted.astype(np.float64))}
    levels, counts = np.unique(predicted.astype(str), return_counts=True)
    found: dict[str, Any] = {
        "shares": {
            level: count / predicted.size
            for level, count in zip(levels.tolist(), counts.tolist(), strict=True)
        }
    }
    if SCORE in table:
        found["score"] = _spread(np.asarray(table[SCORE], np.float64))
    return found


def _spread(values: Floats) -> Spread | None:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    quantiles = np.quantile(finite, list(_QUANTILES.values()))
    named = dict(zip(_QUANTILES, (float(q) for q in quantiles), strict=True))
    return Spread(mean=float(finite.mean()), low=float(finite.min()), high=float(finite.max()), **named)
