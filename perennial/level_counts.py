"""Counting levels and characters of strings, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from perennial.column_profiles import (
    CHARACTER_CLASSES,
    MAX_LEVELS,
    CategoryColumn,
    NumberColumn,
    frequent,
    most_frequent,
    with_arrays,
)
from perennial.columns import (
    Kind,
    arrow_bytes,
    as_arrow_strings,
    count_levels,
    counted_levels,
    is_arrow,
    utf8_pieces,
)
from perennial.histogram import Counts
from perennial.object_strings import count_shared, lines_of
from perennial.sketch import Distinct

if TYPE_CHECKING:
    import pyarrow as pa

_FEW = 4_096  # distinct levels that are handled one by one
_UNSEEN_KEPT = 4_096
_REMEMBERED = 65_536
_BOOLEANS = {"0": "false", "1": "true", "false": "false", "true": "true"}


class LevelCounts:
    """Adds up the levels of one column. Without `levels` its own most frequent ones become them: at the end,
    or when more than 4,096 have been seen.
    """

    def __init__(self, kind: Kind, levels: Sequence[str] | None) -> None:
        self._kind = kind
        self._own = levels is None
        self._take(tuple(levels or ()))
        self._count = self._nulls = 0
        self._unseen: dict[str, int] = {}
        self._encoded: tuple[pa.Array, Counts] | None = None  # counts of a dictionary's levels, to be added
        self._hashed: set[str] = set()
        self._distinct = Distinct()

    def add(self, values: Any) -> None:
        """Values that follow."""
        if is_arrow(values) and _few_encoded(values):
            for chunk in getattr(values, "chunks", [values]):
                self._add_encoded(chunk)
            return
        self._decode()
        shared = count_shared(values)
        if shared is not None:
            self._add_found(*shared)
            return
        counted = _counted(values)
        if counted is None:
            self._add_found(*count_levels(values))
        elif len(counted) > _FEW:
            self._add_many(counted.field(0), counted.field(1))
        else:
            self._add_found(*counted_levels(counted))

    def _add_encoded(self, chunk: pa.DictionaryArray) -> None:
        """Only the indices are looked at, while the dictionary stays the same."""
        places = chunk.indices.drop_null() if chunk.null_count else chunk.indices
        seen = np.bincount(places.to_numpy(), minlength=len(chunk.dictionary))
        self._nulls += int(chunk.null_count)
        if self._encoded is not None and self._encoded[0].equals(chunk.dictionary):
            self._encoded[1][:] += seen
            return
        self._decode()
        self._encoded = (chunk.dictionary, seen)

    def _decode(self) -> None:
        if self._encoded is None:
            return
        found: dict[str, int] = {}
        for level, times in zip(self._encoded[0].to_pylist(), self._encoded[1].tolist(), strict=True):
            if times:
                found[level] = found.get(level, 0) + times
        self._encoded = None
        self._add_found(found, 0)

    def _add_found(self, found: dict[str, int], nulls: int) -> None:
        if self._kind == "boolean":
            found = _as_booleans(found)
        self._nulls += nulls
        self._count += sum(found.values())
        for level, times in found.items():
            place = self._places.get(level)
            if place is None:
                self._unseen[level] = self._unseen.get(level, 0) + times
            else:
                self._counts[place] += times
        new = [level for level in found if level not in self._hashed]
        if new:
            self._distinct = self._distinct.merge(Distinct.of(new))
            if len(self._hashed) < _REMEMBERED:
                self._hashed.update(new)
        self._bound()

    def done(self) -> CategoryColumn:
        """What was counted, as it is stored."""
        self._decode()
        self._settle()
        column = CategoryColumn(
            kind=self._kind,
            count=self._count,
            nulls=self._nulls,
            levels=self._levels,
            counts=tuple(self._counts.tolist()),
            other=self._count - int(self._counts.sum()),
            unseen=most_frequent(self._unseen),
            distinct=self._distinct,
        )
        return with_arrays(column, count_array=self._counts)

    def _add_many(self, levels: pa.Array, times: pa.Array) -> None:
        """Without a Python object for every level."""
        import pyarrow as pa
        import pyarrow.compute as pc

        here = levels.is_valid()
        counts = times.to_numpy()
        self._nulls += int(counts[~here.to_numpy(zero_copy_only=False)].sum())
        levels, times = levels.filter(here), times.filter(here)
        self._settle(_top(levels, times, 2 * MAX_LEVELS))
        counts = times.to_numpy()
        self._count += int(counts.sum())
        places = pc.index_in(levels, value_set=pa.array(self._levels, levels.type))
        known = places.is_valid().to_numpy(zero_copy_only=False)
        self._counts[places.drop_null().to_numpy()] += counts[known]
        new = pc.is_null(places)
        for level, seen in _top(levels.filter(new), times.filter(new), _UNSEEN_KEPT // 4):
            self._unseen[level] = self._unseen.get(level, 0) + seen
        self._distinct = self._distinct.merge(Distinct.of_bytes(*arrow_bytes(levels)))
        self._bound()

    def _take(self, levels: tuple[str, ...]) -> None:
        self._levels = levels
        self._places = {level: place for place, level in enumerate(levels)}
        self._counts = np.zeros(len(levels), np.int64)

    def _settle(self, coming: Iterable[tuple[str, int]] = ()) -> None:
        """Take own levels, where they are to be taken and have not been yet."""
        if not self._own:
            return
        self._own = False
        found = dict(self._unseen)
        for level, times in coming:
            found[level] = found.get(level, 0) + times
        self._take(frequent(found))
        for level, place in self._places.items():
            self._counts[place] = self._unseen.pop(level, 0)

    def _bound(self) -> None:
        """Keep the most frequent half of the unseen levels where they have become too many."""
        if len(self._unseen) > _UNSEEN_KEPT:
            self._settle()
            ranked = sorted(self._unseen.items(), key=lambda pair: (-pair[1], pair[0]))
            self._unseen = dict(ranked[: _UNSEEN_KEPT // 2])


def _as_booleans(found: dict[str, int]) -> dict[str, int]:
    """Booleans that came as 0 and 1, or as words with capitals, beside a missing value for one."""
    counts: dict[str, int] = {}
    for level, times in found.items():
        known = _BOOLEANS.get(level.lower(), level)
        counts[known] = counts.get(known, 0) + times
    return counts


def _few_encoded(values: pa.ChunkedArray | pa.DictionaryArray) -> bool:
    """Strings that are dictionary-encoded, with few levels that differ and no null among them."""
    return str(values.type).startswith("dictionary<values=string") and all(
        len(chunk.dictionary) <= _FEW and chunk.dictionary.null_count == 0
        for chunk in getattr(values, "chunks", [values])
    )


def _counted(values: Any) -> pa.StructArray | None:
    """What pyarrow counts of strings, without the interpreter's lock; None where there is no pyarrow, or the
    values are none of its strings.
    """
    strings = as_arrow_strings(values)
    if strings is not None:
        return strings.value_counts()
    lines = lines_of(values)
    if lines is None:
        return None
    import pyarrow as pa
    import pyarrow.compute as pc

    counted = lines.value_counts()
    levels = pc.utf8_slice_codeunits(counted.field(0), 0, -1)
    return pa.StructArray.from_arrays([levels, counted.field(1)], ["values", "counts"])


class TextCounts:
    """Adds up the characters of one column of texts."""

    def __init__(self) -> None:
        self._bytes = np.zeros(256, np.int64)
        self._distinct = Distinct()

    def add(self, values: Any) -> None:
        """Values that follow."""
        for data, offsets in utf8_pieces(values):
            for start in range(0, data.size, 1 << 20):
                self._bytes += np.bincount(data[start : start + (1 << 20)], minlength=256)
            self._distinct = self._distinct.merge(Distinct.of_bytes(data, offsets))

    def complete(self, column: NumberColumn) -> NumberColumn:
        """The column of lengths with what was counted here."""
        known = [int(self._bytes[list(codes)].sum()) for codes in _CODES]
        following = int(self._bytes[0x80:0xC0].sum())  # bytes inside a character of several bytes
        characters = (*known, int(self._bytes.sum()) - sum(known) - following)
        arrays = {"edge_array": column.edge_array, "count_array": column.count_array}
        return with_arrays(replace(column, characters=characters, distinct=self._distinct), **arrays)


def _codes(of: str) -> list[int]:
    tests: dict[str, Callable[[str], bool]] = {
        "lower": str.islower,
        "upper": str.isupper,
        "digit": str.isdigit,
        "space": str.isspace,
        "punctuation": lambda c: c.isprintable() and not c.isalnum() and c != " ",
    }
    return [code for code in range(128) if tests[of](chr(code))]


_CODES = [_codes(name) for name in CHARACTER_CLASSES[:-1]]


def _top(levels: pa.Array, times: pa.Array, most: int) -> Iterable[tuple[str, int]]:
    """The most frequent, ties by name."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = pa.table({"level": levels, "times": times}).drop_null()
    order = pc.select_k_unstable(
        table, k=min(most, table.num_rows), sort_keys=[("times", "descending"), ("level", "ascending")]
    )
    best = table.take(order)
    return zip(best.column("level").to_pylist(), best.column("times").to_pylist(), strict=True)
