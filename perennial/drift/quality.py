"""Data quality against the reference: what is wrong with a column now and was not.

Nothing is tested or decided here; missing values and levels have their tests elsewhere. A column is constant
where all its m values are one, of which the reference had a share p, and p^m is no accident (below 1 in a
million). Duplicates, freshness, volume and the label's own rules need the rows and the model file: validation
judges them before.

Source of the list: S. Schelter et al., Automating large-scale data quality verification, VLDB 11 (2018).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log
from typing import Literal

from perennial.profile import CategoryColumn, ColumnProfile, NumberColumn

Flaw = Literal["empty", "missing", "infinite", "outside range", "unseen levels", "constant"]

_ACCIDENT = 1e-6
_OUTSIDE = 0.05  # a few values always lie beyond a sample's extremes


@dataclass(frozen=True)
class QualityIssue:
    """One flaw of a column: the share of its values that have it, in reference and current (of all rows where
    values are missing).
    """

    column: str
    flaw: Flaw
    reference: float
    current: float
    words: str


def column_quality(
    name: str, reference: ColumnProfile, current: ColumnProfile, statistics: Mapping[str, float]
) -> Iterator[QualityIssue]:
    """The flaws of one column; `statistics` are those that the report has of it.

    >>> before = CategoryColumn("category", 100, 0, ("a", "b"), (50, 50), 0, ())
    >>> now = CategoryColumn("category", 40, 0, ("a", "b"), (40, 0), 0, ())
    >>> [found] = column_quality("c", before, now, {})
    >>> found.flaw, found.reference, found.words
    ('constant', 0.5, 'all 40 values are a; in the reference 50 % were')
    """
    rows = current.count + current.nulls
    if not current.count:
        if reference.count and rows:
            words = f"none of {rows} rows has a value"
            yield QualityIssue(name, "empty", _missing(reference), 1.0, words)
        return
    if current.nulls and not reference.nulls and reference.count:
        words = f"{current.nulls} of {rows} values {_are(current.nulls)} missing; in the reference none was"
        yield QualityIssue(name, "missing", 0.0, _missing(current), words)
    if isinstance(reference, NumberColumn) and isinstance(current, NumberColumn):
        yield from _number(name, reference, current, statistics)
    elif isinstance(reference, CategoryColumn) and isinstance(current, CategoryColumn):
        yield from _category(name, reference, current)


def _number(
    name: str, reference: NumberColumn, current: NumberColumn, statistics: Mapping[str, float]
) -> Iterator[QualityIssue]:
    if current.infinite and not reference.infinite and reference.count:
        words = f"{current.infinite} of {current.count} values {_are(current.infinite)} infinite; "
        yield QualityIssue(
            name, "infinite", 0.0, current.infinite / current.count, f"{words}in the reference none was"
        )
    outside = statistics.get("outside_range", 0.0)
    if outside > _OUTSIDE:
        words = f"{outside:.0%} of the values lie outside the reference's range"
        yield QualityIssue(name, "outside range", 0.0, outside, words)
    value = current.low
    if (
        value is not None
        and value == current.high
        and not current.infinite
        and reference.low != reference.high
    ):
        yield from _constant(name, f"{value:.6g}", _share_of(value, reference), current.count)


def _share_of(value: float, reference: NumberColumn) -> float:
    """Share of a value in the reference, at most."""
    if reference.low is None or reference.high is None or not reference.low <= value <= reference.high:
        return 0.0
    return reference.counts[int(reference.edge_array.searchsorted(value))] / reference.count


def _category(name: str, reference: CategoryColumn, current: CategoryColumn) -> Iterator[QualityIssue]:
    if current.other and not reference.other and reference.count:
        some = ", ".join(level for level, _ in current.unseen[:3])
        words = f"{current.other} of {current.count} values {_are(current.other)} of levels that the "
        yield QualityIssue(
            name, "unseen levels", 0.0, current.other / current.count, f"{words}reference has not: {some}"
        )
    shown = [place for place, times in enumerate(current.counts) if times]
    if len(shown) == 1 and not current.other and sum(map(bool, reference.counts)) + bool(reference.other) > 1:
        share = reference.counts[shown[0]] / reference.count
        yield from _constant(name, current.levels[shown[0]], share, current.count)


def _constant(name: str, value: str, share: float, values: int) -> Iterator[QualityIssue]:
    if share <= 0 or values * log(share) < log(_ACCIDENT):
        words = f"all {values} values are {value}; in the reference {share * 100:.2g} % were"
        yield QualityIssue(name, "constant", share, 1.0, words)


def _missing(column: ColumnProfile) -> float:
    return column.nulls / ((column.count + column.nulls) or 1)


def _are(some: int) -> str:
    return "is" if some == 1 else "are"
