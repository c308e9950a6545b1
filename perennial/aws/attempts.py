"""Attempts at trainings and what they take, in DynamoDB: reserved before, settled after."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from perennial.aws.table import attempt_key, budget_key, instance_key, refused, run_key
from perennial.budget import refusal
from perennial.cost import NOTHING, Amount, Attempt
from perennial.errors import BudgetExceeded, CallbackExpired, ServiceUnavailable
from perennial.training_config import Training

_LIFETIME = timedelta(days=400)  # longer than a budget's year
_TRIES = 5
_INSTANCE_LIFETIME = timedelta(days=30)


class Attempts:
    """Every write that moves money is one transaction with the record that says so, and happens once."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def month(self, model: str, month: str) -> Amount:
        """What a model's trainings took in a month, reservations included."""
        found = self._table.get_item(Key=budget_key(model, month), ConsistentRead=True).get("Item")
        return Amount(float(found["dollars"]), float(found["minutes"])) if found else NOTHING

    def of_run(self, model: str, run: str) -> list[Attempt]:
        """A run's attempts, the first one first."""
        return [_attempt(item) for item in self._query(model, f"attempt#{run}#")]

    def open(self, model: str) -> list[Attempt]:
        """A model's attempts whose cost is not settled yet."""
        return [
            _attempt(item)
            for item in self._query(model, "attempt#", FilterExpression=Attr("settled").not_exists())
        ]

    def of_instance(self, instance_id: str) -> tuple[Attempt, str] | None:
        """What an instance was launched for, and the task token; None where it is none of ours."""
        known = self._table.get_item(Key=instance_key(instance_id), ConsistentRead=True).get("Item")
        if known is None:
            return None
        key = attempt_key(known["model"], known["run"], int(known["attempt"]))
        return _attempt(self._table.get_item(Key=key, ConsistentRead=True)["Item"]), str(known["token"])

    def begin(self, run: str, attempt: int) -> None:
        """Make this the run's attempt, before anything is launched for it.

        Raises CallbackExpired where a later one has begun: then this call came too late.
        """
        try:
            self._table.update_item(
                Key=run_key(run),
                UpdateExpression="SET attempt = :attempt",
                ConditionExpression="attribute_not_exists(attempt) OR attempt <= :attempt",
                ExpressionAttributeValues={":attempt": attempt},
            )
        except ClientError as error:
            if not refused(error):
                raise
            raise _superseded(run, attempt) from error

    def is_current(self, run: str, attempt: int) -> bool:
        """Is it still the attempt that the run waits for?"""
        entry = self._table.get_item(Key=run_key(run), ConsistentRead=True).get("Item") or {}
        return int(entry.get("attempt", -1)) == attempt

    def reserve(self, attempt: Attempt, training: Training) -> Attempt:
        """Set aside what an attempt can take at most; once reserved, the first reservation is the answer.

        Raises BudgetExceeded where the run or the month has not so much left.
        """
        for _ in range(_TRIES):
            earlier = self.of_run(attempt.model, attempt.run)
            for known in earlier:
                if known.attempt == attempt.attempt:
                    return known
            month = self.month(attempt.model, attempt.month)
            taken = sum((known.amount for known in earlier), NOTHING)
            if why := refusal(training, attempt.amount, taken, month):
                raise BudgetExceeded(f"the training was not started: {why}")
            if self._reserve(attempt, month):
                return attempt
        raise ServiceUnavailable(
            f"the budget of {attempt.model} changed {_TRIES} times while it was looked at"
        )

    def _reserve(self, attempt: Attempt, month: Amount) -> bool:
        """False where the month, or this very attempt, was written meanwhile."""
        unchanged = (
            {
                "ConditionExpression": "dollars = :was_dollars AND #minutes = :was_minutes",
                "values": {":was_dollars": _number(month.dollars), ":was_minutes": _number(month.minutes)},
            }
            if month != NOTHING
            else {
                "ConditionExpression": "attribute_not_exists(pk) OR #minutes = :none",
                "values": {":none": 0},
            }
        )
        return self._transact(
            self._put(attempt, "attribute_not_exists(pk)"), self._charge(attempt, attempt.amount, **unchanged)
        )

    def launched(self, attempt: Attempt, instance_id: str, token: str) -> None:
        """Note an attempt's instance, so that its end can be told to the run that waits for it.

        Raises CallbackExpired where a later attempt has begun: it does not know of this instance.
        """
        instance = {
            **instance_key(instance_id),
            "run": attempt.run,
            "model": attempt.model,
            "attempt": attempt.attempt,
            "token": token,
            "expires_at": int((attempt.reserved_at + _INSTANCE_LIFETIME).timestamp()),
        }
        current = {
            "TableName": self._table.name,
            "Key": run_key(attempt.run),
            "ConditionExpression": "attempt = :attempt",
            "ExpressionAttributeValues": {":attempt": attempt.attempt},
        }
        if not self._transact(
            {"ConditionCheck": current},
            self._put(attempt, "attribute_not_exists(settled)"),
            {"Put": {"TableName": self._table.name, "Item": instance}},
        ):
            raise _superseded(attempt.run, attempt.attempt)

    def settle(self, attempt: Attempt, ended: datetime) -> Attempt | None:
        """Charge what an attempt took in place of what was reserved, and count it; None where that was done
        before."""
        final = attempt.ended(ended)
        taken, reserved = final.amount, attempt.amount
        difference = Amount(
            (taken.dollars or 0.0) - (reserved.dollars or 0.0), taken.minutes - reserved.minutes
        )
        known = {} if taken.dollars is None else {"training_dollars": taken.dollars}
        sums = known | {"training_minutes": taken.minutes}
        entry = {
            "TableName": self._table.name,
            "Key": run_key(attempt.run),
            "UpdateExpression": "ADD " + ", ".join(f"{name} :{name}" for name in sums),
            "ExpressionAttributeValues": {f":{name}": _number(amount) for name, amount in sums.items()},
        }
        done = self._transact(
            self._put(final, "attribute_not_exists(settled)"),
            self._charge(attempt, difference),
            {"Update": entry},
        )
        if not done:
            return None
        if final.dollars is not None and final.instance_id:
            _count(final.model, final.dollars)
        return final

    def _charge(self, attempt: Attempt, amount: Amount, **condition: Any) -> dict[str, Any]:
        values = condition.pop("values", {})
        return {
            "Update": {
                "TableName": self._table.name,
                "Key": budget_key(attempt.model, attempt.month),
                "UpdateExpression": "ADD dollars :dollars, #minutes :minutes",
                "ExpressionAttributeNames": {"#minutes": "minutes"},
                "ExpressionAttributeValues": {
                    ":dollars": _number(amount.dollars),
                    ":minutes": _number(amount.minutes),
                    **values,
                },
                **condition,
            }
        }

    def _put(self, attempt: Attempt, condition: str) -> dict[str, Any]:
        item = {
            **attempt_key(attempt.model, attempt.run, attempt.attempt),
            "record": attempt.model_dump_json(),
            "expires_at": int((attempt.reserved_at + _LIFETIME).timestamp()),
            **({"settled": True} if attempt.ended_at else {}),
        }
        return {"Put": {"TableName": self._table.name, "Item": item, "ConditionExpression": condition}}

    def _transact(self, *items: dict[str, Any]) -> bool:
        """Write all or nothing; False where a condition was not met."""
        try:
            self._table.meta.client.transact_write_items(TransactItems=list(items))
        except ClientError as error:
            if refused(error):
                return False
            raise
        return True

    def _query(self, model: str, prefix: str, **more: Any) -> Iterator[dict[str, Any]]:
        condition = Key("pk").eq(f"model#{model}") & Key("sk").begins_with(prefix)
        query: dict[str, Any] = {"KeyConditionExpression": condition, "ConsistentRead": True, **more}
        while True:
            answer = self._table.query(**query)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _count(model: str, dollars: float) -> None:
    # imported here: only functions settle, and the command line does without it
    from aws_lambda_powertools.metrics import MetricUnit

    from perennial.aws.measuring import measure_of

    measure_of(model, "TrainingCost", dollars, MetricUnit.NoUnit)


def _attempt(item: dict[str, Any]) -> Attempt:
    return Attempt.model_validate_json(item["record"])


def _number(amount: float | None) -> Decimal:
    """As DynamoDB stores it; an unknown cost adds nothing."""
    return Decimal(str(round(amount or 0.0, 6)))


def _superseded(run: str, attempt: int) -> CallbackExpired:
    return CallbackExpired(
        f"run {run} has begun another attempt since attempt {attempt}: nothing is launched"
    )
