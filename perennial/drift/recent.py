"""The last batches taken together: what one batch is too small to show, and how far things are today.

Batches are kept in buckets of 1, 1, 2, 2, 4, 4, 8, 8 ... of them, the latest first in detail (as in the
exponential histogram of M. Datar et al., Maintaining stream statistics over sliding windows, SIAM J. Comput.
31, 2002). Each window of the latest buckets is tested for a change that goes with the root of its age there:
a = sqrt(age) correlates by 0.94 with a step at the window's start, by 0.98 with a change that grows steadily.
The longest window is tested for a slope, a = age, besides: what drifts most likely drifts since the reference
was taken. How far things are today is read off the better of step and slope. With d_b the mean difference
of a bucket of m_b rows from the n rows of the reference, M = sum m, A = sum m a, B = sum m a^2 as in
`sequential`,

    U = sum m a d - A / (n + M) sum m d,   I = B - A^2 / (n + M),   z = U / (s sqrt(I))

z is standard normal without drift, the reference's own sampling error included, which all batches share.
What moves in a few columns at once shows in the sum of squares of their z (`together`), window by window.
All p-values are combined by Cauchy's method (they depend on each other strongly, which
it stands). This holds for each check, as the tests of a single batch do; over a life see `sequential`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from perennial.columns import Floats
from perennial.config import DriftPolicy
from perennial.drift.cauchy import cauchy_combination
from perennial.drift.directions import Direction
from perennial.drift.materiality import HARMLESS, without_noise
from perennial.drift.together import sum_of_squares_p

if TYPE_CHECKING:
    from perennial.drift.correlation import Structure

_MOST_BUCKETS = 10
_SAME = 2  # buckets of one size
_SLOPE = 0.5  # share of the longest window's slope among the tests
SQUARES = 0.35  # and of all columns' locations together


@dataclass(frozen=True)
class Bucket:
    """Some consecutive batches: per direction their rows, sum m d and sum m effect, (directions,) each."""

    batches: int
    rows: tuple[float, ...]
    sums: tuple[float, ...]
    effects: tuple[float, ...]

    def join(self, other: "Bucket") -> "Bucket":
        """Both together."""
        added = [
            tuple(a + b for a, b in zip(mine, theirs, strict=True))
            for mine, theirs in (
                (self.rows, other.rows),
                (self.sums, other.sums),
                (self.effects, other.effects),
            )
        ]
        return Bucket(self.batches + other.batches, *added)


class Today(NamedTuple):
    """z of the tests, without sign (tests, directions), the longest window's slope last; today's change by
    the window that shows most, as it was seen and with its standard error, in standard deviations:
    (directions,) each.
    """

    z: Floats
    sizes: Floats
    errors: Floats

    @property
    def p_values(self) -> Floats:
        """Two-sided, of the tests: (tests, directions)."""
        return np.asarray(2 * ndtr(-self.z))

    @property
    def weights(self) -> Floats:
        """The tests' shares of the error rate, (tests,)."""
        windows = max(len(self.z) - 1, 1)
        return np.array([(1 - _SLOPE) / windows] * windows + [_SLOPE])[-len(self.z) :]

    @property
    def effects(self) -> Floats:
        """The sizes without their noise."""
        return np.asarray(without_noise(self.sizes, self.errors))


def add_batch(buckets: Sequence[Bucket], watched: Sequence[Direction]) -> tuple[Bucket, ...]:
    """The buckets, oldest first, after one more batch."""
    rows = [direction.rows for direction in watched]
    latest = Bucket(
        1,
        tuple(rows),
        tuple(m * direction.difference for m, direction in zip(rows, watched, strict=True)),
        tuple(m * direction.effect for m, direction in zip(rows, watched, strict=True)),
    )
    return push(buckets, latest)


def push(buckets: Sequence[Bucket], latest: Bucket) -> tuple[Bucket, ...]:
    """The buckets, oldest first, with the latest: at most two of one size.

    >>> buckets = ()
    >>> for _ in range(7):
    ...     buckets = push(buckets, Bucket(1, (10.0,), (0.0,), (0.0,)))
    >>> [bucket.batches for bucket in buckets]
    [4, 2, 1]
    """
    kept = [*buckets, latest]
    place = len(kept) - 1
    while place > 0:
        same = [number for number, bucket in enumerate(kept) if bucket.batches == kept[place].batches]
        if len(same) > _SAME:
            kept[same[0] : same[0] + 2] = [kept[same[0]].join(kept[same[0] + 1])]
            place = same[0]
        else:
            place = same[0] - 1
    return tuple(kept[-_MOST_BUCKETS:])


