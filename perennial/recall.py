"""Does a version that served before fit the data again? Asked before any training is paid for.

Few versions are tried: of every stretch of time with one concept the newest, the latest stretches first. One
fits if it does as well on the batch's labelled rows as it did on its own holdout; the best of those becomes
the challenger, and has to pass the gates of `perennial.evaluation`.

Source: J. Gama and P. Kosina, Recurrent concepts in data streams classification, Knowledge and Information
Systems 40 (2014), who keep the models of earlier concepts and ask whether one applies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd

from perennial.config import ModelConfig
from perennial.contracts.evaluation import Evaluation
from perennial.evaluation import evaluate
from perennial.holdout import holdout_mask
from perennial.lineage import VersionRecord
from perennial.metrics import ask, labels_of, metric_of


@dataclass(frozen=True)
class Trial:
    """How an archived version does in the primary metric on the batch, and whether that is what it did on its
    own holdout; `found` None where it could not be asked."""

    record: VersionRecord
    model: Any
    found: float | None
    fits: bool
    sentence: str

    @property
    def version(self) -> int:
        """Its number."""
        return self.record.version


def honest(rows: pd.DataFrame, config: ModelConfig, *, learnt: bool) -> pd.DataFrame:
    """The labelled rows of a batch on which versions may be judged: all, or where one has `learnt` from
    objects of the batch, those that no version ever learns from."""
    labels, levels = rows[config.label], config.columns[config.label].levels
    usable = rows[labels.isin(levels) if levels else labels.notna()].drop_duplicates(list(config.columns))
    if learnt:
        mask = holdout_mask(usable[[*(config.key or config.features)]], config.key, config.holdout)
        usable = usable[mask]
    return usable[list(config.columns)].reset_index(drop=True)


def attempt(record: VersionRecord, model: Any, rows: pd.DataFrame, config: ModelConfig) -> Trial:
    """Let a fitted model answer honest rows (n of them) and judge whether it fits.

    It may be worse than on its own holdout by what a drop has to be to matter, and by the chance of so few
    rows, 1 / √n: two standard errors of a share at most.
    """
    who, own, metric = f"version {record.version}", record.metrics.get(config.metric), config.metric
    if list(getattr(model, "feature_names_in_", config.features)) != config.features:
        return Trial(record, model, None, fits=False, sentence=f"{who} knows other features")
    if own is None or rows.empty:
        return Trial(record, model, None, fits=False, sentence=f"{who} cannot be judged")
    primary = metric_of(config)
    found = primary.score(labels_of(rows, config), ask(model, rows, config))
    allowed = primary.allowed(own, config.drift.min_performance_drop + 1 / sqrt(len(rows)))
    fits = primary.gain(own, found) <= allowed
    sentence = (
        f"{who} {'fits' if fits else 'does not fit'}: {metric} {found:.3g} on {len(rows)} labelled rows of "
        f"the batch, {own:.3g} on its own holdout"
    )
    return Trial(record, model, found, fits, sentence)


def best(trials: Sequence[Trial], config: ModelConfig) -> Trial | None:
    """The one that does best of those that fit."""
    sign = 1.0 if config.higher_is_better else -1.0
    fitting = [(sign * trial.found, trial) for trial in trials if trial.fits and trial.found is not None]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def compare(
    config: ModelConfig, champion: Any, recalled: Any, batch: pd.DataFrame, known: pd.DataFrame | None
) -> Evaluation:
    """Champion against a recalled version by all gates: on honest rows of the batch, and on `known` ones, the
    champion's holdout, where these still count. Nothing was learnt from the batch, so it is not suspect."""
    rows, recent = batch, np.ones(len(batch), bool)
    if known is not None:
        rows = pd.concat([known[batch.columns], batch], ignore_index=True)
        recent = np.arange(len(rows)) >= len(known)
    found = evaluate(config, champion, recalled, rows, recent)
    return found.model_copy(update={"batch_suspect": False})
