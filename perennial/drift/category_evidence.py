"""A category column of two profiles compared: chi-square, and every statistic."""

from typing import Any

import numpy as np

from perennial.drift.chi_square import chi_square, pool_tail, total_variation, total_variation_noise
from perennial.drift.evidence import ColumnEvidence, ColumnTest
from perennial.drift.jensen_shannon import jensen_shannon
from perennial.drift.kullback_leibler import kullback_leibler
from perennial.drift.levels import new_levels, vanished_levels
from perennial.drift.materiality import in_deviations, share_error, without_noise
from perennial.drift.psi import psi, psi_noise
from perennial.profile import CategoryColumn


def compare_categories(reference: CategoryColumn, current: CategoryColumn) -> ColumnEvidence:
    """Evidence for a pair of columns that count the same levels, both with values."""
    before, now = pool_tail((reference.counts, reference.other), (current.counts, current.other))
    result = chi_square(before, now)
    distance = total_variation(before, now)
    effect = in_deviations(without_noise(distance, total_variation_noise(before, now)))
    index = psi(before, now)
    n, m = int(before.sum()), int(now.sum())
    gone, new = vanished_levels(reference, current), new_levels(current)
    statistics: dict[str, float] = {
        "chi2": result.statistic,
        "total_variation": distance,
        "psi": index,
        "psi_corrected": max(0.0, index - psi_noise(len(before), n, m)),
        "kullback_leibler": kullback_leibler(before, now),
        "jensen_shannon": jensen_shannon(before, now),
        "new_levels_share": current.other / current.count,
        "vanished_levels": float(len(gone)),
    }
    words = f"total variation {distance:.2f}, {_largest_change(reference, current)}"
    notes = (
        [f"levels the reference does not count: {', '.join(new[:3])}"] if new and not reference.other else []
    )
    notes += [f"vanished levels: {', '.join(gone[:3])}"] if gone else []
    # one degree of freedom: a small true change makes large accidents likelier, as it does for means
    error = share_error(int(before[0]), n, int(now[0]), m) if result.degrees == 1 else 0.0
    test = ColumnTest("distribution", result.p_value, 1.0, effect, words, in_deviations(distance), error)
    return ColumnEvidence((test,), statistics, tuple(notes))


def _largest_change(reference: CategoryColumn, current: CategoryColumn) -> str:
    names = [*reference.levels, "levels the reference has not"]
    before: Any = np.array([*reference.counts, reference.other]) / reference.count
    now: Any = np.array([*current.counts, current.other]) / current.count
    change = np.abs(now - before)
    newcomers = current.other > 0 and change[-1] >= change.max() / 2  # new levels say more than shares
    most = len(names) - 1 if newcomers else int(change.argmax())
    unseen = ", ".join(level for level, _ in current.unseen[:3])
    named = f" ({unseen})" if most == len(names) - 1 and unseen else ""
    return f"{names[most]}{named} {before[most]:.0%} → {now[most]:.0%}"
