"""What a champion's answers say of a batch: measured, estimated, drifting, or resting on other features.

The one place that puts the detectors of `perennial.drift` together for a fitted model. It needs pandas and
scikit-learn, which the caller's Lambda has; nothing here is imported by `perennial.drift` itself.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from perennial.columns import Floats
from perennial.config import DriftPolicy, ModelConfig
from perennial.drift.change_point import Times, marked
from perennial.drift.confidence import ConfidenceEstimator
from perennial.drift.detect import detect_drift
from perennial.drift.error_model import ErrorModel
from perennial.drift.error_stream import Change, ErrorStream
from perennial.drift.estimate import Estimate
from perennial.drift.importance import (
    ImportanceChange,
    Importances,
    compare_importances,
    permutation_importances,
)
from perennial.drift.performance import (
    MetricChange,
    PerformanceChange,
    compare_metric,
    compare_performance,
)
from perennial.drift.prediction import answers_table, describe, profile_answers
from perennial.drift.report import DriftReport
from perennial.drift.support import Space, density_ratio, outside
from perennial.profile import NumberColumn, Profile

if TYPE_CHECKING:
    import pandas as pd

    from perennial.metrics import Answers

IMPORTANCE_ROWS = 500
_LEAST_ROWS = 100  # labelled rows below which importances are noise
_MOST_FEATURES = 60
_OF_CLASSES_ALONE = {"accuracy", "balanced_accuracy", "f1_macro"}
_ESTIMATION_ROWS = 3_000


@dataclass(frozen=True)
class Rows:
    """Rows of a frame, with the champion's answers to them."""

    frame: "pd.DataFrame"
    answers: "Answers"

    def __len__(self) -> int:
        return len(self.frame)

    def of(self, mask: Any) -> "Rows":
        """Some of the rows."""
        return Rows(self.frame[mask].reset_index(drop=True), self.answers.of(mask))


