"""Number columns of two profiles compared, all at once: three tests each, and every statistic."""

from math import log, pi, sqrt

import numpy as np
from scipy.special import kolmogorov

from perennial.columns import Floats
from perennial.drift.aligned import AlignedNumbers, align, coarse
from perennial.drift.changes import changes
from perennial.drift.evidence import ColumnEvidence, ColumnTest, TestName
from perennial.drift.jensen_shannon import jensen_shannon
from perennial.drift.kullback_leibler import kullback_leibler
from perennial.drift.materiality import in_deviations, without_noise
from perennial.drift.moments import Spread, over_deviation
from perennial.drift.permutation import score_test
from perennial.drift.psi import psi
from perennial.drift.quantiles import outside_share, quantile_change
from perennial.drift.scores import normal_scores
from perennial.drift.shares import shares
from perennial.drift.texts import text_statistics
from perennial.drift.wasserstein import least_movement, wasserstein
from perennial.profile import NumberColumn

LOCATION, SCALE, DISTRIBUTION = 0.8, 0.12, 0.08  # shares of the column's error rate
_PSI_BINS = 10
_BEYOND = 0.05
_ROWS_PER_PSI_BIN = 10
_QUANTILES = (0.05, 0.5, 0.95)
_TESTS: tuple[TestName, ...] = ("location", "scale", "distribution")

Pairs = dict[str, tuple[NumberColumn, NumberColumn]]


def compare_numbers(pairs: Pairs) -> dict[str, ColumnEvidence]:
    """Evidence for each pair of columns, binned alike and both with values."""
    if not pairs:
        return {}
    numbers = align(pairs)
    n, m = np.maximum(numbers.n, 1), np.maximum(numbers.m, 1)
    error = np.sqrt(1 / n + 1 / m)
    pooled = numbers.exchangeable + numbers.current
    location_scores, scale_scores = normal_scores(pooled)
    location = score_test(location_scores, numbers.exchangeable, numbers.current)
    scale = score_test(scale_scores, numbers.exchangeable, numbers.current)
    distance = np.abs(np.cumsum(shares(numbers.reference) - shares(numbers.current), axis=1)).max(axis=1)
    change = changes(numbers, pairs)
    places, before, shift, stretch = change.places, change.before, change.shift, change.stretch
    varies, sure, stretch_error = before.deviation > 0, np.abs(change.sure), change.stretch_noise * error
    scaled = over_deviation(before, places)
    moved, accident = least_movement(numbers.reference, numbers.current, scaled)
    sizes = np.stack([sure, np.abs(stretch), np.maximum(moved - accident, 0.0)], axis=1)
    errors = np.stack([error, stretch_error, error], axis=1)
    noise = np.stack([error, stretch_error, np.zeros_like(error)], axis=1)
    apart = in_deviations(without_noise(distance, sqrt(pi / 2) * log(2) * error))
    effects = np.where(varies[:, None], without_noise(sizes, noise), apart[:, None])
    errors = np.where(varies[:, None], errors, 0.0)
    p_values = np.stack([location.p_value, scale.p_value, kolmogorov(distance / error)], axis=1)
    statistics = _statistics(numbers, before, shift, stretch, distance)
    # plain floats: of arrays each would be made one by one
    tests = np.stack([p_values, effects, sizes, errors], axis=-1).tolist()
    found = np.stack(list(statistics.values()), axis=1).tolist()
    locations = np.stack([location.z, shift, error], axis=1).tolist()
    return {
        name: _evidence(
            pairs[name], tests[row], dict(zip(statistics, found[row], strict=True)), locations[row]
        )
        for row, name in enumerate(numbers.names)
    }


def _statistics(
    numbers: AlignedNumbers, before: Spread, shift: Floats, stretch: Floats, distance: Floats
) -> dict[str, Floats]:
    first, second, groups = coarse(numbers, _PSI_BINS, _ROWS_PER_PSI_BIN)
    n, m = np.maximum(numbers.n, 1), np.maximum(numbers.m, 1)
    index = np.asarray(psi(first, second))
    varies, scaled = before.deviation > 0, over_deviation(before, numbers.places)
    moved = np.asarray(wasserstein(numbers.reference, numbers.current, scaled))
    found = {
        "ks": distance,
        "psi": index,
        "psi_corrected": np.maximum(index - (groups - 1) * (1 / n + 1 / m), 0.0),
        "kullback_leibler": np.asarray(kullback_leibler(first, second)),
        "jensen_shannon": np.asarray(jensen_shannon(first, second)),
        "wasserstein": np.where(varies, moved, 0.0),
        "mean_change": shift,
        "scale_change": stretch,
    }
    gaps = [quantile_change(numbers.reference, numbers.current, numbers.places, q) for q in _QUANTILES]
    moves = np.where(varies[:, None], over_deviation(before, np.stack(gaps, axis=1)), 0.0)
    names = [f"quantile_{q:.0%}".rstrip("%") + "_change" for q in _QUANTILES]
    return found | dict(zip(names, moves.T, strict=True))


def _evidence(
    pair: tuple[NumberColumn, NumberColumn],
    found: list[list[float]],
    statistics: dict[str, float],
    location: list[float],
) -> ColumnEvidence:
    """Of each test `found` has p-value, effect, size and error; `location` is z, shift and its error."""
    before, now = pair
    what = "mean length" if before.kind == "text" else "mean"
    outside = outside_share(before, now)
    z, shift, shift_error = location
    spread = sqrt(before.variance)
    # bins end at the reference's extremes: what lies beyond them moved farther than they can tell
    least = "at least " * (outside > _BEYOND and abs(now.mean - before.mean) > 1.2 * abs(shift) * spread)
    words = (
        f"{what} {before.mean:.4g} → {now.mean:.4g} ({least}{shift:+.2f} sd)",
        f"standard deviation {spread:.4g} → {sqrt(now.variance):.4g}",
        f"Kolmogorov-Smirnov distance {statistics['ks']:.2f}",
    )
    tests = tuple(
        ColumnTest(name, p, weight, effect, said, size, error)
        for name, weight, said, (p, effect, size, error) in zip(
            _TESTS, (LOCATION, SCALE, DISTRIBUTION), words, found, strict=True
        )
    )
    statistics["outside_range"] = outside
    if before.kind == "text":
        statistics |= text_statistics(before, now)
    note = (f"{outside:.0%} of values outside the reference's range",) if outside > _BEYOND else ()
    return ColumnEvidence(tests, statistics, note, z, shift, shift_error)
