"""What else texts tell beside their length: how many are empty, how many differ, of what characters they are.

    empty     share of texts of no characters
    distinct  different texts over all of them
    moved     sum over classes of |p - q| / 2: the total variation between the shares of the classes of
              characters (lower, upper, digit, space, punctuation, other)

Characters of one text are no independent draws, so that no test is made of them.

Source, of total variation: A. L. Gibbs, F. E. Su, On choosing and bounding probability metrics, Int. Stat.
Rev. 70 (2002).
"""

from collections.abc import Sequence

from perennial.profile import NumberColumn


def characters_moved(reference: Sequence[int], current: Sequence[int]) -> float:
    """Share of characters that would have to be of another class; 0 where either side has none.

    >>> characters_moved((10, 0, 0, 0, 0, 0), (5, 0, 5, 0, 0, 0))
    0.5
    """
    n, m = sum(reference), sum(current)
    if not (n and m):
        return 0.0
    return sum(abs(a / n - b / m) for a, b in zip(reference, current, strict=True)) / 2


def text_statistics(reference: NumberColumn, current: NumberColumn) -> dict[str, float]:
    """The statistics of a text column, both sides with values."""
    return {
        "empty_reference": reference.zeros / reference.count,
        "empty_current": current.zeros / current.count,
        "distinct_reference": min(1.0, reference.distinct.estimate() / reference.count),
        "distinct_current": min(1.0, current.distinct.estimate() / current.count),
        "characters_moved": characters_moved(reference.characters, current.characters),
    }
