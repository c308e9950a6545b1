"""From selected rows to a fitted pipeline and what it scores on rows it never saw."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from perennial.config import ModelConfig
from perennial.errors import NoTrainingData, PerennialError, TrainingFailed
from perennial.metrics import ask, labels_of, scores
from perennial.training.checkpoints import Checkpoints, Progress, silent
from perennial.training.estimators import build_pipeline
from perennial.training.rows import PlainRows, Rows, check_labelled, split


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline, and what its estimator is: import path and parameters that the model file, or a
    search, gave it."""

    pipeline: Pipeline
    estimator: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline, the rows it came from, and its metrics on the holdout."""

    pipeline: Pipeline
    training: pd.DataFrame
    holdout: pd.DataFrame
    metrics: dict[str, float]


def fit(
    rows: Rows,
    config: ModelConfig,
    *,
    strategy: str = "full",  # noqa: ARG001
    parent: Pipeline | None = None,  # noqa: ARG001
    checkpoints: Checkpoints | None = None,  # noqa: ARG001
    progress: Progress = silent,
) -> Fitted:
    """Fit the model's pipeline on all of these rows.

    `strategy` by its name. `parent`: the fitted pipeline of the version before, where training may go on from
    it. The same rows, seed and parent give the same pipeline, whether or not an attempt was interrupted and
    went on from its `checkpoints`.

    Raises InvalidModelFile; NoTrainingData where rows or classes are too few; TrainingFailed with the
    estimator's own words; SpotInterrupted after the last step's checkpoint.
    """
    pipeline = build_pipeline(config)
    _check_enough(rows.frame, config)
    progress("fit", 0.0)
    with _in_its_own_words(config):
        pipeline.fit(rows.frame[config.features], labels_of(rows.frame, config))
    progress("fit", 1.0)
    return Fitted(pipeline, config.estimator.class_path, dict(config.estimator.params))


def score(pipeline: Pipeline, holdout: pd.DataFrame, config: ModelConfig) -> dict[str, float]:
    """Every metric on held-out rows; none where there are no rows. Raises TrainingFailed."""
    if holdout.empty:
        return {}
    with _in_its_own_words(config):
        return scores(labels_of(holdout, config), ask(pipeline, holdout, config), config.task)


def train(frame: pd.DataFrame, config: ModelConfig) -> Trained:
    """Fit the model's pipeline on all labelled rows outside the holdout, and score it on those inside.

    Raises InvalidModelFile, NotEnoughLabels, NoTrainingData where there is one class, and TrainingFailed with
    the estimator's own words.
    """
    rows = split(frame, config)
    check_labelled(rows, config)
    pipeline = fit(PlainRows(rows.training), config).pipeline
    return Trained(pipeline, rows.training, rows.holdout, score(pipeline, rows.holdout, config))


def _check_enough(frame: pd.DataFrame, config: ModelConfig) -> None:
    if frame.empty:
        raise NoTrainingData("expected rows to train on, none was selected")
    if config.task == "classification":
        classes = np.unique(labels_of(frame, config))
        if len(classes) < 2:
            raise NoTrainingData(
                f"expected at least 2 classes of {config.label} among {len(frame)} rows, came only "
                f"{classes[0]!r}"
            )


@contextmanager
def _in_its_own_words(config: ModelConfig) -> Iterator[None]:
    """What an estimator raises becomes TrainingFailed."""
    try:
        yield
    except PerennialError:
        raise
    except Exception as error:
        raise TrainingFailed(f"{config.estimator.class_path}: {type(error).__name__}: {error}") from error
