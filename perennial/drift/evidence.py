"""One column of two profiles compared: tests with their p-values, and effects free of sampling noise.

An effect is a distance between distributions in [0, 1] (Kolmogorov-Smirnov for numbers, total variation for
categories), from which the distance that sampling alone would bring is taken off in quadrature. It therefore
means the same at every number of rows, and can be held against a threshold.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np

from perennial.config import DriftPolicy
from perennial.drift.chi_square import chi_square, pool_rare, total_variation, total_variation_noise
from perennial.drift.ks import ks_noise, ks_p_value, ks_statistic
from perennial.drift.proportions import p_different
from perennial.drift.psi import psi, psi_corrected
from perennial.histogram import coarse_groups
from perennial.profile import CategoryColumn, ColumnProfile, NumberColumn

_PSI_BINS = 10
_ROWS_PER_PSI_BIN = 10


@dataclass(frozen=True)
class Evidence:
    """One test of one column. `words` say what was seen, without the verdict."""

    test: Literal["distribution", "missing"]
    p_value: float
    effect: float
    material: bool
    statistics: dict[str, float]
    words: str


def compare_columns(
    reference: ColumnProfile, current: ColumnProfile, policy: DriftPolicy
) -> Iterator[Evidence]:
    """All tests that two profiles of a column allow; the profiles must be binned alike."""
    both = reference.count and current.count
    if isinstance(reference, NumberColumn) and isinstance(current, NumberColumn):
        if reference.kind != "datetime" and both:  # time always moves on, which is no drift
            yield _numbers(reference, current, policy)
    elif isinstance(reference, CategoryColumn) and isinstance(current, CategoryColumn) and both:
        yield _categories(reference, current, policy)
    if reference.nulls or current.nulls:
        yield _missing(reference, current, policy)


def _numbers(reference: NumberColumn, current: NumberColumn, policy: DriftPolicy) -> Evidence:
    before, now = np.array(reference.counts), np.array(current.counts)
    n, m = reference.count, current.count
    distance = ks_statistic(before, now)
    effect = _without_noise(distance, ks_noise(n, m))
    bins = min(_PSI_BINS, max(2, min(n, m) // _ROWS_PER_PSI_BIN))
    starts = coarse_groups(before, bins)
    before, now = np.add.reduceat(before, starts), np.add.reduceat(now, starts)
    index = psi_corrected(before, now)
    words = f"Kolmogorov-Smirnov distance {distance:.2f}, {_moved(reference, current)}"
    return Evidence(
        test="distribution",
        p_value=ks_p_value(distance, n, m),
        effect=effect,
        material=effect >= policy.min_ks or index >= policy.min_psi,
        statistics={"ks": distance, "psi": psi(before, now), "psi_corrected": index},
        words=words,
    )


def _moved(reference: NumberColumn, current: NumberColumn) -> str:
    """Mean, or spread where the mean stayed, of reference and current."""
    deviation = sqrt(reference.variance)
    if abs(current.mean - reference.mean) < deviation / 4:
        return f"standard deviation {deviation:.4g} → {sqrt(current.variance):.4g}, mean {current.mean:.4g}"
    what = "mean length" if reference.kind == "text" else "mean"
    return f"{what} {reference.mean:.4g} → {current.mean:.4g}"


def _categories(reference: CategoryColumn, current: CategoryColumn, policy: DriftPolicy) -> Evidence:
    before = np.array([*reference.counts, reference.other])
    now = np.array([*current.counts, current.other])
    result = chi_square(before, now)
    pooled = pool_rare(before, now)
    distance = total_variation(*pooled)
    effect = _without_noise(distance, total_variation_noise(*pooled))
    index = psi_corrected(*pooled)
    return Evidence(
        test="distribution",
        p_value=result.p_value,
        effect=effect,
        material=effect >= policy.min_ks or index >= policy.min_psi,
        statistics={
            "chi2": result.statistic,
            "total_variation": distance,
            "psi": psi(*pooled),
            "psi_corrected": index,
        },
        words=f"total variation {distance:.2f}, {_largest_change(reference, current)}",
    )


def _largest_change(reference: CategoryColumn, current: CategoryColumn) -> str:
    names = [*reference.levels, "levels the reference has not"]
    before = np.array([*reference.counts, reference.other]) / reference.count
    now = np.array([*current.counts, current.other]) / current.count
    change = np.abs(now - before)
    newcomers = current.other > 0 and change[-1] >= change.max() / 2  # new levels say more than shares
    most = len(names) - 1 if newcomers else int(change.argmax())
    unseen = ", ".join(level for level, _ in current.unseen[:3])
    named = f" ({unseen})" if most == len(names) - 1 and unseen else ""
    return f"{names[most]}{named} {before[most]:.0%} → {now[most]:.0%}"


def _missing(reference: ColumnProfile, current: ColumnProfile, policy: DriftPolicy) -> Evidence:
    n, m = reference.count + reference.nulls, current.count + current.nulls
    before, now = (reference.nulls / n if n else 0.0), (current.nulls / m if m else 0.0)
    noise = (
        sqrt(2 / np.pi * (reference.nulls + current.nulls) / (n + m) * (1 / n + 1 / m)) if n and m else 0.0
    )
    effect = _without_noise(abs(now - before), noise)
    return Evidence(
        test="missing",
        p_value=p_different(reference.nulls, n, current.nulls, m),
        effect=effect,
        material=effect >= policy.min_ks,
        statistics={"missing_reference": before, "missing_current": now},
        words=f"missing values {before:.0%} → {now:.0%}",
    )


def _without_noise(distance: float, noise: float) -> float:
    return sqrt(max(0.0, distance * distance - noise * noise))
