"""The number columns of two profiles as matrices: a row per column, its bins padded to one width."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from perennial.columns import Floats
from perennial.profile import NumberColumn

_FINE = 250  # a reference with so many edges is as good as continuous
_HUGE, _SMALLER = 2.0**1020, 2.0**-4


@dataclass(frozen=True)
class AlignedNumbers:
    """Counts of shape (columns, bins), and the place of each bin's values: its upper edge times `units`, of
    shape (columns,): 1, or less where the span of the values themselves would be no float.

    Bins end at values of the reference itself, so that one current value in n + 1 is expected above its
    largest although no reference value can be there. `exchangeable` is `reference` with that one row added
    (less where values repeat): what permutation tests need.
    """

    names: tuple[str, ...]
    reference: Floats
    current: Floats
    places: Floats
    units: Floats
    exchangeable: Floats

    @cached_property
    def n(self) -> Floats:
        """Reference values of each column."""
        return np.asarray(self.reference.sum(axis=1))

    @cached_property
    def m(self) -> Floats:
        """Current values of each column."""
        return np.asarray(self.current.sum(axis=1))


def align(pairs: Mapping[str, tuple[NumberColumn, NumberColumn]]) -> AlignedNumbers:
    """Stack pairs of columns, each pair binned alike."""
    width = max((len(before.counts) for before, _ in pairs.values()), default=1)
    reference, current, places, extra = (np.zeros((len(pairs), width)) for _ in range(4))
    for row, (before, now) in enumerate(pairs.values()):
        bins = len(before.counts)
        reference[row, :bins], current[row, :bins] = before.count_array, now.count_array
        if before.edges:
            places[row, : bins - 1] = before.edge_array
            places[row, bins - 1 :] = before.edges[-1]
            alone = np.count_nonzero(reference[row] == 1) / len(before.edges)
            extra[row, bins - 1] = 1.0 if len(before.edges) >= _FINE else alone
    units = np.where(np.abs(places).max(axis=1, initial=0.0) > _HUGE, _SMALLER, 1.0)
    same = (reference == current).all(axis=1)  # a table compared with itself differs in nothing
    extra[same] = 0.0
    return AlignedNumbers(tuple(pairs), reference, current, places * units[:, None], units, reference + extra)


def coarse(numbers: AlignedNumbers, most: int, rows_per_bin: int) -> tuple[Floats, Floats, Floats]:
    """Both counts in at most `most` groups of neighbouring bins that hold about equally many reference rows,
    each of shape (columns, most), and the number of groups in use.
    """
    n, m = numbers.n, numbers.m
    groups = np.clip(np.minimum(n, m) // rows_per_bin, 2, most)
    before = np.cumsum(numbers.reference, axis=1) - numbers.reference
    place = np.minimum(before * groups[:, None] // np.maximum(n, 1)[:, None], groups[:, None] - 1).astype(
        np.intp
    )
    flat = (place + most * np.arange(len(n))[:, None]).ravel()

    def grouped(counts: Floats) -> Floats:
        return np.bincount(flat, counts.ravel(), minlength=most * len(n)).reshape(len(n), most)

    first, second = grouped(numbers.reference), grouped(numbers.current)
    return first, second, np.count_nonzero(first + second, axis=1).astype(float)
