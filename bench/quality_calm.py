"""How many lives without drift ever see a false alarm of what accumulates, and how many checks one of the
last batches together: many lives at once, on numbers alone.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import chdtrc, ndtri

from perennial.columns import Floats
from perennial.config import DriftPolicy
from perennial.drift.directions import Direction
from perennial.drift.family import RECENT, adjust
from perennial.drift.recent import SQUARES, Bucket, Today, look_back, push
from perennial.drift.sequential import begin, log_evidence

_BINS = 64
_LEAST_ROWS = 100
CAP = 2.5
COURSES = (
    (2_000, 500, 4, 4_000),
    (2_000, 500, 20, 1_500),
    (500, 200, 4, 4_000),
    (20_000, 500, 4, 4_000),
    (2_000, 2_000, 20, 1_500),
)


class Calm(NamedTuple):
    """Of so many lives, how many ever had the accumulated alarm; of their checks from the second batch on,
    how many had that of the recent batches.
    """

    reference: int
    rows: int
    columns: int
    lives: int
    batches: int
    accumulated: int
    checks: int
    recent: int


def calm(reference: int, rows: int, columns: int, lives: int, batches: int = 40) -> Calm:
    """Columns in 64 bins that end at the reference's own quantiles, so that a bin's true share is off by what
    sampling brings; location and scale scores of the bins, with the shares and the variance of `directions`.
    """
    rng, policy = np.random.default_rng([reference, rows, columns, lives]), DriftPolicy()
    places = lives * columns
    middle = ndtri((np.arange(_BINS) + 0.5) / _BINS)
    scores = [middle, np.minimum(np.square(middle), CAP**2)]
    true = rng.gamma(reference / _BINS, size=(places, _BINS))
    true /= true.sum(axis=1, keepdims=True)
    life = np.tile(np.repeat(np.arange(lives), columns), 2)
    share = np.repeat([0.75, 0.25], places) / columns
    watched = [direction(rows, reference, float(part.var())) for part in scores for _ in range(places)]
    m, sums, buckets = np.full(2 * places, float(rows)), list[Floats](), tuple[Bucket, ...]()
    most, recent = np.zeros(lives), 0
    for batch in range(1, batches + 1):
        shares = rng.multinomial(rows, true) / rows
        d = np.concatenate([shares @ part - part.mean() for part in scores])
        if batch == begin(len(sums)):
            sums.append(np.zeros((5, 2 * places)))
        for number, start in enumerate(sums):
            a = batch - begin(number) + 1
            sums[number] = start + np.stack([m, m * a, m * a * a, m * d, m * a * d])
        evidence = np.exp(log_evidence(sums, watched))
        most = np.maximum(most, np.bincount(life, weights=share * evidence))
        buckets = push(buckets, Bucket(1, tuple(m), tuple(m * d), tuple(m * d)))
        if batch > 1:
            p = combined(look_back(buckets, watched), share, life)
            recent += sum(adjust(float(one), RECENT) < policy.alpha for one in p)
    return Calm(
        reference,
        rows,
        columns,
        lives,
        batches,
        int((most > 1 / policy.lifetime_alpha).sum()),
        lives * (batches - 1),
        recent,
    )


def combined(today: Today, share: Floats, life: Any) -> Floats:
    """`combined_p` of each life, whose columns are independent: (lives,)."""
    places = life.size // 2  # locations, then scales
    squares = np.stack([np.bincount(life[:places], weights=z[:places] ** 2) for z in today.z])
    alone = np.bincount(life, weights=today.weights @ _tails(today.p_values) * share)
    together = today.weights @ _tails(chdtrc(np.bincount(life[:places]), squares))
    total = (1 - SQUARES) * alone + SQUARES * together
    return np.asarray(0.5 - np.arctan(total) / np.pi)


def _tails(p: Floats) -> Floats:
    return np.asarray(np.tan((0.5 - np.clip(p, 1e-15, 1 - 1e-5)) * np.pi))


def direction(rows: int, reference: int, variance: float) -> Direction:
    wide = variance * (1 + 2 / np.sqrt(reference))
    return Direction("", "", 0.0, float(rows), float(reference), wide, 0.0, _LEAST_ROWS, 0.0, 1.0)
