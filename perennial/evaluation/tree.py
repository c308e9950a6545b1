"""A shallow regression tree over mixed columns, its leaves in words."""

from typing import Any

import numpy as np
import pandas as pd

from perennial.config import ModelConfig
from perennial.metrics import Floats, Values

_DEPTH, _FITTED = 3, 10_000
_MOST_LEVELS = 50
_LARGEST = 1e38  # a tree compares float32


def worst_leaves(
    frame: pd.DataFrame, lost: Floats, chosen: Values, judged: Values, config: ModelConfig
) -> list[tuple[str, Values]]:
    """Leaves where a tree that saw the `chosen` rows found `lost` (n,) above 0, worst first: in words, and
    the `judged` rows that fall there, where these are enough."""
    from sklearn.tree import DecisionTreeRegressor

    chosen = chosen[:: -(-len(chosen) // _FITTED)]
    columns = [
        name for name in config.features if config.columns[name].type in {"number", "category", "boolean"}
    ]
    if not columns:
        return []
    lost, rows = lost[chosen], frame.iloc[np.concatenate([chosen, judged])]
    coded = [_coded(rows[name], config.columns[name].type, lost) for name in columns]
    table = np.column_stack([codes.astype(np.float32) for codes, _ in coded])  # what trees compare
    levels = [names for _, names in coded]
    fewest = config.evaluation.min_slice_rows
    tree = DecisionTreeRegressor(
        max_depth=_DEPTH, min_samples_leaf=max(fewest, len(chosen) // 50), random_state=0
    )
    tree.fit(table[: len(chosen)], lost)
    leaves = tree.apply(table[len(chosen) :])
    values = tree.tree_.value[:, 0, 0]
    found = []
    for leaf in sorted(np.unique(leaves), key=lambda leaf: -values[leaf]):
        places = judged[leaves == leaf]
        path = _path(tree.tree_, leaf)
        if values[leaf] > 0 and len(places) >= fewest and path:
            found.append((_words(path, columns, levels), places))
    return found


def _coded(column: "pd.Series[Any]", kind: str, lost: Floats) -> tuple[Floats, list[str] | None]:
    """Numbers as they are, below all others where missing; levels in the order of what is `lost` on them by
    the first rows."""
    if kind == "number":
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
        missing = np.isnan(numbers)
        low = float(np.nanmin(numbers)) if not missing.all() else 0.0
        return np.clip(np.where(missing, low - 1, numbers), -_LARGEST, _LARGEST), None
    codes, levels = pd.factorize(column)
    seen = codes[: len(lost)] + 1
    rows = np.bincount(seen, minlength=len(levels) + 1)
    mean = np.bincount(seen, weights=lost, minlength=len(levels) + 1) / np.maximum(rows, 1)
    frequent = np.argsort(-rows, kind="stable")[:_MOST_LEVELS]
    ranked = frequent[np.argsort(mean[frequent], kind="stable")]
    rank = np.full(len(levels) + 1, -1.0)
    rank[ranked] = np.arange(len(ranked))
    names = ["missing", *(str(level) for level in levels)]
    return rank[codes + 1], [names[place] for place in ranked]


def _path(tree: Any, leaf: int) -> dict[int, tuple[float, float]]:
    """By column, the open and closed end of the range that leads to a leaf."""
    parents = {
        child: (node, child == tree.children_right[node])
        for node in range(tree.node_count)
        for child in (tree.children_left[node], tree.children_right[node])
        if child >= 0
    }
    found: dict[int, tuple[float, float]] = {}
    while leaf in parents:
        leaf, right = parents[leaf]
        column, threshold = int(tree.feature[leaf]), float(tree.threshold[leaf])
        low, high = found.get(column, (-np.inf, np.inf))
        found[column] = (max(low, threshold), high) if right else (low, min(high, threshold))
    return found


def _words(path: dict[int, tuple[float, float]], columns: list[str], levels: list[list[str] | None]) -> str:
    return " and ".join(_condition(columns[at], levels[at], *path[at]) for at in sorted(path))


def _condition(name: str, levels: list[str] | None, low: float, high: float) -> str:
    if levels is not None:
        inside = sorted(level for place, level in enumerate(levels) if low < place <= high)
        return f"{name} {' or '.join(inside) or 'rare'}"
    if np.isinf(low):
        return f"{name} ≤ {high:.4g}"
    return f"{name} > {low:.4g}" if np.isinf(high) else f"{low:.4g} < {name} ≤ {high:.4g}"
