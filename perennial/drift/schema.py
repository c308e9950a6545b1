"""Schema drift: columns added, removed, retyped, reordered, and what may have been renamed.

A removed column and an added one of its type are suggested as a renaming where name and distribution are
alike: similarity of names by matching subsequences (J. W. Ratcliff and D. Metzener, 1988), of distributions
by 1 - Jensen-Shannon distance over the removed column's bins; their mean at least 0.6.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

from perennial.columns import Kind, columns_of, kind_of, read_as
from perennial.drift.jensen_shannon import jensen_shannon
from perennial.errors import ProfileMismatch
from perennial.profile import CategoryColumn, Profile

_ALIKE = 0.6
_UNRELATED = 0.8  # such a distribution alone is no reason: any two flags look alike


@dataclass(frozen=True)
class SchemaChange:
    """What changed between the columns of two tables. `renamed`: pairs of removed and added names."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()
    reordered: bool = False
    renamed: tuple[tuple[str, str], ...] = ()

    @property
    def breaking(self) -> bool:
        """Whether a model of the reference's columns cannot be asked any more."""
        return bool(self.removed or self.retyped)

    @property
    def words(self) -> str:
        """In a line."""
        parts = [
            f"{what} {', '.join(names)}"
            for what, names in (
                ("removed:", self.removed),
                ("added:", self.added),
                ("retyped:", self.retyped),
            )
            if names
        ]
        parts += [f"perhaps {old} is now {new}" for old, new in self.renamed]
        return "; ".join([*parts, *(["order changed"] if self.reordered else [])])


def compare_schema(reference: Mapping[str, str], current: Mapping[str, str]) -> SchemaChange:
    """Compare the kinds of columns by name, both in their tables' order.

    >>> compare_schema({"a": "number", "b": "text"}, {"b": "number", "c": "text"}).words
    'removed: a; added: c; retyped: b'
    """
    both = [name for name in reference if name in current]
    return SchemaChange(
        added=tuple(name for name in current if name not in reference),
        removed=tuple(name for name in reference if name not in current),
        retyped=tuple(name for name in both if not _compatible(reference[name], current[name])),
        reordered=both != [name for name in current if name in reference],
    )


def profile_schema(reference: Profile, current: Profile) -> SchemaChange:
    """Compare two profiles: their columns, and where both know it also the tables as they came."""
    change = compare_schema(
        *({name: column.kind for name, column in side.columns.items()} for side in (reference, current))
    )
    before, now = ([name for name, _ in side.incoming] for side in (reference, current))
    if not (before and now):
        return change
    came = compare_schema(dict.fromkeys(before, ""), dict.fromkeys(now, ""))
    return replace(change, added=came.added, reordered=came.reordered)


def table_schema(table: Any, reference: Profile) -> SchemaChange:
    """Compare a reference's profile with a raw table, renamings suggested. A column without values on one
    side is not retyped.
    """
    given = columns_of(table)
    before: dict[str, Kind] = {name: column.kind for name, column in reference.columns.items()}
    known = {name for name, column in reference.columns.items() if column.count}
    now = {
        name: kind_of(values) if name not in before else read_as(values, before[name])
        for name, values in given.items()
        if name in known or name not in before
    }
    change = compare_schema(before, {name: now.get(name, before.get(name, "")) for name in given})
    return SchemaChange(
        change.added,
        change.removed,
        change.retyped,
        change.reordered,
        tuple(_renamed(change.removed, change.added, given, reference)),
    )


def _compatible(before: str, now: str) -> bool:
    """Numbers with few values may have been read as categories and the like; words are no numbers."""
    words = {"category", "text"}
    return (
        before == now
        or {before, now} <= words
        or (before == "category" and now in {"number", "boolean"})
        or (before in {"number", "datetime"} and now in {"boolean", "number"})
        or before == "boolean"
    )


def _renamed(
    removed: Sequence[str], added: Sequence[str], given: Mapping[str, Any], reference: Profile
) -> list[tuple[str, str]]:
    scored = sorted(
        ((_likeness(old, new, given[new], reference), old, new) for old in removed for new in added),
        reverse=True,
    )
    pairs: list[tuple[str, str]] = []
    for likeness, old, new in scored:
        if likeness >= _ALIKE and all(old != a and new != b for a, b in pairs):
            pairs.append((old, new))
    return pairs


def _likeness(old: str, new: str, values: Any, reference: Profile) -> float:
    before = reference.columns[old]
    try:
        now = Profile.of({old: values}, like=Profile(reference.rows, {old: before})).columns[old]
    except ProfileMismatch:
        return 0.0
    counted = [
        [*column.counts, column.other] if isinstance(column, CategoryColumn) else column.counts
        for column in (before, now)
    ]
    names = SequenceMatcher(None, old.lower(), new.lower()).ratio()
    return (names + 1 - float(jensen_shannon(*counted))) / 2 if names >= 1 - _UNRELATED else 0.0
