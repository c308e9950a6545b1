"""How often the verdict alarms without drift."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from bench.quality_data import SHAPES, Table
from perennial import DriftReport, Profile, detect_drift
from perennial.products import Products

REAL = ("breast_cancer", "wine", "digits", "diabetes")
SIZES = ((50, 50), (50, 5_000), (1_000, 100), (1_000, 1_000), (20_000, 20_000), (1_000_000, 1_000_000))
AT_A_MILLION = ("normal", "8 levels")
_WIDE, _NARROW, _WIDEST = 20, 5, 200


class Alarms(NamedTuple):
    """Checks made without drift, and how many were called significant and drifted."""

    data: str
    rows: str
    columns: int
    checks: int
    significant: int
    drifted: int


def synthetic(shape: str, size: tuple[int, int], tables: int) -> list[Alarms]:
    """Independent columns of a shape; reference and current of the given sizes.

    Tables of 20 columns are drawn and profiled once; each is checked as a whole and as four of 5 columns.
    Where rows are few also tables of 200 columns, a fifth as many.
    """
    n, m = size
    rng = np.random.default_rng([n, m, *shape.encode()])
    wide, narrow = [], []
    for _ in range(tables):
        before, now = _profiles(_table(rng, shape, n, _WIDE), _table(rng, shape, m, _WIDE))
        wide.append(detect_drift(before, now))
        names = list(before.columns)
        for first in range(0, _WIDE, _NARROW):
            part = names[first : first + _NARROW]
            narrow.append(detect_drift(_part(before, part), _part(now, part)))
    rows = f"{n:,} / {m:,}"
    found = [_counted(shape, rows, _NARROW, narrow), _counted(shape, rows, _WIDE, wide)]
    if n * m <= 1_000_000:
        many = [
            _check(_table(rng, shape, n, _WIDEST), _table(rng, shape, m, _WIDEST))
            for _ in range(max(tables // 5, 1))
        ]
        found.append(_counted(shape, rows, _WIDEST, many))
    return found


def real(name: str, checks: int) -> list[Alarms]:
    """One of scikit-learn's data sets, split at random into reference and current, anew for every check."""
    from sklearn import datasets

    values = getattr(datasets, f"load_{name}")().data
    return list(_resplit(name, values, checks))


def _resplit(name: str, values: Any, checks: int) -> Iterator[Alarms]:
    for share in (0.5, 0.8):
        rng = np.random.default_rng([int(100 * share), *name.encode()])
        cut, found = int(share * len(values)), []
        for _ in range(checks):
            order = rng.permutation(len(values))
            found.append(_check(_columns(values[order[:cut]]), _columns(values[order[cut:]])))
        yield _counted(name, f"{cut:,} / {len(values) - cut:,}", values.shape[1], found)


def _table(rng: np.random.Generator, shape: str, rows: int, columns: int) -> Table:
    """All columns drawn at once."""
    make: Callable[[np.random.Generator, int], Any] = SHAPES[shape]
    values = make(rng, rows * columns).reshape(columns, rows)
    return {f"x{number}": values[number] for number in range(columns)}


def _columns(values: Any) -> Table:
    return {f"x{i}": np.ascontiguousarray(values[:, i], float) for i in range(values.shape[1])}


def _profiles(reference: Table, current: Table) -> tuple[Profile, Profile]:
    baseline = Profile.of(reference)
    return baseline, Profile.of(current, like=baseline)


def _check(reference: Table, current: Table) -> DriftReport:
    return detect_drift(*_profiles(reference, current))


def _part(whole: Profile, names: list[str]) -> Profile:
    """The profile of some of the columns: what `Profile.of` would have made of them."""
    products, kept = whole.products, None
    if products is not None:
        places = [place for place, name in enumerate(products.names) if name in names]
        grid = np.ix_(places, places)
        kept = Products(
            tuple(products.names[place] for place in places),
            products.centres[places],
            products.rows[grid],
            products.sums[grid],
            products.products[grid],
        )
    columns = {name: whole.columns[name] for name in names}
    incoming = tuple(pair for pair in whole.incoming if pair[0] in names)
    return replace(whole, columns=columns, incoming=incoming, products=kept)


def _counted(data: str, rows: str, columns: int, found: list[DriftReport]) -> Alarms:
    significant, drifted = (
        sum(getattr(report, what) for report in found) for what in ("significant", "drifted")
    )
    return Alarms(data, rows, columns, len(found), significant, drifted)
