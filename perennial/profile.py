"""A small, mergeable summary of a table: what drift detection compares instead of data.

Every number is counted into bins that a reference fixed, so that two profiles of the same binning add up
exactly: the profile of a whole equals the merged profiles of its parts. A stored profile takes less than 10
KB per column.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Self

import numpy as np

from perennial.columns import Kind, as_numbers, columns_of, count_levels, kind_of, text_lengths
from perennial.config import Column
from perennial.errors import MissingColumn, ProfileMismatch
from perennial.histogram import count_into, equi_depth_edges

FORMAT = 1
MAX_LEVELS = 256
_MAX_LEVEL_CHARACTERS = 6_000
_MAX_UNSEEN = 16


@dataclass(frozen=True)
class NumberColumn:
    """A number, a date-time (seconds since 1970) or a text (its length): moments of the finite values and a
    histogram.

    `counts` has one more entry than `edges` (see `perennial.histogram`) and includes `infinite` values; `m2`
    is the sum of squared deviations from `mean`. `low`, `high` are None where no value is finite.
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

    @classmethod
    def of(cls, kind: Kind, values: Any, like: NumberColumn | None) -> NumberColumn:
        numbers = text_lengths(values) if kind == "text" else as_numbers(values)
        finite = numbers[np.isfinite(numbers)]
        nulls = int(np.isnan(numbers).sum())
        edges = np.array(like.edges) if like else equi_depth_edges(numbers)
        with np.errstate(over="ignore"):
            mean = _bounded(finite.mean()) if finite.size else 0.0
            m2 = _bounded(np.square(finite - mean).sum())
        return cls(
            kind=kind,
            count=int(numbers.size) - nulls,
            nulls=nulls,
            infinite=int(numbers.size) - nulls - int(finite.size),
            low=float(finite.min()) if finite.size else None,
            high=float(finite.max()) if finite.size else None,
            mean=mean,
            m2=m2,
            edges=tuple(edges.tolist()),
            counts=tuple(count_into(numbers, edges).tolist()),
        )

    @property
    def variance(self) -> float:
        """Unbiased variance of the finite values; 0 for fewer than two."""
        finite = self.count - self.infinite
        return self.m2 / (finite - 1) if finite > 1 else 0.0

    def merge(self, other: NumberColumn) -> NumberColumn:
        """Counts add up exactly; mean and variance by Chan, Golub and LeVeque (1979)."""
        if (self.kind, self.edges) != (other.kind, other.edges):
            raise ProfileMismatch("the columns were binned differently: profile both with the same `like`")
        mine, theirs = self.count - self.infinite, other.count - other.infinite
        share = theirs / (mine + theirs) if theirs else 0.0
        step = _bounded(other.mean - self.mean)
        between = step * sqrt(mine * share)
        return replace(
            self,
            count=self.count + other.count,
            nulls=self.nulls + other.nulls,
            infinite=self.infinite + other.infinite,
            low=min((v for v in (self.low, other.low) if v is not None), default=None),
            high=max((v for v in (self.high, other.high) if v is not None), default=None),
            mean=_bounded(self.mean + step * share),
            m2=_bounded(self.m2 + other.m2 + between * between),
            counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
        )


@dataclass(frozen=True)
class CategoryColumn:
    """A category or a boolean: counts of the reference's levels; every other value is in `other`.

    `unseen` names up to 16 of the levels in `other`, the most frequent first.
    """

    kind: Kind
    count: int
    nulls: int
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    other: int
    unseen: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, kind: Kind, values: Any, like: CategoryColumn | None) -> CategoryColumn:
        found, nulls = count_levels(values)
        levels = like.levels if like else _frequent(found)
        known = set(levels)
        rest = {level: times for level, times in found.items() if level not in known}
        return cls(
            kind=kind,
            count=sum(found.values()),
            nulls=nulls,
            levels=levels,
            counts=tuple(found.get(level, 0) for level in levels),
            other=sum(rest.values()),
            unseen=_most_frequent(rest),
        )

    def merge(self, other: CategoryColumn) -> CategoryColumn:
        """Counts add up exactly; levels may differ only while none had to be left out."""
        levels = self.levels
        if levels != other.levels:
            levels = tuple(sorted({*levels, *other.levels}))
            if self.other or other.other or levels != tuple(sorted(_frequent(dict.fromkeys(levels, 1)))):
                raise ProfileMismatch("the columns count different levels: profile both with the same `like`")
        mine = dict(zip(self.levels, self.counts, strict=True))
        theirs = dict(zip(other.levels, other.counts, strict=True))
        unseen = dict(self.unseen)
        for level, times in other.unseen:
            unseen[level] = unseen.get(level, 0) + times
        return replace(
            self,
            count=self.count + other.count,
            nulls=self.nulls + other.nulls,
            levels=levels,
            counts=tuple(mine.get(level, 0) + theirs.get(level, 0) for level in levels),
            other=self.other + other.other,
            unseen=_most_frequent(unseen),
        )


