"""EC2: the training instance."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from perennial.aws.clients import error_code
from perennial.errors import CapacityUnavailable, ServiceRefused

type Market = Literal["spot", "on-demand"]

# Account or region have none left of what was asked for; another market, or a later time, may have some.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
_SHORT = {
    "InsufficientInstanceCapacity",
    "InsufficientCapacity",
    "UnfulfillableCapacity",
    "InsufficientFreeAddressesInSubnet",
    "MaxSpotInstanceCountExceeded",
    "MaxFleetCountExceeded",
    "SpotMaxPriceTooLow",
    "VcpuLimitExceeded",
    "InstanceLimitExceeded",
}
# An instance type is not offered where it was asked for: of no interest where another is.
_NOT_OFFERED = {"Unsupported", "InvalidFleetConfiguration"}
_GONE = {"shutting-down", "terminated", "stopping", "stopped"}

logger = Logger(service="perennial", child=True)


@dataclass(frozen=True)
class Launched:
    """What EC2 gave: which instance, of which type, in which market."""

    instance_id: str
    instance_type: str
    market: Market


@dataclass(frozen=True)
class Seen:
    """An instance as EC2 describes it: `run`, `model` and `attempt` by its tags, `ended` where EC2 says when
    it went."""

    launched: Launched
    run: str | None
    model: str | None
    attempt: int | None
    state: str
    since: datetime
    ended: datetime | None

    @property
    def instance_id(self) -> str:
        """Its id."""
        return self.launched.instance_id

    @property
    def gone(self) -> bool:
        """Is it gone, or going? It is billed no longer."""
        return self.state in _GONE


class Fleet:
    """Launches one instance per training from the stack's launch template.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFleet.html, type `instant`.
    """

    def __init__(self, client: Any, template: str, subnets: tuple[str, ...], stack: str) -> None:
        self._client, self._template = client, template
        self._subnets, self._stack = subnets, stack

    @property
    def region(self) -> str:
        """Where instances are launched."""
        return str(self._client.meta.region_name)

    def launch(
        self, types: Sequence[str], markets: Sequence[Market], *, run: str, model: str, attempt: int
    ) -> Launched:
        """Start one instance of any of the types, in the first market that has one.

        Asked twice for the same attempt, EC2 answers with the instance that it has started already.
        Raises CapacityUnavailable when no market had any, ServiceRefused when EC2 will not have the request.
        """
        problems: list[tuple[str, str]] = []
        for market in markets:
            try:
                answer = self._client.create_fleet(
                    **self._request(types, market, run=run, model=model, attempt=attempt)
                )
            except ClientError as error:
                if error_code(error) not in _SHORT:
                    raise
                problems.append((error_code(error), f"{market}: {error.response['Error']['Message']}"))
                continue
            # EC2 may name the pools that had none beside the instance that it found in another
            if found := _instance(answer, market):
                return found
            problems += [
                (item.get("ErrorCode", ""), f"{market}: {item.get('ErrorMessage', item.get('ErrorCode'))}")
                for item in answer.get("Errors", [])
            ]
        raise _no_instance(types, problems)

    def _request(
        self, types: Sequence[str], market: Market, *, run: str, model: str, attempt: int
    ) -> dict[str, Any]:
        overrides: list[dict[str, Any]] = [
            {"InstanceType": kind, **({"SubnetId": subnet} if subnet else {})}
            for kind in types
            for subnet in (self._subnets or ("",))
        ]
        tags = {
            "Name": f"{self._stack}-trainer-{model}",
            "perennial:stack": self._stack,
            "perennial:run": run,
            "perennial:model": model,
            "perennial:attempt": str(attempt),
        }
        return {
            "Type": "instant",
            "ClientToken": sha256(f"{run} {attempt} {market}".encode()).hexdigest(),
            "TargetCapacitySpecification": {"TotalTargetCapacity": 1, "DefaultTargetCapacityType": market},
            # The pool with the most spare capacity, the cheapest among equals: what AWS recommends, since the
            # cheapest pool alone is the one interrupted most.
            # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-fleet-allocation-strategy.html
            "SpotOptions": {"AllocationStrategy": "price-capacity-optimized"},
            "LaunchTemplateConfigs": [
                {
                    "LaunchTemplateSpecification": {
                        "LaunchTemplateId": self._template,
                        "Version": "$Latest",
                    },
                    "Overrides": overrides,
                }
            ],
            "TagSpecifications": [
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": name, "Value": value} for name, value in tags.items()],
                }
            ],
        }

    def spot_price(self, instance_type: str, now: datetime) -> float | None:
        """Dollars an hour of spot now, in the zone where it is dearest; None where EC2 does not say.

        The price moves over days, so that of the launch stands for the whole training.
        """
        try:
            history = self._client.describe_spot_price_history(
                InstanceTypes=[instance_type], ProductDescriptions=["Linux/UNIX"], StartTime=now, EndTime=now
            )["SpotPriceHistory"]
        except ClientError as error:  # nothing depends on it: the on-demand price bounds that of spot
            logger.warning("the spot price is not known", extra={"error": str(error)})
            return None
        return max((float(item["SpotPrice"]) for item in history), default=None)

    def of_run(self, run: str) -> list[Seen]:
        """The instances that bear a run's tag, gone ones too for as long as EC2 remembers them."""
        return self._seen(Filters=[self._ours, {"Name": "tag:perennial:run", "Values": [run]}])

    def of_stack(self) -> list[Seen]:
        """All instances that bear the stack's tag, likewise."""
        return self._seen(Filters=[self._ours])

    @property
    def _ours(self) -> dict[str, Any]:
        return {"Name": "tag:perennial:stack", "Values": [self._stack]}

    def see(self, instance_ids: Iterable[str]) -> dict[str, Seen]:
        """These instances by their ids, without those that EC2 does not know, any more or yet."""
        wanted = sorted(set(instance_ids))
        if not wanted:
            return {}
        found = self._seen(Filters=[{"Name": "instance-id", "Values": wanted}])
        return {item.instance_id: item for item in found}

    def _seen(self, **query: Any) -> list[Seen]:
        pages = self._client.get_paginator("describe_instances").paginate(**query)
        return [
            _seen(item)
            for page in pages
            for reservation in page["Reservations"]
            for item in reservation["Instances"]
        ]

    def terminate(self, instance_ids: Iterable[str]) -> None:
        """End instances for good. One that has ended already is no error."""
        if wanted := sorted(set(instance_ids)):
            self._client.terminate_instances(InstanceIds=wanted)


