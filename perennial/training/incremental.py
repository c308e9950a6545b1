"""Learning block by block, by `partial_fit`: from new rows alone where a version exists to go on from.

Of the preprocessing, whatever has a `partial_fit` learns from each block before the estimator does; the rest,
such as an encoder's levels, stays as it was first fitted. The first training fits the preprocessing on all
rows and goes through them several times, shuffled; later ones go once through the new rows, in the order of
time. New rows alone forget old ones (McCloskey & Cohen, Psychology of Learning and Motivation 24, 1989); the
rehearsal strategy mixes old ones in.
"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from perennial.config import ModelConfig
from perennial.errors import InvalidModelFile, TrainingFailed
from perennial.metrics import Values, labels_of
from perennial.training.checkpoints import Kept, Progress
from perennial.training.estimators import build_pipeline
from perennial.training.rows import Rows, Weights
from perennial.training.weighting import resampled, row_weights

_NAME = "incremental"
_STATELESS = "passthrough", "drop"


@dataclass(frozen=True)
class _Data:
    """n rows, as `partial_fit` takes them."""

    features: pd.DataFrame
    labels: Values
    weights: Weights | None


def can_go_on(parent: Any, config: ModelConfig) -> bool:
    """Whether a fitted pipeline is one that the model file would have trained incrementally: of the same
    steps, with the same parameters."""
    return isinstance(parent, Pipeline) and _recipe(parent) == _recipe(build_pipeline(config, updating=True))


def learn(rows: Rows, config: ModelConfig, parent: Any, kept: Kept, tell: Progress) -> Pipeline:
    """Go on from `parent` with these rows, or start with them where it is None; returns the pipeline.

    Every few blocks, as the model file says, the state is kept. Raises InvalidModelFile where the estimator
    has no `partial_fit` or the parent is another pipeline, TrainingFailed on a class that the parent does not
    know, SpotInterrupted after a checkpoint.
    """
    labels = labels_of(rows.frame, config)
    data = _Data(rows.frame[config.features], labels, row_weights(labels, rows.weights, config))
    how, n = config.estimator.incremental, len(labels)
    epochs = 1 if parent is not None else how.epochs
    starts = range(0, n, how.block_rows)
    total = epochs * len(starts)
    pipeline, done = kept.load(_NAME) or (_start(data, config, parent), 0)
    classes = _classes(labels, config, parent)
    for step in range(done, total):
        epoch, block = divmod(step, len(starts))
        tell("fit", step / total)
        order = _by_time(rows) if parent is not None else _shuffled(n, config.seed, epoch)
        these = order[starts[block] : starts[block] + how.block_rows]
        _learn_block(pipeline, data, these, classes, config.seed + step, update=parent is not None)
        if (step + 1) % how.checkpoint_every == 0 and step + 1 < total:
            pipeline, _ = kept.save(_NAME, (pipeline, step + 1))
            kept.stop_if_interrupted(f"{step + 1} of {total} blocks")
    return pipeline


def _start(data: _Data, config: ModelConfig, parent: Any) -> Pipeline:
    """A copy of the parent, or a new pipeline whose preprocessing is fitted on all rows."""
    if parent is not None:
        if not can_go_on(parent, config):
            raise InvalidModelFile(
                f"{config.name}: the version before was not trained incrementally by this model file: train "
                "once on all data to start anew"
            )
        return copy.deepcopy(parent)
    pipeline = build_pipeline(config, updating=True)
    last = pipeline.steps[-1][1]
    if not hasattr(last, "partial_fit"):
        raise InvalidModelFile(
            f"{config.name}: the incremental strategy needs an estimator with partial_fit, "
            f"{type(last).__name__} has none"
        )
    if len(pipeline) > 1:
        pipeline[:-1].fit(data.features, data.labels)
    return pipeline


def _learn_block(
    pipeline: Pipeline,
    data: _Data,
    these: npt.NDArray[np.intp],
    classes: Values | None,
    seed: int,
    *,
    update: bool,
) -> None:
    estimator = pipeline.steps[-1][1]
    extra: dict[str, Any] = {} if classes is None else {"classes": classes}
    if data.weights is not None:
        if has_fit_parameter(estimator, "sample_weight"):
            extra["sample_weight"] = data.weights[these]
        else:
            these = these[resampled(data.weights[these], seed)]
    block = data.features.iloc[these]
    for _, step in pipeline.steps[:-1]:
        block = updated(step, block) if update else step.transform(block)
    estimator.partial_fit(block, data.labels[these], **extra)


def updated(step: Any, block: Any) -> Any:
    """Let a fitted transformer learn from a block of rows, as far as it can; returns the block transformed.

    >>> from sklearn.preprocessing import StandardScaler
    >>> scaler = StandardScaler().fit([[0.0], [2.0]])
    >>> updated(scaler, np.array([[4.0], [6.0]])).ravel().round(3).tolist(), scaler.mean_.tolist()
    ([0.447, 1.342], [3.0])
    """
    if isinstance(step, Pipeline):
        for _, inner in step.steps:
            block = updated(inner, block)
        return block
    if isinstance(step, ColumnTransformer):
        for _, inner, columns in step.transformers_:
            if inner not in _STATELESS:
                updated(inner, block[columns])
        return step.transform(block)
    if step in _STATELESS:
        return block
    if hasattr(step, "partial_fit"):
        step.partial_fit(block)
    return step.transform(block)


def _classes(labels: Values, config: ModelConfig, parent: Any) -> Values | None:
    """All classes there can be, sorted: the declared ones, else those of the first training."""
    if config.task != "classification":
        return None
    declared = config.columns[config.label].levels
    known = np.asarray(parent.classes_) if parent is not None else np.unique(labels)
    if parent is None and declared:
        return np.array(sorted(declared), dtype=object)
    new = sorted(set(labels) - set(known))
    if new:
        raise TrainingFailed(
            f"the version before does not know {config.label} = {', '.join(map(str, new))}: declare all "
            f"levels of {config.label} in the model file and train once on all data"
        )
    return known


def _by_time(rows: Rows) -> npt.NDArray[np.intp]:
    n = len(rows.frame)
    return np.arange(n) if rows.times is None else np.argsort(rows.times, kind="stable")


def _shuffled(n: int, seed: int, epoch: int) -> npt.NDArray[np.intp]:
    return np.random.default_rng([seed, epoch]).permutation(n)


def _recipe(step: Any) -> Any:
    """What an estimator is before it is fitted, comparable: its class and parameters, through and through."""
    if hasattr(step, "get_params") and not isinstance(step, type):
        params = step.get_params(deep=False)
        return type(step).__qualname__, {name: _recipe(value) for name, value in sorted(params.items())}
    if isinstance(step, list | tuple):
        return [_recipe(part) for part in step]
    if isinstance(step, np.ndarray):
        return step.tolist()
    return getattr(step, "__qualname__", None) or repr(step)