def look_back(buckets: Sequence[Bucket], watched: Sequence[Direction]) -> Today:
    """Test every window of two buckets or more; z = 0 where there is only one.

    >>> one = Direction("x", "location", 0.2, 100, 10_000, 1.0, 1.0, 0, 0.2, 1.0)
    >>> four = look_back(add_batch(add_batch(add_batch(add_batch((), [one]), [one]), [one]), [one]), [one])
    >>> four.z.round(1).tolist(), four.sizes.round(2).tolist()  # the last 4 and 2 batches, and a slope
    ([[3.8], [2.8], [3.6]], [0.2])
    """
    n = np.array([direction.reference_rows for direction in watched], float)
    variance = np.array([direction.variance for direction in watched], float)
    noise = np.array([direction.noise for direction in watched], float)
    least = np.array([direction.least_rows for direction in watched], float)
    found: list[Floats] = []
    slope = np.zeros(n.size)
    best = [np.zeros(n.size), np.zeros(n.size), np.ones(n.size)]
    m, sums, effects = (np.array([getattr(b, what) for b in buckets]) for what in ("rows", "sums", "effects"))
    ends = np.cumsum([bucket.batches for bucket in buckets])
    for first in range(len(buckets)):
        since = ends[first] - buckets[first].batches
        length = float(ends[-1] - since)
        ages = ends[first:] - np.array([b.batches - 1 for b in buckets[first:]]) / 2 - since
        rows = m[first:].sum(axis=0)
        for form, a, now in (
            ("step", np.ones(len(ages)), 1.0),
            ("slope", ages, length),
            ("test", np.sqrt(ages), 0.0),
        ):
            if form != "step" and len(ages) == 1:
                continue  # a batch alone has tests of its own
            moment, square = a @ m[first:], np.square(a) @ m[first:]
            information = np.maximum(square - moment * moment / (n + rows), 1e-12)
            u, e = (
                a @ part[first:] - moment / (n + rows) * part[first:].sum(axis=0) for part in (sums, effects)
            )
            z = np.where(rows >= least, np.abs(u) / np.sqrt(variance * information), 0.0)
            if form == "test":
                found.append(z)
                continue
            slope = z if form == "slope" and not first else slope
            better = z > best[0]
            today, error = np.abs(e) / information * now, noise * now / np.sqrt(information)
            best = [np.where(better, new, old) for new, old in zip((z, today, error), best, strict=True)]
    return Today(np.stack([*found, slope]), best[1], best[2])


def combined_p(today: Today, watched: Sequence[Direction], pair: "Structure | None") -> float:
    """One p-value of all tests and directions, and of the locations of columns together whose correlations
    `pair` knows.
    """
    p, shares = today.p_values, np.array([direction.share for direction in watched])
    weights = today.weights[:, None] * shares / shares.sum()
    means = {direction.column: place for place, direction in enumerate(watched) if direction.name == "mean"}
    names = [name for name in (pair.names if pair else ()) if name in means]
    if pair is None or len(names) < 2:
        return cauchy_combination(p.ravel(), weights.ravel())
    z, kept = today.z[:, [means[name] for name in names]], [pair.names.index(name) for name in names]
    correlations = pair.pooled[np.ix_(kept, kept)]
    squares = [sum_of_squares_p(one, correlations, pair.rows) for one in z]
    return cauchy_combination(
        [*p.ravel(), *squares], [*(weights.ravel() * (1 - SQUARES)), *(today.weights * SQUARES)]
    )


def matters_today(
    today: Today, watched: Sequence[Direction], policy: DriftPolicy, leaning: Sequence[float]
) -> Any:
    """Which directions' changes, times the model's `leaning` on them, surely matter: bool, (directions,)."""
    columns = max(len({direction.column for direction in watched}), 1)
    chance = float(ndtri(policy.alpha / columns / 2))
    sure = today.sizes + chance * today.errors > HARMLESS * policy.min_effect
    return sure & (today.effects * np.asarray(leaning, float) >= policy.min_effect)
