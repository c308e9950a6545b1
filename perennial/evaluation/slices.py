"""Is there a part of the rows on which the challenger is worse? Named parts, and the worst that are found.

Found by a shallow tree on half of the rows, which learns where the challenger loses most to the champion, and
judged on the other half: a part is not condemned by the rows that chose it (honest splitting: S. Athey and G.
Imbens, Recursive partitioning for heterogeneous causal effects, PNAS 113, 2016; slices by a tree: Y. Chung et
al., Slice Finder, ICDE 2019). A slice counts as worse where the loss beyond the margin is significant after
Holm's correction for all slices.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from perennial.config import ModelConfig
from perennial.contracts.evaluation import Gate
from perennial.evaluation.match import Compared, Match
from perennial.evaluation.words import chance
from perennial.metrics import Floats, Mask, Values

_MOST_VALUES = 20  # of a named column, the most frequent
_SLICED_BY = {"log_loss", "brier", "cost", "pinball"}


@dataclass(frozen=True)
class Slice:
    """Some of the rows, `places` (m,), and what they have in common."""

    name: str
    places: Values


def gate(match: Match, frame: pd.DataFrame) -> Gate | None:
    """All slices together; None where there is none of enough rows."""
    config = match.config
    slices = [*named(frame, config), *found(match, frame)]
    if not slices:
        return None
    metric = sliced_by(config)
    compared = [match.of(item.places).compared(metric) for item in slices]
    p_values = _holm([each.p_below(-each.allowed(config.evaluation.slice_margin)) for each in compared])
    worst = min(range(len(slices)), key=lambda i: (p_values[i], compared[i].gain))
    return _gate(slices[worst], compared[worst], p_values[worst], len(slices))


def _gate(worst: Slice, of: Compared, p: float, slices: int) -> Gate:
    policy = of.match.config.evaluation
    allowed, passed = of.allowed(policy.slice_margin), p > policy.level
    said = f"on {worst.name} {of.sentence}"
    sentence = (
        f"none of {slices} slices is worse by more than its margin; the worst: {said}"
        if passed
        else f"{said}: it lost {-of.gain:.3f}, allowed is {allowed:.3g} "
        f"(p {chance(p)}, corrected for {slices} slices)"
    )
    numbers = {"slices": float(slices), "gain": of.gain, "p_value": p, "rows": float(len(of.match.labels))}
    return Gate(name="slices", passed=passed, sentence=sentence, numbers=numbers)


def sliced_by(config: ModelConfig) -> str:
    """The metric of slices: the primary one where a few rows have it, else accuracy or mae."""
    if config.metric in _SLICED_BY or config.metric in config.evaluation.metrics:
        return config.metric
    return "accuracy" if config.task == "classification" else "mae"


def named(frame: pd.DataFrame, config: ModelConfig) -> Iterator[Slice]:
    """Those of the model file that have enough rows."""
    for spec in config.evaluation.specs():
        column = frame[spec.column]
        parts = _ranges(column, spec.column, spec.edges) if spec.edges else _values(column, spec.column)
        for name, mask in parts:
            if int(mask.sum()) >= config.evaluation.min_slice_rows:
                yield Slice(name, np.flatnonzero(mask))


def _values(column: "pd.Series[Any]", name: str) -> Iterator[tuple[str, Mask]]:
    codes, values = pd.factorize(column)
    rows = np.bincount(codes + 1, minlength=len(values) + 1)  # the first are the missing ones
    for code in np.argsort(-rows[1:], kind="stable")[:_MOST_VALUES]:
        yield f"{name} {values[code]}", codes == code
    if rows[0]:
        yield f"{name} missing", codes == -1


def _ranges(column: "pd.Series[Any]", name: str, edges: tuple[float, ...]) -> Iterator[tuple[str, Mask]]:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    places = np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, side="right"))
    words = [
        f"{name} < {edges[0]:g}",
        *(f"{low:g} ≤ {name} < {high:g}" for low, high in pairwise(edges)),
        f"{name} ≥ {edges[-1]:g}",
    ]
    for place, word in enumerate(words):
        yield word, places == place
    if (places == -1).any():
        yield f"{name} missing", places == -1


def found(match: Match, frame: pd.DataFrame) -> list[Slice]:
    """The worst slices by a shallow tree, of the half of the rows that did not choose them."""
    policy = match.config.evaluation
    lost = match.compared(sliced_by(match.config)).differences
    if not policy.found_slices or lost is None or len(lost) < 4 * policy.min_slice_rows or not lost.any():
        return []
    from perennial.evaluation.tree import worst_leaves

    order = np.random.default_rng(match.config.seed).permutation(len(lost))
    chosen = np.zeros(len(lost), bool)
    chosen[order[: len(lost) // 2]] = True
    leaves = worst_leaves(frame, -lost, np.flatnonzero(chosen), np.flatnonzero(~chosen), match.config)
    return [Slice(name, places) for name, places in leaves[: policy.found_slices]]


def _holm(p_values: list[float]) -> Floats:
    """Adjusted p-values (S. Holm, Scand. J. Statist. 6, 1979)."""
    values = np.asarray(p_values)
    order = np.argsort(values, kind="stable")
    adjusted = np.minimum(1.0, np.maximum.accumulate(values[order] * (len(values) - np.arange(len(values)))))
    back = np.empty_like(adjusted)
    back[order] = adjusted
    return back
