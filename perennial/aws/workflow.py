"""Step Functions: starting runs, answering callbacks, and whether a run is still alive."""

import json
from typing import Any

from botocore.exceptions import ClientError

from perennial.aws.clients import error_code
from perennial.errors import CallbackExpired

_GONE = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}
_CAUSE_LIMIT = 32_768


class Workflow:
    """The state machine that this stack runs."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client, self.arn = client, arn

    def start(self, name: str, event: dict[str, Any]) -> bool:
        """Start a run under a name of its own; False where one of that name has ended or has another input.

        While it runs, starting it again with the same input is no error and changes nothing.
        """
        try:
            self._client.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(event))
        except ClientError as error:
            if error_code(error) == "ExecutionAlreadyExists":
                return False
            raise
        return True

    def execution_arn(self, run: str) -> str:
        """ARN of one run."""
        return f"{self.arn.replace(':stateMachine:', ':execution:')}:{run}"

    def alive(self, run: str) -> bool:
        """Is this run still going?"""
        try:
            answer = self._client.describe_execution(executionArn=self.execution_arn(run))
        except ClientError as error:
            if error_code(error) == "ExecutionDoesNotExist":
                return False
            raise
        return bool(answer["status"] in {"RUNNING", "PENDING_REDRIVE"})


class Callback:
    """The one answer to a task that waits by token.

    Every call raises CallbackExpired when the task waits no longer.
    """

    def __init__(self, client: Any, token: str) -> None:
        self._client, self._token = client, token

    def heartbeat(self) -> None:
        """Say that the work goes on."""
        self._send(self._client.send_task_heartbeat)

    def succeed(self, output: str) -> None:
        """End the task with its JSON output."""
        self._send(self._client.send_task_success, output=output)

    def fail(self, error: str, cause: str) -> None:
        """End the task with a named error."""
        self._send(self._client.send_task_failure, error=error[:256], cause=cause[:_CAUSE_LIMIT])

    def _send(self, call: Any, **answer: str) -> None:
        try:
            call(taskToken=self._token, **answer)
        except ClientError as error:
            if error_code(error) in _GONE:
                raise CallbackExpired(
                    "the run waits for this callback no longer; its result was not used"
                ) from error
            raise
