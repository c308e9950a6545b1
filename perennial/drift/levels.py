"""Levels that are new in the current data, and levels of the reference that vanished from it.

The chance to see k rows of a level fall to none: (1 - p)^m with p its share in the reference; named are
those vanished levels whose absence is no accident (below 1 in 1,000 for each). High cardinality stays
bounded: both profiles count at most 256 levels, the rest together.
"""

from math import log

import numpy as np

from perennial.profile import CategoryColumn

_ACCIDENT = 0.001


def new_levels(current: CategoryColumn) -> tuple[str, ...]:
    """The most frequent levels that the reference does not count, at most 16.

    >>> column = CategoryColumn("category", 4, 0, ("a",), (1,), 3, (("b", 2), ("c", 1)))
    >>> new_levels(column)
    ('b', 'c')
    """
    return tuple(level for level, _ in current.unseen)


def vanished_levels(reference: CategoryColumn, current: CategoryColumn) -> tuple[str, ...]:
    """Levels of the reference that current data should have shown and did not.

    >>> before = CategoryColumn("category", 100, 0, ("a", "b"), (50, 50), 0, ())
    >>> vanished_levels(before, CategoryColumn("category", 40, 0, ("a", "b"), (40, 0), 0, ()))
    ('b',)
    """
    if not reference.count or not current.count:
        return ()
    gone = np.flatnonzero(current.count_array == 0).tolist()
    shares = ((place, reference.counts[place] / reference.count) for place in gone)
    return tuple(
        reference.levels[place]
        for place, share in shares
        if share >= 1 or current.count * log(1 - share) < log(_ACCIDENT)
    )
