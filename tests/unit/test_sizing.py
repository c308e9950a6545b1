"""Which types a training asks for, and what they cost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.budget import refusal
from perennial.cost import NOTHING, Amount, billed, most
from perennial.errors import InvalidModelFile
from perennial.prices import Prices
from perennial.sizing import CHOICES, DEARER, GIB, StoredSize, choose, memory_needed
from perennial.training_config import Training

PRICES = Prices.read()
REGIONS = sorted(PRICES.dollars_per_hour)
SMALL = StoredSize({"text": 10_000})
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def facts(name: str, region: str = "us-east-1") -> Any:
    return next(kind for kind in PRICES.types(region) if kind.name == name)


# prices


def test_every_price_belongs_to_a_family_that_is_described() -> None:
    for region, prices in PRICES.dollars_per_hour.items():
        assert set(prices) <= set(PRICES.gib_per_vcpu), region
        assert all(0.05 < price < 0.2 for price in prices.values()), region


def test_sizes_cost_and_hold_in_proportion() -> None:
    assert PRICES.price("c7i.large", "us-east-1") == 0.08925
    assert PRICES.price("r6i.4xlarge", "eu-west-1") == 1.128
    assert (facts("m6i.2xlarge").vcpus, facts("m6i.2xlarge").memory) == (8, 32)


@pytest.mark.parametrize(
    ("name", "region"),
    [("c7i.large", "mars-1"), ("z9.large", "us-east-1"), ("c7i.metal", "us-east-1"), ("c7i", "us-east-1")],
)
def test_what_the_file_does_not_say_is_unknown(name: str, region: str) -> None:
    assert PRICES.price(name, region) is None


# sizing


@given(
    st.dictionaries(st.sampled_from(["text", "parquet", "compressed"]), st.integers(0, 6 * GIB)),
    st.sampled_from([*REGIONS, "mars-1"]),
    st.sampled_from([1, 2, 4, 16]),
)
def test_every_type_fits_or_is_the_largest(stored: dict[str, int], region: str, cpus: int) -> None:
    size = StoredSize(stored)
    sizing = choose(size, Training(cpus=cpus), PRICES, region)
    kinds = [facts(name, region) for name in sizing.types]
    need, most_memory = memory_needed(size), max(kind.memory for kind in PRICES.types(region))
    assert 1 <= len(kinds) <= CHOICES
    assert len({kind.name.partition(".")[0] for kind in kinds}) == len(kinds)
    assert all(kind.vcpus >= cpus and kind.memory >= min(need, most_memory) for kind in kinds)
    if region == "mars-1":
        assert sizing.price is None
    else:
        prices = [kind.price for kind in kinds]
        assert prices == sorted(prices)
        assert prices[-1] == sizing.price
        assert prices[-1] <= DEARER * prices[0]


@given(st.integers(0, 6 * GIB), st.integers(0, 6 * GIB))
def test_more_data_never_asks_for_less(one: int, other: int) -> None:
    less, more = sorted((one, other))
    cheaper, dearer = (
        choose(StoredSize({"text": size}), Training(), PRICES, "us-east-1") for size in (less, more)
    )
    assert facts(cheaper.types[0]).memory <= facts(dearer.types[0]).memory


def test_a_declared_need_takes_the_place_of_the_estimate() -> None:
    sizing = choose(SMALL, Training(memory=30, cpus=4), PRICES, "us-east-1")
    assert sizing.types[0] == "r6i.xlarge"
    assert sizing.reason.startswith("the model file declares 30 GiB and at least 4 vCPUs: r6i.xlarge")


def test_named_types_are_taken_as_they_are() -> None:
    sizing = choose(SMALL, Training(instance_types=("z9.large", "c7i.large")), PRICES, "us-east-1")
    assert (sizing.types, sizing.price) == (("z9.large", "c7i.large"), None)
    assert sizing.reason == "the model file names its types: z9.large, c7i.large"


@pytest.mark.parametrize("training", [Training(memory=500), Training(cpus=64)])
def test_a_need_that_nothing_meets_is_refused(training: Training) -> None:
    with pytest.raises(InvalidModelFile, match="the largest have 128 GiB and 16 vCPUs"):
        choose(SMALL, training, PRICES, "us-east-1")


def test_an_estimate_beyond_every_type_takes_the_largest_and_says_so() -> None:
    sizing = choose(StoredSize({"parquet": 20 * GIB}), Training(), PRICES, "eu-west-1")
    assert sizing.types == ("r6i.4xlarge",)
    assert "more than any listed type has, so the largest are taken" in sizing.reason


# cost


@given(st.floats(0.01, 5), st.integers(0, 100_000))
def test_an_attempt_within_its_time_never_costs_more_than_was_set_aside(price: float, seconds: int) -> None:
    taken = billed(price, BEGIN, BEGIN + timedelta(seconds=seconds))
    asked = most(price, seconds)
    assert taken.minutes <= asked.minutes
    assert (taken.dollars or 0) <= (asked.dollars or 0)
    assert taken.minutes >= 1


# limits


@pytest.mark.parametrize(
    ("limits", "run", "month", "said"),
    [
        ({}, Amount(99, 99), Amount(999, 999), None),
        ({"max_dollars": 1}, Amount(0.5, 0), NOTHING, None),
        ({"max_dollars": 1}, Amount(0.51, 0), NOTHING, "it may cost $0.50, $0.51 of the run's $1.00"),
        ({"max_dollars_per_month": 5}, NOTHING, Amount(4.6, 0), "$4.60 of the month's $5.00"),
        ({"max_minutes": 50}, Amount(0, 30), NOTHING, "it may take 30 minutes"),
        ({"max_minutes_per_month": 60}, NOTHING, Amount(0, 31), "31 of the month's 60"),
        ({"max_minutes_per_month": 60}, NOTHING, Amount(0, 30), None),
    ],
    ids=str,
)
def test_limits(limits: dict[str, float], run: Amount, month: Amount, said: str | None) -> None:
    found = refusal(Training.model_validate(limits), Amount(0.5, 30), run, month)
    assert (found is None) == (said is None)
    assert (said or "") in (found or "")


def test_a_cost_that_is_unknown_is_over_every_limit_in_dollars_only() -> None:
    unknown = Amount(None, 30)
    assert refusal(Training(), unknown, NOTHING, NOTHING) is None
    assert refusal(Training(max_minutes=60), unknown, NOTHING, NOTHING) is None
    assert "unknown" in (refusal(Training(max_dollars=100), unknown, NOTHING, NOTHING) or "")


@given(st.lists(st.floats(0.001, 3), max_size=30), st.floats(0.5, 20))
def test_what_passes_never_sums_up_beyond_the_limit(costs: list[float], limit: float) -> None:
    taken = NOTHING
    for cost in costs:
        asked = Amount(cost, 1)
        if refusal(Training(max_dollars_per_month=limit), asked, NOTHING, taken) is None:
            taken += asked
    assert (taken.dollars or 0) <= limit + 1e-6
