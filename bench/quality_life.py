"""How soon slow drift is seen, by Perennial with its state and by tests of single batches."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from bench.quality_data import Table
from perennial import Profile, detect_drift

COLUMNS = 20
TOOLS = ("perennial", "perennial drifted", "KS", "t", "normed Wasserstein")
BOUND = "best possible"
_TINY = 1e-300


class Course(NamedTuple):
    """A life to live: rows, batches, drift per batch in standard deviations, in so many columns."""

    reference: int
    rows: int
    batches: int
    drift: float = 0.0
    columns: int = 0


class Told:
    """The likelihood ratio of a detector that is told all that the others have to find out: the means of
    normal columns of variance 1 drift, in a straight line, from the first batch on, in one of 20 columns.
    What no better one could make up for is the reference's own sampling error.
    """

    def __init__(self, before: Table) -> None:
        self._means = np.array([values.mean() for values in before.values()])
        self._n = float(len(next(iter(before.values()))))
        self._sums = np.zeros((3, 1))
        self._gaps = np.zeros((2, COLUMNS))
        self._batch = 0

    def score(self, now: Table) -> float:
        """-log10 of the smallest p-value, with one more batch."""
        self._batch += 1
        gaps = np.array([values.mean() for values in now.values()]) - self._means
        m, a = float(len(next(iter(now.values())))), self._batch
        self._sums += np.array([[m], [m * a], [m * a * a]])
        self._gaps += np.array([m * gaps, m * a * gaps])
        rows, first, second = self._sums[:, 0]
        z = self._gaps[1] - first / (self._n + rows) * self._gaps[0]
        z = np.abs(z) / np.sqrt(second - first * first / (self._n + rows))
        return float(-np.log10(max(2 * ndtr(-z.max()), _TINY)))


class Life(NamedTuple):
    """Per tool the score of each batch (the larger, the more drift) and whether it alarmed by default."""

    scores: dict[str, list[float]]
    alarms: dict[str, list[bool]]


def live(course: Course, seed: int) -> Life:
    """Batches of 20 normal columns, some of them off by `drift` more each time.

    The peers look at single batches: Kolmogorov-Smirnov (alibi-detect's, whylogs'), Student's t, both by the
    smallest p-value, alarm below 1 % by Bonferroni; normed Wasserstein (Evidently's), alarm over 0.1 in half
    the columns.
    """
    rng = np.random.default_rng([seed, *(int(1000 * part) for part in course)])
    before = {f"x{i}": rng.normal(size=course.reference) for i in range(COLUMNS)}
    baseline, state = Profile.of(before), dict[str, Any]()
    life, told = Life({tool: [] for tool in (*TOOLS, BOUND)}, {tool: [] for tool in TOOLS}), Told(before)
    for batch in range(1, course.batches + 1):
        gap = course.drift * batch
        now = {
            f"x{i}": rng.normal(gap if i < course.columns else 0.0, 1, course.rows) for i in range(COLUMNS)
        }
        report = detect_drift(baseline, Profile.of(now, like=baseline), state=state)
        state = report.state or {}
        found = [c.adjusted_p_value for c in report.columns.values()]
        found += [t.adjusted_p_value for t in report.tables]
        found += [report.accumulated.p_value] if report.accumulated else []
        mine = -np.log10(max(min(p for p in found if p is not None), _TINY))
        seen = {
            "perennial": (mine, report.significant),
            "perennial drifted": (mine, report.drifted),
            **_peers(before, now),
        }
        for tool, (score, alarm) in seen.items():
            life.scores[tool].append(float(score))
            life.alarms[tool].append(bool(alarm))
        life.scores[BOUND].append(told.score(now))
    return life


def _peers(before: Table, now: Table) -> dict[str, tuple[float, bool]]:
    from scipy import stats

    first, second = np.stack(list(before.values())), np.stack(list(now.values()))
    n, m = first.shape[1], second.shape[1]
    both = np.concatenate([first, second], axis=1)
    order = np.argsort(both, axis=1)
    apart = np.cumsum(np.where(order < n, 1 / n, -1 / m), axis=1)  # of the distribution functions
    ks = float(stats.kstwo.sf(np.abs(apart).max(), np.round(n * m / (n + m))))  # as ks_2samp's "asymp"
    t = float(stats.ttest_ind(first, second, axis=1, equal_var=False).pvalue.min())
    steps = np.diff(np.take_along_axis(both, order, axis=1), axis=1)
    moved = (np.abs(apart[:, :-1]) * steps).sum(axis=1) / first.std(axis=1)  # as wasserstein_distance
    found = {name: (-np.log10(max(p, _TINY)), p < 0.01 / COLUMNS) for name, p in (("KS", ks), ("t", t))}
    return {**found, "normed Wasserstein": (moved.max(), float(np.mean(moved >= 0.1)) >= 0.5)}


def lives(course: Course, seeds: range) -> list[Life]:
    """So many lives."""
    return [live(course, seed) for seed in seeds]


def first_over(values: Sequence[float], limit: float) -> int:
    """Batch of the first score over the limit; one more than there are where there is none."""
    return next((place for place, value in enumerate(values, 1) if value > limit), len(values) + 1)
