"""What is kept of one column, and how two parts of it add up."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial.columns import Floats, Kind
from perennial.errors import ProfileMismatch
from perennial.histogram import Counts
from perennial.moments import Moments
from perennial.sketch import NO_STRINGS, Distinct

CHARACTER_CLASSES = ("lower", "upper", "digit", "space", "punctuation", "other")
MAX_LEVELS = 256
_MAX_LEVEL_BYTES = 4_500
_MAX_UNSEEN = 16
_SHOWN = 48


@dataclass(frozen=True)
class NumberColumn:
    """A number, a date-time (seconds since 1970) or a text (its length): moments of the finite values and a
    histogram.

    `counts` has one more entry than `edges` (see `perennial.histogram`) and includes `infinite` values; `m2`
    to `m4` are the sums of powers of deviations from `mean`. `low`, `high` are None where no value is finite.
    `zeros` counts zeros (of a text: empty strings). Of a text also `characters`, how many of each of
    CHARACTER_CLASSES (ASCII, and all else) there are, and `distinct`, a sketch of how many
    different ones there are.
    """

    kind: Kind
    count: int
    nulls: int
    infinite: int
    low: float | None
    high: float | None
    mean: float
    m2: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    zeros: int = 0
    m3: float = 0.0
    m4: float = 0.0
    characters: tuple[int, ...] = ()
    distinct: Distinct = NO_STRINGS

    @property
    def variance(self) -> float:
        """Unbiased variance of the finite values; 0 for fewer than two."""
        finite = self.count - self.infinite
        return self.m2 / (finite - 1) if finite > 1 else 0.0

    @property
    def moments(self) -> Moments:
        """Of the finite values."""
        return Moments(self.count - self.infinite, self.mean, self.m2, self.m3, self.m4)

    @cached_property
    def edge_array(self) -> Floats:
        """`edges` as an array."""
        return np.array(self.edges, np.float64)

    @cached_property
    def count_array(self) -> Counts:
        """`counts` as an array."""
        return np.array(self.counts, np.int64)

    def merge(self, other: NumberColumn) -> NumberColumn:
        """Counts add up exactly, moments to rounding."""
        if (self.kind, self.edges) != (other.kind, other.edges):
            raise ProfileMismatch("the columns were binned differently: profile both with the same `like`")
        moments = self.moments.merge(other.moments)
        added = self.count_array + other.count_array
        merged = replace(
            self,
            count=self.count + other.count,
            nulls=self.nulls + other.nulls,
            infinite=self.infinite + other.infinite,
            zeros=self.zeros + other.zeros,
            low=min((v for v in (self.low, other.low) if v is not None), default=None),
            high=max((v for v in (self.high, other.high) if v is not None), default=None),
            mean=moments.mean,
            m2=moments.m2,
            m3=moments.m3,
            m4=moments.m4,
            counts=tuple(added.tolist()),
            characters=tuple(a + b for a, b in zip(self.characters, other.characters, strict=True)),
            distinct=self.distinct.merge(other.distinct),
        )
        return with_arrays(merged, edge_array=self.edge_array, count_array=added)


@dataclass(frozen=True)
class CategoryColumn:
    """A category or a boolean: counts of the reference's levels; every other value is in `other`.

    `unseen` names up to 16 of the levels in `other`, the most frequent first. `distinct`: how many levels
    there are in all, from a sketch.
    """

    kind: Kind
    count: int
    nulls: int
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    other: int
    unseen: tuple[tuple[str, int], ...]
    distinct: Distinct = NO_STRINGS

    @cached_property
    def count_array(self) -> Counts:
        """`counts` as an array."""
        return np.array(self.counts, np.int64)

    def merge(self, other: CategoryColumn) -> CategoryColumn:
        """Counts add up exactly; levels may differ only while none had to be left out."""
        distinct = self.distinct.merge(other.distinct)
        unseen = dict(self.unseen)
        for level, times in other.unseen:
            unseen[level] = unseen.get(level, 0) + times
        return replace(
            self,
            count=self.count + other.count,
            nulls=self.nulls + other.nulls,
            other=self.other + other.other,
            unseen=most_frequent(unseen),
            distinct=distinct,
            **self._counted_together(other),
        )

    def _counted_together(self, other: CategoryColumn) -> dict[str, Any]:
        if self.levels == other.levels:
            added = self.count_array + other.count_array
            return {"levels": self.levels, "counts": tuple(added.tolist())}
        levels = tuple(sorted({*self.levels, *other.levels}))
        if self.other or other.other or levels != frequent(dict.fromkeys(levels, 1)):
            raise ProfileMismatch("the columns count different levels: profile both with the same `like`")
        mine = dict(zip(self.levels, self.counts, strict=True))
        theirs = dict(zip(other.levels, other.counts, strict=True))
        return {"levels": levels, "counts": tuple(mine.get(x, 0) + theirs.get(x, 0) for x in levels)}


ColumnProfile = NumberColumn | CategoryColumn


def without_values(kind: Kind, nulls: int) -> ColumnProfile:
    """A column of which every value is missing."""
    if kind in {"category", "boolean"}:
        return CategoryColumn(kind, 0, nulls, (), (), 0, ())
    return NumberColumn(
        kind,
        count=0,
        nulls=nulls,
        infinite=0,
        low=None,
        high=None,
        mean=0.0,
        m2=0.0,
        edges=(),
        counts=(0,),
        characters=(0,) * len(CHARACTER_CLASSES) if kind == "text" else (),
    )


def with_arrays[Column: ColumnProfile](column: Column, **arrays: NDArray[Any]) -> Column:
    """The column with its cached arrays filled in (they are no fields: equality and storage ignore them)."""
    vars(column).update(arrays)
    return column


def frequent(found: dict[str, int]) -> tuple[str, ...]:
    """The levels to count one by one: the most frequent, bounded in number and in stored bytes, in sorted
    order.
    """
    ranked = sorted(found, key=lambda level: (-found[level], level))[:MAX_LEVELS]
    room = np.cumsum([len(json.dumps(level)) + 1 for level in ranked])
    return tuple(sorted(ranked[: int(np.searchsorted(room, _MAX_LEVEL_BYTES, side="right"))]))


def most_frequent(counts: dict[str, int]) -> tuple[tuple[str, int], ...]:
    """The 16 most frequent, cut to 48 characters."""
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:_MAX_UNSEEN]
    return tuple((level[:_SHOWN], times) for level, times in ranked)
