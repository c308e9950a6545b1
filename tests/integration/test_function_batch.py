"""Validate Data, Settle Batch, Compute Drift: what becomes of a batch, and that none of it is lost."""

from typing import Any

import pytest

from perennial import layout
from perennial.aws.wiring import Services
from perennial.contracts.objects import Manifest, StoredObject
from perennial.errors import ArtifactCorrupted, ServiceRefused, VersionNotFound
from scenarios.iris import broken, season
from tests.integration.function_support import document, invoke, keys
from tests.sample_run import KEY, arrive, csv, first_champion, other_season

ACCEPTED = "accepted/iris/dt=2026-11-21/sample-run/2026-11-21/meadow.csv"
HELD = "quarantine/iris/sample-run/2026-11-21/meadow.csv"


def look_at(services: Services, *objects: StoredObject, kind: Any = "incoming") -> None:
    """What Resolve Trigger leaves for a batch."""
    manifest = Manifest(run="sample-run", model="iris", kind=kind, objects=objects)
    services.artifacts.put_json(
        layout.run_key("sample-run", layout.MANIFEST), manifest.model_dump(mode="json")
    )


def validate(services: Services, body: bytes, key: str = KEY, champion: int | None = None) -> dict[str, Any]:
    look_at(services, arrive(services, body, key))
    return invoke("validate_data", champion=champion)


# Validate Data


def test_a_good_batch_leaves_its_profile_and_a_sample(services: Services) -> None:
    data = validate(services, csv(other_season()))
    assert data == {"valid": True, "rows": 150, "labelled_rows": 150, "reasons": []}
    left = {item.key for item in services.artifacts.list("runs/sample-run/")}
    assert {"runs/sample-run/profile.json", "runs/sample-run/sample.csv.gz"} <= left


def test_rows_without_a_label_are_counted_apart(services: Services) -> None:
    flowers = other_season()
    flowers.loc[flowers.index < 40, "species"] = None
    data = validate(services, csv(flowers))
    assert (data["valid"], data["rows"], data["labelled_rows"]) == (True, 150, 110)


def test_several_files_are_one_batch(services: Services) -> None:
    first = arrive(services, csv(season("a", rows=30, seed=1)), "incoming/iris/a.csv")
    second = arrive(services, csv(season("b", rows=40, seed=2)), "incoming/iris/b.csv")
    look_at(services, first, second)
    assert invoke("validate_data", champion=None)["rows"] == 70


def test_the_pinned_version_is_read_and_not_a_newer_upload(services: Services) -> None:
    look_at(services, arrive(services, csv(season("a", rows=30, seed=1))))
    arrive(services, csv(season("b", rows=99, seed=2)))
    assert invoke("validate_data", champion=None)["rows"] == 30


