"""A small, mergeable summary of a table: what drift detection compares instead of data.

Every number is counted into bins that a reference fixed, so that two profiles of the same binning add up
exactly: the profile of a whole equals the merged profiles of its parts. A stored profile takes less than 10
KB per column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Self

import numpy as np

from perennial.arguments import block, need
from perennial.column_profiles import (
    CHARACTER_CLASSES,
    MAX_LEVELS,
    CategoryColumn,
    ColumnProfile,
    NumberColumn,
)
from perennial.columns import TABLE, Kind, columns_of, incoming_type, kind_of
from perennial.data_config import Column
from perennial.errors import InvalidRequest, MissingColumn, ProfileMismatch
from perennial.products import Products
from perennial.profiling import SAMPLED, Part, Plan, Scan, Scanned, co_moment_names, own_edges
from perennial.reservoir import Reservoir
from perennial.storage import dump_profile, load_profile

__all__ = [
    "CHARACTER_CLASSES",
    "MAX_LEVELS",
    "CategoryColumn",
    "ColumnProfile",
    "NumberColumn",
    "Products",
    "Profile",
    "ProfileStream",
]

Schema = Mapping[str, Column | Mapping[str, Any]]


@dataclass(frozen=True)
class Profile:
    """The columns of a table, summarised. Two profiles are equal when everything in them is.

    `incoming` names all columns of the table as it came, in its order, with their types: number, boolean,
    datetime, string, other, or "" where it is not known. `products` are the number columns' co-moments.
    """

    rows: int
    columns: dict[str, ColumnProfile]
    incoming: tuple[tuple[str, str], ...] = ()
    products: Products | None = None

    @classmethod
    def of(cls, table: Any, like: Any = None, schema: Schema | None = None) -> Self:
        """Summarise a DataFrame (pandas, polars), a pyarrow Table or a mapping of arrays, each column of
        shape (rows,).

        With `like` (a reference's profile, or a reference) its columns are counted into its bins, and others
        are left out. Else with `schema` (`ModelConfig.columns`) the declared columns present are taken with
        their declared types. Else every column is taken as what it looks like.

        Raises InvalidData where `table` is no table, names a column twice or has columns of several lengths,
        MissingColumn where it lacks one of `like`, ProfileMismatch where values are none of their declared
        type or that of `like`, InvalidRequest where `schema` does not say what columns are.
        """
        given = columns_of(table)
        stream = ProfileStream(given, None if like is None else as_profile("like", like), _schema(schema))
        stream.add(given)
        return cls(*stream.parts())

    @classmethod
    def of_parts(
        cls, parts: Callable[[], Iterable[Any]], schema: Schema | None = None, seed: int = 0
    ) -> Self:
        """Summarise a reference that is larger than memory. `parts()` is called twice, for two passes over
        tables with the same columns.

        The first pass draws a sample of at most 65,536 rows, whose quantiles become the bins; the second
        counts every row. Counts, moments and extremes are exact. Only the depth of a bin varies: one in 256
        of the rows, with a standard error of 6 % of that where there are more rows than the sample has.

        Raises what `of` raises, MissingColumn where a part lacks a column of the first, InvalidRequest where
        `parts` is no function that gives the same tables twice.
        """
        sample = Reservoir(SAMPLED, seed)
        first: dict[str, Any] = {}
        rows = 0
        for part in _tables(parts):
            first = first or part
            _need(first, part, "the first part")
            sample.add(part)
            rows += len(next(iter(part.values()), ()))
        stream = ProfileStream(sample.columns() or first, None, _schema(schema))
        for part in _tables(parts):
            stream.add(part)
        profile = cls(*stream.parts())
        if profile.rows != rows:
            raise InvalidRequest(
                f"parts: expected the same tables each time, got {rows} rows, then {profile.rows}"
            )
        return profile

    @classmethod
    def merge_all(cls, profiles: Iterable[Self]) -> Self:
        """The profile of all shards together.

        Raises InvalidRequest where there is none, or something else among them, and what `merge` raises.
        """
        need("profiles", profiles, Iterable, "the profiles of some shards")
        shards = map(_shard, profiles)  # one at a time: they may be loaded as they are asked for
        first = next(shards, None)
        if first is None:
            raise InvalidRequest("profiles: expected those of one shard or more, got none")
        return reduce(cls.merge, shards, first)

    def merge(self, other: Self) -> Self:
        """The profile of both tables together. Raises ProfileMismatch where they were not binned alike,
        InvalidRequest where `other` is no Profile.
        """
        need("other", other, Profile, "a Profile")
        if self.columns.keys() != other.columns.keys():
            raise ProfileMismatch(f"columns differ: {sorted(self.columns.keys() ^ other.columns.keys())}")
        merged: dict[str, ColumnProfile] = {}
        for name, mine in self.columns.items():
            theirs = other.columns[name]
            if type(mine) is not type(theirs):
                raise ProfileMismatch(
                    f"column {name!r} is a {mine.kind} in one profile, a {theirs.kind} in the other"
                )
            try:
                merged[name] = mine.merge(theirs)  # type: ignore[arg-type]
            except ProfileMismatch as error:
                raise ProfileMismatch(f"column {name!r}: {error}") from error
        products = self.products
        if products is not None and other.products is not None:
            same = np.array_equal(products.centres, other.products.centres)
            products = products.merge(other.products if same else other.products.around(products.centres))
        return type(self)(
            self.rows + other.rows, merged, _joined(self.incoming, other.incoming), products or other.products
        )

    def save(self) -> bytes:
        """Compact JSON; equal profiles give equal bytes."""
        return dump_profile(self.rows, self.columns, self.incoming, self.products)

    @classmethod
    def load(cls, body: bytes) -> Self:
        """Read what `save` wrote. Raises ProfileMismatch where it is something else, cut short, or of another
        format, InvalidRequest where it is nothing that can be read.
        """
        need("body", body, bytes | bytearray | str, "what `Profile.save` gave")
        return cls(*load_profile(body))


class ProfileStream:
    """A profile in the making, part by part in the order of the rows. `first` is a table or a part of it, of
    which kinds and bins are taken where no `like` fixes them. `scan`, `begin`, `count` and `finish` are for
    parts in several threads (see `Scan`).
    """

    def __init__(
        self,
        first: Mapping[str, Any],
        like: Profile | None,
        schema: Mapping[str, Column] | None,
    ) -> None:
        kinds = _kinds(first, like, schema)
        if like is None:
            names = co_moment_names(kinds)
            plan = Plan(kinds, own_edges(first, kinds), {}, names, None)
        else:
            products = like.products
            plan = Plan(
                kinds,
                {n: c.edge_array for n, c in like.columns.items() if isinstance(c, NumberColumn)},
                {n: c.levels for n, c in like.columns.items() if isinstance(c, CategoryColumn)},
                products.names if products else (),
                products.centres if products else None,
            )
        self._scan = Scan(plan)
        self.numbers, self.scan = self._scan.numbers, self._scan.scan
        self.count, self.finish = self._scan.count, self._scan.finish
        self._kinds = kinds
        self.incoming = tuple((name, incoming_type(values)) for name, values in first.items())

    def add(self, part: Mapping[str, Any]) -> None:
        """Rows that follow. Raises MissingColumn, ProfileMismatch."""
        _need(self._kinds, part)
        self._scan.add(part)

    def begin(self, part: Mapping[str, Any], found: Sequence[Scanned] | None = None) -> Part:
        """The same, to be counted and finished; `found` by `scan`, where that was done."""
        _need(self._kinds, part)
        return self._scan.begin(part, found)

    def parts(
        self,
    ) -> tuple[int, dict[str, ColumnProfile], tuple[tuple[str, str], ...], Products | None]:
        """What a Profile is made of."""
        return self._scan.rows, self._scan.columns(), self.incoming, self._scan.products()


def as_profile(name: str, given: Any) -> Profile:
    """A profile, or that of a table. Raises InvalidData, of which argument, where it is neither."""
    if isinstance(given, Profile):
        return given
    return Profile.of(columns_of(given, f"{name}: expected a Profile, {TABLE}"))


def _shard[P: Profile](given: P) -> P:
    need("profiles", given, Profile, "a Profile for every shard")
    return given


def _tables(parts: Any) -> Iterator[dict[str, Any]]:
    if not callable(parts):
        raise InvalidRequest(
            f"parts: expected a function that gives tables, to be called twice, got {type(parts).__name__}"
        )
    given = parts()
    if not isinstance(given, Iterable) or isinstance(given, Mapping) or hasattr(given, "columns"):
        raise InvalidRequest(f"parts: expected a function that gives tables, it gave {type(given).__name__}")
    return map(columns_of, given)


def _schema(given: Schema | None) -> Mapping[str, Column] | None:
    if given is None:
        return None
    need("schema", given, Mapping, "a mapping of names to Columns")
    return {name: block(f"schema of {name!r}", column, Column) for name, column in given.items()}


def _kinds(
    given: Mapping[str, Any], like: Profile | None, schema: Mapping[str, Column] | None
) -> dict[str, Kind]:
    if like is not None:
        return {name: column.kind for name, column in like.columns.items()}
    if schema is not None:
        return {name: column.type for name, column in schema.items() if name in given}
    return {name: kind_of(values) for name, values in given.items()}


def _need(names: Iterable[str], given: Mapping[str, Any], whose: str = "the reference") -> None:
    missing = [name for name in names if name not in given]
    if missing:
        raise MissingColumn(f"the table has no column {', '.join(map(repr, missing))}, which {whose} has")


def _joined(
    first: tuple[tuple[str, str], ...], second: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Columns of both, in the order of the first; of two types that differ, the more general."""
    if first == second:
        return first
    types = dict(first)
    for name, kind in second:
        mine = types.get(name, "")
        types[name] = mine if mine == kind or not kind else kind if not mine else "other"
    return tuple(types.items())
