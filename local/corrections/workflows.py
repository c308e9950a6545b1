"""Step Functions: how long a retry waits, and that an aborted execution stays aborted."""

import random
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions

from local.corrections.rewrite import replace, rewrite


def retry_delays() -> None:
    """A retry waits no longer than MaxDelaySeconds, and with JitterStrategy FULL a random part of its delay.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def find(retriers: list[dict[str, Any]], error: str, counts: dict[int, int]) -> Any:
            retrier, index = original(retriers, error, counts)
            if retrier is None:
                return retrier, index
            backoff = retrier.get("BackoffRate", 2.0) ** counts.get(index, 0)
            delay = retrier.get("IntervalSeconds", 1) * backoff
            delay = min(delay, retrier.get("MaxDelaySeconds", delay))
            if retrier.get("JitterStrategy") == "FULL":
                delay = random.uniform(0, delay)
            return {**retrier, "IntervalSeconds": delay, "BackoffRate": 1}, index

        return find

    replace(stepfunctions, "_find_matching_retrier", make, "retriers, error, retry_counts")


def aborted() -> None:
    """An execution that was stopped stays ABORTED when one of its tasks fails afterwards."""
    rewrite(
        stepfunctions,
        "_fail_execution",
        (
            '    execution["status"] = "FAILED"\n',
            """    if execution["status"] != "RUNNING":
        return
    execution["status"] = "FAILED"
""",
        ),
    )


CORRECTIONS: dict[str, Callable[[], None]] = {"retry_delays": retry_delays, "aborted": aborted}
