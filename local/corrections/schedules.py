"""Scheduler: a schedule fires when it is due, and its input says when that was."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ministack.services import scheduler

from local.corrections.rewrite import CorrectionError, rewrite

_SWEEP = 0.5  # seconds
_TIME = "<aws.scheduler.scheduled-time>"


def punctual_schedules() -> None:
    """Due schedules are looked for every half second, not every ten: AWS is right to the minute or better."""
    if scheduler._SCHEDULE_TICK_INTERVAL != 10:
        raise CorrectionError("scheduler._SCHEDULE_TICK_INTERVAL: expected 10 seconds")
    scheduler._SCHEDULE_TICK_INTERVAL = _SWEEP


def scheduled_time() -> None:
    """`<aws.scheduler.scheduled-time>` in a target's input becomes the time that the schedule was due.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    """
    rewrite(
        scheduler,
        "_tick_schedules",
        (
            "_eb._invoke_target(target, event, sched)",
            "_eb._invoke_target(_timed(target, at_epoch or now), event, sched)",
        ),
        _timed=_timed,
    )


def _timed(target: dict[str, Any], due: float) -> dict[str, Any]:
    at = datetime.fromtimestamp(due, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**target, "Input": target["Input"].replace(_TIME, at)} if "Input" in target else target


CORRECTIONS: dict[str, Callable[[], None]] = {
    "punctual_schedules": punctual_schedules,
    "scheduled_time": scheduled_time,
}
