"""Step Functions and the one reading of AWS errors: runs, callbacks, and what every refusal is called."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber

from perennial.aws.clients import naming_outages
from perennial.aws.wiring import Services
from perennial.aws.workflow import Callback
from perennial.errors import CallbackExpired, Retryable, ServiceRefused, ServiceUnavailable, VersionNotFound
from tests.integration.moto_support import Executions


def test_a_run_is_started_once_under_its_name(services: Services, executions: Executions) -> None:
    assert services.workflow.start("run-1", {"model": "iris"}) is True
    assert services.workflow.start("run-1", {"model": "housing"}) is False
    assert executions.names() == {"run-1"}


def test_a_run_is_alive_until_it_ends(services: Services, executions: Executions) -> None:
    assert services.workflow.alive("run-1") is False
    executions.start("run-1")
    assert services.workflow.alive("run-1") is True
    executions.end("run-1")
    assert services.workflow.alive("run-1") is False


def test_the_input_of_a_run_is_its_event(services: Services) -> None:
    services.workflow.start("run-1", {"model": "iris", "reason": "grün"})
    answer = boto3.client("stepfunctions").describe_execution(
        executionArn=services.workflow.execution_arn("run-1")
    )
    assert answer["input"] == '{"model": "iris", "reason": "gr\\u00fcn"}'


CALLS: dict[str, tuple[str, tuple[str, ...]]] = {
    "heartbeat": ("send_task_heartbeat", ()),
    "succeed": ("send_task_success", ('{"version": 2}',)),
    "fail": ("send_task_failure", ("TrainingFailed", "the estimator raised")),
}


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
@pytest.mark.parametrize("call", sorted(CALLS))
def test_a_token_that_is_waited_for_no_longer_is_named(aws: None, call: str, code: str) -> None:
    client = boto3.client("stepfunctions")
    operation, arguments = CALLS[call]
    with Stubber(client) as stub:
        stub.add_client_error(operation, code, "no")
        with pytest.raises(CallbackExpired, match="waits for this callback no longer"):
            getattr(Callback(client, "token"), call)(*arguments)


def test_another_error_of_a_callback_is_no_expiry(aws: None) -> None:
    client = boto3.client("stepfunctions")
    with Stubber(client) as stub:
        stub.add_client_error("send_task_success", "InvalidOutput", "too long", http_status_code=400)
        with pytest.raises(ClientError, match="InvalidOutput"):
            Callback(client, "token").succeed("{}")


def test_a_failure_is_cut_to_what_step_functions_takes(aws: None) -> None:
    client = boto3.client("stepfunctions")
    with Stubber(client) as stub:
        stub.add_response(
            "send_task_failure", {}, {"taskToken": "token", "error": "E" * 256, "cause": "c" * 32_768}
        )
        Callback(client, "token").fail("E" * 300, "c" * 40_000)
        stub.assert_no_pending_responses()


def refusal(code: str, status: int = 400, *reasons: str) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }
    return ClientError(response, "Any")


PASSING: list[Exception] = [
    refusal("ThrottlingException"),
    refusal("Throttling"),
    refusal("SlowDown", 503),
    refusal("RequestLimitExceeded", 503),
    refusal("ProvisionedThroughputExceededException"),
    refusal("TransactionConflictException"),
    refusal("TransactionCanceledException", 400, "None", "TransactionConflict"),
    refusal("AnythingElse", 500),
    EndpointConnectionError(endpoint_url="https://s3"),
    ReadTimeoutError(endpoint_url="https://s3"),
]
LASTING = [
    refusal("AccessDenied", 403),
    refusal("NoSuchKey", 404),
    refusal("ValidationException"),
    refusal("TransactionCanceledException", 400, "None", "ValidationError"),
]


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_what_passes_is_service_unavailable(error: Exception) -> None:
    with pytest.raises(ServiceUnavailable) as named, naming_outages():
        raise error
    assert isinstance(named.value, Retryable)
    assert named.value.__cause__ is error


@pytest.mark.parametrize("error", LASTING, ids=str)
def test_what_would_fail_again_is_service_refused_and_never_retried(error: Exception) -> None:
    with pytest.raises(ServiceRefused) as named, naming_outages():
        raise error
    assert not isinstance(named.value, Retryable)
    assert str(error) in str(named.value)


def test_our_own_errors_keep_their_names() -> None:
    with pytest.raises(VersionNotFound), naming_outages():
        raise VersionNotFound
    with pytest.raises(ZeroDivisionError), naming_outages():
        _ = 1 / 0
