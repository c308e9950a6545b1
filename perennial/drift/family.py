"""Which test may spend how much of the error rate of a check.

Columns (and the performance with them) share most of it by Holm's method; the tests of the whole table,
where they are possible, have fixed shares. By Bonferroni's inequality the shares add up to `alpha` however
the tests depend on each other; a reserve stays unspent, since the p-values are approximations.
A p-value divided by its share is compared with `alpha` itself.
"""

from typing import Final

TOGETHER: Final = 0.16
CORRELATIONS: Final = 0.04
CLASSIFIER: Final = 0.1
RECENT: Final = 0.34
RESERVE: Final = 0.1


def adjust(p_value: float, share: float) -> float:
    """A p-value on the scale of the whole family.

    >>> adjust(0.001, 0.1), adjust(0.5, 0.1)
    (0.01, 1.0)
    """
    return min(1.0, p_value / share) if share > 0 else 1.0
