"""The champion lies ready under a fixed key, whoever serves, and is announced with its S3 version."""

import io
import json
from hashlib import sha256
from typing import Any
from zipfile import ZipFile

import boto3
import pytest

from perennial import layout
from perennial.aws.delivery import Delivery
from perennial.aws.wiring import Services
from perennial.config import load_model
from perennial.errors import ArtifactCorrupted
from tests.integration.function_support import invoke
from tests.integration.moto_support import NOW, record, serve
from tests.sample_run import event

KEY = "delivery/iris/champion.zip"


def register(services: Services, version: int) -> None:
    body, card = f"model {version}".encode(), b"{}"
    files: dict[str, Any] = {
        "artifact": services.artifacts.put_artifact(
            layout.version_key("iris", version, layout.MODEL), body, sha256(body).hexdigest()
        ),
        "card": services.artifacts.put_artifact(
            layout.version_key("iris", version, layout.CARD), card, sha256(card).hexdigest()
        ),
    }
    services.registry.register(record(version, run=f"run-{version}", **files))


@pytest.fixture
def heard(services: Services) -> Any:
    """What a rule on the stack's event sends to a queue."""
    sqs, events = boto3.client("sqs"), boto3.client("events")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["perennial"], "detail-type": ["Champion Delivered"], "resources": ["perennial"]}
    events.put_rule(Name="heard", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="heard", Targets=[{"Id": "queue", "Arn": arn}])

    def received() -> list[dict[str, Any]]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"])["detail"] for message in messages]

    return received


@pytest.fixture
def two(services: Services) -> Services:
    """Version 2 serves, version 1 did before."""
    register(services, 1)
    register(services, 2)
    serve(services, 1, run="run-1")
    serve(services, 2, previous=1, run="run-2")
    return services


def bundle(services: Services, version_id: str | None = None) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(services.artifacts.get(KEY, version_id))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def back(services: Services, to: int | None) -> None:
    services.succession.roll_back(
        load_model("iris"), champion=2, to=to, run="by-hand", reason="worse", now=NOW
    )


def test_a_promotion_lays_model_card_and_facts_ready(two: Services, heard: Any) -> None:
    assert invoke("deliver_champion") == {"model": "iris", "version": 2}
    found = bundle(two)
    assert (found["model.joblib"], found["card.json"]) == (b"model 2", b"{}")
    facts = json.loads(found["champion.json"])
    assert (facts["model"], facts["version"], facts["run"]) == ("iris", 2, "run-2")
    assert facts["sha256"] == sha256(found["model.joblib"]).hexdigest()
    assert facts["libraries"] == {"scikit-learn": "1.8.0"}
    (said,) = heard()
    assert (said["version"], said["previous"], said["bucket"], said["key"]) == (
        2,
        1,
        "perennial-artifacts",
        KEY,
    )
    assert bundle(two, said["version_id"]) == found


def test_a_rollback_by_hand_brings_the_earlier_version(two: Services, heard: Any) -> None:
    invoke("deliver_champion")
    back(two, 1)
    rolled_back = event("deliver_champion") | {"detail-type": "Model Rolled Back"}
    assert invoke("deliver_champion", rolled_back)["version"] == 1
    assert bundle(two)["model.joblib"] == b"model 1"
    first, second = heard()
    assert [first["version"], second["version"]] == [2, 1]
    assert bundle(two, first["version_id"])["model.joblib"] == b"model 2"


def test_the_same_champion_makes_the_same_zip(two: Services) -> None:
    invoke("deliver_champion")
    once = two.artifacts.get(KEY)
    invoke("deliver_champion")
    assert two.artifacts.get(KEY) == once


def test_where_nobody_serves_nothing_is_delivered(two: Services, heard: Any) -> None:
    back(two, None)
    assert invoke("deliver_champion") == {"model": "iris", "version": None}
    assert two.artifacts.head(KEY) is None
    assert heard() == []


def test_a_file_that_is_not_the_registered_one_is_not_delivered(two: Services, heard: Any) -> None:
    two.table.update_item(
        Key={"pk": "model#iris", "sk": "version#000002"},
        UpdateExpression="SET #record = :record",
        ExpressionAttributeNames={"#record": "record"},
        ExpressionAttributeValues={
            ":record": two.registry.version("iris", 2)
            .model_copy(
                update={
                    "artifact": two.registry.version("iris", 1).artifact.model_copy(
                        update={"sha256": "f" * 64}
                    )
                }
            )
            .model_dump_json(exclude={"expired"})
        },
    )
    with pytest.raises(ArtifactCorrupted, match="not delivered"):
        invoke("deliver_champion")
    assert two.artifacts.head(KEY) is None
    assert heard() == []


class Overtaken:
    """A bucket before whose first write the champion moves on and another delivery comes first."""

    def __init__(self, services: Services) -> None:
        self._services, self._bucket, self.name = services, services.artifacts, services.artifacts.name
        self._done = False

    def put_file(self, *given: Any) -> Any:
        if not self._done:
            self._done = True
            back(self._services, 1)
            self._services.delivery.deliver("iris")
        return self._bucket.put_file(*given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bucket, name)


def test_who_was_overtaken_leaves_no_older_version_behind(two: Services, heard: Any) -> None:
    bucket: Any = Overtaken(two)
    late = Delivery(two.registry, bucket, boto3.client("events"), "perennial")
    assert late.deliver("iris") == 1
    assert bundle(two)["model.joblib"] == b"model 1"
    assert {said["version"] for said in heard()} == {1}
