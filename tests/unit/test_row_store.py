"""Repeated rows are found by their hashes, wherever these lie."""

import numpy as np
import pytest

from perennial.row_store import any_repeated

CROWDED = np.uint64(7 << 50)  # the same first bytes for all


@pytest.mark.parametrize("count", [2, 3, 257, 20_000, 600_000])
@pytest.mark.parametrize("crowded", [False, True])
def test_one_repeated_hash_among_many_is_found(count: int, crowded: bool) -> None:
    rng = np.random.default_rng(count)
    drawn = np.unique(rng.integers(0, 2**30 if crowded else 2**64, 2 * count, dtype=np.uint64))
    hashes = drawn + CROWDED if crowded else drawn
    rng.shuffle(hashes)
    assert not any_repeated(hashes)
    for place in rng.integers(0, len(hashes), 5):
        assert any_repeated(np.insert(hashes, rng.integers(0, len(hashes)), hashes[place]))


def test_where_there_are_no_rows_none_is_repeated() -> None:
    assert not any_repeated(np.empty(0, np.uint64))
    assert not any_repeated(np.zeros(1, np.uint64))
