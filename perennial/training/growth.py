"""Ensembles that are grown member by member: in steps, with a checkpoint after each.

scikit-learn's `warm_start` adds members to a fitted ensemble. With a fixed seed the same members come out as
at once: forests and bagging draw one seed per member from the same stream, boosting keeps its stream and
starts from its own predictions (https://scikit-learn.org/stable/modules/ensemble.html). Where that is not so
(early stopping; a seed that is no number) an ensemble is fitted at once.
"""

import math
from collections.abc import Callable
from typing import Any

from perennial.training.checkpoints import Kept, Progress

_NAME = "ensemble"

_SIZE = {
    "sklearn.ensemble._forest": "n_estimators",
    "sklearn.ensemble._bagging": "n_estimators",
    "sklearn.ensemble._gb": "n_estimators",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting": "max_iter",
}
_STEPS = 10
_AUTO = 10_000  # rows above which histogram boosting stops early by default
_WORK = 1_000_000  # rows times members that are worth a checkpoint: about a second of a forest


def size_parameter(estimator: Any, rows: int) -> str | None:
    """The parameter that an ensemble is grown by; None where it is not grown the same in steps."""
    name = _SIZE.get(type(estimator).__module__)
    params = estimator.get_params(deep=False)
    if name is None or params.get("warm_start") or not isinstance(params.get("random_state"), int):
        return None
    stops = params.get("n_iter_no_change") is not None
    if "early_stopping" in params:
        stops = params["early_stopping"] is True or (params["early_stopping"] == "auto" and rows > _AUTO)
    return None if stops else name


def sizes(total: int, rows: int, steps: int | None) -> list[int]:
    """Members after each step.

    >>> sizes(100, rows=1_000_000, steps=None), sizes(100, rows=150, steps=None), sizes(10, 150, steps=3)
    ([10, 20, 30, 40, 50, 60, 70, 80, 90, 100], [100], [4, 8, 10])
    """
    each = math.ceil(total / (steps or _STEPS))
    if steps is None:
        each = max(each, math.ceil(_WORK / max(rows, 1)))
    return [*range(each, total, each), total]


def grow(
    estimator: Any,
    size: str,
    fit: Callable[[Any], Any],
    *,
    rows: int,
    steps: int | None,
    kept: Kept,
    tell: Progress,
) -> Any:
    """Grow an ensemble by its parameter `size`, `fit` being what fits it; returns it.

    A step that a checkpoint has is not done again. Raises SpotInterrupted after the step's checkpoint.
    """
    wanted = sizes(estimator.get_params(deep=False)[size], rows, steps)
    estimator, done = kept.load(_NAME) or (estimator.set_params(warm_start=True), 0)
    for members in wanted:
        if members <= done:
            continue
        tell("fit", done / wanted[-1])
        fit(estimator.set_params(**{size: members}))
        done = members
        if members < wanted[-1]:
            estimator, done = kept.save(_NAME, (estimator, done))
            kept.stop_if_interrupted(f"{members} of {wanted[-1]} members")
    return estimator.set_params(warm_start=False)
