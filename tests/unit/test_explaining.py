"""The story of a run in words: for every outcome, whatever is left of it."""

from datetime import timedelta
from typing import Any, get_args

import pytest

from perennial.contracts.canary import CanaryRecord
from perennial.contracts.words import Outcome
from perennial.decision import decide, record
from perennial.explaining import Facts, moves, moves_during, tell
from perennial.policy_config import RetrainPolicy
from perennial.report import documents
from tests.unit.decision_evidence import EVIDENCE, NOW

ENTRY = {
    "run": "run-1",
    "model": "iris",
    "trigger": "upload",
    "trigger_reason": "meadow.csv was uploaded",
    "started_at": NOW.isoformat(),
    "ended_at": (NOW + timedelta(minutes=4)).isoformat(),
    "champion_before": 1,
    "champion_after": 1,
    "reason": "The reason.",
}


def told(**changes: Any) -> dict[str, tuple[str, ...]]:
    return {part.title: part.lines for part in tell(Facts(**({"entry": ENTRY} | changes)))}


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_every_outcome_is_told_from_the_ledger_alone(outcome: str) -> None:
    parts = told(entry=ENTRY | {"outcome": outcome})
    assert list(parts) == ["Trigger", "Outcome"]
    assert parts["Trigger"][0] == "upload: meadow.csv was uploaded"
    assert parts["Outcome"][0] == f"{outcome.replace('_', ' ')}: The reason."


def test_a_run_that_failed_before_it_knew_anything_is_told_of() -> None:
    entry = {"model": "unknown", "outcome": "failed", "reason": "UnknownModel: no model is named x"}
    assert told(entry=entry)["Outcome"] == (
        "failed: UnknownModel: no model is named x",
        "no version serves",
    )


def test_a_run_under_way_has_no_outcome_yet() -> None:
    assert told()["Outcome"] == ("the run has not ended",)


def test_a_decision_is_told_with_what_it_turned_down() -> None:
    policy = RetrainPolicy()
    stored = record(decide(EVIDENCE, policy, NOW), EVIDENCE, policy, NOW)
    lines = told(decision=stored)["Decision"]
    assert lines[:2] == ("retrain, because:", "  data drifted")
    assert lines[3:] == (
        "turned down:",
        "  skip: the champion would go on serving what no longer fits",
    )


def test_bad_data_is_told_with_its_reasons() -> None:
    found = {"valid": False, "rows": 9, "labelled_rows": 3, "reasons": ["column x is missing"]}
    assert told(validation=found)["Data"] == (
        "9 rows, 3 with a label: not valid, quarantined",
        "column x is missing",
    )


def test_who_approved_is_told() -> None:
    at = NOW.isoformat()
    asked = {"asked_at": at, "expires_at": at, "because": ["a search chose"], "reminders": 0}
    answer = {"verdict": "approved", "by": "ada", "identity": "arn:x", "reason": "checked", "at": at}
    entry = ENTRY | {"approval": asked, "approval_answer": answer}
    assert told(entry=entry)["Approval"] == (
        "2026-11-21 06:00:00 UTC: asked, because a search chose",
        "2026-11-21 06:00:00 UTC: approved by ada (arn:x): checked",
    )


def test_a_question_that_nobody_has_answered_is_told() -> None:
    at = NOW.isoformat()
    asked = {"asked_at": at, "expires_at": at, "because": ["a search chose"], "reminders": 2}
    waiting = {key: value for key, value in ENTRY.items() if key != "outcome"} | {"approval": asked}
    assert told(entry=waiting)["Approval"][1:] == (
        "reminded 2 times",
        "nobody has answered yet; without an answer by 2026-11-21 06:00:00 UTC it is rejected",
    )


def test_gates_and_who_served_are_told() -> None:
    evaluation = {
        "summary": "Better.",
        "reasons": ["Sane.", "Better."],
        "batch_suspect": False,
    }
    at = NOW.isoformat()
    moves = [
        {"version": 2, "from": 1, "changed_at": at, "run": "run-1", "reason": "Better."},
        {"version": 1, "from": 2, "changed_at": at, "run": "by-hand", "reason": "errors rose"},
    ]
    parts = told(evaluation=evaluation, moves=moves)
    assert parts["Evaluation"] == ("Better.", "  Sane.")
    assert parts["Who served"] == (
        "2026-11-21 06:00:00 UTC: version 2 serves, before version 1: Better. (run run-1)",
        "2026-11-21 06:00:00 UTC: version 1 serves, before version 2: errors rose (run by-hand)",
    )


def canary(**last: Any) -> str:
    """Two steps on record, the last changed so."""
    began = NOW + timedelta(minutes=10)
    first = {
        "share": 5,
        "began_at": NOW,
        "looked_at": began,
        "champion": {"requests": 950, "errors": 9},
        "canary": {"requests": 50, "errors": 0},
        "log_e": 0.0,
        "verdict": "passed",
    }
    second = first | {"share": 25, "began_at": began, "looked_at": began + timedelta(minutes=1)} | last
    steps = {"version": 2, "level": 0.05, "tolerance": 0.005, "steps": [first, second]}
    return CanaryRecord.model_validate(steps).model_dump_json()


@pytest.mark.parametrize(
    ("verdict", "ended", "said"),
    [
        ("trying", False, "under way"),
        ("trying", True, "broken off, the run ended"),
        ("lost", True, "worse than the champion: taken back"),
        ("overtaken", True, "broken off, another version serves"),
    ],
)
def test_a_canary_is_told_step_by_step(verdict: str, ended: bool, said: str) -> None:
    stored = canary(verdict=verdict, canary={"requests": 250, "errors": 90}, log_e=4.0)
    entry = ENTRY | {"canary": stored} | ({"outcome": "failed"} if ended else {})
    bound, first, second = told(entry=entry)["Canary"]
    assert bound == (
        "version 2 beside the champion: taken back at an e-value of 20 if its share of errors is higher by "
        "more than 0.5 points"
    )
    assert first.endswith(
        "it failed on 0 of 50, the champion on 9 of 950; e-value 1: no worse than the champion"
    )
    assert second.startswith("25 % of the requests, ")
    assert second.endswith(f"it failed on 90 of 250, the champion on 9 of 950; e-value 54.6: {said}")
    (early, late) = documents.canary(entry)  # the same on the report's page
    assert (early.verdict, late.verdict) == ("no worse than the champion", said)
    assert (late.share, late.canary.errors, round(late.e_value, 1), late.bound) == (25, 90, 54.6, 20.0)


def move(minutes: int, run: str, **changes: Any) -> dict[str, Any]:
    at = (NOW + timedelta(minutes=minutes)).isoformat()
    return {"version": 1, "from": 2, "changed_at": at, "run": run, "reason": "so"} | changes


def test_the_changes_during_a_run_are_its_own_and_those_by_hand_meanwhile() -> None:
    before, by_hand, own, after = (
        move(-1, "earlier"),
        move(2, "by-hand-ada"),
        move(5, "run-1"),  # by the clock of a function that is a little fast
        move(9, "later"),
    )
    audit = [before, by_hand, own, after]
    assert moves_during(ENTRY, audit) == [by_hand, own]
    going = {key: value for key, value in ENTRY.items() if key != "ended_at"}
    assert moves_during(going, audit) == [by_hand, own, after]
    assert moves_during({"model": "unknown"}, audit) == []


def test_the_end_of_a_canary_is_no_change_of_the_champion() -> None:
    (line,) = moves([move(1, "run-1", **{"from": 1, "canary": 2})])
    assert "version 1 serves alone, canary 2 has ended: so (run run-1)" in line
