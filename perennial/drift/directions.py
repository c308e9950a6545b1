"""What the accumulated test watches of each column: bounded scores fixed by the reference alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import pi, sqrt

import numpy as np

from perennial.drift.aligned import align
from perennial.drift.changes import changes
from perennial.drift.materiality import in_deviations
from perennial.drift.scores import normal_scores
from perennial.drift.shares import shares
from perennial.profile import CategoryColumn, NumberColumn, Profile

_MOST_LEVELS = 6
_LEAST_ROWS = 100
_LEAST_REFERENCE = 50
_MOST = 6.0


@dataclass(frozen=True)
class Direction:
    """Mean difference of a score between a batch of `rows` rows and the reference, and the score's variance.

    `share` of the error rate; `effect`: what the batch says of the change, in standard deviations of a normal
    shift, with its sign; a single row brings `noise` of it.
    """

    column: str
    name: str
    difference: float
    rows: float
    reference_rows: float
    variance: float
    share: float
    least_rows: float
    effect: float
    noise: float


def directions(reference: Profile, current: Profile, names: Iterable[str]) -> list[Direction]:
    """All directions of the columns, which must be binned alike; the same for every batch."""
    pairs = {name: (reference.columns[name], current.columns[name]) for name in names}
    numbers = {
        name: (before, now)
        for name, (before, now) in pairs.items()
        if isinstance(before, NumberColumn) and isinstance(now, NumberColumn)
        if before.kind != "datetime" and before.count >= _LEAST_REFERENCE
    }
    found = _numbers(numbers, len(pairs))
    for name, (before, now) in pairs.items():
        if isinstance(before, CategoryColumn) and isinstance(now, CategoryColumn):
            found += _levels(name, before, now, len(pairs))
    return found


def _numbers(pairs: dict[str, tuple[NumberColumn, NumberColumn]], columns: int) -> list[Direction]:
    if not pairs:
        return []
    numbers = align(pairs)
    change = changes(numbers, pairs)
    found = []
    kinds = zip(
        ("mean", "spread"),
        normal_scores(numbers.exchangeable),
        (0.75, 0.25),
        (change.sure, change.stretch),
        (np.ones_like(change.sure), change.stretch_noise),
        strict=True,
    )
    for name, scores, share, effect, noise in kinds:
        before = shares(numbers.exchangeable)
        mean = (before * scores).sum(axis=1)
        variance = (before * np.square(scores - mean[:, None])).sum(axis=1)
        seen = numbers.m > 0
        difference = np.where(seen, (shares(numbers.current) * scores).sum(axis=1) - mean, 0.0)
        found += [
            Direction(
                column,
                name,
                float(difference[row]),
                float(numbers.m[row]),
                float(numbers.n[row]),
                max(float(variance[row]), 1e-6) * (1 + 2 / sqrt(numbers.n[row])),
                share / columns,
                _LEAST_ROWS,
                float(np.clip(effect[row], -_MOST, _MOST)) if seen[row] else 0.0,
                float(noise[row]),
            )
            for row, column in enumerate(numbers.names)
        ]
    return found


def _levels(name: str, before: CategoryColumn, now: CategoryColumn, columns: int) -> list[Direction]:
    counts, later = np.array([*before.counts, before.other], float), np.array([*now.counts, now.other], float)
    n, m = counts.sum(), later.sum()
    p = (counts + 1) / (n + 2)
    steady = n * p * (1 - p) >= _LEAST_ROWS  # else a share is no normal variable
    places = [place for place in np.argsort(-p, kind="stable")[:_MOST_LEVELS] if steady[place]]
    labels = [*before.levels, "other levels"]
    gaps = later / m - counts / n if m else np.zeros_like(counts)
    return [
        Direction(
            name,
            f"the share of {labels[place]}",
            float(gaps[place]),
            float(m),
            float(n),
            float(p[place] * (1 - p[place])) * (1 + 2 / sqrt(n)),
            1 / (columns * len(places)),
            float(_LEAST_ROWS / (p[place] * (1 - p[place]))),
            float(np.sign(gaps[place]) * in_deviations(abs(gaps[place]))),
            sqrt(2 * pi * p[place] * (1 - p[place])),
        )
        for place in places
    ]
