"""What two profiles say of each column: tests with their p-values, effects free of sampling noise,
statistics.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import pi, sqrt
from typing import Literal

from perennial.drift.materiality import in_deviations, share_error, without_noise
from perennial.drift.missing import missing_change
from perennial.drift.times import time_statistics
from perennial.profile import CategoryColumn, ColumnProfile, NumberColumn, Profile

MISSING = 0.1  # share of the column's error rate, where values are missing on either side

TestName = Literal["location", "scale", "distribution", "missing"]


@dataclass(frozen=True)
class ColumnTest:
    """One test of one column.

    `weight`: its share of the column's error rate. `effect`: in standard deviations of a normal shift, free
    of sampling noise. `size`: the same as it was seen, with its standard `error`; 0 where the test's own
    p-value says enough (many degrees of freedom, no values that vary). `words`: what was seen, without the
    verdict.
    """

    name: TestName
    p_value: float
    weight: float
    effect: float
    words: str
    size: float = 0.0
    error: float = 0.0

    @property
    def weighted_p(self) -> float:
        """The p-value on the scale of the column's."""
        return min(1.0, self.p_value / self.weight)


@dataclass(frozen=True)
class ColumnEvidence:
    """Tests and statistics of a column; for numbers also the location test's z, the shift in standard
    deviations of the reference and its standard error.
    """

    tests: tuple[ColumnTest, ...] = ()
    statistics: dict[str, float] | None = None
    notes: tuple[str, ...] = ()
    z: float | None = None
    shift: float = 0.0
    error: float = 0.0

    @property
    def location_p(self) -> float:
        """p-value of the location test; 1 without one."""
        return next((test.p_value for test in self.tests if test.name == "location"), 1.0)

    @property
    def p_value(self) -> float:
        """Of the column: the smallest weighted one, valid however the tests depend on each other."""
        return min((test.weighted_p for test in self.tests), default=1.0)


def compare_columns(reference: Profile, current: Profile, names: Iterable[str]) -> dict[str, ColumnEvidence]:
    """All tests that two profiles allow; the columns must be binned alike."""
    from perennial.drift.category_evidence import compare_categories
    from perennial.drift.number_evidence import compare_numbers

    pairs = {name: (reference.columns[name], current.columns[name]) for name in names}
    times: dict[str, ColumnEvidence] = {}
    numbers: dict[str, tuple[NumberColumn, NumberColumn]] = {}
    categories: dict[str, tuple[CategoryColumn, CategoryColumn]] = {}
    for name, (before, now) in pairs.items():
        if not (before.count and now.count):
            continue
        if isinstance(before, NumberColumn) and isinstance(now, NumberColumn):
            if before.kind == "datetime":  # time always moves on, which is no drift
                times[name] = ColumnEvidence(statistics=time_statistics(before, now))
            else:
                numbers[name] = (before, now)
        elif isinstance(before, CategoryColumn) and isinstance(now, CategoryColumn):
            categories[name] = (before, now)
    found = compare_categories(categories) | compare_numbers(numbers) | times
    return {name: _with_missing(found.get(name, ColumnEvidence()), *pair) for name, pair in pairs.items()}


def _with_missing(found: ColumnEvidence, before: ColumnProfile, now: ColumnProfile) -> ColumnEvidence:
    if not (before.nulls or now.nulls):
        return found
    n, m = before.count + before.nulls, now.count + now.nulls
    change = missing_change(before.nulls, n, now.nulls, m)
    noise = sqrt(2 / pi * (before.nulls + now.nulls) / (n + m) * (1 / n + 1 / m)) if n and m else 0.0
    gap = abs(change.current - change.reference)
    test = ColumnTest(
        "missing",
        change.p_value,
        MISSING if found.tests else 1.0,
        in_deviations(without_noise(gap, noise)),
        f"missing values {change.reference:.0%} → {change.current:.0%}",
        in_deviations(gap),
        share_error(before.nulls, n, now.nulls, m),
    )
    others = tuple(replace(other, weight=other.weight * (1 - MISSING)) for other in found.tests)
    shares = {"missing_reference": change.reference, "missing_current": change.current}
    return replace(found, tests=(*others, test), statistics={**(found.statistics or {}), **shares})
