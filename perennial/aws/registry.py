"""The registry: versions and the champion alias, in DynamoDB."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from perennial.aws.table import model_key, refused, run_key, version_key
from perennial.errors import AliasMoved, Conflict, InvalidRequest, VersionExpired, VersionNotFound
from perennial.lineage import Canary, ChampionAlias, Expiry, Status, VersionRecord, gone

ALIAS = "alias#champion"
_CAN_SERVE = "attribute_exists(pk) AND attribute_not_exists(expired)"


class Registry:
    """Versions are written once; the alias moves only by compare-and-swap, with its audit record."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def next_version(self, model: str) -> int:
        """Reserve the next version number. A training that fails leaves a gap."""
        answer = self._table.update_item(
            Key=model_key(model, "counter"),
            UpdateExpression="ADD #value :one",
            ExpressionAttributeNames={"#value": "value"},
            ExpressionAttributeValues={":one": 1},
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"]["value"])

    def register(self, record: VersionRecord, attempt: int | None = None) -> None:
        """Add a version. Its data objects are listed in its lineage file; here they could outgrow an item.

        A second attempt at the same training replaces the first. Raises Conflict once the version has been
        decided about; and where the run has ended, or trains in another attempt than this: an instance that
        was given up may still be at work.
        """
        put = {
            "TableName": self._table.name,
            "Item": {
                **version_key(record.model, record.version),
                "status": record.status,
                "record": record.model_copy(update={"data": ()}).model_dump_json(exclude={"expired"}),
            },
            "ConditionExpression": "attribute_not_exists(pk) OR #status = :candidate",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":candidate": "candidate"},
        }
        wanted = {
            "TableName": self._table.name,
            "Key": run_key(record.run),
            "ConditionExpression": "attempt = :attempt AND attribute_not_exists(outcome)",
            "ExpressionAttributeValues": {":attempt": attempt},
        }
        checks = [] if attempt is None else [{"ConditionCheck": wanted}]
        try:
            self._table.meta.client.transact_write_items(TransactItems=[*checks, {"Put": put}])
        except ClientError as error:
            if not refused(error):
                raise
            raise Conflict(
                f"version {record.version} of {record.model} is no candidate any more, or its run goes on "
                "without this attempt: nothing was written"
            ) from error

    def version(self, model: str, version: int) -> VersionRecord:
        """One version's record. Raises VersionNotFound."""
        item = self._table.get_item(Key=version_key(model, version), ConsistentRead=True).get("Item")
        if item is None:
            raise VersionNotFound(f"model {model} has no version {version}")
        return _record(item)

    def versions(self, model: str) -> list[VersionRecord]:
        """All versions of a model, oldest first."""
        return [_record(item) for item in self._all(model, "version#")]

    def audit(self, model: str) -> list[dict[str, Any]]:
        """Every move of the alias, oldest first: from, version, previous, changed_at, run, reason."""
        return list(self._all(model, "audit#"))

    def _all(self, model: str, prefix: str) -> Iterator[dict[str, Any]]:
        query = {
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)",
            "ExpressionAttributeValues": {":pk": f"model#{model}", ":sk": prefix},
            "ConsistentRead": True,
        }
        while True:
            answer = self._table.query(**query)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def champion(self, model: str) -> ChampionAlias | None:
        """Who serves now; None before the first promotion."""
        item = self._table.get_item(Key=model_key(model, ALIAS), ConsistentRead=True).get("Item")
        if item is None:
            return None
        return ChampionAlias(
            model=model,
            version=_integer(item.get("version")),
            previous=_integer(item.get("previous")),
            changed_at=datetime.fromisoformat(item["changed_at"]),
            run=item["run"],
            canary=Canary.model_validate(item["canary"]) if "canary" in item else None,
        )

    def set_canary(self, model: str, *, expected: int | None, canary: Canary) -> None:
        """Let a version be tried beside the champion.

        Raises AliasMoved where that is another by now, VersionNotFound and VersionExpired where the version
        cannot serve, and Conflict where the run has its outcome: of a run that was stopped, a last look may
        still be under way, and nobody would end the canary that it sets.
        """
        update = {
            "TableName": self._table.name,
            "Key": model_key(model, ALIAS),
            "UpdateExpression": "SET canary = :canary",
            "ConditionExpression": "#version = :expected",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {
                ":canary": canary.model_dump(mode="json"),
                ":expected": expected,
            },
        }
        check = {
            "TableName": self._table.name,
            "Key": version_key(model, canary.version),
            "ConditionExpression": _CAN_SERVE,
        }
        under_way = {
            "TableName": self._table.name,
            "Key": run_key(canary.run),
            "ConditionExpression": "attribute_not_exists(outcome)",
        }
        try:
            self._table.meta.client.transact_write_items(
                TransactItems=[{"Update": update}, {"ConditionCheck": check}, {"ConditionCheck": under_way}]
            )
        except ClientError as error:
            if not refused(error):
                raise
            found = self._table.get_item(Key=run_key(canary.run), ConsistentRead=True).get("Item", {})
            if "outcome" in found:
                raise Conflict(f"run {canary.run} has its outcome: it tries no canary any more") from error
            raise self._refusal(model, expected, canary.version) from error

    def end_canary(
        self,
        model: str,
        *,
        expected: int | None,
        version: int,
        left_as: Status,
        run: str,
        reason: str,
        now: datetime,
    ) -> None:
        """Take a canary back, in one transaction with its status and its audit record; once for each run.

        Raises AliasMoved where another champion serves by now.
        """
        alias = self.champion(model)
        if alias and alias.canary is None and self.version(model, version).status == left_as:
            return
        if alias is None or alias.version != expected:
            raise self._moved(model, expected)
        items = self._without_canary(alias, version, run, reason, now)
        try:
            self._table.meta.client.transact_write_items(
                TransactItems=[*items, self._set_status(model, version, left_as)]
            )
        except ClientError as error:
            if not refused(error):
                raise
            raise self._moved(model, expected) from error

    def drop_canary(self, model: str, *, run: str, reason: str, now: datetime) -> int | None:
        """End the canary of a run that looks after it no more: its version; None where there is none of it.

        The status of the version stays: the run came to no verdict on it.
        """
        alias = self.champion(model)
        if alias is None or alias.canary is None or alias.canary.run != run:
            return None
        items = self._without_canary(alias, alias.canary.version, run, reason, now)
        try:
            self._table.meta.client.transact_write_items(TransactItems=items)
        except ClientError as error:
            if not refused(error):
                raise
            return None  # it went with the champion that it stood beside, or by the same call made twice
        return alias.canary.version

    def _without_canary(
        self, alias: ChampionAlias, canary: int, run: str, reason: str, now: datetime
    ) -> list[dict[str, Any]]:
        """The alias without the canary that was found on it, and the audit record of that."""
        at, table = now.isoformat(), self._table.name
        record = {
            **model_key(alias.model, f"audit#{at}#{run}"),
            "version": alias.version,
            "from": alias.version,
            "previous": alias.previous,
            "canary": canary,
            "changed_at": at,
            "run": run,
            "reason": reason,
        }
        values: dict[str, Any] = {":expected": alias.version}
        condition, names = "#version = :expected", {"#version": "version"}
        if alias.canary:
            condition += " AND canary.#run = :run"
            names["#run"], values[":run"] = "run", alias.canary.run
        update = {
            "TableName": table,
            "Key": model_key(alias.model, ALIAS),
            "UpdateExpression": "REMOVE canary",
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        return [{"Update": update}, {"Put": {"TableName": table, "Item": record}}]

    def refuse(self, model: str, version: int) -> None:
        """Leave a candidate as rejected, whose run found another champion; what has been decided stays."""
        try:
            self._table.update_item(
                Key=version_key(model, version),
                UpdateExpression="SET #status = :rejected",
                ConditionExpression="#status = :candidate",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":rejected": "rejected", ":candidate": "candidate"},
            )
        except ClientError as error:
            if not refused(error):
                raise

    def move_champion(
        self,
        model: str,
        *,
        expected: int | None,
        to: int | None,
        previous: int | None,
        left_as: Status,
        run: str,
        reason: str,
        now: datetime,
    ) -> bool:
        """Compare and swap: `expected` hands its place to `to` and is `left_as` archived or rolled back.

        One transaction with the audit record: either all of it is written or nothing.
        Doing again what this very run has done already changes nothing; false where somebody has moved the
        champion since, so that a call which is tried again takes nobody's decision back.
        Raises AliasMoved where the champion is no longer the expected one, VersionExpired where the files of
        `to` are gone, VersionNotFound where `to` or `expected` was never registered.
        """
        if self._is_moved(model, to, run):
            return True
        try:
            self._table.meta.client.transact_write_items(
                TransactItems=self._swap(model, expected, to, previous, left_as, run, reason, now)
            )
        except ClientError as error:
            if not refused(error):
                raise
            if self._is_moved(model, to, run):  # by the same call, made twice at once
                return True
            if to is not None and self._brought_by(model, to) == run:
                return False
            raise self._refusal(model, expected, to) from error
        return True

    def _refusal(self, model: str, expected: int | None, to: int | None) -> Conflict | InvalidRequest:
        """Why `to` was not let in beside or in place of the expected champion."""
        alias = self.champion(model)
        if (alias.version if alias else None) != expected:
            return self._moved(model, expected)
        unknown = VersionNotFound(
            f"model {model} has no version {to}, or none {expected}: the champion is unchanged"
        )
        try:
            record = self.version(model, to) if to is not None else None
        except VersionNotFound:
            return unknown
        if record is None or record.expired is None:
            return unknown
        return VersionExpired(f"{gone(record)}; it cannot serve, the champion is unchanged")

    def _moved(self, model: str, expected: int | None) -> AliasMoved:
        alias = self.champion(model)
        found = alias.version if alias else None
        return AliasMoved(
            f"the champion of {model} is version {found}: expected {expected}, nothing was changed"
        )

    def _is_moved(self, model: str, to: int | None, run: str) -> bool:
        alias = self.champion(model)
        return alias is not None and (alias.version, alias.run) == (to, run)

    def _brought_by(self, model: str, version: int) -> str | None:
        """The run that let a version serve last."""
        item = self._table.get_item(Key=version_key(model, version), ConsistentRead=True).get("Item", {})
        found: str | None = item.get("brought_by")
        return found

    def _swap(
        self,
        model: str,
        expected: int | None,
        to: int | None,
        previous: int | None,
        left_as: Status,
        run: str,
        reason: str,
        now: datetime,
    ) -> list[dict[str, Any]]:
        at = now.isoformat()
        moved = {"version": to, "previous": previous, "changed_at": at, "run": run, "reason": reason}
        unless_moved = (
            {
                "ConditionExpression": "#version = :expected",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":expected": expected},
            }
            if expected is not None
            else {
                "ConditionExpression": "attribute_not_exists(pk) OR #version = :none",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":none": None},
            }
        )
        table = self._table.name
        items: list[dict[str, Any]] = [
            {"Put": {"TableName": table, "Item": {**model_key(model, ALIAS), **moved}, **unless_moved}},
            {
                "Put": {
                    "TableName": table,
                    "Item": {**model_key(model, f"audit#{at}#{run}"), **moved, "from": expected},
                }
            },
        ]
        if to is not None:
            items.append(self._bring(model, to, run))
        if expected is not None:
            items.append(self._set_status(model, expected, left_as))
        return items

    def _set_status(self, model: str, version: int, status: Status) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self._table.name,
                "Key": version_key(model, version),
                "UpdateExpression": "SET #status = :status",
                "ConditionExpression": "attribute_exists(pk)",
                "ExpressionAttributeNames": {"#status": "status"},
                "ExpressionAttributeValues": {":status": status},
            }
        }

    def _bring(self, model: str, version: int, run: str) -> dict[str, Any]:
        """Let a version serve, once for each run."""
        return {
            "Update": {
                "TableName": self._table.name,
                "Key": version_key(model, version),
                "UpdateExpression": "SET #status = :champion, brought_by = :run",
                "ConditionExpression": f"{_CAN_SERVE} AND "
                "(attribute_not_exists(brought_by) OR brought_by <> :run)",
                "ExpressionAttributeNames": {"#status": "status"},
                "ExpressionAttributeValues": {":champion": "champion", ":run": run},
            }
        }


def _record(item: dict[str, Any]) -> VersionRecord:
    record = VersionRecord.model_validate_json(item["record"])
    expired = Expiry.model_validate(item["expired"]) if "expired" in item else None
    return record.model_copy(update={"status": item["status"], "expired": expired})


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)
