"""The ledger of runs, the claims on their batches, and the lock of each model, in DynamoDB."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from perennial.aws.table import claim_key, model_key, put_if_absent, refused, run_key
from perennial.contracts.objects import StoredObject
from perennial.contracts.trigger import Trigger

CLAIM_LIFETIME = timedelta(days=90)
LEASE = timedelta(days=8, hours=1)  # longer than a run may last (the state machine's own limit is 8 days)


class Ledger:
    """Every run from its first state to its one outcome."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def open(self, run: str, model: str, trigger: Trigger, champion: int | None) -> None:
        """Enter a run; entering it again changes nothing."""
        put_if_absent(
            self._table,
            {
                **run_key(run),
                "run": run,
                "model": model,
                "trigger": trigger.kind,
                "trigger_reason": trigger.reason,
                "started_at": trigger.at.isoformat(),
                "champion_before": champion,
            },
        )

    def run(self, run: str) -> dict[str, Any] | None:
        """One run's entry."""
        item: dict[str, Any] | None = self._table.get_item(Key=run_key(run), ConsistentRead=True).get("Item")
        return item

    def runs(self, model: str, limit: int = 50, before: datetime | None = None) -> list[dict[str, Any]]:
        """The latest runs of a model that started before a moment, if one is given; newest first."""
        condition = Key("model").eq(model)
        answer = self._table.query(
            IndexName="by_model",
            KeyConditionExpression=condition & Key("started_at").lt(before.isoformat())
            if before
            else condition,
            ScanIndexForward=False,
            Limit=limit,
        )
        items: list[dict[str, Any]] = answer["Items"]
        return items

    def latest(self, model: str, since: datetime) -> dict[str, datetime]:
        """When each outcome was last reached by a run that started after `since`."""
        query: dict[str, Any] = {
            "IndexName": "by_model",
            "KeyConditionExpression": Key("model").eq(model) & Key("started_at").gt(since.isoformat()),
            "FilterExpression": Attr("ended_at").exists(),
        }
        latest: dict[str, datetime] = {}
        while True:
            answer = self._table.query(**query)
            for item in answer["Items"]:
                ended = datetime.fromisoformat(item["ended_at"])
                latest[item["outcome"]] = max(ended, latest.get(item["outcome"], ended))
            if "LastEvaluatedKey" not in answer:
                return latest
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def close_stopped(
        self, run: str, champion: int | None, now: datetime, error: str = "States.Aborted"
    ) -> bool:
        """Record the outcome of a run that ended without one: somebody stopped it, or its time was up.

        Says whether it had none; what is recorded is never overwritten.
        """
        try:
            self._table.update_item(
                Key=run_key(run),
                UpdateExpression=(
                    "SET outcome = :outcome, reason = :reason, #error = :error, "
                    "champion_after = :champion, ended_at = :now"
                ),
                ConditionExpression="attribute_exists(pk) AND attribute_not_exists(outcome)",
                ExpressionAttributeNames={"#error": "error"},
                ExpressionAttributeValues={
                    ":outcome": "failed",
                    ":reason": "the run was stopped, or its time was up, before it could record an outcome",
                    ":error": error,
                    ":champion": champion,
                    ":now": now.isoformat(),
                },
            )
        except ClientError as refusal:
            if not refused(refusal):
                raise
            return False
        return True

    def note(self, run: str, **facts: Any) -> None:
        """Add facts to a run's entry, such as what it decided."""
        self._table.update_item(
            Key=run_key(run),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in facts),
            ExpressionAttributeNames={f"#{name}": name for name in facts},
            ExpressionAttributeValues={f":{name}": value for name, value in facts.items()},
        )


@dataclass(frozen=True)
class Holder:
    """The run that holds a lock. `collecting`: it takes its batch later, and then all that has come."""

    run: str
    collecting: bool


