"""Everything a person can get wrong: a named error, a recorded outcome, a notification, and nothing lost."""

import gzip
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from perennial.aws.table import model_key
from perennial.errors import CallbackExpired
from scenarios import iris
from tests.e2e.support import Command, Deployment, Model, until

FLOWERS = iris.season("test", rows=60, seed=11)
BINARY = bytes(range(256)) * 20


def csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        pytest.param("empty.csv", b"", "EmptyObject", id="empty object"),
        pytest.param("header.csv", csv(FLOWERS.head(0)), "EmptyObject", id="header only"),
        pytest.param("binary.csv", BINARY, "UnreadableFile", id="binary named csv"),
        pytest.param("text.parquet", csv(FLOWERS), "UnreadableFile", id="text named parquet"),
        pytest.param("cut.csv.gz", gzip.compress(csv(FLOWERS))[:-20], "UnreadableFile", id="gzip cut off"),
        pytest.param("list.jsonl", b"[1, 2]\n", "UnreadableFile", id="json lines without names"),
        pytest.param("flowers.xlsx", BINARY, "UnreadableFile", id="unknown format"),
        pytest.param(
            "nolabel.csv",
            csv(FLOWERS.drop(columns="species")),
            "column species is missing",
            id="no label column",
        ),
        pytest.param("few.csv", csv(FLOWERS.head(3)), "the batch has 3 rows", id="too few rows"),
    ],
)
def test_unusable_batch_is_quarantined_with_its_reason(
    stack: Deployment, name: str, body: bytes, reason: str
) -> None:
    model = stack.model("refusing")

    entry = model.ended(lambda: model.upload(name, body))

    assert entry["outcome"] == "quarantined"
    assert reason in entry["reason"]
    assert reason in "; ".join(model.reasons(entry["run"]))
    assert model.services.data.get(f"quarantine/refusing/{entry['run']}/{name}") == body
    assert model.stored("incoming") == []
    assert model.stored("accepted") == []
    assert stack.notification(entry["run"])["Subject"] == "Perennial: refusing: a batch was quarantined"


def test_of_equal_notices_one_is_sent_and_the_next_one_counts_the_rest(stack: Deployment) -> None:
    model = stack.model("pestering")

    def bad() -> dict[str, Any]:
        return model.ended(lambda: model.upload("list.jsonl", b"[1, 2]\n"))

    first, second = bad(), bad()
    stack.notification(first["run"])
    assert (stack.notice(first["run"]), stack.notice(second["run"])) == ("sent", "held back")
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    model.services.table.update_item(
        Key=model_key("pestering", "notice#quarantined"),
        UpdateExpression="SET sent_at = :then",
        ExpressionAttributeValues={":then": an_hour_ago.isoformat()},
    )
    third = bad()
    assert "1 more notice was held back since" in stack.notification(third["run"])["Message"]
    told = stack.notifications.received()
    assert [one for one in told if second["run"] in one["Message"]] == []


def test_unusable_file_takes_its_batch_along_but_no_byte_is_lost(stack: Deployment) -> None:
    model = stack.model("mixed")
    with_champion_at_work = model.started(lambda: model.upload("one.csv", csv(unlabelled("one"))))
    model.upload("two.csv", csv(unlabelled("two")))
    model.upload("three.csv", b"")

    model.follow(with_champion_at_work)
    until(lambda: not model.stored("incoming"), "every file in accepted/ or quarantine/")

    assert Counter(model.bodies("accepted", "quarantine")) == Counter(model.uploaded)


def test_upload_for_an_unknown_model_fails_by_name_and_stays(stack: Deployment) -> None:
    nobody = stack.model("nosuch")
    known = {execution["name"] for execution in stack.executions()}

    nobody.upload("flowers.csv", csv(FLOWERS))
    (run,) = until(
        lambda: {execution["name"] for execution in stack.executions()} - known, "a run for the upload"
    )
    entry = nobody.follow(run)

    assert (entry["outcome"], entry["error"]) == ("failed", "UnknownModel")
    assert "'nosuch'" in entry["reason"]
    assert nobody.bodies("incoming") == nobody.uploaded
    assert "UnknownModel" in stack.notification(run)["Message"]


def test_event_that_is_no_trigger_fails_by_name(stack: Deployment) -> None:
    run = "no-trigger"
    stack.services.workflow.start(run, {"detail": {"object": "a picture"}, "source": "aws.s3"})
    entry = stack.model("iris").follow(run)

    assert (entry["outcome"], entry["error"]) == ("failed", "UnreadableTrigger")
    assert "UnreadableTrigger" in stack.notification(run)["Message"]


def test_folder_made_in_the_console_is_no_data(stack: Deployment) -> None:
    model = stack.model("marked")

    entry = model.ended(lambda: model.upload("", b""))

    assert entry["outcome"] == "skipped"
    assert "folder" in entry["reason"]
    assert model.path(entry["run"])[-1] == "Succeed"
    assert "Validate Data" not in model.path(entry["run"])


def test_training_that_is_asked_for_where_there_is_no_data(stack: Deployment) -> None:
    model = stack.model("barren")

    entry = model.ended(model.force)

    assert entry["outcome"] == "skipped"
    assert entry["reason"] == "there is neither data nor a champion yet"


