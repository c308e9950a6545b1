"""Concept drift by labels: does the champion do worse on current rows than on its holdout?

Classification compares the shares of right predictions (Fisher's exact test, Newcombe's interval); regression
the mean absolute errors (Welch's test), the drop being relative to the holdout's. The test is one-sided:
better is no alarm.

Any other metric is compared by the bootstrap: its value on rows drawn anew from either side.

Sources: B. L. Welch, The generalization of Student's problem when several different population variances are
involved, Biometrika 34 (1947); B. Efron, Bootstrap methods: another look at the jackknife, Ann. Statist. 7
(1979).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from perennial.arguments import need
from perennial.columns import Floats
from perennial.drift.proportions import difference_interval, p_greater
from perennial.errors import InvalidRequest


@dataclass(frozen=True)
class PerformanceChange:
    """Score on holdout and on current rows, and how much worse it got.

    `drop` > 0 is worse: difference of accuracies, or relative growth of the mean absolute error. `interval`
    holds the true drop with probability 0.95.
    """

    metric: Literal["accuracy", "mae"]
    reference: float
    current: float
    reference_rows: int
    current_rows: int
    drop: float
    interval: tuple[float, float]
    p_value: float


def compare_correct(reference: Any, current: Any) -> PerformanceChange | None:
    """Compare right (True) and wrong predictions, each of shape (rows,); None where either side has no rows.

    >>> compare_correct([True] * 40, [True] * 20 + [False] * 20).drop
    0.5
    """
    reference, current = np.asarray(reference, bool), np.asarray(current, bool)
    n, m = reference.size, current.size
    if not n or not m:
        return None
    hits, later = int(reference.sum()), int(current.sum())
    return PerformanceChange(
        metric="accuracy",
        reference=hits / n,
        current=later / m,
        reference_rows=n,
        current_rows=m,
        drop=hits / n - later / m,
        interval=difference_interval(hits, n, later, m),
        p_value=p_greater(hits, n, later, m),
    )


def compare_errors(reference: Any, current: Any) -> PerformanceChange | None:
    """Compare absolute errors, each of shape (rows,); None where either side has fewer than two rows.

    >>> change = compare_errors([1.0, 1.1, 0.9, 1.0], [2.0, 2.2, 1.8, 2.0])
    >>> round(change.drop, 3), change.p_value < 0.001
    (1.0, True)
    """
    reference, current = np.abs(np.asarray(reference, float)), np.abs(np.asarray(current, float))
    n, m = reference.size, current.size
    if n < 2 or m < 2:
        return None
    before, after = float(reference.mean()), float(current.mean())
    growth, error, degrees = _welch(reference, current)
    scale = before or 1.0
    half = float(stdtrit(degrees, 0.975)) * error
    worse = 0.0 if growth > 0 else 1.0
    return PerformanceChange(
        metric="mae",
        reference=before,
        current=after,
        reference_rows=n,
        current_rows=m,
        drop=growth / scale,
        interval=((growth - half) / scale, (growth + half) / scale),
        p_value=float(stdtr(degrees, -growth / error)) if error else worse,
    )


def compare_performance(
    task: Literal["classification", "regression"],
    *,
    reference: tuple[Any, Any],
    current: tuple[Any, Any],
) -> PerformanceChange | None:
    """Compare a model's (labels, predictions) on its holdout with those on labelled current rows, each of
    shape (rows,). Raises InvalidRequest where they are none, or not of the task.

    >>> holdout = (["a", "b"], ["a", "b"])
    >>> compare_performance("classification", reference=holdout, current=(["a"], ["b"])).current
    0.0
    """
    if task not in {"classification", "regression"}:
        raise InvalidRequest(f"task: expected classification or regression, got {task!r}")
    kind = object if task == "classification" else float
    true, predicted = _answers("reference", reference, kind)
    true_now, predicted_now = _answers("current", current, kind)
    if task == "classification":
        return compare_correct(true == predicted, true_now == predicted_now)
    return compare_errors(true - predicted, true_now - predicted_now)


@dataclass(frozen=True)
class MetricChange:
    """Any metric on holdout and on current rows, each with the interval that holds its true value with
    probability 0.95. `drop` > 0 is worse, in the metric's own units; `p_value` is one-sided.
    """

    metric: str
    reference: float
    reference_interval: tuple[float, float]
    current: float
    current_interval: tuple[float, float]
    reference_rows: int
    current_rows: int
    drop: float
    interval: tuple[float, float]
    p_value: float


def compare_metric(
    metric: str,
    reference: tuple[Callable[[Any], float], int],
    current: tuple[Callable[[Any], float], int],
    *,
    higher_is_better: bool,
    seed: int,
) -> MetricChange | None:
    """Compare a metric by the bootstrap. Each side is a function from chosen rows, places of shape (rows,),
    to the metric's value, and its number of rows. None where either side has fewer than two.

    >>> right, wrong = np.ones(50), np.repeat([1.0, 0.0], 25)
    >>> sides = (lambda rows: right[rows].mean(), 50), (lambda rows: wrong[rows].mean(), 50)
    >>> change = compare_metric("accuracy", *sides, higher_is_better=True, seed=0)
    >>> change.drop, change.p_value < 0.01
    (0.5, True)
    """
    (before, n), (now, m) = reference, current
    if n < 2 or m < 2:
        return None
    random = np.random.default_rng(seed)
    resamples = int(np.clip(2_000_000 // (n + m), 100, 500))
    first = np.array([before(random.integers(n, size=n)) for _ in range(resamples)])
    second = np.array([now(random.integers(m, size=m)) for _ in range(resamples)])
    sign = 1.0 if higher_is_better else -1.0
    drops = sign * (first - second)
    was, is_now = float(before(np.arange(n))), float(now(np.arange(m)))
    return MetricChange(
        metric=metric,
        reference=was,
        reference_interval=_middle(first),
        current=is_now,
        current_interval=_middle(second),
        reference_rows=n,
        current_rows=m,
        drop=sign * (was - is_now),
        interval=_middle(drops),
        p_value=float((1 + np.sum(drops <= 0)) / (1 + resamples)),
    )


def _middle(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def _answers(name: str, given: Any, kind: type) -> tuple[NDArray[Any], NDArray[Any]]:
    """Labels and predictions as arrays of one shape."""
    need(name, given, tuple | list, "labels and predictions")
    try:
        arrays = [np.asarray(part, kind) for part in given]
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{name}: expected numbers, got something else: {error}") from error
    shapes = [array.shape for array in arrays]
    if len(shapes) != 2 or len(shapes[0]) != 1 or shapes[0] != shapes[1]:
        raise InvalidRequest(f"{name}: expected labels and as many predictions, got shapes {shapes}")
    return arrays[0], arrays[1]


def _welch(before: Floats, after: Floats) -> tuple[float, float, float]:
    """Difference of means, its standard error, and the degrees of freedom by Welch and Satterthwaite."""
    a, b = float(before.var(ddof=1)) / before.size, float(after.var(ddof=1)) / after.size
    degrees = (a + b) ** 2 / (a * a / (before.size - 1) + b * b / (after.size - 1)) if a + b else 1.0
    return float(after.mean() - before.mean()), sqrt(a + b), degrees
