"""The alarms of one model: what each watches, from where on, and what a person is to do. Pure."""

from dataclasses import dataclass
from typing import Literal

from perennial.config import ModelConfig
from perennial.lineage import VersionRecord
from perennial.metric_names import allowed

Operator = Literal["GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold"]

UNHEALTHY = "unhealthy"
# All that a model may have. `health` alarms are read while a promotion bakes, `retrain` ones start a run.
GROUPS = {
    "health": ("error-rate", "latency", "prediction-drift"),
    "retrain": ("performance",),
    "watch": (
        "performance-drop",
        "drift-unanswered",
        "trainings-failed",
        "quarantine-rate",
        "budget-used",
    ),
}


@dataclass(frozen=True)
class ModelAlarm:
    """One alarm on one metric of a model. `group` and `name` are parts of its own name.

    `lasts`: the metric comes with runs only, so its state stays until another run says otherwise.
    """

    group: str
    name: str
    metric: str
    threshold: float
    operator: Operator
    description: str
    lasts: bool = False


def full_name(stack: str, group: str, model: str, name: str) -> str:
    """How CloudWatch calls it.

    >>> full_name("perennial", "health", "iris", "error-rate")
    'perennial/health/iris/error-rate'
    """
    return f"{stack}/{group}/{model}/{name}"


def unhealthy_name(stack: str, model: str) -> str:
    """Of the alarm over all alarms of a model."""
    return f"{stack}/{UNHEALTHY}/{model}"


def alarms_of(config: ModelConfig, version: VersionRecord) -> list[ModelAlarm]:
    """The alarms that the model file wants while this version serves."""
    return [*_health(config), *_retrain(config, version), *_watch(config)]


def _health(config: ModelConfig) -> list[ModelAlarm]:
    model, bake = config.name, config.bake
    undo = (
        f"While a promotion bakes this rolls it back; later: perennial rollback --model {model} --reason ..."
    )
    found = [
        _above(
            "health",
            "error-rate",
            "ServingErrorRate",
            bake.max_error_rate,
            f"{model}: more than {bake.max_error_rate:.0%} of the predictions fail. {undo}",
        )
    ]
    if bake.max_latency is not None:
        seconds = bake.max_latency.total_seconds()
        said = f"{model}: predictions take longer than {seconds:g} s on average. {undo}"
        found.append(_above("health", "latency", "ServingLatency", seconds, said))
    if bake.max_prediction_drift is not None:
        most = bake.max_prediction_drift
        said = f"{model}: the predictions drifted by more than {most:g}. {undo}"
        found.append(_above("health", "prediction-drift", "ServingPredictionDrift", most, said))
    return found


def _retrain(config: ModelConfig, version: VersionRecord) -> list[ModelAlarm]:
    score = version.metrics.get(config.metric)
    if score is None:
        return []
    may_lose = allowed(config.metric, score, config.drift.min_performance_drop)
    more = config.higher_is_better
    return [
        ModelAlarm(
            "retrain",
            "performance",
            "ServingPerformance",
            score - may_lose if more else score + may_lose,
            "LessThanThreshold" if more else "GreaterThanThreshold",
            f"{config.name}: {config.metric} in service is worse than version {version.version} had on its "
            "holdout. A run was started and decides whether to train; see its notice, or: "
            f"perennial status --model {config.name}",
        )
    ]


def _watch(config: ModelConfig) -> list[ModelAlarm]:
    model, watch = config.name, config.watch
    found: list[ModelAlarm] = []

    def add(name: str, metric: str, threshold: float | None, happened: str, to_do: str) -> None:
        if threshold is not None:
            said = f"{model}: {happened} {to_do}"
            found.append(
                ModelAlarm(
                    "watch", name, metric, threshold, "GreaterThanOrEqualToThreshold", said, lasts=True
                )
            )

    explain = f"What was found and decided: perennial explain RUN; the runs: perennial status --model {model}"
    add(
        "performance-drop",
        "PerformanceDrop",
        watch.performance_drop,
        "on the last batch the champion is worse than on its holdout by more than the model file allows.",
        f"{explain}. If no training follows: perennial run --model {model} --force --reason ...",
    )
    add(
        "drift-unanswered",
        "DriftUnanswered",
        watch.drift_unanswered,
        f"{watch.drift_unanswered} checks in a row found drift and no training was started.",
        f"{explain}. To train: perennial run --model {model} --force --reason ...",
    )
    add(
        "trainings-failed",
        "TrainingsFailedInRow",
        watch.trainings_failed,
        f"{watch.trainings_failed} trainings in a row failed; the champion serves on and grows old.",
        explain,
    )
    add(
        "quarantine-rate",
        "QuarantineRate",
        None if watch.quarantine_rate is None else 100 * watch.quarantine_rate,
        "many of the last ten batches were refused: the source has changed, or the rules are wrong.",
        f"reasons.json lies beside each under quarantine/{model}/",
    )
    limited = (config.training.max_dollars_per_month, config.training.max_minutes_per_month) != (None, None)
    add(
        "budget-used",
        "BudgetUsed",
        100 * watch.budget_used if watch.budget_used is not None and limited else None,
        "the month's limit on trainings is nearly used up; over it none is started.",
        "Raise max_dollars_per_month or max_minutes_per_month under training, or wait.",
    )
    return found


def _above(group: str, name: str, metric: str, threshold: float, description: str) -> ModelAlarm:
    return ModelAlarm(group, name, metric, threshold, "GreaterThanThreshold", description)
