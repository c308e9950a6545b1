"""The histograms of a drift report: reference and current as shares of at most 24 bars."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from perennial.histogram import spread_evenly
from perennial.profile import CategoryColumn, ColumnProfile, NumberColumn

MAX_BARS = 24
_STEPS = np.arange(MAX_BARS + 1.0)


def bars(pairs: Mapping[str, tuple[ColumnProfile, ColumnProfile]]) -> dict[str, dict[str, Any]]:
    """By name of the pairs of reference and current column: `{"edges" | "levels": [...], "reference": [shares],
    "current": [shares]}`; numbers have one edge more than shares.

    Numbers get bars of equal width over the range of both; their fine bins are spread evenly. Categories get
    the levels most frequent in either, the rest together as `other levels`.
    """
    numbers: dict[str, tuple[NumberColumn, NumberColumn]] = {}
    found: dict[str, dict[str, Any]] = {}
    for name, (reference, current) in pairs.items():
        if isinstance(reference, NumberColumn) and isinstance(current, NumberColumn):
            numbers[name] = (reference, current)
        elif isinstance(reference, CategoryColumn) and isinstance(current, CategoryColumn):
            found[name] = _category_bars(reference, current)
        else:
            found[name] = {"levels": [], "reference": [], "current": []}
    return found | _number_bars(numbers)


def _number_bars(pairs: Mapping[str, tuple[NumberColumn, NumberColumn]]) -> dict[str, dict[str, Any]]:
    ends = {
        name: [end for column in pair for end in (column.low, column.high) if end is not None]
        for name, pair in pairs.items()
    }
    drawn = [name for name, pair in pairs.items() if ends[name] and pair[0].edges]
    low, high = (np.array([of(ends[name]) for name in drawn], float) for of in (min, max))
    apart = high - low > 1e-12 * np.maximum(np.maximum(np.abs(low), np.abs(high)), 1e-280)
    margin = np.where(apart, (high - low) / (2 * MAX_BARS), np.maximum(np.abs(low), 1.0) / 100)
    step = (high - low + 2 * margin) / MAX_BARS
    grids = (low - margin)[:, None] + step[:, None] * _STEPS
    shares = np.empty((len(drawn), 2, MAX_BARS))
    for row, name in enumerate(drawn):
        edges = pairs[name][0].edge_array
        for side, column in enumerate(pairs[name]):
            start = column.low if column.low is not None else float(low[row])
            end = column.high if column.high is not None else float(high[row])
            shares[row, side] = spread_evenly(column.count_array, edges, start, end, grids[row])
    found: dict[str, dict[str, Any]] = {
        name: {"edges": [], "reference": [], "current": []} for name in pairs
    }
    for name, grid, (before, now) in zip(drawn, grids.tolist(), _rounded(shares), strict=True):
        found[name] = {"edges": [float(f"{e:.6g}") for e in grid], "reference": before, "current": now}
    return found


def _category_bars(reference: CategoryColumn, current: CategoryColumn) -> dict[str, Any]:
    before = np.append(reference.count_array, reference.other) / (reference.count or 1)
    now = np.append(current.count_array, current.other) / (current.count or 1)
    known = len(reference.levels)
    ranked = np.argsort(-np.maximum(before[:known], now[:known]), kind="stable")
    shown, rest = np.sort(ranked[: MAX_BARS - 1]), [*ranked[MAX_BARS - 1 :], known]
    levels = [reference.levels[place] for place in shown]
    first, second = [*before[shown], before[rest].sum()], [*now[shown], now[rest].sum()]
    if first[-1] or second[-1]:
        return {
            "levels": [*levels, "other levels"],
            "reference": _rounded(first),
            "current": _rounded(second),
        }
    return {"levels": levels, "reference": _rounded(first[:-1]), "current": _rounded(second[:-1])}


def _rounded(shares: Any) -> list[Any]:
    rounded: list[Any] = np.round(np.asarray(shares, float), 6).tolist()
    return rounded
