"""Many tests on one batch: Holm's step-down adjustment.

An adjusted p-value below alpha means: with probability at least 1 - alpha not one test of the batch is
falsely called significant, however the tests depend on each other. This is what an alarm per batch needs;
the false discovery rate of Benjamini and Hochberg would bound only the share of false columns among those
named.

Source: S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979).
"""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given.

    >>> holm([0.01, 0.04, 0.02])
    [0.03, 0.04, 0.04]
    """
    adjusted = [0.0] * len(p_values)
    worst = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = worst
    return adjusted
