"""Decide on moto: what it gathers, and what the batches of the story lead to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from perennial.aws.explanation import facts_of
from perennial.aws.wiring import Services
from perennial.contracts.drift import Observed
from perennial.contracts.trigger import Trigger
from perennial.decision import Check, replay
from perennial.explaining import tell
from scenarios.iris import mislabelled, season
from tests.integration.function_support import document, invoke
from tests.integration.test_function_drift import bring
from tests.sample_run import first_champion, train


def decided(services: Services, run: str, frame: pd.DataFrame, champion: int = 1) -> dict[str, Any]:
    """What a batch leads to: validated, compared, decided on."""
    at = datetime.now(UTC)
    services.ledger.open(run, "iris", Trigger(kind="upload", reason=f"{run} came", at=at), champion)
    bring(services, frame, run)
    rows = len(frame)
    data = {"valid": True, "rows": rows, "labelled_rows": int(frame["species"].notna().sum()), "reasons": []}
    drift = invoke("compute_drift", run=run, champion=champion)
    return invoke("decide", run=run, champion=champion, data=data, drift=drift)


def end(services: Services, run: str, outcome: str, gain: float, **facts: Any) -> None:
    ended = datetime.now(UTC) - timedelta(hours=30)
    evaluation = {"summary": "Worse.", "reasons": ["Worse."], "metrics": {"gain": gain}}
    services.artifacts.put_json(f"runs/{run}/evaluation.json", evaluation)
    services.ledger.note(run, outcome=outcome, ended_at=ended.isoformat(), **facts)


def test_the_story_s_batches_lead_to_what_it_tells(services: Services) -> None:
    first_champion(services)
    assert decided(services, "stable", season("second", rows=120, seed=2))["action"] == "skip"
    labels = decided(services, "labels", mislabelled(season("labels", rows=240, seed=5)))
    assert (labels["action"], labels["strategy"]["name"]) == ("retrain", "rehearsal")
    for run, seed, scale in (("rainy", 3, 2.0), ("dry", 6, 0.6)):
        decision = decided(services, run, season(run, rows=200, seed=seed, scale=scale))
        assert decision["action"] == "retrain", decision["reasons"]
    stored = document(services, "decision.json", "dry")
    assert [check["run"] for check in stored["evidence"]["checks"]] == ["rainy", "labels", "stable"]
    assert stored["evidence"]["trained_at"]
    assert stored["evidence"]["costs"]["most"] > 0
    again = replay(stored)
    assert (again.action, again.reasons) == (decision["action"], tuple(decision["reasons"]))


def test_an_earlier_retrain_comes_with_its_gain_and_cost(services: Services) -> None:
    first_champion(services)
    wet = season("wet", rows=150, seed=4, scale=1.4)
    assert decided(services, "wet", wet)["action"] == "retrain"
    train(services, 2, "wet", champion=1)
    end(services, "wet", "rejected", gain=-0.03, training_dollars="0.017", challenger=2)

    decision = decided(services, "few", wet.head(40).assign(flower_id=[f"few-{i}" for i in range(40)]))
    (seen,) = document(services, "decision.json", "few")["evidence"]["retrains"]
    assert (seen["version"], seen["outcome"], seen["gain"], seen["dollars"]) == (2, "rejected", -0.03, 0.017)
    assert seen["drifted_rows"] == 150
    assert decision["action"] == "alert"
    assert "the same evidence led to version 2, which was rejected" in decision["summary"]

    entry = services.ledger.run("few")
    assert entry
    kept = Check.model_validate_json(entry["check"])
    assert (kept.action, kept.drifted_rows, kept.waiting_labels) == ("alert", 190, 40)
    observed = Observed.model_validate_json(entry["performance"])
    assert observed.measured
    assert (observed.measured.metric, observed.measured.rows) == ("accuracy", 40)

    parts = {part.title: part.lines for part in tell(facts_of(services, "wet"))}
    assert {"Trigger", "Data", "Drift", "Decision", "Training", "Outcome"} <= parts.keys()
    assert parts["Decision"][0] == "retrain, because:"
    assert parts["Training"][0].startswith("version 2: sklearn.ensemble.RandomForestClassifier learnt from")
