"""EC2: the training instance."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from perennial.aws.table import instance_key
from perennial.config import Training
from perennial.errors import CapacityUnavailable

_RECORD_LIFETIME = timedelta(days=30)


class Fleet:
    """Launches one instance per training from the stack's launch template, and remembers whose it is.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFleet.html, type `instant`.
    """

    def __init__(self, client: Any, table: Any, template: str, subnets: tuple[str, ...], stack: str) -> None:
        self._client, self._table, self._template = client, table, template
        self._subnets, self._stack = subnets, stack

    def launch(self, training: Training, *, run: str, model: str, attempt: int) -> str:
        """Start one instance and return its id; asked twice for the same attempt, it starts one.

        Spot goes first where the model file allows it, on demand follows.
        Raises CapacityUnavailable when neither market had an instance of any allowed type.
        """
        markets = ("spot", "on-demand") if training.market == "spot" and attempt < 2 else ("on-demand",)
        problems: list[str] = []
        for market in markets:
            answer = self._client.create_fleet(
                **self._request(training, market, run=run, model=model, attempt=attempt)
            )
            ids = [name for group in answer.get("Instances", []) for name in group["InstanceIds"]]
            if ids:
                return str(ids[0])
            problems += [
                f"{market}: {error.get('ErrorMessage', error.get('ErrorCode'))}"
                for error in answer.get("Errors", [])
            ]
        raise CapacityUnavailable(
            f"no instance of {', '.join(training.instance_types)} was to be had; nothing was started "
            f"({'; '.join(dict.fromkeys(problems)) or 'no reason given'})"
        )

    def _request(
        self, training: Training, market: str, *, run: str, model: str, attempt: int
    ) -> dict[str, Any]:
        overrides: list[dict[str, Any]] = [
            {"InstanceType": kind, **({"SubnetId": subnet} if subnet else {})}
            for kind in training.instance_types
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

    def remember(self, instance_id: str, *, run: str, model: str, token: str, now: datetime) -> None:
        """Note whose instance it is, so that its loss can be told to the run that waits for it."""
        self._table.put_item(
            Item={
                **instance_key(instance_id),
                "run": run,
                "model": model,
                "token": token,
                "expires_at": int((now + _RECORD_LIFETIME).timestamp()),
            }
        )

    def recall(self, instance_id: str) -> dict[str, Any] | None:
        """What was noted of an instance; None when it is none of ours."""
        item: dict[str, Any] | None = self._table.get_item(
            Key=instance_key(instance_id), ConsistentRead=True
        ).get("Item")
        return item
