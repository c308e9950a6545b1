"""Is a shift of 0.05 sd immaterial, and one of 0.25 sd drift, at every number of rows and for every shape?"""

from typing import NamedTuple

import numpy as np

from perennial import Profile, detect_drift
from perennial.columns import Floats

COLUMNS = 20
SHAPES = ("normal", "lognormal", "uniform", "Student's t, 3 degrees", "counts (Poisson 1)", "flag (30 %)")


class Shifted(NamedTuple):
    """Share of checks that were called significant, material, drifted."""

    shape: str
    rows: int
    size: float
    columns: int
    checks: int
    significant: int
    material: int
    drifted: int


def shifted(shape: str, rows: int, size: float, columns: int, checks: int) -> Shifted:
    """`columns` of 20 shifted by `size` of their own standard deviations; as many reference rows as current
    ones, but at least 2,000.
    """
    rng = np.random.default_rng([rows, int(100 * size), columns, *shape.encode()])
    counts = np.zeros(3, int)
    for _ in range(checks):
        before = {f"x{i}": _draw(rng, shape, max(rows, 2_000), 0.0) for i in range(COLUMNS)}
        now = {f"x{i}": _draw(rng, shape, rows, size if i < columns else 0.0) for i in range(COLUMNS)}
        baseline = Profile.of(before)
        report = detect_drift(baseline, Profile.of(now, like=baseline))
        counts += [report.significant, report.material, report.drifted]
    return Shifted(shape, rows, size, columns, checks, *counts.tolist())


def _draw(rng: np.random.Generator, shape: str, rows: int, size: float) -> Floats:
    if shape == "normal":
        return rng.normal(size, 1, rows)
    if shape == "lognormal":
        return np.asarray(rng.lognormal(size=rows) + size * 2.1612)
    if shape == "uniform":
        return np.asarray(rng.random(rows) + size * 12**-0.5)
    if shape.startswith("Student"):
        return np.asarray(rng.standard_t(3, rows) + size * 3**0.5)
    if shape.startswith("counts"):
        return np.asarray(rng.poisson(1 + size, rows), float)
    return np.asarray(rng.random(rows) < 0.3 + size * 0.21**0.5, float)