ColumnProfile = NumberColumn | CategoryColumn


@dataclass(frozen=True)
class Profile:
    """The columns of a table, summarised. Two profiles are equal when everything in them is."""

    rows: int
    columns: dict[str, ColumnProfile]

    @classmethod
    def of(cls, table: Any, like: Profile | None = None, schema: Mapping[str, Column] | None = None) -> Self:
        """Summarise a pandas DataFrame, a pyarrow Table or a mapping of arrays, each column of shape (rows,).

        With `like` (a reference's profile) its columns are counted into its bins, and others are left out;
        MissingColumn where the table lacks one. Else with `schema` (`ModelConfig.columns`) the declared
        columns present are taken with their declared types. Else every column is taken as what it looks like.
        """
        given = columns_of(table)
        if like is not None:
            missing = [name for name in like.columns if name not in given]
            if missing:
                raise MissingColumn(
                    f"the table has no column {', '.join(map(repr, missing))}, which the reference has"
                )
            kinds: dict[str, Kind] = {name: column.kind for name, column in like.columns.items()}
        elif schema is not None:
            kinds = {name: column.type for name, column in schema.items() if name in given}
        else:
            kinds = {name: kind_of(values) for name, values in given.items()}
        columns = {
            name: _profile_column(name, kind, given[name], like.columns[name] if like else None)
            for name, kind in kinds.items()
        }
        rows = len(next(iter(given.values()))) if given else 0
        return cls(rows, columns)

    def merge(self, other: Profile) -> Profile:
        """The profile of both tables together. Raises ProfileMismatch where they were not binned alike."""
        if self.columns.keys() != other.columns.keys():
            raise ProfileMismatch(f"columns differ: {sorted(self.columns.keys() ^ other.columns.keys())}")
        merged: dict[str, ColumnProfile] = {}
        for name, mine in self.columns.items():
            theirs = other.columns[name]
            if type(mine) is type(theirs):
                merged[name] = mine.merge(theirs)  # type: ignore[arg-type]
            else:
                raise ProfileMismatch(
                    f"column {name!r} is a {mine.kind} in one profile, a {theirs.kind} in the other"
                )
        return Profile(self.rows + other.rows, merged)

    def dump(self) -> bytes:
        """Compact JSON; equal profiles give equal bytes."""
        columns = {name: vars(column) for name, column in self.columns.items()}
        document = {"format": FORMAT, "rows": self.rows, "columns": columns}
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def load(cls, body: bytes) -> Self:
        """Read what `dump` wrote. Raises ProfileMismatch where it is something else."""
        try:
            document = json.loads(body)
            if document["format"] != FORMAT:
                raise ProfileMismatch(f"the profile has format {document['format']}: expected {FORMAT}")
            return cls(document["rows"], {name: _load_column(c) for name, c in document["columns"].items()})
        except (ValueError, KeyError, TypeError) as error:
            raise ProfileMismatch(f"this is not a stored profile: {error}") from error


def _profile_column(name: str, kind: Kind, values: Any, like: ColumnProfile | None) -> ColumnProfile:
    try:
        if kind in {"category", "boolean"}:
            return CategoryColumn.of(kind, values, like if isinstance(like, CategoryColumn) else None)
        return NumberColumn.of(kind, values, like if isinstance(like, NumberColumn) else None)
    except ProfileMismatch as error:
        raise ProfileMismatch(f"column {name!r}: {error}") from error


def _load_column(stored: dict[str, Any]) -> ColumnProfile:
    lists = {key: tuple(value) for key, value in stored.items() if isinstance(value, list)}
    if "edges" in stored:
        return NumberColumn(**{**stored, **lists})
    unseen = tuple((str(level), int(times)) for level, times in stored["unseen"])
    return CategoryColumn(**{**stored, **lists, "unseen": unseen})


def _bounded(value: float) -> float:
    return min(max(float(value), -sys.float_info.max), sys.float_info.max)  # JSON knows no infinity


def _frequent(found: dict[str, int]) -> tuple[str, ...]:
    """The levels to count one by one: the most frequent, bounded in number and in characters, in sorted
    order.
    """
    ranked = sorted(found, key=lambda level: (-found[level], level))[:MAX_LEVELS]
    room = np.cumsum([len(json.dumps(level)) for level in ranked])
    return tuple(sorted(ranked[: int(np.searchsorted(room, _MAX_LEVEL_CHARACTERS, side="right"))]))


def _most_frequent(counts: dict[str, int]) -> tuple[tuple[str, int], ...]:
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:_MAX_UNSEEN]
    return tuple((level[:80], times) for level, times in ranked)
