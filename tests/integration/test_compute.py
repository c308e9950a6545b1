"""Launching the training instance on moto's EC2, and what is done when there is none."""

from typing import Any

import boto3
import pytest

from perennial.aws.compute import Fleet
from perennial.aws.wiring import Services, Settings
from perennial.config import Training
from perennial.errors import CapacityUnavailable
from tests.integration.moto_support import NOW

OF_RUN = {"run": "run-1", "model": "iris"}


def instances() -> list[Any]:
    """All instances, whatever their state."""
    reservations = boto3.client("ec2").describe_instances()["Reservations"]
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def tags(instance: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in instance["Tags"]}


class Markets:
    """EC2 with capacity in some markets only; remembers what was asked for."""

    def __init__(self, *open_markets: str) -> None:
        self.open, self.asked = open_markets, []  # type: ignore[var-annotated]

    def create_fleet(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        market = request["TargetCapacitySpecification"]["DefaultTargetCapacityType"]
        if market in self.open:
            return {"Instances": [{"InstanceIds": [f"i-{market}"]}], "Errors": []}
        error = {"ErrorCode": "InsufficientInstanceCapacity", "ErrorMessage": f"no {market} capacity"}
        return {"Instances": [], "Errors": [error, error]}

    def markets(self) -> list[str]:
        return [asked["TargetCapacitySpecification"]["DefaultTargetCapacityType"] for asked in self.asked]


def fleet(client: Any, table: Any) -> Fleet:
    return Fleet(client, table, "lt-1", ("subnet-1", "subnet-2"), "perennial")


def test_one_instance_is_started_from_the_template_and_says_whose_it_is(services: Services) -> None:
    name = services.fleet.launch(Training(market="on-demand"), **OF_RUN, attempt=1)
    (instance,) = instances()
    assert instance["InstanceId"] == name
    assert instance["InstanceType"] in Training().instance_types
    assert instance["State"]["Name"] in {"pending", "running"}
    assert (
        tags(instance).items()
        >= {
            "Name": "perennial-trainer-iris",
            "perennial:stack": "perennial",
            "perennial:run": "run-1",
            "perennial:model": "iris",
            "perennial:attempt": "1",
        }.items()
    )


def test_spot_is_taken_where_the_model_allows_it(services: Services) -> None:
    services.fleet.launch(Training(market="spot"), **OF_RUN, attempt=0)
    (instance,) = instances()
    assert instance["InstanceLifecycle"] == "spot"


def test_every_type_is_asked_for_in_every_subnet(table: Any) -> None:
    ec2 = Markets("spot")
    fleet(ec2, table).launch(Training(instance_types=("a.large", "b.large")), **OF_RUN, attempt=0)
    (config,) = ec2.asked[0]["LaunchTemplateConfigs"]
    assert {(item["InstanceType"], item["SubnetId"]) for item in config["Overrides"]} == {
        (kind, subnet) for kind in ("a.large", "b.large") for subnet in ("subnet-1", "subnet-2")
    }
    assert config["LaunchTemplateSpecification"]["LaunchTemplateId"] == "lt-1"
    assert ec2.asked[0]["Type"] == "instant"


def test_without_subnets_the_default_ones_are_used(table: Any) -> None:
    ec2 = Markets("spot")
    Fleet(ec2, table, "lt-1", (), "perennial").launch(Training(), **OF_RUN, attempt=0)
    (config,) = ec2.asked[0]["LaunchTemplateConfigs"]
    assert config["Overrides"] == [{"InstanceType": kind} for kind in Training().instance_types]


@pytest.mark.parametrize(
    ("market", "attempt", "markets"),
    [
        ("spot", 0, ["spot", "on-demand"]),
        ("spot", 1, ["spot", "on-demand"]),
        ("spot", 2, ["on-demand"]),  # spot was lost twice
        ("on-demand", 0, ["on-demand"]),
    ],
)
def test_on_demand_follows_spot(table: Any, market: Any, attempt: int, markets: list[str]) -> None:
    ec2 = Markets("on-demand")
    assert fleet(ec2, table).launch(Training(market=market), **OF_RUN, attempt=attempt) == "i-on-demand"
    assert ec2.markets() == markets


def test_where_there_is_none_at_all_it_is_named_with_each_reason_once(table: Any) -> None:
    with pytest.raises(CapacityUnavailable) as none:
        fleet(Markets(), table).launch(Training(), **OF_RUN, attempt=0)
    message = str(none.value)
    assert "c7i.large, c6i.large, m6i.large, m5.large" in message
    assert message.endswith("(spot: no spot capacity; on-demand: no on-demand capacity)")


def test_an_attempt_asks_with_one_token_and_the_next_with_another(table: Any) -> None:
    """EC2 answers a repeated token with the instance that it has started already."""
    ec2 = Markets("spot")
    for attempt in (0, 0, 1):
        fleet(ec2, table).launch(Training(), **OF_RUN, attempt=attempt)
    first, again, following = (asked["ClientToken"] for asked in ec2.asked)
    assert first == again != following
    assert len(first) <= 64


def test_the_markets_do_not_share_a_token(table: Any) -> None:
    ec2 = Markets("on-demand")
    fleet(ec2, table).launch(Training(), **OF_RUN, attempt=0)
    assert len({asked["ClientToken"] for asked in ec2.asked}) == 2


def test_whose_an_instance_is_can_be_recalled(services: Services, settings: Settings) -> None:
    services.fleet.remember("i-1", **OF_RUN, token="token", now=NOW)
    known = services.fleet.recall("i-1")
    assert known
    assert (known["run"], known["model"], known["token"]) == ("run-1", "iris", "token")
    assert known["expires_at"] > NOW.timestamp()
    assert services.fleet.recall("i-2") is None
