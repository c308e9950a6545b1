"""Which rows a model learns from, and how they reach the fit."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from perennial.config import ModelConfig
from perennial.errors import NotEnoughLabels
from perennial.holdout import holdout_mask

Weights = npt.NDArray[np.float64]
Times = npt.NDArray[np.datetime64]


class Rows(Protocol):
    """n rows to fit on: labelled, none held out. `weights` (n,), None where all count alike; `times` (n,) of
    each row, None where nothing is known of their order."""

    @property
    def frame(self) -> pd.DataFrame: ...

    @property
    def weights(self) -> Weights | None: ...

    @property
    def times(self) -> Times | None: ...


@dataclass(frozen=True)
class PlainRows:
    """Rows as they are; see Rows."""

    frame: pd.DataFrame
    weights: Weights | None = None
    times: Times | None = None


class Divided(Protocol):
    """Labelled rows to learn from, and those never to learn from."""

    @property
    def training(self) -> pd.DataFrame: ...

    @property
    def holdout(self) -> pd.DataFrame: ...


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows never to learn from; both labelled, without exact duplicates."""

    training: pd.DataFrame
    holdout: pd.DataFrame


def split(frame: pd.DataFrame, config: ModelConfig) -> Split:
    """Drop rows without a label and all but the first of equal rows, then divide by the hash of the key.

    A label that is none of the declared levels is no label. Columns beside the model's own are kept, and do
    not count when rows are compared.
    """
    labels, levels = frame[config.label], config.columns[config.label].levels
    usable = labels.isin(levels) if levels else labels.notna()
    labelled = frame[usable].drop_duplicates(subset=list(config.columns))
    columns = labelled[[*(config.key or config.features)]]
    held_out = holdout_mask(columns, config.key, config.holdout)
    return Split(labelled[~held_out].reset_index(drop=True), labelled[held_out].reset_index(drop=True))


def check_labelled(rows: Divided, config: ModelConfig) -> None:
    """Raises NotEnoughLabels where fewer rows have a label than the model file asks for."""
    came, expected = len(rows.training) + len(rows.holdout), config.policy.min_labelled_rows
    if came < expected or not len(rows.training):
        raise NotEnoughLabels(
            f"expected at least {expected} different rows with {config.label}, came {came} "
            f"({len(rows.holdout)} of them held out); the data stays accepted, the champion serves on"
        )
