"""The tables that every tool of the quality benchmark judges; numpy only, so that each peer's own Python
makes the same ones from the same seeds.

20 columns: 15 normal numbers and 5 categories of 5 levels. A case changes some of its kind's columns.
"""

from typing import Any, NamedTuple

import numpy as np

REFERENCE_ROWS = 2000
NUMBERS, CATEGORIES = 15, 5
LEVELS = np.array(["a", "b", "c", "d", "e"])
SHARES = (0.4, 0.3, 0.15, 0.1, 0.05)

Table = dict[str, Any]


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
