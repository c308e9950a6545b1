"""Parts of a holdout that are worth a look of their own: a bounded choice that needs no configuration.

Each class of the label; then, the most important features first, each value of a column with few of them, and
quarters of a number column.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from perennial.card.contract import ScoredSlice
from perennial.card.intervals import scored
from perennial.config import ModelConfig
from perennial.metrics import Answers, Mask, labels_of

FEW_ROWS = 30
_MOST_LEVELS, _MOST_COLUMNS = 12, 6
_MOST_ROWS = 100_000  # a slice's interval needs no more


@dataclass(frozen=True)
class Slice:
    """Some of the rows (n,), and what they have in common."""

    column: str
    name: str
    rows: Mask


def slices(frame: pd.DataFrame, config: ModelConfig, importances: Mapping[str, float]) -> Iterator[Slice]:
    """Slices of at least one row and not of all."""
    first = [config.label] if config.task == "classification" else []
    ranked = sorted(config.features, key=lambda name: -importances.get(name, 0.0))  # equals in their order
    taken = 0
    for name in [*first, *ranked]:
        found = [part for part in _parts(frame[name], name, config) if 0 < part.rows.sum() < len(frame)]
        yield from found
        taken += bool(found)
        if taken == _MOST_COLUMNS + len(first):
            return


def scored_slices(
    frame: pd.DataFrame, answers: Answers, config: ModelConfig, importances: Mapping[str, float]
) -> tuple[ScoredSlice, ...]:
    """The metrics of each slice; of a class of the label, accuracy alone (its recall)."""
    labels = labels_of(frame, config)
    found = []
    for part in slices(frame, config, importances):
        looked_at = part.rows & (np.cumsum(part.rows) <= _MOST_ROWS)
        metrics = scored(labels[looked_at], answers.of(looked_at), config)
        if part.column == config.label:
            metrics = {"accuracy": metrics["accuracy"]}
        size = int(part.rows.sum())
        found.append(ScoredSlice(column=part.column, name=part.name, rows=size, metrics=metrics))
    return tuple(found)


def _parts(column: "pd.Series[Any]", name: str, config: ModelConfig) -> Iterator[Slice]:
    kind, missing = config.columns[name].type, column.isna().to_numpy(bool)
    if kind == "number":
        yield from _quarters(pd.to_numeric(column).to_numpy(np.float64), name)
    elif kind in {"category", "boolean"}:
        texts = column.astype(object)
        levels = texts.dropna().value_counts().sort_index(key=lambda index: index.astype(str)).index
        if len(levels) <= _MOST_LEVELS:
            for level in levels:
                yield Slice(name, str(level), (texts == level).fillna(False).to_numpy(bool))
    else:
        return
    yield Slice(name, "missing", missing)


def _quarters(numbers: "np.typing.NDArray[np.float64]", name: str) -> Iterator[Slice]:
    known = numbers[np.isfinite(numbers)]
    edges = np.unique(np.quantile(known, [0.25, 0.5, 0.75])) if known.size else np.array([])
    if not edges.size:
        return
    places = np.where(np.isfinite(numbers), np.searchsorted(edges, numbers, side="left"), -1)
    words = [f"≤ {edges[0]:.4g}"]
    words += [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
    words += [f"> {edges[-1]:.4g}"]
    for place, word in enumerate(words):
        yield Slice(name, word, places == place)
