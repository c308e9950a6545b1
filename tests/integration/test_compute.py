"""Launching the training instance on moto's EC2, and what is done when there is none."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from perennial.aws.compute import Fleet, Launched
from perennial.aws.wiring import Services
from perennial.errors import CapacityUnavailable, ServiceRefused
from tests.integration.moto_support import NOW

OF_RUN = {"run": "run-1", "model": "iris"}
TYPES = ("c6i.large", "m6i.large")


def instances() -> list[Any]:
    """All instances, whatever their state."""
    reservations = boto3.client("ec2").describe_instances()["Reservations"]
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def tags(instance: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in instance["Tags"]}


class Markets:
    """EC2 with capacity in some markets only; remembers what was asked for."""

    def __init__(self, *open_markets: str, code: str = "InsufficientInstanceCapacity") -> None:
        self.open, self.code = open_markets, code
        self.asked: list[dict[str, Any]] = []

    def create_fleet(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        market = request["TargetCapacitySpecification"]["DefaultTargetCapacityType"]
        error = {"ErrorCode": self.code, "ErrorMessage": f"no {market} capacity"}
        if market in self.open:
            found = {"InstanceIds": [f"i-{market}"], "InstanceType": TYPES[0]}
            return {"Instances": [found], "Errors": [error]}  # another pool had none
        return {"Instances": [], "Errors": [error, error]}

    def markets(self) -> list[str]:
        return [asked["TargetCapacitySpecification"]["DefaultTargetCapacityType"] for asked in self.asked]


def fleet(client: Any) -> Fleet:
    return Fleet(client, "lt-1", ("subnet-1", "subnet-2"), "perennial")


def test_one_instance_is_started_from_the_template_and_says_whose_it_is(services: Services) -> None:
    launched = services.fleet.launch(TYPES, ("on-demand",), **OF_RUN, attempt=1)
    (instance,) = instances()
    assert instance["InstanceId"] == launched.instance_id
    assert instance["InstanceType"] in TYPES
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


def test_spot_is_taken_where_it_comes_first(services: Services) -> None:
    launched = services.fleet.launch(TYPES, ("spot", "on-demand"), **OF_RUN, attempt=0)
    (instance,) = instances()
    assert instance["InstanceLifecycle"] == launched.market == "spot"


def test_every_type_is_asked_for_in_every_subnet() -> None:
    ec2 = Markets("spot")
    fleet(ec2).launch(TYPES, ("spot",), **OF_RUN, attempt=0)
    (config,) = ec2.asked[0]["LaunchTemplateConfigs"]
    assert {(item["InstanceType"], item["SubnetId"]) for item in config["Overrides"]} == {
        (kind, subnet) for kind in TYPES for subnet in ("subnet-1", "subnet-2")
    }
    assert config["LaunchTemplateSpecification"]["LaunchTemplateId"] == "lt-1"
    assert ec2.asked[0]["Type"] == "instant"


def test_without_subnets_the_default_ones_are_used() -> None:
    ec2 = Markets("spot")
    Fleet(ec2, "lt-1", (), "perennial").launch(TYPES, ("spot",), **OF_RUN, attempt=0)
    (config,) = ec2.asked[0]["LaunchTemplateConfigs"]
    assert config["Overrides"] == [{"InstanceType": kind} for kind in TYPES]


@pytest.mark.parametrize(
    "code", ["InsufficientInstanceCapacity", "UnfulfillableCapacity", "MaxSpotInstanceCountExceeded"]
)
def test_on_demand_follows_where_spot_is_short(code: str) -> None:
    ec2 = Markets("on-demand", code=code)
    launched = fleet(ec2).launch(TYPES, ("spot", "on-demand"), **OF_RUN, attempt=0)
    assert launched == Launched("i-on-demand", "c6i.large", "on-demand")
    assert ec2.markets() == ["spot", "on-demand"]


def test_where_there_is_none_at_all_it_is_named_with_each_reason_once() -> None:
    with pytest.raises(CapacityUnavailable) as none:
        fleet(Markets()).launch(TYPES, ("spot", "on-demand"), **OF_RUN, attempt=0)
    message = str(none.value)
    assert "c6i.large, m6i.large" in message
    assert message.endswith("(spot: no spot capacity; on-demand: no on-demand capacity)")


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "InvalidParameterValue", "Unsupported"])
def test_a_request_that_ec2_will_never_grant_is_not_called_a_shortage(code: str) -> None:
    """A fleet names what its launches were denied among its errors, with status 200."""
    with pytest.raises(ServiceRefused, match="nothing was started"):
        fleet(Markets(code=code)).launch(TYPES, ("spot", "on-demand"), **OF_RUN, attempt=0)


def test_a_quota_that_refuses_the_whole_request_is_a_shortage() -> None:
    class Full(Markets):
        def create_fleet(self, **request: Any) -> dict[str, Any]:
            if request["TargetCapacitySpecification"]["DefaultTargetCapacityType"] == "spot":
                error = {"Error": {"Code": "MaxFleetCountExceeded", "Message": "quota"}}
                raise ClientError(error, "CreateFleet")  # type: ignore[arg-type]
            return super().create_fleet(**request)

    launched = fleet(Full("on-demand")).launch(TYPES, ("spot", "on-demand"), **OF_RUN, attempt=0)
    assert launched.market == "on-demand"


def test_an_attempt_asks_with_one_token_and_the_next_with_another() -> None:
    """EC2 answers a repeated token with the instance that it has started already."""
    ec2 = Markets("spot")
    for attempt in (0, 0, 1):
        fleet(ec2).launch(TYPES, ("spot",), **OF_RUN, attempt=attempt)
    first, again, following = (asked["ClientToken"] for asked in ec2.asked)
    assert first == again != following
    assert len(first) <= 64


def test_the_markets_do_not_share_a_token() -> None:
    """EC2 refuses a token that comes again with another request: IdempotentParameterMismatch."""
    ec2 = Markets("on-demand")
    fleet(ec2).launch(TYPES, ("spot", "on-demand"), **OF_RUN, attempt=0)
    assert len({asked["ClientToken"] for asked in ec2.asked}) == 2


def test_a_runs_instances_are_found_by_their_tags_and_ended(services: Services) -> None:
    first = services.fleet.launch(TYPES, ("on-demand",), **OF_RUN, attempt=0)
    services.fleet.launch(TYPES, ("on-demand",), run="run-2", model="iris", attempt=0)
    (seen,) = services.fleet.of_run("run-1")
    assert (seen.launched, seen.attempt, seen.gone) == (first, 0, False)

    services.fleet.terminate([first.instance_id])
    seen = services.fleet.see([first.instance_id])[first.instance_id]
    assert seen.gone
    assert seen.ended is not None
    assert services.fleet.see(["i-0123456789abcdef0"]) == {}


def test_the_spot_price_is_that_of_the_dearest_zone_or_unknown() -> None:
    class History:
        def describe_spot_price_history(self, **asked: Any) -> dict[str, Any]:
            assert asked["InstanceTypes"] == ["c6i.large"]
            return {"SpotPriceHistory": [{"SpotPrice": "0.031000"}, {"SpotPrice": "0.034500"}]}

    class Denied:
        def describe_spot_price_history(self, **asked: Any) -> dict[str, Any]:
            raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, "Describe")

    assert fleet(History()).spot_price("c6i.large", NOW) == 0.0345
    assert fleet(Denied()).spot_price("c6i.large", NOW) is None
