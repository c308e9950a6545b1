"""When slow drift raises default alarms, of Perennial with its state and of tests of single batches."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bench.quality_data import Table
from perennial import Profile, detect_drift

COLUMNS = 20
TOOLS = ("perennial", "perennial drifted", "KS", "t", "normed Wasserstein")


class Course(NamedTuple):
    """A life to live: rows, batches, drift per batch in standard deviations, in so many columns."""

    reference: int
    rows: int
    batches: int
    drift: float = 0.0
    columns: int = 0


Life = dict[str, list[bool]]
"""Per tool whether it alarmed by default, batch by batch."""


def live(course: Course, seed: int) -> Life:
    """Batches of 20 normal columns, some of them off by `drift` more each time.

    The peers look at single batches: Kolmogorov-Smirnov (alibi-detect's, whylogs'), Student's t, both by the
    smallest p-value, alarm below 1 % by Bonferroni; normed Wasserstein (Evidently's), alarm over 0.1 in half
    the columns.
    """
    rng = np.random.default_rng([seed, *(int(1000 * part) for part in course)])
    before = {f"x{i}": rng.normal(size=course.reference) for i in range(COLUMNS)}
    baseline, state = Profile.of(before), dict[str, Any]()
    life: Life = {tool: [] for tool in TOOLS}
    for batch in range(1, course.batches + 1):
        gap = course.drift * batch
        now = {
            f"x{i}": rng.normal(gap if i < course.columns else 0.0, 1, course.rows) for i in range(COLUMNS)
        }
        report = detect_drift(baseline, Profile.of(now, like=baseline), state=state)
        state = report.state or {}
        found = {"perennial": report.significant, "perennial drifted": report.drifted, **_peers(before, now)}
        for tool, alarm in found.items():
            life[tool].append(alarm)
    return life


def _peers(before: Table, now: Table) -> dict[str, bool]:
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
    return {
        "KS": ks < 0.01 / COLUMNS,
        "t": t < 0.01 / COLUMNS,
        "normed Wasserstein": float(np.mean(moved >= 0.1)) >= 0.5,
    }


def lives(course: Course, seeds: range) -> list[Life]:
    """So many lives."""
    return [live(course, seed) for seed in seeds]


def first_alarm(alarms: Sequence[bool]) -> int:
    """Batch of the first alarm; one more than there are where there is none."""
    return next((place for place, alarm in enumerate(alarms, 1) if alarm), len(alarms) + 1)
