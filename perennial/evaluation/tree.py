"""A shallow regression tree over mixed columns, its leaves in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perennial.config import ModelConfig
from perennial.metrics import Floats, Values

_DEPTH, _FITTED = 3, 8_000
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
    lost = lost[chosen]
    codings = [_coding(frame[name], chosen, config.columns[name].type, lost) for name in columns]
    fewest = config.evaluation.min_slice_rows
    tree = DecisionTreeRegressor(
        max_depth=_DEPTH, min_samples_leaf=max(fewest, len(chosen) // 50), random_state=0
    )
    tree.fit(_table(frame, chosen, columns, codings, range(len(columns))), lost)
    asked = np.unique(tree.tree_.feature[tree.tree_.feature >= 0])  # few of them: others need no codes
    leaves = tree.apply(_table(frame, judged, columns, codings, asked))
    levels = [coding.levels for coding in codings]
    values = tree.tree_.value[:, 0, 0]
    found = []
    for leaf in sorted(np.unique(leaves), key=lambda leaf: -values[leaf]):
        places = judged[leaves == leaf]
        path = _path(tree.tree_, leaf)
        if values[leaf] > 0 and len(places) >= fewest and path:
            found.append((_words(path, columns, levels), places))
    return found


@dataclass(frozen=True)
class _Coding:
    """How a column becomes numbers: its `levels` to their places, or numbers as they are with `missing` for
    those that are."""

    levels: list[str] | None = None
    places: Mapping[Any, int] = field(default_factory=dict)
    missing: float = 0.0

    def codes(self, column: "pd.Series[Any]") -> Floats:
        """Of each row (n,); -1 for levels without a place."""
        if self.levels is None:
            numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
            return np.clip(np.where(np.isnan(numbers), self.missing, numbers), -_LARGEST, _LARGEST)
        codes, levels = pd.factorize(column)
        places = [self.places.get(None, -1), *(self.places.get(level, -1) for level in levels)]
        return np.array(places, np.float64)[codes + 1]


def _coding(column: "pd.Series[Any]", chosen: Values, kind: str, lost: Floats) -> _Coding:
    """Numbers as they are, below all others where missing; levels in the order of what is `lost` on the
    `chosen` rows."""
    if kind == "number":
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
        low = np.fmin.reduce(numbers)  # NaN where all are missing
        return _Coding(missing=-1.0 if np.isnan(low) else float(low) - 1)
    codes, levels = pd.factorize(column.iloc[chosen])
    rows = np.bincount(codes + 1, minlength=len(levels) + 1)
    mean = np.bincount(codes + 1, weights=lost, minlength=len(levels) + 1) / np.maximum(rows, 1)
    frequent = np.argsort(-rows, kind="stable")[:_MOST_LEVELS]
    ranked = frequent[np.argsort(mean[frequent], kind="stable")]
    values, names = [None, *levels], ["missing", *(str(level) for level in levels)]
    return _Coding(
        [names[place] for place in ranked], {values[place]: rank for rank, place in enumerate(ranked)}
    )


def _table(
    frame: pd.DataFrame,
    rows: Values,
    columns: Sequence[str],
    codings: Sequence[_Coding],
    wanted: Iterable[int],
) -> npt.NDArray[np.float32]:
    """What trees compare (rows, columns): the codes of the `wanted` columns, 0 in others."""
    result = np.zeros((len(columns), len(rows)), np.float32)
    for place in wanted:
        result[place] = codings[place].codes(frame[columns[place]].iloc[rows])
    return result.T


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
