"""The rounds of successive halving: how many settings are tried, and on which rows."""

from dataclasses import dataclass
from math import ceil, floor, log

import numpy as np
import numpy.typing as npt

from perennial.config import ModelConfig
from perennial.metrics import Values


@dataclass(frozen=True)
class Rung:
    """So many rows, and how many settings are tried on them."""

    rows: int
    settings: int


def plan(trials: int, rows: int, min_rows: int, reduction: int) -> tuple[Rung, ...]:
    """From all settings on few rows to few settings on all rows.

    >>> [(rung.settings, rung.rows) for rung in plan(20, rows=9_000, min_rows=100, reduction=3)]
    [(20, 1000), (7, 3000), (3, 9000)]
    """
    levels = min(floor(log(trials, reduction) + 1e-9), floor(log(max(rows / min_rows, 1), reduction) + 1e-9))
    return tuple(
        Rung(rows // reduction ** (levels - level), ceil(trials / reduction**level))
        for level in range(levels + 1)
    )


def nested_order(labels: Values, config: ModelConfig) -> npt.NDArray[np.intp]:
    """All rows in a drawn order whose beginnings have, for classification, the classes in their shares: the
    rows of a rung are among those of the next."""
    random = np.random.default_rng(config.seed)
    draws = random.permutation(len(labels))
    if config.task != "classification":
        return draws
    place = np.empty(len(labels))
    for level in np.unique(labels):
        of_level = draws[labels[draws] == level]
        place[of_level] = (np.arange(len(of_level)) + 0.5) / len(of_level)
    return np.argsort(place, kind="stable")
