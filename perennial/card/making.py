"""A card from a training that has ended."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from perennial.card.caveats import caveats
from perennial.card.contract import (
    Analyses,
    Details,
    EvaluationData,
    Lineage,
    Measures,
    ModelCard,
    Spread,
    TrainingData,
    Words,
)
from perennial.card.intervals import LEVEL, scored
from perennial.card.slices import scored_slices
from perennial.config import ModelConfig
from perennial.contracts.objects import Artifact, AssembledObject
from perennial.contracts.training import TrainingJob
from perennial.lineage import VersionRecord
from perennial.metrics import Answers, labels_of
from perennial.selection import Selected

_MOST_CLASSES = 50
_QUANTILES = {"least": 0.0, "quarter": 0.25, "median": 0.5, "three quarters": 0.75, "most": 1.0}


def make_card(
    job: TrainingJob,
    config: ModelConfig,
    record: VersionRecord,
    selected: Selected,
    objects: tuple[AssembledObject, ...],
    *,
    answers: Answers | None,
    importances: Mapping[str, float],
    artifacts: Mapping[str, Artifact],
) -> ModelCard:
    """The card of the version on `record`. `answers` to the selected holdout, None where it is empty;
    `importances` are shares by feature, `artifacts` the version's other files by name."""
    held = selected.holdout
    overall = scored(labels_of(held, config), answers, config) if answers else {}
    slices = scored_slices(held, answers, config, importances) if answers else ()
    data = TrainingData(
        rows=len(selected.frame),
        known=len(selected.known),
        effective=round(selected.effective_rows, 1),
        since=_time(selected.times.min()) if len(selected.times) else None,
        until=_time(selected.times.max()) if len(selected.times) else None,
        strategy=selected.applied,
        labels=_spread(selected.frame, config),
        objects=objects,
    )
    evaluation = EvaluationData(
        rows=len(held),
        recent=int(selected.held_recent.sum()),
        share=config.holdout,
        labels=_spread(held, config),
    )
    measures = Measures(primary=config.metric, higher_is_better=config.higher_is_better, level=LEVEL)
    confidence = _confidence(answers) if answers else None
    return ModelCard(
        model_details=_details(config, record),
        intended_use=Words(intended_use=config.card.intended_use, out_of_scope=config.card.out_of_scope),
        factors=tuple(dict.fromkeys(part.column for part in slices)),
        metrics=measures,
        evaluation_data=evaluation,
        training_data=data,
        quantitative_analyses=Analyses(
            overall=overall, slices=slices, importances=dict(importances), mean_confidence=confidence
        ),
        ethical_considerations=config.card.ethical,
        caveats_and_recommendations=(
            *record.notes,
            *caveats(config, data, evaluation, measures, overall, slices, confidence),
        ),
        lineage=Lineage(
            run=job.run,
            attempt=job.attempt,
            parent=record.parent,
            code_version=record.code_version,
            libraries=record.libraries,
        ),
        artifacts=dict(artifacts),
    )


def _details(config: ModelConfig, record: VersionRecord) -> Details:
    searched = config.search if record.search else None
    return Details(
        model=record.model,
        version=record.version,
        description=config.description,
        task=config.task,
        label=config.label,
        features=tuple(config.features),
        created_at=record.created_at,
        estimator=record.estimator,
        params=record.params,
        search=f"chosen by a search of {searched.trials} settings" if searched else "",
        notes=record.notes,
        seed=record.seed,
        owner=config.card.owner,
    )


def _spread(frame: pd.DataFrame, config: ModelConfig) -> Spread:
    if frame.empty:
        return Spread()
    labels = labels_of(frame, config)
    if config.task == "regression":
        return Spread(
            quantiles={name: float(np.quantile(labels, at)) for name, at in _QUANTILES.items()}
            | {"mean": float(labels.mean())}
        )
    counted = pd.Series(labels).value_counts(sort=True)[:_MOST_CLASSES]
    return Spread(classes={str(level): int(rows) for level, rows in counted.items()})


def _confidence(answers: Answers) -> float | None:
    """The mean probability that it gives to what it answers."""
    if answers.probabilities is None or answers.classes is None:
        return None
    said = answers.predicted[:, None] == answers.classes[None, :]
    return float(np.where(said, answers.probabilities, 0.0).sum(axis=1).mean())


def _time(value: Any) -> datetime:
    moment: datetime = np.datetime64(value, "us").astype(datetime)
    return moment.replace(tzinfo=UTC)
