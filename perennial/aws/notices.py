"""Notices to people: published to the stack's topic, of one kind not too many in a row."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from perennial.aws.table import model_key, refused
from perennial.notices import Notice

_REMEMBERED = timedelta(days=90)


@dataclass(frozen=True)
class Sent:
    """Whether a notice was sent, and how many of its kind were not since the last one that was."""

    told: bool
    held_back: int


@dataclass(frozen=True)
class _Turn:
    """The turn to send: how many were held back before it, since when, and whether it was taken before."""

    held_back: int
    since: datetime | None


class Notices:
    """One place that all notices pass. What is held back is counted, and its run's entry stays as it is.

    An item for each model and kind: `sent_at` and `run` of the last one sent, `held_back` since, and
    `told` and `since`, what that one said of those before it.
    """

    def __init__(self, table: Any, sns: Any, topic: str) -> None:
        self._table, self._sns, self._topic = table, sns, topic

    def send(self, notice: Notice, run: str, every: timedelta, now: datetime) -> Sent:
        """Publish it unless one of its kind went out less than `every` ago, for another run.

        A repetition for the same run sends again: told twice is better than not at all.
        """
        turn = self._take_turn(notice, run, every, now)
        if turn is None:
            return Sent(told=False, held_back=self._hold_back(notice))
        since = turn.since.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if turn.since else ""
        try:
            self.publish(notice.held_back(turn.held_back, since))
        except Exception:
            self._give_turn_back(notice, turn)
            raise
        return Sent(told=True, held_back=turn.held_back)

    def publish(self, notice: Notice) -> None:
        """Send it in any case. Subscribers may filter by the attributes model, kind and severity."""
        attributes = {"model": notice.model, "kind": notice.kind, "severity": notice.severity}
        self._sns.publish(
            TopicArn=self._topic,
            Subject=notice.subject,
            Message=json.dumps({"default": notice.message, "sms": notice.sms}),
            MessageStructure="json",
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )

    def _take_turn(self, notice: Notice, run: str, every: timedelta, now: datetime) -> _Turn | None:
        key = _key(notice)
        try:
            before = self._table.update_item(
                Key=key,
                UpdateExpression=(
                    "SET told = if_not_exists(held_back, :none), since = if_not_exists(sent_at, :now), "
                    "held_back = :none, sent_at = :now, #run = :run, expires_at = :expires"
                ),
                ConditionExpression="attribute_not_exists(pk) OR (sent_at <= :latest AND #run <> :run)",
                ExpressionAttributeNames={"#run": "run"},
                ExpressionAttributeValues={
                    ":none": 0,
                    ":now": now.isoformat(),
                    ":latest": (now - every).isoformat(),
                    ":run": run,
                    ":expires": int((now + _REMEMBERED).timestamp()),
                },
                ReturnValues="ALL_OLD",
            ).get("Attributes")
        except ClientError as error:
            if not refused(error):
                raise
            item = self._table.get_item(Key=key, ConsistentRead=True).get("Item") or {}
            if item.get("run") != run:
                return None
            return _Turn(int(item["told"]), datetime.fromisoformat(item["since"]))
        if not before:
            return _Turn(0, None)
        return _Turn(int(before.get("held_back", 0)), datetime.fromisoformat(before["sent_at"]))

    def _hold_back(self, notice: Notice) -> int:
        answer = self._table.update_item(
            Key=_key(notice),
            UpdateExpression="ADD held_back :one",
            ExpressionAttributeValues={":one": 1},
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"]["held_back"])

    def _give_turn_back(self, notice: Notice, turn: _Turn) -> None:
        """Nothing was sent: whoever comes next may, and says how many were held back."""
        self._table.update_item(
            Key=_key(notice),
            UpdateExpression="SET sent_at = :since, #run = :nobody ADD held_back :count",
            ExpressionAttributeNames={"#run": "run"},
            ExpressionAttributeValues={
                ":nobody": "",
                ":since": (turn.since or datetime.fromtimestamp(0, UTC)).isoformat(),
                ":count": turn.held_back,
            },
        )


def _key(notice: Notice) -> dict[str, str]:
    return model_key(notice.model, f"notice#{notice.kind}")
