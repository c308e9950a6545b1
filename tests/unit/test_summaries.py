"""Answers stay small enough for the workflow's state, and are left alone where they are."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perennial.contracts.batch import DataSummary
from perennial.summaries import LIMIT, small

TEXTS = st.lists(st.text(max_size=60), max_size=12)


@given(st.dictionaries(st.text(max_size=8), TEXTS | st.text(max_size=200) | st.none(), max_size=6))
def test_what_fits_is_left_as_it_is(document: dict[str, Any]) -> None:
    assert small(document) == document


@settings(max_examples=50)
@given(
    words=st.integers(0, 500),
    length=st.integers(0, 500),
    text=st.integers(0, 100_000),
    limit=st.just(LIMIT),
)
def test_what_does_not_fit_is_cut_until_it_does(words: int, length: int, text: int, limit: int) -> None:
    document = {"reasons": ["ß" * length] * words, "summary": "x" * text, "rows": 7, "valid": False}
    shorter = small(document, limit)
    assert len(json.dumps(shorter).encode()) <= limit
    assert (shorter["rows"], shorter["valid"]) == (7, False)
    if len(shorter["reasons"]) < words:
        *kept, last = shorter["reasons"]
        assert last == f"… and {words - len(kept)} more"
    assert len(shorter["summary"]) <= text


def test_a_cut_answer_still_keeps_its_contract() -> None:
    reasons = [f"incoming/iris/{number}.csv: no column species" for number in range(1000)]
    whole = DataSummary(valid=False, rows=0, labelled_rows=0, reasons=tuple(reasons))
    shorter = DataSummary.model_validate(small(whole.model_dump(mode="json")))
    assert shorter.reasons[:2] == tuple(reasons[:2])
    assert shorter.reasons[-1] == "… and 900 more"


def test_numbers_cannot_be_cut() -> None:
    with pytest.raises(ValueError, match="at most 24576 may stay"):
        small({"shares": [0.25] * 10_000})
