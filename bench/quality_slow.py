"""How soon slow drift is seen at equal false-alarm rate: hundreds of lives at once, as counts of bins.

20 independent normal columns in 64 bins that end at the reference's own quantiles. Perennial's tests are its
own functions on these counts; those that no such column can show anything to (missing values, correlations)
keep their shares and see nothing. The peer is Student's t on each batch, which knows the variance; the bound
is the likelihood ratio of a detector that is told that one column drifts in a straight line from the first
batch on.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import chdtrc, kolmogorov, ndtr, ndtri

from bench.quality_calm import CAP, combined, direction
from perennial.columns import Floats
from perennial.drift.family import CORRELATIONS, RECENT, RESERVE, TOGETHER
from perennial.drift.number_evidence import DISTRIBUTION, LOCATION, SCALE
from perennial.drift.permutation import score_test
from perennial.drift.recent import Bucket, look_back, push
from perennial.drift.scores import normal_scores
from perennial.drift.sequential import begin, log_evidence

REFERENCE, COLUMNS, BATCHES, DRIFT = 2_000, 20, 22, 0.02
SIZES, DRIFTING = (200, 500, 2_000), (1, 4)
CALM, LIVES = 600, 200
RATE = 0.05
TOOLS = ("perennial", "t", "bound")
_BINS = 64


class Slow(NamedTuple):
    """Per tool the batch of the first alarm in each life, one more than there are where there is none."""

    rows: int
    columns: int
    firsts: dict[str, Floats]


def slow(rows: int) -> list[Slow]:
    """Each tool alarms where its score is below what it is ever below in 5 % of the lives without drift."""
    rng = np.random.default_rng([rows, CALM, LIVES])
    calm = _lives(rng, rows, 0, CALM)
    limits = {tool: float(np.quantile(p.min(axis=1), RATE)) for tool, p in calm.items()}
    found = []
    for columns in DRIFTING:
        moved = _lives(rng, rows, columns, LIVES)
        ends = np.ones((LIVES, 1), bool)
        firsts = {
            tool: np.argmax(np.hstack([p < limits[tool], ends]), axis=1).astype(np.float64) + 1.0
            for tool, p in moved.items()
        }
        found.append(Slow(rows, columns, firsts))
    return found


def _lives(rng: np.random.Generator, rows: int, drifting: int, lives: int) -> dict[str, Floats]:
    """Of each tool the smallest p-value of every batch: (lives, batches)."""
    columns = _Columns(rng, lives, rows)
    told = np.zeros((5, lives * COLUMNS))
    found: dict[str, list[Floats]] = {tool: [] for tool in TOOLS}
    for batch in range(1, BATCHES + 1):
        gaps = np.where(np.tile(np.arange(COLUMNS) < drifting, lives), DRIFT * batch, 0.0)
        counts, means = columns.drawn(gaps)
        found["perennial"].append(columns.judged(counts, batch))
        found["t"].append(_smallest(means / np.sqrt(1 / rows + 1 / REFERENCE), lives))
        m, a = float(rows), float(batch)
        told += np.stack(
            [np.full_like(means, part) for part in (m, m * a, m * a * a)] + [m * means, m * a * means]
        )
        all_rows, first, second, plain, sloped = told
        u = sloped - first / (REFERENCE + all_rows) * plain
        found["bound"].append(_smallest(u / np.sqrt(second - first**2 / (REFERENCE + all_rows)), lives))
    return {tool: np.stack(p, axis=1) for tool, p in found.items()}


def _smallest(z: Floats, lives: int) -> Floats:
    return np.asarray(2 * ndtr(-np.abs(z).reshape(lives, COLUMNS).max(axis=1)))


class _Columns:
    """The columns of all lives, with Perennial's state."""

    def __init__(self, rng: np.random.Generator, lives: int, rows: int) -> None:
        self._rng, self._lives, self._rows = rng, lives, rows
        places = lives * COLUMNS
        true = rng.gamma(REFERENCE / _BINS, size=(places, _BINS))
        edges = ndtri(
            np.clip(np.cumsum(true / true.sum(axis=1, keepdims=True), axis=1)[:, :-1], 1e-12, 1 - 1e-12)
        )
        outside = np.full((places, 1), 40.0)
        self._edges = np.hstack([-outside, edges, outside])
        self._before = np.full((places, _BINS), REFERENCE / _BINS)
        self._mean = self._value(self._before, np.zeros(places))
        middle = ndtri((np.arange(_BINS) + 0.5) / _BINS)
        self._scores = [middle, np.minimum(np.square(middle), CAP**2)]
        self._life = np.tile(np.repeat(np.arange(lives), COLUMNS), 2)
        self._share = np.repeat([0.75, 0.25], places) / COLUMNS
        self._watched = [
            direction(rows, REFERENCE, float(part.var())) for part in self._scores for _ in range(places)
        ]
        self._sums, self._buckets = list[Floats](), tuple[Bucket, ...]()
        self._most = np.zeros(lives)

    def drawn(self, gaps: Floats) -> tuple[Floats, Floats]:
        """A batch's counts (places, bins), and its means less the reference's."""
        chances = np.diff(ndtr(self._edges - gaps[:, None]), axis=1)
        counts = self._rng.multinomial(self._rows, chances / chances.sum(axis=1, keepdims=True))
        return counts.astype(float), self._value(counts, gaps) - self._mean

    def judged(self, counts: Floats, batch: int) -> Floats:
        """The smallest corrected p-value, (lives,)."""
        scores = normal_scores(self._before + counts)
        location, scale = (score_test(one, self._before, counts) for one in scores)
        apart = np.abs(np.cumsum(self._before / REFERENCE - counts / self._rows, axis=1)).max(axis=1)
        shape = kolmogorov(apart / np.sqrt(1 / REFERENCE + 1 / self._rows))
        alone = np.minimum(
            np.minimum(location.p_value / LOCATION, scale.p_value / SCALE), shape / DISTRIBUTION
        )
        z = ndtri(np.clip(location.p_value / 2, 1e-300, 0.5)).reshape(self._lives, COLUMNS)
        spent = TOGETHER + RESERVE + CORRELATIONS + (RECENT if batch > 1 else 0.0)
        found = alone.reshape(self._lives, COLUMNS).min(axis=1) * COLUMNS / (1 - spent)
        found = np.minimum(found, chdtrc(COLUMNS, np.square(z).sum(axis=1)) / TOGETHER)
        return np.asarray(np.minimum(found, self._remembered(counts / self._rows, batch)))

    def _remembered(self, shares: Floats, batch: int) -> Floats:
        m = np.full(self._share.size, float(self._rows))
        d = np.concatenate([shares @ part - part.mean() for part in self._scores])
        if batch == begin(len(self._sums)):
            self._sums.append(np.zeros((5, m.size)))
        for number, start in enumerate(self._sums):
            a = batch - begin(number) + 1
            self._sums[number] = start + np.stack([m, m * a, m * a * a, m * d, m * a * d])
        evidence = self._share * np.exp(log_evidence(self._sums, self._watched))
        self._most = np.maximum(self._most, np.bincount(self._life, weights=evidence))
        self._buckets = push(self._buckets, Bucket(1, tuple(m), tuple(m * d), tuple(m * d)))
        if batch == 1:
            return np.asarray(1 / self._most)
        p = combined(look_back(self._buckets, self._watched), self._share, self._life)
        return np.asarray(np.minimum(p / RECENT, 1 / self._most))

    def _value(self, counts: Any, gaps: Floats) -> Floats:
        """Means of values in these bins: their expectation in each, and what it varies by within them."""
        ends = self._edges - gaps[:, None]
        density = np.exp(-np.square(ends) / 2) / np.sqrt(2 * np.pi)
        mass = np.maximum(np.diff(ndtr(ends), axis=1), 1e-300)
        middle = -np.diff(density, axis=1) / mass
        spread = np.maximum(1 - np.diff(ends * density, axis=1) / mass - np.square(middle), 0.0)
        rows = counts.sum(axis=1)
        noise = self._rng.normal(size=rows.size) * np.sqrt((counts * spread).sum(axis=1))
        return np.asarray(((counts * middle).sum(axis=1) + noise) / rows + gaps)
