"""The histograms of a drift report: reference and current as shares of at most 24 bars."""

from math import ceil, log10
from typing import Any

import numpy as np

from perennial.histogram import spread_evenly
from perennial.profile import CategoryColumn, ColumnProfile, NumberColumn

MAX_BARS = 24
_STEPS = np.arange(MAX_BARS + 1.0)
_HUGE, _SMALLER, _MOST = 1e300, 2.0**-16, 1.79e308


def bars(reference: ColumnProfile, current: ColumnProfile) -> dict[str, Any]:
    """`{"edges" | "levels": [...], "reference": [shares], "current": [shares]}`; numbers have one edge more
    than shares.

    Numbers get bars of equal width over the range of both; their fine bins are spread evenly. Categories get
    the levels most frequent in either, the rest together as `other levels`.
    """
    if isinstance(reference, NumberColumn) and isinstance(current, NumberColumn):
        return _number_bars(reference, current)
    if isinstance(reference, CategoryColumn) and isinstance(current, CategoryColumn):
        return _category_bars(reference, current)
    return {"levels": [], "reference": [], "current": []}


def _number_bars(reference: NumberColumn, current: NumberColumn) -> dict[str, Any]:
    ends = [end for column in (reference, current) for end in (column.low, column.high) if end is not None]
    if not ends or not reference.edges:
        return {"edges": [], "reference": [], "current": []}
    unit = _SMALLER if max(map(abs, ends)) > _HUGE else 1.0  # the span of the largest floats is infinite
    low, high = min(ends) * unit, max(ends) * unit
    apart = high - low > 1e-12 * max(abs(low), abs(high), 1e-280)
    margin = (high - low) / (2 * MAX_BARS) if apart else max(abs(low), 1.0) / 100
    step = (high - low + 2 * margin) / MAX_BARS
    grid = (low - margin) + step * _STEPS
    edges = reference.edge_array * unit

    def shares(column: NumberColumn) -> list[float]:
        start = column.low * unit if column.low is not None else low
        end = column.high * unit if column.high is not None else high
        return _rounded(spread_evenly(column.count_array, edges, start, end, grid))

    digits = min(17, max(6, 4 + ceil(log10(max(abs(low), abs(high), step) / step))))
    return {
        "edges": [float(f"{e:.{digits}g}") for e in np.clip(grid, -_MOST * unit, _MOST * unit) / unit],
        "reference": shares(reference),
        "current": shares(current),
    }


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


def _rounded(shares: Any) -> list[float]:
    rounded: list[float] = np.round(np.asarray(shares, float), 6).tolist()
    return rounded
