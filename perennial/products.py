"""Co-moments of the number columns, pairwise complete: correlations and Hotelling's T² without the rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perennial.columns import Floats
from perennial.errors import ProfileMismatch

MAX_COLUMNS = 64
_TERMS = 128
_SYMMETRIC, _PIECE = 17, 1024  # rows, and terms of a piece

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Products:
    """Sums over the rows in which both columns are finite, around fixed `centres` (the reference's means).

    `names`: k number columns. `centres` of shape (k,). Of shape (k, k): `rows`; `sums`, where `sums[i, j]`
    adds up (x_i - centre_i) over the rows complete in i and j; `products` of (x_i - centre_i)(x_j -
    centre_j).
    """

    names: tuple[str, ...]
    centres: Floats
    rows: NDArray[np.int64]
    sums: Floats
    products: Floats

    @classmethod
    def nothing(cls, names: tuple[str, ...], centres: Floats) -> "Products":
        """Of no rows."""
        square = (len(names), len(names))
        return cls(names, centres, np.zeros(square, np.int64), np.zeros(square), np.zeros(square))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Products)
            and self.names == other.names
            and all(
                np.array_equal(mine, theirs)
                for mine, theirs in zip(self._arrays(), other._arrays(), strict=True)
            )
        )

    __hash__ = None  # type: ignore[assignment]

    def merge(self, other: "Products") -> "Products":
        """Of both parts together. Raises ProfileMismatch where names or centres differ."""
        if self.names != other.names or not np.array_equal(self.centres, other.centres):
            raise ProfileMismatch("the co-moments have different centres: profile both with the same `like`")
        with np.errstate(over="ignore", invalid="ignore"):
            return Products(
                self.names,
                self.centres,
                self.rows + other.rows,
                finite(self.sums + other.sums),
                finite(self.products + other.products),
            )

    def around(self, centres: Floats) -> "Products":
        """The same rows around other centres."""
        with np.errstate(over="ignore", invalid="ignore"):
            step = (self.centres - centres)[:, None]
            sums = self.sums + self.rows * step
            products = self.products + step.T * self.sums + step * sums.T
            products = (products + products.T) / 2
        return Products(self.names, centres, self.rows, finite(sums), finite(products))

    def covariance(self) -> Floats:
        """Unbiased covariances of shape (k, k), each over its own complete rows; NaN below two rows."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            rows = np.where(self.rows > 1, self.rows, np.nan)
            return np.asarray((self.products - self.sums * self.sums.T / rows) / (rows - 1))

    def correlation(self) -> Floats:
        """Pearson's correlations of shape (k, k); NaN where a column does not vary on the complete rows."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            rows = np.where(self.rows > 1, self.rows, np.nan)
            centred = self.products - self.sums * self.sums.T / rows
            squares = np.where(self._own_squares() > 0, self._own_squares(), np.nan)
            return np.asarray(np.clip(centred / np.sqrt(squares * squares.T), -1, 1))

    def _own_squares(self) -> Floats:
        """Squared deviations of each column over all its own rows, scaled to those shared with the other."""
        own = np.diag(self.rows).astype(float)
        squares = np.diag(self.products) - np.diag(self.sums) ** 2 / np.where(own > 0, own, np.nan)
        return np.asarray(squares[:, None] * self.rows / np.where(own > 0, own, np.nan)[:, None])

    def _arrays(self) -> tuple[NDArray[np.generic], ...]:
        return (self.centres, self.rows, self.sums, self.products)


def finite(values: Floats) -> Floats:
    """Infinities and what came of subtracting them, as the largest floats."""
    if np.isfinite(values).all():
        return values
    largest = np.finfo(float).max
    return np.nan_to_num(values, nan=largest, posinf=largest, neginf=-largest)


class BlockProducts:
    """Adds up blocks of rows."""

    def __init__(self, centres: Floats) -> None:
        k = centres.size
        self.centres = centres
        self._complete, self._together = 0, np.zeros((k, k + 1))  # of blocks without a missing value
        self._rows, self._sums, self._products = (np.zeros((k, k)) for _ in range(3))  # of the others

    def add(self, table: Floats, unusable: Mapping[int, Mask]) -> tuple[Floats, Floats]:
        """The first k rows of `table`, of shape (2 k + 1, rows), are deviations from the centres, 0 where a
        column's values are `unusable`; the others are written over. Returns the sums of deviations and of
        their squares, of shape (k,).
        """
        k = self.centres.size
        table = table[: k + 1 + len(unusable)]
        table[k] = 1.0
        for row, where in enumerate(unusable.values(), k + 1):
            np.logical_not(where, out=table[row], casting="unsafe")
        together = symmetric(table)[:k] if len(table) <= _SYMMETRIC else gram(table[:k], table)
        if unusable:
            self._add_incomplete(together, gram(table[k:], table[k:].copy()), list(unusable))
        else:
            self._complete += table.shape[1]
            self._together += together
        return together[:, k], together.diagonal()

    def _add_incomplete(self, together: Floats, shared: Floats, places: list[int]) -> None:
        k = self.centres.size
        presence = np.full(k, k)  # the row that says where a column's values are present
        presence[places] = np.arange(k + 1, k + 1 + len(places))
        self._products += together[:, :k]
        self._sums += together[:, presence]
        self._rows += shared[np.ix_(presence - k, presence - k)]

    def done(self, names: tuple[str, ...], order: NDArray[np.intp]) -> Products:
        """What was added, as it is stored; column i of the blocks was `names[order[i]]`."""
        back = np.argsort(order)
        square = np.ix_(back, back)
        k = self.centres.size
        rows = np.rint(self._rows).astype(np.int64) + self._complete
        sums, products = self._sums + self._together[:, [k]], self._products + self._together[:, :k]
        symmetric = (products + products.T) / 2
        return Products(
            names, self.centres[back], rows[square], finite(sums[square]), finite(symmetric[square])
        )


def gram(left: Floats, right: Floats) -> Floats:
    """left @ right.T, in pieces so small that a threaded BLAS leaves each to one thread: its threads would
    fight ours. OpenBLAS does so up to 262,144 multiplications (interface/gemm.c). Of one array with itself
    numpy calls another routine, see `symmetric`, with other limits: they must be two.
    """
    length = left.shape[1]
    piece = 1 << max(0, min(10, (262_144 // (len(left) * len(right))).bit_length() - 1))
    whole = length - length % piece
    pieces = _cut(left[:, :whole], piece) @ _cut(right[:, :whole], piece).transpose(0, 2, 1)
    total: Floats = np.add.reduce(pieces, axis=0)
    return total if whole == length else total + left[:, whole:] @ right[:, whole:].T


def symmetric(matrix: Floats) -> Floats:
    """matrix @ matrix.T by the routine for that, which does half the work; it leaves a piece of 1,024 terms
    to one thread where there are at most 17 rows.
    """
    length = matrix.shape[1]
    whole = length - length % _PIECE
    pieces = _cut(matrix[:, :whole], _PIECE)
    total: Floats = np.add.reduce(pieces @ pieces.transpose(0, 2, 1), axis=0)
    return total if whole == length else total + matrix[:, whole:] @ matrix[:, whole:].T


def dots(left: Floats, right: Floats) -> Floats:
    """The dot product of each row of `left` with that of `right`, of shape (rows,); in pieces for the same
    reason: of 10,000 terms OpenBLAS takes threads. They are so small because numpy lets go of the
    interpreter's lock only for more than 500 products.
    """
    length = left.shape[1]
    whole = length - length % _TERMS
    pieces = (len(left), -1, _TERMS)
    found = np.vecdot(left[:, :whole].reshape(pieces), right[:, :whole].reshape(pieces))
    sums: Floats = np.add.reduce(found, axis=1)
    return sums if whole == length else sums + np.vecdot(left[:, whole:], right[:, whole:])


def _cut(matrix: Floats, piece: int) -> Floats:
    return matrix.reshape(len(matrix), -1, piece).transpose(1, 0, 2)
