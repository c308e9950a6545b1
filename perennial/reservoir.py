"""A bounded sample of a stream of rows, drawn without knowing how many will come.

Every row has a random number; the rows with the smallest ones stay (A. Vitter's reservoir in the form that
takes whole parts at a time). Of numbers too large to stay, only how many there are is drawn (K.-H. Li,
"Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))", ACM TOMS 20, 1994). The same rows in
the same parts with the same seed give the same sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial.columns import decoded, is_arrow, rows_of


class Reservoir:
    """At most `most` rows of all that were added, in their order."""

    def __init__(self, most: int, seed: int) -> None:
        self._most = most
        self._rng = np.random.default_rng(seed)
        self._bound = 1.0  # rows with larger numbers do not stay
        self._keys = np.empty(0)
        self._parts: list[Mapping[str, Any]] = []

    def expect(self, rows: int) -> None:
        """So many rows will follow, or more: from the first on, no more stay than are needed, and some, lest
        chance leave too few (of 5,000, in one of 10**8 files).
        """
        if not self._keys.size and rows > 0:
            self._bound = min(1.0, (self._most + 6 * self._most**0.5) / rows)

    def add(self, columns: Mapping[str, Any]) -> None:
        """Rows that follow, as columns of one length by name."""
        rows = len(next(iter(columns.values()))) if columns else 0
        keys = self._drawn(rows)
        if not keys.size:
            return
        if keys.size < rows:
            places = np.sort(self._rng.choice(rows, keys.size, replace=False, shuffle=False))
            columns = rows_of(columns, places)
        self._parts.append(columns)
        self._keys = np.concatenate([self._keys, keys])
        if self._keys.size > 2 * self._most:
            self._shrink()

    def _drawn(self, rows: int) -> NDArray[np.float64]:
        """The numbers of those of so many rows that may stay; which rows they are is not drawn yet."""
        most, rng = self._most, self._rng
        if self._keys.size >= most:
            self._bound = min(self._bound, float(np.partition(self._keys, most - 1)[most - 1]))
        if self._bound < 1:
            return rng.random(rng.binomial(rows, self._bound)) * self._bound
        if self._keys.size or rows <= 2 * most:
            return rng.random(rows)
        bound = rng.beta(most, rows - most + 1)  # the largest of the smallest
        keys = rng.random(most) * bound
        keys[rng.integers(most)] = bound
        return keys

    def columns(self) -> dict[str, Any]:
        """The sample, as columns by name."""
        self._shrink()
        return dict(self._parts[0]) if self._parts else {}

    def _shrink(self) -> None:
        if not self._parts:
            return
        joined = self._parts[0] if len(self._parts) == 1 else _joined(self._parts)
        if self._keys.size > self._most:
            places = np.sort(np.argpartition(self._keys, self._most)[: self._most])
            joined = rows_of(joined, places)
            self._keys = self._keys[places]
        self._parts = [joined]


def _joined(parts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    if all(is_arrow(values) and _unifiable(values) for part in parts for values in part.values()):
        import pyarrow as pa

        tables = [pa.Table.from_arrays(list(part.values()), list(part)) for part in parts]
        if all(table.schema == tables[0].schema for table in tables[1:]):
            whole = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
            return dict(zip(whole.column_names, whole.columns, strict=True))
    return {name: _joined_column([part[name] for part in parts]) for name in parts[0]}


def _unifiable(values: Any) -> bool:
    """Whether dictionaries, if these are some, can be made one: of strings, with no null among them."""
    import pyarrow as pa

    if not isinstance(values.type, pa.DictionaryType):
        return True
    chunks = getattr(values, "chunks", [values])
    return pa.types.is_string(values.type.value_type) and not any(c.dictionary.null_count for c in chunks)


def _joined_column(parts: list[Any]) -> Any:
    if is_arrow(parts[0]):
        import pyarrow as pa

        plain = [decoded(part) for part in parts]
        return pa.chunked_array([chunk for part in plain for chunk in getattr(part, "chunks", [part])])
    if hasattr(parts[0], "iloc"):
        import pandas as pd

        return pd.concat(parts, ignore_index=True)
    return np.concatenate(parts)
