"""Do the intervals of a performance estimated without labels hold what labels would have shown?"""

from typing import Any, NamedTuple

import numpy as np

from perennial.columns import Floats
from perennial.drift.confidence import ConfidenceEstimator, metrics
from perennial.drift.error_model import ErrorModel
from perennial.drift.support import density_ratio, outside

SITUATIONS = ("as before", "moved by 1 sd", "noisy labels", "moved, noisy", "concept drift")
SIZES = ((100, 200), (500, 500))
_FEATURES = 4
_NOISE = 0.1  # of labels that are drawn anew


class Coverage(NamedTuple):
    """In how many checks the interval held the metric, and how wide it was on average."""

    metric: str
    situation: str
    holdout: int
    batch: int
    checks: int
    held: int
    width: float


class _World(NamedTuple):
    holdout: Floats
    batch: Floats
    labels: Any
    later: Any


def classified(situation: str, holdout: int, batch: int, checks: int) -> list[Coverage]:
    """A random forest of 500 rows, over-confident as they are; the label depends on the features by a curve
    that bends. Coverage of accuracy, F1 and ROC AUC.
    """
    from sklearn.ensemble import RandomForestClassifier

    found: dict[str, list[tuple[bool, float]]] = {}
    for seed in range(checks):
        rng = np.random.default_rng([seed, holdout, batch, *situation.encode()])
        x = rng.normal(size=(500, _FEATURES))
        forest = RandomForestClassifier(30, min_samples_leaf=5, random_state=seed).fit(x, _drawn(rng, x, 0.0))
        world = _world(situation, rng, holdout, batch, _drawn)
        given, known = forest.predict_proba(world.batch), forest.predict_proba(world.holdout)
        said = given.argmax(axis=1)
        estimator = ConfidenceEstimator.fit(
            world.labels,
            known.argmax(axis=1),
            known,
            [0, 1],
            seed=seed,
            ratio=density_ratio(world.holdout, world.batch),
        )
        if estimator is None:
            continue
        beyond = outside(world.holdout, world.batch)
        truth = metrics(world.later, said, given, 2)
        for name, one in estimator.estimate(said, given, outside=beyond, seed=seed).items():
            if name in truth and name != "balanced_accuracy":
                low, high = one.interval
                found.setdefault(name, []).append((low <= truth[name] <= high, high - low))
    return [_covered(name, situation, (holdout, batch), seen) for name, seen in found.items()]


def regressed(situation: str, holdout: int, batch: int, checks: int) -> list[Coverage]:
    """A linear model of a bent curve, whose noise grows with the first feature. Coverage of the mean absolute
    error.
    """
    from sklearn.linear_model import LinearRegression

    found: list[tuple[bool, float]] = []
    for seed in range(checks):
        rng = np.random.default_rng([seed, holdout, batch, *situation.encode()])
        x = rng.normal(size=(500, _FEATURES))
        line = LinearRegression().fit(x, _valued(rng, x, 0.0))
        world = _world(situation, rng, holdout, batch, _valued)
        given = line.predict(world.batch)
        ratio = density_ratio(world.holdout, world.batch)
        model = ErrorModel.fit(
            world.holdout, line.predict(world.holdout), world.labels, seed=seed, ratio=ratio
        )
        one = (
            model.estimate(world.batch, given, outside=outside(world.holdout, world.batch)) if model else None
        )
        if one is not None:
            low, high = one.interval
            found.append((low <= float(np.abs(world.later - given).mean()) <= high, high - low))
    return [_covered("mae", situation, (holdout, batch), found)]


def _covered(metric: str, situation: str, sizes: tuple[int, int], seen: list[tuple[bool, float]]) -> Coverage:
    held, widths = zip(*seen, strict=True)
    return Coverage(metric, situation, *sizes, len(seen), sum(held), float(np.mean(widths)))


def _world(situation: str, rng: np.random.Generator, holdout: int, batch: int, draw: Any) -> _World:
    """Noisy: the same share of labels on both sides; concept drift: thrice as many in the batch alone."""
    x, now = rng.normal(size=(holdout, _FEATURES)), rng.normal(size=(batch, _FEATURES))
    now[:, 0] += 1.0 if "moved" in situation else 0.0
    noise = _NOISE if "noisy" in situation else 0.0
    later = 3 * _NOISE if situation == "concept drift" else noise
    return _World(x, now, draw(rng, x, noise), draw(rng, now, later))


def _drawn(rng: np.random.Generator, x: Floats, noise: float) -> Any:
    chance = 1 / (1 + np.exp(-(1.5 * x[:, 0] - x[:, 1] + 0.5 * np.square(x[:, 2]) - 0.5)))
    labels = np.asarray(rng.random(len(x)) < chance, np.int64)
    return np.where(rng.random(len(x)) < noise, rng.integers(0, 2, len(x)), labels)


def _valued(rng: np.random.Generator, x: Floats, noise: float) -> Any:
    curve = x[:, 0] + x[:, 1] + 0.3 * np.square(x[:, 2])
    spread = 0.3 + 0.3 * np.abs(x[:, 0])
    return curve + rng.normal(size=len(x)) * np.where(rng.random(len(x)) < noise, 3 * spread, spread)
