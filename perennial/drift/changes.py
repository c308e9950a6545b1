"""How much number columns changed, in the units of materiality: every test of numbers asks this once."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from perennial.columns import Floats
from perennial.drift.aligned import AlignedNumbers
from perennial.drift.moments import Spread, drawn_in, mean_change, scale_change, spread
from perennial.profile import NumberColumn


class Changes(NamedTuple):
    """Each of shape (columns,) but `places` (columns, bins), drawn in to the reference's 1 % and 99 %
    quantiles.

    `shift`: of the binned means, in standard deviations of `before`. `sure`: that, or the smaller change of
    the means of the values themselves: bins and values agree, it is no outlier's and no bin edge's doing.
    `stretch`: logarithm of the ratio of standard deviations; a single row brings `stretch_noise` of it.
    """

    places: Floats
    before: Spread
    shift: Floats
    sure: Floats
    stretch: Floats
    stretch_noise: Floats


def changes(numbers: AlignedNumbers, pairs: Mapping[str, tuple[NumberColumn, NumberColumn]]) -> Changes:
    """Of the pairs that `numbers` aligns."""
    places = drawn_in(numbers.reference, numbers.places)
    before, now = spread(numbers.reference, places), spread(numbers.current, places)
    shift = mean_change(before, now)
    gaps = numbers.units * [now.mean / 2 - before.mean / 2 for before, now in pairs.values()]
    with np.errstate(over="ignore"):
        raw = np.asarray(2 * gaps / np.where(before.deviation > 0, before.deviation, 1.0))
    noise = np.sqrt(np.maximum(before.kurtosis - 1, 0.1) / 4)
    smaller = np.where(np.abs(shift) <= np.abs(raw), shift, raw)
    return Changes(places, before, shift, smaller, scale_change(before, now), noise)
