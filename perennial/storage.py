"""How a profile is stored: compact JSON, in which arrays are base64 of little-endian numbers."""

from __future__ import annotations

import json
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial.column_profiles import CategoryColumn, ColumnProfile, NumberColumn, with_arrays
from perennial.columns import Floats
from perennial.errors import ProfileMismatch
from perennial.products import Products
from perennial.sketch import NO_STRINGS, Distinct

FORMAT = 2

Stored = tuple[int, dict[str, ColumnProfile], tuple[tuple[str, str], ...], Products | None]
_DTYPES = {kind: np.dtype(f"<{kind}") for kind in ("f8", "u1", "u2", "u4", "u8")}
_NO_HASHES = "u8:"
_SHOWN = 24
_PLAIN = ("kind", "count", "nulls", "infinite", "zeros", "low", "high", "mean", "m2", "m3", "m4")


def dump_profile(
    rows: int,
    columns: Mapping[str, ColumnProfile],
    incoming: tuple[tuple[str, str], ...],
    products: Products | None,
) -> bytes:
    """Equal profiles give equal bytes."""
    document = {
        "format": FORMAT,
        "rows": rows,
        "columns": {name: _dump_column(column) for name, column in columns.items()},
        "incoming": [list(pair) for pair in incoming],
        "products": None if products is None else _dump_products(products),
    }
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def load_profile(body: bytes | bytearray | str) -> Stored:
    """Read what `dump_profile` wrote. Raises ProfileMismatch where it is something else."""
    try:
        document = json.loads(body)
        _known_format(document)
        return (
            int(document["rows"]),
            {name: _load_column(stored) for name, stored in document["columns"].items()},
            tuple((str(name), str(kind)) for name, kind in document["incoming"]),
            None if document["products"] is None else _load_products(document["products"]),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else error
        seen = f"it begins with {body[:_SHOWN]!r}" if body else "it is empty"
        raise ProfileMismatch(f"this is not a stored profile: {seen} ({why})") from error


def _known_format(document: Any) -> None:
    if not isinstance(document, dict):
        raise TypeError(f"expected a mapping, got a {type(document).__name__}")
    found = document["format"]
    if found != FORMAT:
        age = "a later" if isinstance(found, int) and found > FORMAT else "another"
        raise ProfileMismatch(f"the profile has format {found!r}, of {age} Perennial: expected {FORMAT}")


def _dump_column(column: ColumnProfile) -> dict[str, Any]:
    counts = _pack(column.count_array)
    hashes = column.distinct.smallest
    distinct = _pack(np.array(hashes, np.uint64)) if hashes else _NO_HASHES
    if isinstance(column, NumberColumn):
        plain = {name: getattr(column, name) for name in _PLAIN}
        characters = list(column.characters)
        return {
            **plain,
            "edges": _pack(column.edge_array),
            "counts": counts,
            "characters": characters,
            "distinct": distinct,
        }
    return {
        "kind": column.kind,
        "count": column.count,
        "nulls": column.nulls,
        "levels": list(column.levels),
        "counts": counts,
        "other": column.other,
        "unseen": [list(pair) for pair in column.unseen],
        "distinct": distinct,
    }


def _load_column(stored: dict[str, Any]) -> ColumnProfile:
    counts = _unpack(stored.pop("counts")).astype(np.int64)
    hashes = stored.pop("distinct")
    distinct = NO_STRINGS if hashes == _NO_HASHES else Distinct(tuple(_unpack(hashes).tolist()))
    if "edges" in stored:
        edges, known = _edges(stored.pop("edges"))
        stored["characters"] = tuple(stored["characters"])
        _same_size(counts, edges.size + 1)
        number = NumberColumn(**stored, edges=known, counts=tuple(counts.tolist()), distinct=distinct)
        return with_arrays(number, edge_array=edges, count_array=counts)
    stored["levels"] = tuple(stored["levels"])
    stored["unseen"] = tuple((str(level), int(times)) for level, times in stored["unseen"])
    _same_size(counts, len(stored["levels"]))
    category = CategoryColumn(**stored, counts=tuple(counts.tolist()), distinct=distinct)
    return with_arrays(category, count_array=counts)


def _same_size(counts: NDArray[np.int64], expected: int) -> None:
    if counts.size != expected:
        raise ValueError(f"expected {expected} counts of a column, got {counts.size}")


@lru_cache(512)
def _edges(text: str) -> tuple[Floats, tuple[float, ...]]:
    """A reference, its shards and what is compared with it have them in common."""
    edges = _unpack(text)
    return edges, tuple(edges.tolist())


def _dump_products(products: Products) -> dict[str, Any]:
    """Symmetric matrices as their upper triangles; one number stands for rows that are all alike."""
    upper = np.triu_indices(len(products.names))
    rows = products.rows[upper]
    return {
        "names": list(products.names),
        "centres": _pack(products.centres),
        "rows": _pack(rows[:1] if rows.size and np.all(rows == rows[0]) else rows),
        "sums": _pack(products.sums.ravel()),
        "products": _pack(products.products[upper]),
    }


def _load_products(stored: dict[str, Any]) -> Products:
    names = tuple(map(str, stored["names"]))
    upper = np.triu_indices(len(names))
    shape = (len(names), len(names))
    rows, products = np.zeros(shape, np.int64), np.zeros(shape)
    rows[upper] = _unpack(stored["rows"])
    products[upper] = _unpack(stored["products"])
    return Products(
        names,
        _unpack(stored["centres"]).copy(),
        np.maximum(rows, rows.T),
        _unpack(stored["sums"]).reshape(shape).copy(),
        np.where(products == 0, products.T, products),
    )


def _pack(values: NDArray[Any]) -> str:
    """The type's letter and the numbers; whole numbers in as few bytes as the largest needs."""
    if values.dtype.kind in "iu" and values.dtype != np.uint64:
        values = values.astype(np.min_scalar_type(int(values.max(initial=0))))
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return f"{values.dtype.kind}{values.dtype.itemsize}:{b64encode(little.tobytes()).decode()}"


def _unpack(text: str) -> NDArray[Any]:
    kind, _, body = text.partition(":")
    dtype = _DTYPES.get(kind)
    if dtype is None:
        raise ValueError(f"numbers of the unknown type {kind[:8]!r}")
    return np.frombuffer(a2b_base64(body, strict_mode=True), dtype)
