"""docs/cost.md says what the price file and the sizing come to."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from perennial.cost import billed, in_words, most
from perennial.prices import Prices
from perennial.sizing import StoredSize, choose, memory_needed
from perennial.training_config import Training

PAGE = (Path(__file__).parents[2] / "docs" / "cost.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| (\d+) (MB|GB) (\w+) \| ([\d.]+) \| (\S+) \| (\S+) \| (\d+) \| (\S+) \| (\S+) \|$", PAGE, re.M
)
PRICES = Prices.read()
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_page_has_its_table_and_the_date_of_its_prices() -> None:
    assert len(ROWS) == 8
    assert f"prices of {PRICES.as_of}" in PAGE


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row[:3]) + " " + row[4])
def test_a_row_is_what_the_tool_computes(row: tuple[str, ...]) -> None:
    amount, unit, kind, gib, region, cheapest, minutes, cost, reserved = row
    size = StoredSize({kind: int(amount) * {"MB": 10**6, "GB": 10**9}[unit]})
    sizing = choose(size, Training(), PRICES, region)
    assert f"{memory_needed(size):.1f}" == gib
    assert sizing.types[0] == cheapest
    taken = billed(PRICES.price(cheapest, region), BEGIN, BEGIN + timedelta(minutes=int(minutes)))
    assert in_words(taken.dollars) == cost
    assert in_words(most(sizing.price, Training().max_duration.total_seconds()).dollars) == reserved
