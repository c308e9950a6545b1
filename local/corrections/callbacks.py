"""Step Functions: tasks that wait for a callback (`.waitForTaskToken`).

https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token
"""

import json
import math
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import stepfunctions

from local.corrections.rewrite import replace, rewrite

_machines: dict[str, str] = {}  # by token, also of a task that is over


class _AbortedError(SystemExit):
    """The execution was stopped: its thread ends, past every Retry and Catch."""


def callbacks() -> None:
    """A failing call fails the task at once, HeartbeatSeconds counts, and StopExecution ends the wait.

    The engine swallowed an exception of the function until TimeoutSeconds, which could be no expression, and
    ignored heartbeats. Holds for every integration, `aws-sdk` ones too. Each attempt has a token of its own,
    so that a late answer to the first attempt cannot end the second.
    """
    replace(
        stepfunctions,
        "_invoke_with_callback",
        lambda _original: _invoke_with_callback,
        "resource, input_data, token, state_def",
    )
    rewrite(
        stepfunctions,
        "_execute_task",
        ("""    if is_callback:\n        ctx["Task"] = {"Token": new_uuid()}\n""", ""),
        (
            """        ctx["State"]["RetryCount"] = sum(retry_counts.values())\n""",
            """        ctx["State"]["RetryCount"] = sum(retry_counts.values())
        if is_callback:
            ctx["Task"] = {"Token": new_uuid()}\n""",
        ),
        (
            """resource, effective, ctx["Task"]["Token"], state_def)""",
            """resource, effective, ctx["Task"]["Token"], _limited(state_def, raw_input, ctx), execution)""",
        ),
        _limited=_limited,
    )

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def stop(data: dict[str, Any]) -> Any:
            answer = original(data)
            for task in list(stepfunctions._task_tokens.values()):
                if task.get("execution", {}).get("status") == "ABORTED":
                    task["event"].set()
            return answer

        return stop

    replace(stepfunctions, "_stop_execution", make, "data")


def _invoke_with_callback(
    resource: str, data: Any, token: str, state: dict[str, Any], execution: dict[str, Any]
) -> Any:
    task: dict[str, Any] = {
        "event": threading.Event(),
        "result": None,
        "error": None,
        "heartbeat": None,
        "execution": execution,
    }
    stepfunctions._task_tokens[token] = task
    _machines[token] = execution["stateMachineArn"]
    started = time.time()
    call = resource.replace(".waitForTaskToken", "")
    try:
        try:
            if "TimeoutSeconds" in state:
                stepfunctions._invoke_resource_with_timeout(call, data, state["TimeoutSeconds"])
            else:
                stepfunctions._invoke_resource(call, data)
        except stepfunctions._ExecutionError:
            if not task["event"].is_set():  # answered before it failed: the answer counts
                raise
        _wait(task, state, started)
    finally:
        stepfunctions._task_tokens.pop(token, None)
    if execution["status"] != "RUNNING":
        raise _AbortedError
    if task["error"]:
        raise stepfunctions._ExecutionError(task["error"]["Error"], task["error"]["Cause"])
    try:
        return json.loads(task["result"])
    except ValueError:
        return task["result"]


def _limited(state: dict[str, Any], given: Any, context: dict[str, Any]) -> dict[str, Any]:
    """The state with its time limit as a number, where it is a JSONata expression."""
    if not isinstance(state.get("TimeoutSeconds"), str):
        return state
    limit = stepfunctions._apply_jsonata_arguments({"Arguments": state["TimeoutSeconds"]}, given, context)
    return {**state, "TimeoutSeconds": float(limit)}


def machine_of(token: str) -> str | None:
    """The ARN of the state machine that a task token was made for; None for a token of no machine."""
    return _machines.get(token)


def _wait(task: dict[str, Any], state: dict[str, Any], started: float) -> None:
    """Return when the task is answered or its execution is stopped; raise when its time is up."""
    called = time.time()
    deadline = started + state.get("TimeoutSeconds", math.inf)
    heartbeat = state.get("HeartbeatSeconds", math.inf)
    while True:
        beat = max(called, (stepfunctions._iso_to_epoch_ms(task["heartbeat"]) or 0) / 1000)
        left = min(deadline, beat + heartbeat) - time.time()
        if task["event"].wait(min(max(left, 0), threading.TIMEOUT_MAX)):
            return
        if time.time() >= deadline:
            raise stepfunctions._ExecutionError("States.Timeout", "The task ran longer than TimeoutSeconds")
        if left <= 0:
            raise stepfunctions._ExecutionError(
                "States.HeartbeatTimeout", "The task sent no heartbeat within HeartbeatSeconds"
            )


def expired_tokens() -> None:
    """An answer or a heartbeat for a task that is over is refused as TaskTimedOut, not as an unknown token.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskHeartbeat.html
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def send(data: dict[str, Any]) -> Any:
            token = data.get("taskToken", "")
            if token in _machines and token not in stepfunctions._task_tokens:
                message = "Task Timed Out: 'Provided task does not exist anymore'"
                return error_response_json("TaskTimedOut", message, 400)
            return original(data)

        return send

    for name in ("_send_task_success", "_send_task_failure", "_send_task_heartbeat"):
        replace(stepfunctions, name, make, "data")


CORRECTIONS: dict[str, Callable[[], None]] = {"callbacks": callbacks, "expired_tokens": expired_tokens}
