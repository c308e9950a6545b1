"""The table that the benchmarks of speed are about, as arrays: peers have neither pyarrow nor Perennial."""

from typing import Any

import numpy as np

NUMBERS, STRINGS = 15, 5
ROWS = 1_000_000
REFERENCE_ROWS = 50_000


def mixed_columns(rows: int, seed: int) -> dict[str, Any]:
    """15 columns of numbers, 5 of strings with 10 to 190 levels."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"n{i}": rng.normal(size=rows) for i in range(NUMBERS)}
    for i in range(STRINGS):
        levels = np.array([f"level {level}" for level in range(10 + 45 * i)])
        columns[f"s{i}"] = levels[rng.integers(0, len(levels), rows)]
    return columns
