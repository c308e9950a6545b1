"""The metrics that a model file may name: built-in ones, its cost matrix, the user's own."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from perennial.config import ModelConfig
from perennial.errors import InvalidModelFile
from perennial.factories import own_function
from perennial.metric_names import METRICS, allowed
from perennial.metrics.answers import Answers, Floats, Values
from perennial.metrics.scores import contributions, on_places, scores


@dataclass(frozen=True)
class Metric:
    """One metric of a model. `rows`: what each row adds, higher being better; None where it is no sum."""

    name: str
    higher_is_better: bool
    needs_probabilities: bool
    _score: Callable[[Values, Answers], float]
    rows: Callable[[Values, Answers], Floats | None]

    def score(self, labels: Values, answers: Answers) -> float:
        """Its value on n > 0 rows; NaN where these answers have none."""
        if self.needs_probabilities and answers.probabilities is None:
            return math.nan
        return self._score(labels, answers)

    def on_places(self, labels: Values, answers: Answers) -> Callable[[Values], float]:
        """The score as a function of places of rows (m,), each of which may be there more than once."""
        prepared = on_places(self.name, labels, answers) if self.name in METRICS else None
        return prepared or (lambda places: self.score(labels[places], answers.of(places)))

    def gain(self, ahead: float, behind: float) -> float:
        """By how much the one value is better than the other."""
        return ahead - behind if self.higher_is_better else behind - ahead

    def allowed(self, value: float, margin: float) -> float:
        """What a margin means beside this value, in the metric's units."""
        return allowed(self.name, value, margin)

    def differences(self, labels: Values, ahead: Answers, behind: Answers) -> Floats | None:
        """What each row adds to the gain (n,): their mean is the gain. None where it is no sum over rows."""
        first, second = self.rows(labels, ahead), self.rows(labels, behind)
        if first is None or second is None:
            return None
        found = first - second
        if self.name == "rmse":  # a² - b² = (a - b) (a + b)
            total = self.score(labels, ahead) + self.score(labels, behind)
            return found / total if total else found
        return found


def metric_of(config: ModelConfig, name: str | None = None) -> Metric:
    """The metric of this name, or the primary one. Raises InvalidModelFile where the user's own cannot be
    imported."""
    name = name or config.metric
    own, policy = config.evaluation.metrics.get(name), config.evaluation
    if own:
        function = own_function(config, own.function)
        return Metric(
            name,
            own.higher_is_better,
            needs_probabilities=False,
            _score=lambda labels, answers: float(np.mean(_called(function, labels, answers))),
            rows=lambda labels, answers: _own_rows(function, labels, answers, own.higher_is_better),
        )
    kind = METRICS[name]
    if name == "cost":
        costs = policy.costs
        return Metric(
            name,
            higher_is_better=False,
            needs_probabilities=False,
            _score=lambda labels, answers: float(np.mean(_costs(costs, labels, answers))),
            rows=lambda labels, answers: -_costs(costs, labels, answers),
        )
    return Metric(
        name,
        kind.higher_is_better,
        kind.needs_probabilities,
        _score=lambda labels, answers: _standard(name, labels, answers, kind.task, policy.quantile),
        rows=lambda labels, answers: contributions(name, labels, answers, policy.quantile),
    )


def all_scores(labels: Values, answers: Answers, config: ModelConfig) -> dict[str, float]:
    """Every metric of the task, the cost and the user's own that is finite; none for no rows."""
    if not len(labels):
        return {}
    found = scores(labels, answers, config.task, config.evaluation.quantile)
    extra = [*(["cost"] if config.evaluation.costs else []), *config.evaluation.metrics]
    found |= {name: metric_of(config, name).score(labels, answers) for name in extra}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def row_scores(labels: Values, answers: Answers, config: ModelConfig) -> Floats:
    """How well each row (n,) was answered, higher being better: what it adds to the primary metric; where
    that is no sum over rows, whether it is right, or its absolute error below 0."""
    found = metric_of(config).rows(labels, answers)
    plain = "accuracy" if config.task == "classification" else "mae"
    return found if found is not None else np.asarray(contributions(plain, labels, answers))


def _standard(name: str, labels: Values, answers: Answers, task: str, quantile: float) -> float:
    if name != "rmse":
        rows = contributions(name, labels, answers, quantile)
        if rows is not None and name in {"accuracy", "log_loss", "brier", "mae", "pinball"}:
            return float(rows.mean()) if METRICS[name].higher_is_better else -float(rows.mean())
    return scores(labels, answers, task, quantile).get(name, math.nan)


def _costs(costs: dict[str, dict[str, float]], labels: Values, answers: Answers) -> Floats:
    """Of each row (n,); the right answer costs nothing unless the matrix says so."""
    found = np.zeros(len(labels))
    for actual in set(labels.tolist()) | set(costs):
        mine = labels == actual
        for said in set(answers.predicted[mine].tolist()):
            price = costs.get(actual, {}).get(said, 0.0 if said == actual else math.nan)
            found[mine & (answers.predicted == said)] = price
    return found


def _own_rows(
    function: Callable[..., Any], labels: Values, answers: Answers, higher_is_better: bool
) -> Floats | None:
    found = _called(function, labels, answers)
    if found.ndim == 0:
        return None
    return found if higher_is_better else -found


def _called(function: Callable[..., Any], labels: Values, answers: Answers) -> Floats:
    try:
        found = np.asarray(function(labels, answers.predicted, answers.probabilities), np.float64)
    except Exception as error:
        raise InvalidModelFile(
            f"{function.__module__.rpartition('.')[2]}:{function.__name__} could not score {len(labels)} "
            f"rows: {type(error).__name__}: {error}"
        ) from error
    if found.shape not in {(), (len(labels),)}:
        raise InvalidModelFile(
            f"{function.__name__} expected to return a number, or {len(labels)}; came shape {found.shape}"
        )
    return found
