"""Every function with its sample event, in the order of the workflow; and what all of them have in common."""

import io
import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from local import schemas
from perennial.aws import handler as door
from perennial.aws.wiring import Services
from perennial.errors import InvalidRequest, ServiceRefused, ServiceUnavailable
from tests.integration.function_support import document, invoke, keys
from tests.sample_run import arrive, event, first_champion, train

OF_AWS = {"close_run", "deliver_champion", "watch_instances"}  # events of AWS, which may grow
SETTLED = "accepted/iris/dt=2026-11-21/sample-run/2026-11-21/meadow.csv"


def served(services: Services) -> int | None:
    alias = services.registry.champion("iris")
    return alias.version if alias else None


def test_the_sample_run_goes_through_every_function(services: Services) -> None:
    """Each is given the very event that lies in events/."""
    first_champion(services)
    arrive(services)

    request = invoke("resolve_trigger")
    assert (request["runnable"], request["champion"], request["objects"]) == (True, 1, 1)
    assert request["trigger"] == event("decide")["trigger"]

    data = invoke("validate_data")
    assert (data["valid"], data["rows"], data["labelled_rows"]) == (True, 150, 150)

    settled = invoke("settle_batch")
    assert settled["objects"] == 1
    assert keys(services, "incoming/") == []
    assert SETTLED in keys(services, "accepted/")
    assert [item["key"] for item in document(services, "manifest.json")["objects"]] == [SETTLED]

    drift = invoke("compute_drift")
    assert drift["drifted"] is True
    assert {"petal_length", "sepal_length"} <= set(drift["columns"])

    decision = invoke("decide")
    assert decision["action"] == "retrain"
    assert decision.items() <= document(services, "decision.json").items()

    launched = invoke("launch_trainer")
    assert launched["version"] == 2
    assert document(services, "job.json")["token"] == "sample-token"

    train(services, 2, "sample-run", champion=1)
    evaluation = invoke("evaluate_challenger")
    assert evaluation["better"] is True, evaluation["summary"]
    assert document(services, "evaluation.json") == evaluation

    promotion = invoke("promote_challenger")
    assert (promotion["champion"], promotion["previous"], served(services)) == (2, 1, 2)

    rolled_back = invoke("roll_back")
    assert (rolled_back["champion"], served(services)) == (1, 1)

    report = invoke("watch_instances")
    assert report == {"instance_id": "i-0123456789abcdef0", "run": None, "told": False}


@pytest.mark.parametrize("function", sorted(schemas.CONTRACTS))
@pytest.mark.parametrize("given", [{}, {"run": 5}], ids=str)
def test_an_event_that_is_no_event_of_its_is_refused(function: str, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=schemas.CONTRACTS[function][0].__name__):
        invoke(function, given)


@pytest.mark.parametrize("function", sorted(set(schemas.CONTRACTS) - OF_AWS))
def test_a_field_that_nobody_named_is_refused(function: str) -> None:
    with pytest.raises(InvalidRequest, match="colour"):
        invoke(function, colour="blue")


def test_throttling_is_named_so_that_the_workflow_tries_again(services: Services) -> None:
    with Stubber(door.services().table.meta.client) as dynamodb:
        dynamodb.add_client_error("query", "ThrottlingException", "slow down", http_status_code=400)
        with pytest.raises(ServiceUnavailable, match="ThrottlingException"):
            invoke("decide")


def test_a_missing_permission_is_named_and_not_retried(services: Services) -> None:
    with Stubber(door.services().table.meta.client) as dynamodb:
        dynamodb.add_client_error("query", "AccessDeniedException", "no", http_status_code=400)
        with pytest.raises(ServiceRefused, match="AccessDeniedException"):
            invoke("decide")


def test_a_bucket_that_is_gone_is_named(services: Services) -> None:
    boto3.client("s3").delete_bucket(Bucket="perennial-artifacts")
    with pytest.raises(ServiceRefused, match="NoSuchBucket"):
        invoke("validate_data")


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_metrics_carry_the_model_and_belong_to_one_invocation(
    services: Services, capfd: pytest.CaptureFixture[str]
) -> None:
    invoke("decide")
    (first,) = [line for line in lines(capfd) if "_aws" in line]
    (directive,) = first["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Perennial"
    assert directive["Dimensions"] == [["Model"]]
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units == {
        "RetrainDecisions": "Count",
        "DriftUnanswered": "Count",
        "FalseAlarmBudgetUsed": "Percent",
        "LabelAge": "Seconds",
    }
    assert (first["Model"], first["RetrainDecisions"]) == ("iris", [1.0])

    invoke("watch_instances")  # has nothing to count and is about no model
    assert [line for line in lines(capfd) if "_aws" in line] == []
    assert door.metrics.dimension_set == {}


def test_an_invocation_that_fails_leaves_no_metric_to_the_next(
    services: Services, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidRequest):
        invoke("decide", data=None)
    assert (door.metrics.metric_set, door.metrics.dimension_set) == ({}, {})


def test_every_line_of_the_log_names_run_and_model(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(door.logger.registered_handler, "stream", log)
    invoke("decide")
    (line,) = [json.loads(line) for line in log.getvalue().splitlines()]
    assert (line["run"], line["model"], line["function_name"]) == ("sample-run", "iris", "decide")
    assert line["answer"]["action"] == "retrain"
