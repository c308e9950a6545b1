"""Which rows no version ever trains on: chosen by a hash of the row's key, so that it stays so.

The hash is our own, of integer arithmetic and BLAKE2b, and has no seed: `hash()` differs between processes,
and `pandas.util.hash_array` promises nothing between versions of pandas nor between a column's types.

A cell is hashed in its canonical form, so that 1, 1.0, "1" and "01.0" are one value however it was read:

    missing       None, NaN, NaT and blank text are one value
    whole number  64-bit integer; text that spells a number is that number
    other number  the nearest float64; a float32 counts as the shortest decimal that it prints as
    time          seconds since 1970 in UTC, as a number; text that spells an ISO date or time is that time
    other text    without surrounding blanks, in lower case (so true and "True" are one value)

Two different keys that share a canonical form, or a hash, merely go to the same side.
"""

import hashlib
import re
import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perennial.config import ModelConfig
from perennial.dataset import frame_to_csv, read_sample
from perennial.sketch import Hashes, absorb

RECENT = "perennial:recent"  # a column of the stored holdout beside those of the model file

Mask = npt.NDArray[np.bool_]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d+(\.0*)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d([t ]\d\d:\d\d.*)?")
MISSING = 0x9E37_79B9_7F4A_7C15  # any constant does: the fractional bits of the golden ratio
_FRACTION = 0xC2B2_AE3D_27D4_EB4F  # keeps 0.5 apart from the integer of the same bits
_MASK = 2**64 - 1


def holdout_mask(frame: pd.DataFrame, key: Sequence[str], share: float) -> Mask:
    """Say for each row whether it is held out: True for about `share` of all distinct keys.

    Columns of the key are taken by name, so their order does not matter. With an empty key, every column of
    `frame` counts (pass the features). A row's side depends on its key and `share` alone: not on the other
    rows, their order, the types or the version of any library. A larger share only adds rows to the holdout.

    >>> frame = pd.DataFrame({"id": [1, 2, 3, 4, 5, 6]})
    >>> bool((holdout_mask(frame, ["id"], 0.5) == holdout_mask(frame.astype(str), ["id"], 0.5)).all())
    True
    """
    names = sorted(key or frame.columns)
    return held_out(key_hashes((_column_codes(frame[name]) for name in names), len(frame)), share)


def key_hashes(columns: Iterable[Hashes], rows: int) -> Hashes:
    """64 bits of each row's key (rows,), of the codes of its cells (rows,): one array for each column of the
    key, in order of their names. They are overwritten."""
    hashes = None
    for codes in columns:
        if hashes is None:
            hashes = spread(codes)
        else:
            absorb(hashes, codes)
    return np.zeros(rows, np.uint64) if hashes is None else spread(hashes)


def held_out(hashes: Hashes, share: float) -> Mask:
    """The rows (n,) whose key's hash is among the lowest of all that there can be."""
    return np.asarray(hashes < np.uint64(min(int(share * 2**64), _MASK)))


def _column_codes(column: "pd.Series[Any]") -> Hashes:
    """Code of each cell; every distinct value is looked at once."""
    places, values = pd.factorize(column)
    distinct = np.append(_code_values(values), np.uint64(MISSING))  # place -1, missing, is the last
    return np.asarray(distinct[places])


def _code_values(values: Any) -> Hashes:
    """64 bits of each distinct value's canonical form."""
    kind = getattr(values.dtype, "kind", "O")
    if kind in "iu":
        return np.asarray(values).astype(np.uint64)
    if kind == "f":
        numbers = np.asarray(values)
        if numbers.dtype != np.float64:
            numbers = np.array([float(str(value)) for value in numbers], dtype=np.float64)
        return code_floats(numbers)
    return np.fromiter((code_value(value) for value in values), dtype=np.uint64, count=len(values))


def code_floats(numbers: npt.NDArray[np.float64]) -> Hashes:
    """Whole numbers as their 64-bit integer, others as their own bits: what `code_value` does, for many."""
    codes = np.bitwise_xor(numbers.view(np.uint64), np.uint64(_FRACTION))
    whole = np.trunc(numbers) == numbers
    if whole.any():
        whole &= np.abs(numbers) < 2.0**63
        codes[whole] = numbers[whole].astype(np.int64).view(np.uint64)
    return codes


def code_value(value: Any) -> int:
    """64 bits of one value's canonical form."""
    number: int | float | None
    if isinstance(value, datetime):
        number = _seconds(value)
    else:
        text = str(value).strip().casefold()
        if not text:
            return MISSING
        number = _spelled_number(text) if text[0] in "+-.0123456789" else None
        if number is None:
            return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    if isinstance(number, float) and not (number.is_integer() and abs(number) < 2.0**63):
        bits: int = struct.unpack("<Q", struct.pack("<d", number))[0]
        return bits ^ _FRACTION
    return int(number) & _MASK


def _spelled_number(text: str) -> int | float | None:
    """The number or time that a text spells, if it spells one."""
    if _INTEGER.fullmatch(text):
        integer = int(text.partition(".")[0])
        return integer if -(2**63) <= integer < 2**64 else float(integer)
    if _NUMBER.fullmatch(text):
        return float(text)
    if _TIME.fullmatch(text):
        try:
            return _seconds(datetime.fromisoformat(text.upper()))
        except ValueError:
            return None
    return None


def _seconds(time: datetime) -> float:
    """Seconds since 1970; a time without a zone is taken as UTC."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def spread(hashes: Hashes) -> Hashes:
    """Spread every bit over all 64, in place: the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA
    2014)."""
    scratch = np.empty_like(hashes)
    hashes += np.uint64(MISSING)
    for shift, factor in ((30, 0xBF58_476D_1CE4_E5B9), (27, 0x94D0_49BB_1331_11EB)):
        np.right_shift(hashes, np.uint64(shift), out=scratch)
        hashes ^= scratch
        hashes *= np.uint64(factor)
    np.right_shift(hashes, np.uint64(31), out=scratch)
    hashes ^= scratch
    return hashes


def dump_holdout(frame: pd.DataFrame, recent: Mask) -> bytes:
    """The labelled holdout as gzipped CSV, with a column that says which rows came with this run's batch."""
    return frame_to_csv(frame.assign(**{RECENT: recent}))


def read_holdout(body: bytes, config: ModelConfig) -> tuple[pd.DataFrame, Mask]:
    """What `dump_holdout` wrote: the rows with their declared types, and which of them are recent (n,)."""
    frame = read_sample(body, config)
    return frame[list(config.columns)], frame[RECENT].to_numpy(dtype=bool)
