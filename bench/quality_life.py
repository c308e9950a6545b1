"""How soon slow drift is seen, by Perennial with its state and by tests of single batches."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bench.quality_data import Table
from perennial import Profile, detect_drift

COLUMNS = 20
TOOLS = ("perennial", "perennial drifted", "KS", "t", "normed Wasserstein")
_TINY = 1e-300


class Course(NamedTuple):
    """A life to live: rows, batches, drift per batch in standard deviations, in so many columns."""

    reference: int
    rows: int
    batches: int
    drift: float = 0.0
    columns: int = 0


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
    life = Life({tool: [] for tool in TOOLS}, {tool: [] for tool in TOOLS})
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
    return life


def _peers(before: Table, now: Table) -> dict[str, tuple[float, bool]]:
    from scipy import stats

    ks = min(stats.ks_2samp(before[name], now[name], method="asymp").pvalue for name in before)
    first, second = np.stack(list(before.values())), np.stack(list(now.values()))
    t = float(stats.ttest_ind(first, second, axis=1, equal_var=False).pvalue.min())
    moved = [stats.wasserstein_distance(before[name], now[name]) / before[name].std() for name in before]
    found = {name: (-np.log10(max(p, _TINY)), p < 0.01 / COLUMNS) for name, p in (("KS", ks), ("t", t))}
    return {**found, "normed Wasserstein": (max(moved), float(np.mean(np.array(moved) >= 0.1)) >= 0.5)}


def lives(course: Course, seeds: range) -> list[Life]:
    """So many lives."""
    return [live(course, seed) for seed in seeds]


def first_over(values: Sequence[float], limit: float) -> int:
    """Batch of the first score over the limit; one more than there are where there is none."""
    return next((place for place, value in enumerate(values, 1) if value > limit), len(values) + 1)