class Lock:
    """At most one run at a time works on a model."""

    def __init__(self, table: Any, alive: Callable[[str], bool]) -> None:
        self._table, self._alive = table, alive

    def acquire(
        self, model: str, run: str, now: datetime, *, collecting: bool = False, waiting: bool = False
    ) -> Holder | None:
        """Take the model's lock; None when it is ours, otherwise who holds it.

        A lock whose run has ended or whose lease is over is taken over. collecting: this run will call
        `settle` before it takes its batch. waiting: leave word with the holder, in the same write that reads
        who it is, that something waits for it; a holder that collects takes that up itself.
        """
        dead = ""
        while not self._put(model, run, now, collecting, dead):
            holder = self._ask(model, waiting)
            if holder is None:  # given back between the refusal and this look
                continue
            if self._alive(holder.run):
                return holder
            dead = holder.run
        return None

    def settle(self, model: str, run: str) -> None:
        """End the collecting: what word was left of until now lies in what this run lists from here on."""
        self._table.update_item(
            Key=model_key(model, "lock"),
            UpdateExpression="REMOVE collecting, waiting",
            ConditionExpression="#owner = :run",
            ExpressionAttributeNames={"#owner": "owner"},
            ExpressionAttributeValues={":run": run},
        )

    def release(self, model: str, run: str) -> bool | None:
        """Give the model's lock back: None where this run does not hold it, else whether anything waits."""
        try:
            answer = self._table.delete_item(
                Key=model_key(model, "lock"),
                ConditionExpression="#owner = :run",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues={":run": run},
                ReturnValues="ALL_OLD",
            )
        except ClientError as error:
            if refused(error):
                return None
            raise
        return "waiting" in answer["Attributes"]

    def holder(self, model: str) -> str | None:
        """The run that holds the lock now."""
        holder = self._ask(model, waiting=False)
        return holder.run if holder else None

    def held_since(self, model: str) -> tuple[str, datetime] | None:
        """The run that holds the lock now, and when it took it."""
        item = self._table.get_item(Key=model_key(model, "lock"), ConsistentRead=True).get("Item")
        return (str(item["owner"]), datetime.fromisoformat(item["acquired_at"])) if item else None

    def _put(self, model: str, run: str, now: datetime, collecting: bool, dead: str) -> bool:
        item = {
            **model_key(model, "lock"),
            "owner": run,
            "lease_until": int((now + LEASE).timestamp()),
            "acquired_at": now.isoformat(),
            **({"collecting": True} if collecting else {}),
        }
        try:
            self._table.put_item(
                Item=item,
                ConditionExpression=(
                    "attribute_not_exists(pk) OR #owner IN (:run, :dead) OR lease_until < :now"
                ),
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues={":run": run, ":dead": dead, ":now": int(now.timestamp())},
            )
        except ClientError as error:
            if refused(error):
                return False
            raise
        return True

    def _ask(self, model: str, waiting: bool) -> Holder | None:
        key = model_key(model, "lock")
        if not waiting:
            item = self._table.get_item(Key=key, ConsistentRead=True).get("Item")
            return _holder(item) if item else None
        try:
            answer = self._table.update_item(
                Key=key,
                UpdateExpression="SET waiting = :true",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues={":true": True},
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if refused(error):
                return None
            raise
        return _holder(answer["Attributes"])


def _holder(item: dict[str, Any]) -> Holder:
    return Holder(str(item["owner"]), bool(item.get("collecting", False)))


class Claims:
    """Which run has taken up which version of which object: a second delivery finds it taken."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def take(
        self, model: str, run: str, objects: Iterable[StoredObject], now: datetime
    ) -> list[StoredObject]:
        """Claim objects; returns those that are now this run's. What a failed run left is free again."""
        return [item for item in objects if self._take(model, run, item, now)]

    def _take(self, model: str, run: str, item: StoredObject, now: datetime) -> bool:
        key = claim_key(model, item.key, item.version_id)
        claim = {**key, "run": run, "expires_at": int((now + CLAIM_LIFETIME).timestamp())}
        if put_if_absent(self._table, claim):
            return True
        found = self._table.get_item(Key=key, ConsistentRead=True).get("Item") or {}
        owner = str(found.get("run", ""))
        if owner == run:
            return True
        entry = self._table.get_item(Key=run_key(owner), ConsistentRead=True).get("Item") or {}
        if entry.get("outcome") not in {None, "failed"}:
            return False
        return self._take_over(claim, owner)

    def _take_over(self, claim: dict[str, Any], owner: str) -> bool:
        # the caller holds the model's lock, so an owner without an outcome is a run that died
        try:
            self._table.put_item(
                Item=claim,
                ConditionExpression="#run = :owner",
                ExpressionAttributeNames={"#run": "run"},
                ExpressionAttributeValues={":owner": owner},
            )
        except ClientError as error:
            if refused(error):
                return False
            raise
        return True
