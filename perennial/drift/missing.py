"""Missingness: did the share of missing values change?

Two-sided Fisher's exact test (source: see `proportions`); effect: the difference of the shares.
"""

from typing import NamedTuple

from perennial.drift.proportions import p_different


class MissingChange(NamedTuple):
    """Shares of missing values on both sides and the p-value of their difference."""

    reference: float
    current: float
    p_value: float


def missing_change(missing: int, n: int, missing_now: int, m: int) -> MissingChange:
    """Compare `missing` of `n` reference rows with `missing_now` of `m` current ones.

    >>> change = missing_change(0, 100, 30, 90)
    >>> change.reference, round(change.current, 2), change.p_value < 1e-6
    (0.0, 0.33, True)
    """
    return MissingChange(
        missing / n if n else 0.0, missing_now / m if m else 0.0, p_different(missing, n, missing_now, m)
    )
