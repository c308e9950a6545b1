"""Category columns of two profiles compared: chi-square, and every statistic."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from perennial.drift.chi_square import chi_square, pool_tail, total_variation, total_variation_noise
from perennial.drift.evidence import ColumnEvidence, ColumnTest
from perennial.drift.jensen_shannon import jensen_shannon
from perennial.drift.kullback_leibler import kullback_leibler
from perennial.drift.levels import new_levels, vanished_levels
from perennial.drift.materiality import in_deviations, share_error, without_noise
from perennial.drift.psi import psi, psi_noise
from perennial.histogram import Counts
from perennial.profile import CategoryColumn

Pairs = Mapping[str, tuple[CategoryColumn, CategoryColumn]]


def compare_categories(pairs: Pairs) -> dict[str, ColumnEvidence]:
    """Evidence for each pair of columns that count the same levels, both with values."""
    pooled = {
        name: pool_tail((before.count_array, before.other), (now.count_array, now.other))
        for name, (before, now) in pairs.items()
    }
    divergences = _divergences(pooled)
    return {name: _compare(*pair, pooled[name], divergences[name]) for name, pair in pairs.items()}


def _compare(
    reference: CategoryColumn,
    current: CategoryColumn,
    pooled: tuple[Counts, Counts],
    divergences: tuple[float, float, float],
) -> ColumnEvidence:
    before, now = pooled
    result = chi_square(before, now)
    distance = total_variation(before, now)
    effect = in_deviations(without_noise(distance, total_variation_noise(before, now)))
    n, m = int(before.sum()), int(now.sum())
    gone, new = vanished_levels(reference, current), new_levels(current)
    index, divergence, apart = divergences
    statistics: dict[str, float] = {
        "chi2": result.statistic,
        "total_variation": distance,
        "psi": index,
        "psi_corrected": max(0.0, index - psi_noise(len(before), n, m)),
        "kullback_leibler": divergence,
        "jensen_shannon": apart,
        "vanished_levels": float(len(gone)),
    }
    if not reference.other:  # else what is not counted need not be new
        statistics["new_levels_share"] = current.other / current.count
    words = f"total variation {distance:.2f}, {_largest_change(reference, current)}"
    notes = (
        [f"levels the reference does not count: {', '.join(new[:3])}"] if new and not reference.other else []
    )
    notes += [f"vanished levels: {', '.join(gone[:3])}"] if gone else []
    # one degree of freedom: a small true change makes large accidents likelier, as it does for means
    error = share_error(int(before[0]), n, int(now[0]), m) if result.degrees == 1 else 0.0
    test = ColumnTest("distribution", result.p_value, 1.0, effect, words, in_deviations(distance), error)
    return ColumnEvidence((test,), statistics, tuple(notes))


def _divergences(pooled: Mapping[str, tuple[Counts, Counts]]) -> dict[str, tuple[float, float, float]]:
    """PSI, Kullback-Leibler and Jensen-Shannon by name: of columns with as many levels at once."""
    alike: dict[int, list[str]] = {}
    for name, (before, _) in pooled.items():
        alike.setdefault(len(before), []).append(name)
    found: dict[str, tuple[float, float, float]] = {}
    for names in alike.values():
        before, now = (np.stack([pooled[name][side] for name in names]) for side in (0, 1))
        kinds = (of(before, now).tolist() for of in (psi, kullback_leibler, jensen_shannon))
        found |= dict(zip(names, zip(*kinds, strict=True), strict=True))
    return found


def _largest_change(reference: CategoryColumn, current: CategoryColumn) -> str:
    before: Any = np.append(reference.count_array, reference.other) / reference.count
    now: Any = np.append(current.count_array, current.other) / current.count
    change = np.abs(now - before)
    new = current.other > 0 and not reference.other
    newcomers = new and change[-1] >= change.max() / 2  # new levels say more than shares
    most = len(change) - 1 if newcomers else int(change.argmax())
    if most < len(reference.levels):
        return f"{reference.levels[most]} {before[most]:.0%} → {now[most]:.0%}"
    if reference.other:  # it has them, but does not count them one by one
        return f"rarer levels {before[most]:.0%} → {now[most]:.0%}"
    unseen = ", ".join(level for level, _ in current.unseen[:3])
    named = f" ({unseen})" if unseen else ""
    return f"levels the reference has not{named} {before[most]:.0%} → {now[most]:.0%}"
