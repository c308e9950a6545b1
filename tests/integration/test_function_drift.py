"""Compute Drift on moto: each kind apart, with labels and without, and what is carried from run to run."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial import layout
from perennial.artifacts import verified
from perennial.aws.wiring import Services
from perennial.config import load_model
from perennial.contracts.objects import Artifact, Manifest
from perennial.drift.importance import Importances
from perennial.drift.stored_answers import read_answers
from perennial.holdout import read_holdout
from perennial.metrics import labels_of, scores
from scenarios.iris import mislabelled, season
from tests.integration.function_support import document, invoke
from tests.sample_run import arrive, csv, first_champion

IRIS = load_model("iris")


def bring(services: Services, frame: pd.DataFrame, run: str = "sample-run", kind: Any = "incoming") -> None:
    """A validated batch of a run."""
    stored = arrive(services, csv(frame), f"incoming/iris/{run}.csv")
    manifest = Manifest(run=run, model="iris", kind=kind, objects=(stored,))
    services.artifacts.put_json(layout.run_key(run, layout.MANIFEST), manifest.model_dump(mode="json"))
    invoke("validate_data", run=run, champion=1)


def fed(services: Services) -> int:
    """How many errors the champion's stream has seen."""
    states = services.detectors.read("iris")
    return int(states["error_stream"]["stream"]["adwin"]["seen"]) if states.get("error_stream") else 0


def body(services: Services, artifact: Artifact | None) -> bytes:
    assert artifact
    return verified(services.artifacts.get(artifact.key, artifact.version_id), artifact.sha256)


def test_a_version_keeps_its_answers_and_what_it_leans_on(services: Services) -> None:
    first_champion(services)
    version = services.registry.version("iris", 1)
    holdout, _ = read_holdout(body(services, version.holdout), IRIS)
    answers = read_answers(body(services, version.predictions), IRIS)
    assert scores(labels_of(holdout, IRIS), answers, "classification") == pytest.approx(version.metrics)
    importances = Importances.from_dict(json.loads(body(services, version.importances)))
    assert importances.rows == version.rows_held_out
    assert list(importances.mean) == IRIS.features


def test_performance_is_measured_and_estimated(services: Services, capfd: pytest.CaptureFixture[str]) -> None:
    first_champion(services)
    bring(services, season("same", rows=150, seed=3))
    capfd.readouterr()
    drift = invoke("compute_drift")
    assert (drift["drifted"], drift["kinds"], drift["change"]) == (False, [], None)
    assert drift["measured"]["metric"] == drift["estimated"]["metric"] == "accuracy"
    assert drift["measured"]["low"] <= drift["measured"]["current"] <= drift["measured"]["high"]
    (line,) = [line for line in map(json.loads, capfd.readouterr().out.splitlines()) if "_aws" in line]
    assert {"DriftScore", "ColumnsDrifted", "PerformanceMeasured", "PerformanceEstimated"} <= line.keys()
    assert line["PerformanceMeasured"] == [drift["measured"]["current"]]


def test_without_labels_everything_but_the_measured_is_there(services: Services) -> None:
    first_champion(services)
    bring(services, season("odd", rows=200, seed=4, scale=1.1).assign(species=None))
    drift = invoke("compute_drift")
    assert drift["measured"] is None
    assert "concept" not in drift["kinds"]
    stored = document(services, "drift.json")["concept"]
    assert stored["estimated"]["accuracy"]["interval"][0] < stored["estimated"]["accuracy"]["interval"][1]
    assert set(stored["answers"]["current"]["shares"]) <= {"setosa", "versicolor", "virginica"}
    assert fed(services) == 0


def test_drift_without_labels_alerts_and_does_not_train(services: Services) -> None:
    first_champion(services)
    bring(services, season("odd", rows=200, seed=4, scale=1.5).assign(species=None))
    drift = invoke("compute_drift")
    assert drift["drifted"] is True
    data = {"valid": True, "rows": 200, "labelled_rows": 0, "reasons": []}
    decision = invoke("decide", drift=drift, data=data)
    assert decision["action"] == "alert"
    assert any("0 rows have a label" in reason for reason in decision["reasons"])


def test_wrong_labels_are_concept_drift(services: Services) -> None:
    first_champion(services)
    bring(services, mislabelled(season("labels", rows=240, seed=5)))
    drift = invoke("compute_drift")
    assert "concept" in drift["kinds"]
    assert drift["change"] == "sudden"
    assert document(services, "drift.json")["concept"]["changes"][0]["kind"] == "sudden"


def test_a_run_that_is_tried_again_feeds_no_row_twice(services: Services) -> None:
    first_champion(services)
    bring(services, season("same", rows=150, seed=3))
    first = invoke("compute_drift")
    seen, states = fed(services), services.detectors.read("iris")
    assert seen == services.registry.version("iris", 1).rows_held_out + 150
    assert invoke("compute_drift") == first
    assert services.detectors.read("iris") == states
    bring(services, season("next", rows=100, seed=5), run="run-2")
    invoke("compute_drift", run="run-2")
    assert fed(services) == seen + 100


def test_a_window_of_rows_seen_before_feeds_nothing(services: Services) -> None:
    first_champion(services)
    bring(services, season("same", rows=150, seed=3))
    invoke("compute_drift")
    states = services.detectors.read("iris")
    bring(services, season("same", rows=150, seed=3), run="run-2", kind="window")
    assert invoke("compute_drift", run="run-2")["compared"] is True
    assert services.detectors.read("iris") == states


def test_errors_that_grow_are_seen_across_runs(services: Services) -> None:
    """The change is told by the run that completes the evidence, and only by that."""
    first_champion(services)
    random = np.random.default_rng(0)
    changes = []
    for number in range(8):
        batch = season(f"s{number}", rows=40, seed=30 + number)
        wrong = random.random(40) < (0.0 if number < 4 else 0.5)
        flipped = mislabelled(batch)["species"].where(wrong, batch["species"])
        bring(services, batch.assign(species=flipped), run=f"run-{number}")
        changes.append(invoke("compute_drift", run=f"run-{number}")["change"])
    assert changes[:4] == [None] * 4
    assert any(changes[4:])


def test_a_version_from_before_answers_were_kept_is_judged_all_the_same(services: Services) -> None:
    first_champion(services)
    bring(services, season("same", rows=150, seed=3))
    version = services.registry.version("iris", 1)
    services.table.update_item(
        Key={"pk": "model#iris", "sk": "version#000001"},
        UpdateExpression="SET #record = :record",
        ExpressionAttributeNames={"#record": "record"},
        ExpressionAttributeValues={
            ":record": version.model_copy(update={"predictions": None, "importances": None}).model_dump_json()
        },
    )
    drift = invoke("compute_drift")
    assert (drift["compared"], drift["drifted"]) == (True, False)
    assert document(services, "drift.json")["concept"]["importance"] is None
