"""How often the verdict alarms without drift, and how soon it does under slow drift."""

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from bench.quality_data import Table
from bench.quality_peers import scipy
from perennial import DriftReport, Profile, detect_drift

Maker = Callable[[np.random.Generator, int], Any]

SYNTHETIC: dict[str, Maker] = {
    "normal": lambda rng, rows: rng.normal(size=rows),
    "lognormal": lambda rng, rows: rng.lognormal(size=rows),
    "counts (Poisson 1)": lambda rng, rows: rng.poisson(1, rows).astype(float),
    "rare flag (3 %)": lambda rng, rows: (rng.random(rows) < 0.03).astype(float),
    "8 levels": lambda rng, rows: rng.choice(8, rows, p=[0.4, 0.2, 0.15, 0.1, 0.05, 0.05, 0.03, 0.02]).astype(
        "U1"
    ),
    "up to 2,000 levels (Zipf)": lambda rng, rows: np.minimum(rng.zipf(1.3, rows), 2000).astype("U4"),
}
REAL = ("breast_cancer", "wine", "digits", "diabetes")


class Alarms(NamedTuple):
    """Checks made without drift, and how many were called significant and drifted."""

    data: str
    rows: str
    columns: int
    checks: int
    significant: int
    drifted: int


def synthetic_alarms(checks: Callable[[int, int], int]) -> Iterator[Alarms]:
    """Independent columns; reference and current of equal and of very unequal sizes."""
    sizes = [(50, 50), (50, 5_000), (1_000, 100), (1_000, 1_000), (20_000, 20_000)]
    for data, make in SYNTHETIC.items():
        for n, m in sizes:
            for columns in (5, 20, 200):
                if n * columns <= 400_000 and (columns < 200 or n * m <= 100_000):
                    yield _alarms(data, make, n, m, columns, checks(n + m, columns))
    for data in ("normal", "8 levels"):
        yield _alarms(data, SYNTHETIC[data], 1_000_000, 1_000_000, 5, checks(2_000_000, 5))


def _alarms(data: str, make: Maker, n: int, m: int, columns: int, checks: int) -> Alarms:
    rng = np.random.default_rng([n, m, columns, *data.encode()])
    found = [
        _check(
            {f"x{i}": make(rng, n) for i in range(columns)}, {f"x{i}": make(rng, m) for i in range(columns)}
        )
        for _ in range(checks)
    ]
    return _counted(data, f"{n:,} / {m:,}", columns, found)


def real_alarms(checks: int) -> Iterator[Alarms]:
    """scikit-learn's data sets, split at random into reference and current, anew for every check."""
    from sklearn import datasets

    for name in REAL:
        values = getattr(datasets, f"load_{name}")().data
        for share in (0.5, 0.8):
            rng = np.random.default_rng([int(100 * share), *name.encode()])
            cut, found = int(share * len(values)), []
            for _ in range(checks):
                order = rng.permutation(len(values))
                found.append(_check(_columns(values[order[:cut]]), _columns(values[order[cut:]])))
            yield _counted(name, f"{cut:,} / {len(values) - cut:,}", values.shape[1], found)


def _columns(values: Any) -> Table:
    return {f"x{i}": np.ascontiguousarray(values[:, i], float) for i in range(values.shape[1])}


def _check(reference: Table, current: Table) -> DriftReport:
    baseline = Profile.of(reference)
    return detect_drift(baseline, Profile.of(current, like=baseline))


def _counted(data: str, rows: str, columns: int, found: list[DriftReport]) -> Alarms:
    significant, drifted = (
        sum(getattr(report, what) for report in found) for what in ("significant", "drifted")
    )
    return Alarms(data, rows, columns, len(found), significant, drifted)


class Life(NamedTuple):
    """Batch of the first alarm, or None, by tool."""

    accumulated: int | None
    perennial: int | None
    scipy_check: int | None
    scipy_life: int | None


def live(reference: int, rows: int, batches: int, drift: float, columns: int, seed: int) -> Life:
    """Batches of 20 normal columns, `columns` of them off by `drift` standard deviations more each time.

    `perennial` looks at each batch alone, `accumulated` carries its state; scipy is Kolmogorov-Smirnov with
    Bonferroni's correction, at 1 % per check and at 1 % over all batches.
    """
    rng = np.random.default_rng([seed, reference, rows, batches, columns, int(1000 * drift)])
    before = {f"x{i}": rng.normal(size=reference) for i in range(20)}
    baseline = Profile.of(before)
    state: dict[str, Any] = {}
    first: dict[str, int] = {}
    for batch in range(1, batches + 1):
        now = {f"x{i}": rng.normal(drift * batch * (i < columns), 1, rows) for i in range(20)}
        report = detect_drift(baseline, Profile.of(now, like=baseline), state=state)
        state = report.state or {}
        alone = any(c.significant for c in report.columns.values()) or any(
            t.significant for t in report.tables
        )
        slow = report.accumulated is not None and report.accumulated.significant
        p = 20 * 10.0 ** -scipy(before, now, test="ks")[0]
        alarms = {
            "accumulated": slow,
            "perennial": alone,
            "scipy_check": p < 0.01,
            "scipy_life": p < 0.01 / batches,
        }
        for tool, alarm in alarms.items():
            if alarm:
                first.setdefault(tool, batch)
        if drift and len(first) == len(alarms):
            break
    return Life(*(first.get(tool) for tool in Life._fields))


def lives(count: int, reference: int, rows: int, batches: int, drift: float, columns: int) -> list[Life]:
    """So many lives."""
    return [live(reference, rows, batches, drift, columns, seed) for seed in range(count)]


def median_batch(found: list[Life], tool: str, batches: int) -> float:
    """Median batch of the first alarm, lives without one counted as one batch more than there were."""
    return median(getattr(life, tool) or batches + 1 for life in found)
