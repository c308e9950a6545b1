"""From selected rows to a fitted pipeline and what it scores on rows it never saw."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from perennial.config import ModelConfig
from perennial.errors import NoTrainingData, PerennialError, TrainingFailed
from perennial.metrics import all_scores, ask, labels_of
from perennial.training.calibration import Calibrated
from perennial.training.checkpoints import Checkpoints, Kept, MemoryCheckpoints, Progress, silent
from perennial.training.cores import on_cluster, on_threads, on_workers
from perennial.training.estimators import build_pipeline
from perennial.training.growth import grow, size_parameter
from perennial.training.incremental import learn
from perennial.training.rows import PlainRows, Rows, check_labelled, split
from perennial.training.search import Clock, Result, search
from perennial.training.weighting import fit_weighted, row_weights, weight_parameter


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline, and what its estimator is: import path and parameters that the model file, or a
    search, gave it. `notes`: what was done otherwise than asked, in sentences."""

    pipeline: Pipeline
    estimator: str
    params: dict[str, Any]
    notes: tuple[str, ...] = ()
    search: Result | None = None


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline, the rows it came from, and its metrics on the holdout."""

    pipeline: Pipeline
    training: pd.DataFrame
    holdout: pd.DataFrame
    metrics: dict[str, float]
    fitted: Fitted


def fit(
    rows: Rows,
    config: ModelConfig,
    *,
    strategy: str = "full",
    parent: Any = None,
    checkpoints: Checkpoints | None = None,
    progress: Progress = silent,
    cores: int = 1,
    clock: Clock | None = None,
) -> Fitted:
    """Fit the model's pipeline on all of these rows, as the strategy of that name does.

    `parent`: the fitted pipeline that the incremental strategy goes on from. `cores` to use, -1 for all;
    `clock` in seconds, for the time that a search may take. The same rows, seed and parent give the same
    pipeline, whether or not an attempt was interrupted and went on from its `checkpoints`, on however many
    cores.

    Raises InvalidModelFile; NoTrainingData where rows or classes are too few; TrainingFailed with the
    estimator's own words; SpotInterrupted after the last step's checkpoint.
    """
    _check_enough(rows.frame, config, strategy)
    kept, scheduler = Kept(checkpoints or MemoryCheckpoints()), config.training.dask_scheduler
    result: Result | None = None
    with _in_its_own_words(config):
        if strategy == "search":
            with on_cluster(scheduler) if scheduler else nullcontext():
                result = search(rows, config, kept, progress, None if scheduler else cores, clock)
            config = config.model_copy(update={"estimator": result.winner})
        if strategy == "incremental":
            with on_threads(cores):
                pipeline = learn(rows, config, parent, kept, progress)
        else:
            pipeline = _fit_all(rows, config, kept, progress, cores)
    progress("fit", 1.0)
    return Fitted(
        pipeline, config.estimator.name, config.estimator.params, _notes(pipeline, rows, config), result
    )


def score(pipeline: Pipeline, holdout: pd.DataFrame, config: ModelConfig) -> dict[str, float]:
    """Every metric on held-out rows; none where there are no rows. Raises TrainingFailed."""
    if holdout.empty:
        return {}
    with _in_its_own_words(config):
        return all_scores(labels_of(holdout, config), ask(pipeline, holdout, config), config)


def train(frame: pd.DataFrame, config: ModelConfig) -> Trained:
    """Fit the model's pipeline on all labelled rows outside the holdout, and score it on those inside.

    Raises InvalidModelFile, NotEnoughLabels, NoTrainingData where classes are too few, and TrainingFailed
    with the estimator's own words.
    """
    rows = split(frame, config)
    check_labelled(rows, config)
    fitted = fit(PlainRows(rows.training), config)
    metrics = score(fitted.pipeline, rows.holdout, config)
    return Trained(fitted.pipeline, rows.training, rows.holdout, metrics, fitted)


def _fit_all(rows: Rows, config: ModelConfig, kept: Kept, tell: Progress, cores: int) -> Pipeline:
    """On all rows at once, or an ensemble in steps; on the cluster, the estimator only."""
    features, labels = rows.frame[config.features], labels_of(rows.frame, config)
    pipeline = build_pipeline(config)
    name, last = pipeline.steps[-1]
    weights, times = row_weights(labels, rows.weights, config), {}
    if isinstance(last, Calibrated):
        weights = rows.weights  # classes are weighed within
        times = {} if rows.times is None else {"times": rows.times}
    tell("fit", 0.0)
    with on_threads(cores):
        numbers = pipeline[:-1].fit_transform(features, labels) if len(pipeline) > 1 else features

    def add(estimator: Any) -> Any:
        return fit_weighted(estimator, numbers, labels, weights, config.seed, **times)

    size = size_parameter(last, len(labels))
    with on_workers(cores, config.training.dask_scheduler):
        if size is None:
            add(last)
        else:
            steps = config.estimator.steps
            last = grow(last, size, add, rows=len(labels), steps=steps, kept=kept, tell=tell)
    pipeline.steps[-1] = name, last
    return pipeline


def _notes(pipeline: Pipeline, rows: Rows, config: ModelConfig) -> tuple[str, ...]:
    last = pipeline.steps[-1][1]
    if isinstance(last, Calibrated):
        last = last.estimator
    weighted = rows.weights is not None or config.estimator.class_weight is not None
    if weighted and weight_parameter(last) is None:
        return (f"{type(last).__name__} takes no weights: it was fitted on rows drawn in proportion to them",)
    return ()


def _check_enough(frame: pd.DataFrame, config: ModelConfig, strategy: str) -> None:
    if frame.empty:
        raise NoTrainingData("expected rows to train on, none was selected")
    if config.task == "classification" and strategy != "incremental":
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
        raise TrainingFailed(f"{config.estimator.name}: {type(error).__name__}: {error}") from error