@pytest.mark.parametrize(
    ("body", "key", "said"),
    [
        (b"", KEY, "EmptyObject"),
        (b"flower_id,sepal_length\n", KEY, ""),
        (b"\x89PNG\r\n\x1a\n\0\0", "incoming/iris/x.parquet", "UnreadableFile"),
        (b'{"a": 1}\n{broken', "incoming/iris/x.jsonl", "UnreadableFile"),
        (b"\x1f\x8bnot gzip", "incoming/iris/x.csv.gz", "UnreadableFile"),
        (csv(other_season()), "incoming/iris/x.docx", "UnreadableFile"),
        (csv(other_season().drop(columns="species")), KEY, "species"),
        (csv(other_season().drop(columns="sepal_width")), KEY, "sepal_width"),
        (csv(broken(other_season())), KEY, "petal_width"),
        (csv(other_season().head(5)), KEY, "at least 20"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_what_cannot_be_used_is_an_answer_with_reasons(
    services: Services, body: bytes, key: str, said: str
) -> None:
    data = validate(services, body, key)
    assert data["valid"] is False
    assert any(said in reason for reason in data["reasons"]), data["reasons"]
    assert keys(services) == [key]
    left = {item.key.rpartition("/")[2] for item in services.artifacts.list("runs/")}
    assert left == {"manifest.json", "validation.json"}
    verdict = document(services, "validation.json")
    assert verdict["valid"] is False
    assert verdict["reasons"] == data["reasons"]
    assert [problem["message"] for problem in verdict["problems"]]


def test_one_bad_file_refuses_the_whole_batch(services: Services) -> None:
    look_at(services, arrive(services), arrive(services, b"", "incoming/iris/empty.csv"))
    data = invoke("validate_data", champion=None)
    assert data["valid"] is False
    assert "incoming/iris/empty.csv" in data["reasons"][0]


def test_without_a_manifest_there_is_nothing_to_validate(services: Services) -> None:
    with pytest.raises(ServiceRefused, match="NoSuchKey"):
        invoke("validate_data", champion=None)


def test_a_champion_that_does_not_exist_is_named(services: Services) -> None:
    with pytest.raises(VersionNotFound, match="no version 9"):
        validate(services, csv(other_season()), champion=9)


# Settle Batch


def test_an_accepted_batch_is_found_by_the_states_that_follow(services: Services) -> None:
    look_at(services, arrive(services))
    assert invoke("settle_batch") == {
        "disposition": "accepted",
        "objects": 1,
        "prefix": "accepted/iris/dt=2026-11-21/sample-run/",
    }
    assert keys(services) == [ACCEPTED]
    (item,) = document(services, "manifest.json")["objects"]
    assert services.data.get(item["key"], item["version_id"]) == csv(other_season())


def test_settling_again_moves_nothing_twice(services: Services) -> None:
    look_at(services, arrive(services))
    first = invoke("settle_batch")
    manifest = document(services, "manifest.json")
    assert invoke("settle_batch") == first
    assert document(services, "manifest.json") == manifest
    assert keys(services) == [ACCEPTED]


def test_settling_that_stopped_half_way_is_finished_by_the_next(services: Services) -> None:
    """The first object is moved already, and the manifest does not say so."""
    first, second = arrive(services, key="incoming/iris/a.csv"), arrive(services, key="incoming/iris/b.csv")
    look_at(services, first, second)
    services.data.move(first, "accepted/iris/dt=2026-11-21/sample-run/a.csv")
    assert invoke("settle_batch")["objects"] == 2
    assert keys(services) == [f"accepted/iris/dt=2026-11-21/sample-run/{name}.csv" for name in "ab"]


def test_a_quarantined_batch_lies_beside_its_reasons(services: Services) -> None:
    look_at(services, arrive(services))
    reasons = ["column species is missing", "grün"]
    invoke("settle_batch", disposition="quarantine", reasons=reasons)
    assert keys(services) == [HELD, "quarantine/iris/sample-run/reasons.json"]
    assert services.data.get_json("quarantine/iris/sample-run/reasons.json") == {
        "run": "sample-run",
        "reasons": reasons,
    }
    assert services.data.get(HELD) == csv(other_season())


def test_a_batch_can_be_held_after_it_was_accepted(services: Services) -> None:
    look_at(services, arrive(services))
    invoke("settle_batch")
    invoke("settle_batch", disposition="quarantine", reasons=["it hurt"])
    assert keys(services) == [HELD, "quarantine/iris/sample-run/reasons.json"]
    assert document(services, "manifest.json")["objects"][0]["key"] == HELD


def test_a_window_was_settled_before_and_stays(services: Services) -> None:
    accepted = services.data.put("accepted/iris/dt=2026-11-01/run-0/x.csv", b"x")
    look_at(services, accepted, kind="window")
    for disposition in ("accepted", "quarantine"):
        assert invoke("settle_batch", disposition=disposition)["objects"] == 0
    assert "accepted/iris/dt=2026-11-01/run-0/x.csv" in keys(services)


def test_a_newer_upload_waits_for_its_own_run(services: Services) -> None:
    look_at(services, arrive(services, b"first"))
    arrive(services, b"second")
    invoke("settle_batch")
    assert (services.data.get(ACCEPTED), services.data.get(KEY)) == (b"first", b"second")


def test_an_object_that_was_taken_away_is_named(services: Services) -> None:
    look_at(services, StoredObject(key=KEY, version_id=None, etag="e", size=1))
    with pytest.raises(ServiceRefused, match="there is none"):
        invoke("settle_batch")


# Compute Drift


def test_without_a_champion_there_is_nothing_to_compare(services: Services) -> None:
    drift = invoke("compute_drift", champion=None)
    assert (drift["compared"], drift["drifted"], drift["kinds"]) == (False, False, [])
    assert drift["summary"] == "there is no champion to compare with"


def test_a_season_like_the_one_before_has_not_drifted(services: Services) -> None:
    first_champion(services)
    validate(services, csv(season("same", rows=150, seed=3)), champion=1)
    drift = invoke("compute_drift")
    assert (drift["compared"], drift["drifted"]) == (True, False), drift["summary"]
    assert document(services, "drift.json")["drifted"] is False


def test_larger_flowers_are_data_drift(services: Services) -> None:
    first_champion(services)
    validate(services, csv(other_season()), champion=1)
    drift = invoke("compute_drift")
    assert drift["drifted"] is True
    assert "data" in drift["kinds"]
    assert document(services, "drift.json")["drifted"] is True


def test_unlabelled_data_is_compared_all_the_same(services: Services) -> None:
    first_champion(services)
    validate(services, csv(other_season().assign(species=None)), champion=1)
    drift = invoke("compute_drift")
    assert "data" in drift["kinds"]
    assert "concept" not in drift["kinds"]


def test_a_baseline_that_is_not_the_registered_one_is_not_read(services: Services) -> None:
    first_champion(services)
    validate(services, csv(other_season()), champion=1)
    version = services.registry.version("iris", 1)
    forged = services.artifacts.put(version.baseline.key, b"{}")
    changed = version.baseline.model_copy(update={"version_id": forged.version_id})
    forge(services, version.model_copy(update={"baseline": changed}))
    with pytest.raises(ArtifactCorrupted):
        invoke("compute_drift")


def forge(services: Services, version: Any) -> None:
    """Change a record behind the registry's back."""
    services.table.update_item(
        Key={"pk": "model#iris", "sk": f"version#{version.version:06d}"},
        UpdateExpression="SET #record = :record",
        ExpressionAttributeNames={"#record": "record"},
        ExpressionAttributeValues={":record": version.model_dump_json()},
    )
