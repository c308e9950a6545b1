"""The tables that every tool of the quality benchmark judges; numpy only, so that each peer's own Python
makes the same ones from the same seeds.

20 columns: 15 normal numbers and 5 categories of 5 levels. A case changes some of its kind's columns.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

REFERENCE_ROWS = 2000
NUMBERS, CATEGORIES = 15, 5
LEVELS = np.array(["a", "b", "c", "d", "e"])
SHARES = (0.4, 0.3, 0.15, 0.1, 0.05)

Table = dict[str, Any]

SHAPES: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "normal": lambda rng, rows: rng.normal(size=rows),
    "lognormal": lambda rng, rows: rng.lognormal(size=rows),
    "counts (Poisson 1)": lambda rng, rows: rng.poisson(1, rows).astype(float),
    "rare flag (3 %)": lambda rng, rows: (rng.random(rows) < 0.03).astype(float),
    "8 levels": lambda rng, rows: np.array(list("abcdefgh"))[
        rng.choice(8, rows, p=[0.4, 0.2, 0.15, 0.1, 0.05, 0.05, 0.03, 0.02])
    ],
    "up to 2,000 levels (Zipf)": lambda rng, rows: np.minimum(rng.zipf(1.3, rows), 2000).astype("U4"),
}


class Case(NamedTuple):
    """`rows` of current data with a change (none, shift, scale, category) of a size in so many columns."""

    rows: int
    change: str = "none"
    size: float = 0.0
    columns: int = 0


def table(rng: np.random.Generator, rows: int, case: Case | None = None) -> Table:
    """Columns by name: numbers x0 ..., categories c0 ...; changed as `case` says."""
    _, change, size, changed = case or Case(rows)
    columns: Table = {}
    for number in range(NUMBERS):
        values = rng.normal(size=rows)
        if number < changed and change == "shift":
            values = values + size
        if number < changed and change == "scale":
            values = values * size
        columns[f"x{number}"] = values
    for number in range(CATEGORIES):
        shares = np.array(SHARES)
        if number < changed and change == "category":  # total variation `size`
            shares[0] -= size
            shares[1:4] += size / 3
        columns[f"c{number}"] = LEVELS[rng.choice(len(LEVELS), size=rows, p=shares)]
    return columns


def pair(case: Case, repetition: int) -> tuple[Table, Table]:
    """Reference and current table of one repetition of a case."""
    rng = np.random.default_rng([repetition, *repr(tuple(case)).encode()])
    return table(rng, REFERENCE_ROWS), table(rng, case.rows, case)


CASES = (
    Case(100, "shift", 1.0, 1),
    *(Case(100, "shift", 0.5, k) for k in (1, 4)),
    *(Case(100, "shift", 0.25, k) for k in (4, 10)),
    *(Case(500, "shift", 0.25, k) for k in (1, 4)),
    *(Case(500, "shift", 0.1, k) for k in (4, 10)),
    *(Case(2_000, "shift", 0.1, k) for k in (1, 4, 10)),
    Case(20_000, "shift", 0.1, 1),
    *(Case(n, "scale", 1.25, k) for n, k in ((100, 4), (500, 1), (500, 4), (2_000, 1))),
    *(Case(100, "category", 0.2, k) for k in (1, 4)),
    *(Case(500, "category", 0.1, k) for k in (1, 4)),
    Case(2_000, "category", 0.1, 1),
)
SHORT = (  # for tools that are slow
    Case(100, "shift", 0.5, 1),
    Case(500, "shift", 0.25, 1),
    Case(2_000, "shift", 0.1, 4),
    Case(500, "scale", 1.25, 1),
    Case(500, "category", 0.1, 4),
)
