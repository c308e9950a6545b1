"""The four triggers: each event that may start a run becomes the same `Trigger`; and how long uploads settle.

Event shapes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html (upload),
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html (alarm).
"""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from perennial import layout
from perennial.config import TriggerPolicy
from perennial.contracts.trigger import Trigger
from perennial.errors import UnreadableTrigger

EVERY_MODEL = "*"


def read_trigger(event: Mapping[str, Any], at: datetime) -> tuple[str, Trigger]:
    """Say which model an event is about, and why the run was started.

    The model is `*` where a schedule or a person means every model. Raises UnreadableTrigger.
    """
    readers: dict[str, Callable[[Mapping[str, Any], datetime], tuple[str, Trigger]]] = {
        "aws.s3": _upload,
        "aws.cloudwatch": _alarm,
        "perennial.schedule": _schedule,
        "perennial.waiting": _waiting,
    }
    reader = readers.get(str(event.get("source", "")), _on_demand)
    try:
        model, trigger = reader(event, at)
        if not isinstance(model, str):
            raise TypeError(f"the model's name is {model!r}: expected text")
        return model, trigger
    except (AttributeError, KeyError, TypeError, IndexError, ValueError) as error:
        raise UnreadableTrigger(
            "the event that started the run is none of the four triggers: expected an S3 'Object Created' "
            'event, a CloudWatch alarm state change, a schedule, or {"model": …, "reason": …}; '
            f"{type(error).__name__}: {error}"
        ) from error


def seconds_to_wait(newest: datetime, started_at: datetime, now: datetime, policy: TriggerPolicy) -> int:
    """How many whole seconds a run is still to wait for further uploads; 0 when they have settled.

    newest: when the youngest of what has arrived was stored. started_at: when the run began to wait.

    >>> from datetime import UTC, timedelta
    >>> began = datetime(2026, 1, 1, tzinfo=UTC)
    >>> seconds_to_wait(began, began, began + timedelta(seconds=10.5), TriggerPolicy(debounce="30s"))
    20
    """
    settled = min(newest + policy.debounce, started_at + policy.max_wait)
    return max(math.ceil((settled - now).total_seconds()), 0)


def _upload(event: Mapping[str, Any], at: datetime) -> tuple[str, Trigger]:
    key = event["detail"]["object"]["key"]  # EventBridge does not encode keys
    parts = key.split("/", 2)
    if len(parts) < 3 or parts[0] != layout.INCOMING:
        raise ValueError(f"{key} does not lie under {layout.INCOMING}/<model>/")
    return parts[1], Trigger(kind="upload", reason=f"{parts[2] or 'a folder'} was uploaded", at=at, key=key)


def _alarm(event: Mapping[str, Any], at: datetime) -> tuple[str, Trigger]:
    detail = event["detail"]
    models = {
        metric["metricStat"]["metric"]["dimensions"]["Model"]
        for metric in detail["configuration"]["metrics"]
        if "Model" in metric.get("metricStat", {}).get("metric", {}).get("dimensions", {})
    }
    if len(models) != 1:
        raise ValueError("the alarm's metric has no dimension Model")
    name = detail["alarmName"]
    why = detail["state"].get("reason", "")
    return models.pop(), Trigger(kind="alarm", reason=f"alarm {name}: {why}".rstrip(": "), at=at, alarm=name)


def _schedule(event: Mapping[str, Any], at: datetime) -> tuple[str, Trigger]:
    return event["model"], Trigger(kind="schedule", reason=f"scheduled for {event['time']}", at=at)


def _waiting(event: Mapping[str, Any], at: datetime) -> tuple[str, Trigger]:
    return event["model"], Trigger(kind="upload", reason=f"a batch arrived during run {event['run']}", at=at)


def _on_demand(event: Mapping[str, Any], at: datetime) -> tuple[str, Trigger]:
    reason = event.get("reason") or "asked for"
    return event["model"], Trigger(kind="on_demand", reason=reason, at=at, force=event.get("force", False))