@dataclass(frozen=True)
class Findings:
    """What was found beside the data's own drift; None where there was too little to tell.

    `performance` is for the verdict, `primary` the model's own metric with intervals, `estimated` by metric,
    `prediction` the drift report of the answers, `answers` their shares and spreads, `importances` those
    of the holdout (`reference`) and of the labelled rows (`current`).
    """

    performance: PerformanceChange | None
    primary: MetricChange | None
    estimated: dict[str, Estimate]
    prediction: DriftReport
    answers: dict[str, Any]
    importance: ImportanceChange | None
    importances: dict[str, Importances]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, `performance` left to the drift report."""
        return {
            "primary": asdict(self.primary) if self.primary else None,
            "estimated": {
                name: asdict(estimate) | {"words": estimate.words}
                for name, estimate in self.estimated.items()
            },
            "prediction": self.prediction.to_dict(),
            "answers": self.answers,
            "importance": asdict(self.importance) if self.importance else None,
            "importances": {name: found.to_dict() for name, found in self.importances.items()},
        }


def look_into(
    config: ModelConfig, model: Any, batch: Rows, holdout: Rows, importances: Importances | None
) -> Findings:
    """Everything but what accumulates over runs. The holdout is labelled; rows of the batch may be."""
    labelled = batch.of(has_label(batch.frame, config))
    now = _importances_now(config, model, labelled, importances)
    return Findings(
        performance=_performance(config, labelled, holdout),
        primary=_primary(config, labelled, holdout),
        estimated=estimate_performance(config, batch, holdout),
        prediction=_prediction(config.drift, batch, holdout),
        answers={name: _described(rows) for name, rows in (("reference", holdout), ("current", batch))},
        importance=compare_importances(importances, now, seed=config.seed, alpha=config.drift.alpha)
        if importances and now
        else None,
        importances={
            name: found for name, found in (("reference", importances), ("current", now)) if found is not None
        },
    )


def has_label(frame: "pd.DataFrame", config: ModelConfig) -> Any:
    """Which rows bear a label, of shape (rows,)."""
    return frame[config.label].notna().to_numpy(bool)


def estimate_performance(config: ModelConfig, batch: Rows, holdout: Rows) -> dict[str, Estimate]:
    """Estimates by metric, as if the batch had no label; empty where the holdout is too small to learn from.

    What is learnt from the holdout is learnt with the batch's mix of rows (`density_ratio`).
    """
    known = has_label(holdout.frame, config)
    holdout, batch = thinned(holdout.of(known)), thinned(batch)
    if not len(holdout) or not len(batch):
        return {}
    space = Space.of(holdout.frame, config)
    before, now = space.points(holdout.frame), space.points(batch.frame)
    ratio, beyond = density_ratio(before, now), outside(before, now)
    labels = _labels(holdout, config)
    if config.task == "regression":
        errors = ErrorModel.fit(before, holdout.answers.predicted, labels, seed=config.seed, ratio=ratio)
        found = errors.estimate(now, batch.answers.predicted, outside=beyond) if errors else None
        return {found.metric: found} if found else {}
    then, given = holdout.answers, batch.answers
    if then.probabilities is None or given.probabilities is None:
        return {}
    confidence = ConfidenceEstimator.fit(
        labels, then.predicted, then.probabilities, then.classes, seed=config.seed, ratio=ratio
    )
    if confidence is None:
        return {}
    return confidence.estimate(given.predicted, given.probabilities, outside=beyond, seed=config.seed)


def measure_importances(
    config: ModelConfig, model: Any, rows: Rows, *, most_rows: int = IMPORTANCE_ROWS, repeats: int = 3
) -> Importances | None:
    """How much the model leans on each feature, on labelled rows; the score of a row is the probability given
    to its label, or where there is none what `row_scores` says. None without rows.
    """
    from perennial.metrics import ask, row_scores

    chosen = thinned(rows, most_rows)
    if not len(chosen):
        return None
    labels = _labels(chosen, config)

    def score(asked: "pd.DataFrame") -> Floats:
        answers, wanted = ask(model, asked, config), np.tile(labels, len(asked) // len(labels))
        if answers.probabilities is None or answers.classes is None:
            return row_scores(wanted, answers, config)
        right = wanted[:, None] == answers.classes[None, :]
        return np.asarray(np.where(right, answers.probabilities, 0.0).sum(axis=1))

    return permutation_importances(score, chosen.frame, config.features, seed=config.seed, repeats=repeats)


def errors_of(config: ModelConfig, rows: Rows, holdout: Rows) -> Floats:
    """Errors in [0, 1] of labelled rows, in their order: 1 for a wrong class; for a number, the share of the
    holdout's absolute errors that are smaller (0.5 on average where nothing changed).
    """
    if config.task == "classification":
        return np.asarray(_labels(rows, config) != rows.answers.predicted, np.float64)
    known = np.sort(np.abs(_residuals(config, holdout)))
    if not known.size:
        return np.zeros(len(rows))
    return np.asarray(np.searchsorted(known, np.abs(_residuals(config, rows))) / known.size)


def feed_stream(
    stored: Mapping[str, Any] | None,
    version: int,
    *,
    errors: Floats,
    times: Times,
    primer: Floats,
    look: Mapping[str, float],
) -> tuple[dict[str, Any], list[Change]]:
    """Go on watching a champion's errors, which came at ascending `times`; returns the state to store and the
    changes that were noticed.

    A champion that is new to the watch begins with its errors on its own holdout, `primer`.
    """
    marks, changed = [], []
    if stored and stored["version"] == version:
        stream = ErrorStream.load(stored["stream"])
        marks, changed = stored.get("marks", []), stored.get("changed", [])
    else:
        stream = ErrorStream()
        stream.update(primer)
    marks = marked(marks, stream.seen, times)
    changes = stream.update(errors, look)
    return {"version": version, "stream": stream.dump(), "marks": marks, "changed": changed}, changes


def look_of(baseline: Profile, current: Profile, features: list[str]) -> dict[str, float]:
    """Means of number columns in standard deviations of the reference: what the data looks like."""
    found = {}
    for name in features[:_MOST_FEATURES]:
        before, now = baseline.columns.get(name), current.columns.get(name)
        if isinstance(before, NumberColumn) and isinstance(now, NumberColumn) and before.kind == "number":
            spread = before.variance**0.5
            if spread and now.count:
                found[name] = float(np.clip((now.mean - before.mean) / spread, -100, 100))
    return found


def _performance(config: ModelConfig, labelled: Rows, holdout: Rows) -> PerformanceChange | None:
    return compare_performance(
        config.task,
        reference=(_labels(holdout, config), holdout.answers.predicted),
        current=(_labels(labelled, config), labelled.answers.predicted),
    )


def _primary(config: ModelConfig, labelled: Rows, holdout: Rows) -> MetricChange | None:
    from perennial.metrics import metric_of

    metric = metric_of(config)

    def side(rows: Rows) -> Any:
        labels, answers = _labels(rows, config), rows.answers
        if config.metric in _OF_CLASSES_ALONE:  # numbers compare faster than names
            _, both = np.unique(np.concatenate([labels, answers.predicted]).astype(str), return_inverse=True)
            labels, answers = both[: len(labels)], replace(answers, predicted=both[len(labels) :])
        return lambda rows: metric.score(labels[rows], answers.of(rows)), len(labels)

    before, now = side(holdout), side(labelled)
    if any(not count or np.isnan(score(np.arange(count))) for score, count in (before, now)):
        return None
    return compare_metric(
        config.metric, before, now, higher_is_better=metric.higher_is_better, seed=config.seed
    )


def _prediction(policy: DriftPolicy, batch: Rows, holdout: Rows) -> DriftReport:
    """Half of alpha is theirs: the answers are a family of tests of their own."""
    before = profile_answers(answers_table(holdout.answers.predicted, holdout.answers.probabilities))
    now = profile_answers(answers_table(batch.answers.predicted, batch.answers.probabilities), like=before)
    return detect_drift(before, now, policy.model_copy(update={"alpha": policy.alpha / 2}))


def _described(rows: Rows) -> dict[str, Any]:
    described = describe(answers_table(rows.answers.predicted, rows.answers.probabilities))
    return {
        name: value if isinstance(value, dict) else value and asdict(value)
        for name, value in described.items()
    }


def _importances_now(
    config: ModelConfig, model: Any, labelled: Rows, baseline: Importances | None
) -> Importances | None:
    if baseline is None or len(labelled) < _LEAST_ROWS or len(config.features) > _MOST_FEATURES:
        return None
    return measure_importances(config, model, labelled, repeats=2)


def thinned(rows: Rows, most: int = _ESTIMATION_ROWS) -> Rows:
    """Every so many rows, so that at most that many are left."""
    step = -(-len(rows) // most) if most else 1
    if step <= 1:
        return rows
    mask = np.zeros(len(rows), bool)
    mask[::step] = True
    return rows.of(mask)


def _labels(rows: Rows, config: ModelConfig) -> Any:
    from perennial.metrics import labels_of

    return labels_of(rows.frame, config)


def _residuals(config: ModelConfig, rows: Rows) -> Floats:
    return np.asarray(_labels(rows, config), np.float64) - np.asarray(rows.answers.predicted, np.float64)