def _instance(answer: dict[str, Any], market: Market) -> Launched | None:
    for group in answer.get("Instances", []):
        for name in group.get("InstanceIds", []):
            return Launched(str(name), str(group.get("InstanceType", "")), market)
    return None


def _no_instance(
    types: Sequence[str], problems: Sequence[tuple[str, str]]
) -> CapacityUnavailable | ServiceRefused:
    said = "; ".join(dict.fromkeys(text for _, text in problems)) or "no reason given"
    codes = {code for code, _ in problems}
    if (codes and not codes <= _SHORT | _NOT_OFFERED) or (codes and codes <= _NOT_OFFERED):
        return ServiceRefused(f"EC2 will not launch any of {', '.join(types)}; nothing was started ({said})")
    return CapacityUnavailable(
        f"no instance of {', '.join(types)} was to be had; nothing was started ({said})"
    )


def _seen(item: dict[str, Any]) -> Seen:
    tags = {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}
    attempt = tags.get("perennial:attempt", "")
    market: Market = "spot" if item.get("InstanceLifecycle") == "spot" else "on-demand"
    return Seen(
        launched=Launched(item["InstanceId"], item["InstanceType"], market),
        run=tags.get("perennial:run"),
        model=tags.get("perennial:model"),
        attempt=int(attempt) if attempt.isdigit() else None,
        state=item["State"]["Name"],
        since=item["LaunchTime"],
        ended=_ended(item),
    )


def _ended(item: dict[str, Any]) -> datetime | None:
    """Since when an instance is gone: `User initiated (2026-11-21 09:10:11 GMT)` in its transition reason."""
    if item["State"]["Name"] not in _GONE:
        return None
    # another reason, such as a spot interruption, names no time
    said = re.search(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", str(item.get("StateTransitionReason", "")))
    return datetime.fromisoformat(said[1]).replace(tzinfo=UTC) if said else None