def unlabelled(name: str) -> pd.DataFrame:
    """Flowers whose species nobody knows: a valid batch from which nothing can be learnt."""
    return iris.season(name, rows=60, seed=12).assign(species=None)


def test_data_without_labels_is_kept_and_told_of(stack: Deployment) -> None:
    model = stack.model("unlabelled")

    entry = model.ended(lambda: model.upload("flowers.csv", csv(unlabelled("test"))))

    assert entry["outcome"] == "skipped"
    assert "0 rows have a label, 30 are needed" in entry["reason"]
    assert model.bodies("accepted") == model.uploaded
    assert stack.notification(entry["run"])["Subject"] == "Perennial: unlabelled needs a look"


@pytest.mark.parametrize(
    ("name", "rows", "error", "words"),
    [
        pytest.param("scarce", 1, "NotEnoughLabels", "different rows", id="too little data"),
        pytest.param("raising", 60, "TrainingFailed", "does not support multiclass", id="estimator raises"),
        pytest.param("misspelt", 60, "InvalidModelFile", "max_dept", id="unknown parameter"),
    ],
)
def test_training_that_cannot_be_fails_by_name(
    stack: Deployment, name: str, rows: int, error: str, words: str
) -> None:
    model = stack.model(name)

    entry = model.ended(lambda: model.upload_frame("flowers.csv", FLOWERS.head(rows)))

    assert (entry["outcome"], entry["error"]) == ("failed", error)
    assert words in entry["reason"]
    assert model.bodies("accepted") == model.uploaded
    assert model.champion() is None
    assert error in stack.notification(entry["run"])["Message"]
    assert model.path(entry["run"]).count("Train On EC2") == 1


def test_estimator_that_is_none_of_scikit_learns_is_never_imported(stack: Deployment) -> None:
    model = stack.model("foreign")
    run = "foreign-estimator"

    stack.services.workflow.start(run, {"model": "foreign", "reason": "it has to fail", "force": True})
    entry = model.follow(run)

    assert (entry["outcome"], entry["error"]) == ("failed", "InvalidModelFile")
    assert "Train On EC2" not in model.path(run)


class TestWithChampion:
    """What can be wrong with the versions of a model that serves."""

    @pytest.fixture
    def model(self, stack: Deployment) -> Model:
        model = stack.model("tampered")
        if model.champion() is None:
            entry = model.ended(lambda: model.upload_frame("first.csv", iris.first_season()))
            assert entry["outcome"] == "promoted"
        return model

    def test_version_that_does_not_exist(
        self, model: Model, command: Command, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert command("rollback", "--model", "tampered", "--to", "99", "--reason", "the test asks") == 1

        assert "VersionNotFound: model tampered has no version 99" in capsys.readouterr().err
        assert model.champion() == 1

    def test_answer_to_a_run_that_has_ended_changes_nothing(self, stack: Deployment, model: Model) -> None:
        (entry,) = [one for one in stack.services.ledger.runs("tampered") if one["outcome"] == "promoted"]
        callback = stack.services.callback(model.token(entry["run"]))

        with pytest.raises(CallbackExpired):
            callback.succeed('{"version": 1}')
        with pytest.raises(CallbackExpired):
            callback.fail("TrainingFailed", "too late")
        with pytest.raises(CallbackExpired):
            callback.heartbeat()

        assert stack.services.ledger.run(entry["run"]) == entry
        assert model.champion() == 1

    def test_newer_file_in_an_artefacts_place_is_not_loaded(self, stack: Deployment, model: Model) -> None:
        artifact = stack.services.registry.version("tampered", 1).artifact
        stack.services.artifacts.put(artifact.key, b"import os")

        entry = model.ended(lambda: model.upload_frame("second.csv", same_again("second")))

        assert entry["outcome"] == "skipped"
        assert "Compute Drift" in model.path(entry["run"])

    def test_artefact_that_is_not_the_registered_one_is_not_loaded(
        self, stack: Deployment, model: Model
    ) -> None:
        falsify(stack, "tampered", 1)

        entry = model.ended(lambda: model.upload_frame("third.csv", same_again("third")))

        assert (entry["outcome"], entry["error"]) == ("failed", "ArtifactCorrupted")
        assert model.champion() == 1
        assert entry["champion_after"] == 1
        assert Counter(model.bodies("accepted")) >= Counter(model.uploaded)
        assert "ArtifactCorrupted" in stack.notification(entry["run"])["Message"]


def same_again(name: str) -> pd.DataFrame:
    """Other flowers with the very measurements of the first season: nothing can have drifted."""
    flowers = iris.first_season()
    return flowers.assign(flower_id=[f"{name}-{number}" for number in range(len(flowers))])


def falsify(stack: Deployment, model: str, version: int) -> None:
    """Point the registry to other bytes under the digest of the true ones."""
    record = stack.services.registry.version(model, version)
    other = stack.services.artifacts.put(record.artifact.key, b"other bytes")
    pointed = record.artifact.model_copy(update={"version_id": other.version_id})
    changed: dict[str, Any] = {"artifact": pointed, "data": ()}
    stack.services.table.update_item(
        Key={"pk": f"model#{model}", "sk": f"version#{version:06d}"},
        UpdateExpression="SET #record = :record",
        ExpressionAttributeNames={"#record": "record"},
        ExpressionAttributeValues={":record": record.model_copy(update=changed).model_dump_json()},
    )
