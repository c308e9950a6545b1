"""How often a change of feature importance is seen where nothing changed."""

from typing import NamedTuple

import numpy as np

from perennial.columns import Floats
from perennial.drift.importance import MIN_NDCG, Importances, compare_importances, permutation_importances

SHAPES = {
    "six equal": (0.5,) * 6,
    "falling": (2.0, 1.0, 0.5, 0.25, 0.1, 0.0),
    "three of twelve": (1.0, 0.9, 0.8, *(0.0,) * 9),
    "four weak": (0.15, 0.1, 0.1, 0.05),
}
SIZES = ((50, 100), (200, 100), (500, 300))


class Ranked(NamedTuple):
    """Draws without a change: in how many the NDCG was below 0.90, and in how many a change was called."""

    shape: str
    holdout: int
    batch: int
    draws: int
    low: int
    changed: int


def unchanged(shape: str, holdout: int, batch: int, draws: int) -> Ranked:
    """A logistic model that is right; every other draw of normal, every other of log-normal features."""
    weights, low, changed = np.array(SHAPES[shape]), 0, 0
    for seed in range(draws):
        rng = np.random.default_rng([seed, holdout, batch, *shape.encode()])
        before, now = (
            _importances(rng, weights, rows, repeats, heavy=bool(seed % 2))
            for rows, repeats in ((holdout, 3), (batch, 2))
        )
        found = compare_importances(before, now, seed=seed)
        low += found.ndcg < MIN_NDCG
        changed += found.changed
    return Ranked(shape, holdout, batch, draws, low, changed)


def _importances(
    rng: np.random.Generator, weights: Floats, rows: int, repeats: int, *, heavy: bool
) -> Importances:
    import pandas as pd

    x = rng.normal(size=(rows, weights.size))
    x = np.exp(x) / 2.16 - 0.76 if heavy else x
    labels = rng.random(rows) < _chance(x, weights)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(weights.size)])

    def score(asked: "pd.DataFrame") -> Floats:
        p = _chance(asked.to_numpy(), weights)
        return np.where(np.tile(labels, len(asked) // rows), p, 1 - p)

    return permutation_importances(score, frame, list(frame.columns), seed=0, repeats=repeats)


def _chance(x: Floats, weights: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-(x @ weights))))
