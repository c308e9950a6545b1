"""A made-up story, as `make run` tells it: nine runs, every outcome, for the tests of the page."""

import json
import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from perennial.contracts.evaluation import Gate
from perennial.contracts.words import Outcome, TriggerKind
from perennial.lineage import Status
from perennial.report.views import (
    ColumnView,
    DecisionView,
    EvaluationView,
    EventKind,
    EventView,
    Interval,
    RunView,
    StateStatus,
    StateView,
    StoryView,
    VersionView,
)

DEFINITION: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "statemachine" / "retraining.asl.json").read_text("utf-8")
)
START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)

FIRST = ["Start Run", "Resolve Trigger", "Anything To Do?"]
CHECK = [*FIRST, "Validate Data", "Data Valid?"]
DECIDE = [*CHECK, "Accept Batch", "Compute Drift", "Decide", "Retrain?"]
TRAIN = [*DECIDE, "Train On EC2", "Evaluate Challenger", "Challenger Better?"]
WATCH = ["Read Alarms", "Champion Healthy?"]
PROMOTE = [*TRAIN, "Ask For Approval", "Approval Needed?", "Try Canary", "Canary Healthy?"]
PROMOTE += ["Promote Challenger"]
BAKE = [*PROMOTE, *(["Bake", *WATCH] * 4)]
CLOSE = [
    "Record Outcome",
    "Release Lock",
    "Look For More",
    "More Waiting?",
    "Count Outcome",
    "Write Report",
    "Worth Telling?",
]
TOLD = [*CLOSE, "Notify", "Trained?", "Succeed"]
GONE = [*TOLD[:-1], "Look For Trainer", "Trainer Gone?", "Succeed"]
QUIET = [*CLOSE, "Succeed"]
FAILURE = ["Handle Failure", "Find Trainer", "Trainer Left?", "Terminate Trainer", "Find Champion"]
FAILURE += ["Record Failure"]
FAILURE += ["Release Lock After Failure", "Count Failure", "Write Failure Report"]
FAILURE += ["Notify Failure", "Fail"]

SECONDS = {
    "Train On EC2": 6.4,
    "Bake": 1.0,
    "Evaluate Challenger": 1.9,
    "Validate Data": 0.9,
    "Compute Drift": 1.1,
}


def states(path: list[str], start: datetime, caught: str | None = None) -> tuple[StateView, ...]:
    """State views for a path; `caught` names the state whose error was caught."""
    found: dict[str, StateView] = {}
    now = start
    for name in path:
        took = SECONDS.get(name, 0.02 if name.endswith("?") else 0.31)
        before = found.get(name)
        status: StateStatus = "caught" if name == caught else "failed" if name == "Fail" else "succeeded"
        found[name] = StateView(
            name=name,
            status=status,
            entered=before.entered if before else now,
            seconds=took + (before.seconds if before else 0.0),
            visits=1 + (before.visits if before else 0),
        )
        now += timedelta(seconds=took)
    return tuple(found.values())


def _bell(edges: list[float], mean: float, spread: float) -> tuple[float, ...]:
    heights = [math.exp(-(((a + b) / 2 - mean) ** 2) / (2 * spread**2)) for a, b in pairwise(edges)]
    return tuple(height / sum(heights) for height in heights)


def number_column(name: str, mean: float, spread: float, shift: float) -> ColumnView:
    """A bell shape, and the same moved by `shift` spreads."""
    edges = [mean - 3 * spread + 0.5 * spread * i for i in range(13)]
    drifted = abs(shift) > 0.5
    return ColumnView(
        name=name,
        kind="number",
        labels=tuple(f"{a:.1f}-{b:.1f}" for a, b in pairwise(edges)),
        edges=tuple(edges),
        reference=_bell(edges, mean, spread),
        current=_bell(edges, mean + shift * spread, spread * 0.9),
        drifted=drifted,
        significant=drifted or abs(shift) > 0.2,
        material=drifted,
        effect=abs(shift) / 2.5,
        p_value=1.2e-14 if drifted else 0.43,
        statistics={"ks": abs(shift) / 2.5, "psi": shift**2 / 2, "mean_shift": shift},
        reasons=(f"KS {abs(shift) / 2.5:.2f} is over 0.1 with p < 0.001",) if drifted else (),
    )


def columns(shift: float) -> tuple[ColumnView, ...]:
    """The iris columns and the label, all but two of them moved by `shift`."""
    drifted = shift > 0.5
    return (
        number_column("sepal_width", 3.05, 0.43, 0.1),
        number_column("sepal_length", 5.84, 0.82, shift * 0.7),
        number_column("petal_length", 3.76, 1.76, shift),
        number_column("petal_width", 1.2, 0.76, shift * 0.3),
        ColumnView(
            name="species",
            kind="category",
            labels=("setosa", "versicolor", "virginica"),
            reference=(0.34, 0.33, 0.33),
            current=(0.14, 0.36, 0.5) if drifted else (0.33, 0.35, 0.32),
            drifted=drifted,
            significant=drifted,
            material=drifted,
            effect=0.27 if drifted else 0.02,
            p_value=0.0004 if drifted else 0.9,
            statistics={"chi2": 15.7 if drifted else 0.2, "psi": 0.31 if drifted else 0.001},
        ),
    )


def evaluation(champion: float | None, challenger: float, better: bool) -> EvaluationView:
    """Two accuracies on known, recent and all rows."""
    metrics = {"challenger.accuracy": challenger, "challenger.known.accuracy": challenger - 0.01}
    metrics["challenger.recent.accuracy"] = challenger + 0.01
    if champion is not None:
        metrics |= {"champion.accuracy": champion, "champion.known.accuracy": champion + 0.12}
        metrics |= {"champion.recent.accuracy": champion - 0.14, "p_value": 0.003, "rows": 58}
    word = "better" if better else "worse"
    main = {"challenger": challenger, "opponent": 0.5, "gain": 0.1, "p_value": 0.003, "standard_error": 0.04}
    gates = (
        Gate(name="better", passed=better, sentence="The paired test says so (p = 0.003).", numbers=main),
        Gate(name="slices", passed=True, sentence="None of 4 slices is worse; the worst: on size > 0.5."),
    )
    return EvaluationView(
        summary=f"The challenger is {word}: accuracy {challenger:.3f}",
        better=better,
        verdict="better" if better else "worse",
        reasons=(*(gate.sentence for gate in gates), "Archived version 1 has accuracy 0.9."),
        gates=gates,
        metrics=metrics,
    )


def decision(action: str) -> DecisionView:
    """A decision with two reasons and what it turned down."""
    return DecisionView(
        action=action,
        summary=f"Decided to {action}.",
        reasons=(
            "data drift in petal_length, sepal_length",
            "62 labelled rows are enough to learn from (at least 30)",
        ),
        alternatives=(
            "alert: a person could look, but labels are here",
            "skip: accuracy would stay 14 points lower",
        ),
    )


SPECIAL = '<script>alert("x")</script> & more'

Plan = tuple[str, str, TriggerKind, str, Outcome, int | None, int | None, float | None, list[str]]
_ARRIVED = "an object arrived: incoming/iris/"
_PLAN: list[Plan] = [
    ("first-data", "No champion yet: the first data set trains version 1", "upload", _ARRIVED + "first.csv",
     "promoted", None, 1, None, [*BAKE, "Check Champion", "Still Champion?", "Settle Promotion", *GONE]),
    ("stable-batch", "A stable batch: no drift, nothing to do", "upload", _ARRIVED + "stable.csv",
     "skipped", 1, 1, 0.1, [*DECIDE, "Skip", *QUIET]),
    ("drifted-batch", "A season with other measurements: version 2", "upload", _ARRIVED + "season.parquet",
     "promoted", 1, 2, 1.6, [*BAKE, "Check Champion", "Still Champion?", "Settle Promotion", *GONE]),
    ("broken-batch", "A broken batch: refused", "upload", _ARRIVED + "broken.csv",
     "quarantined", 2, 2, None, [*CHECK, "Quarantine", *TOLD]),
    ("mislabelled-batch", "A mislabelled batch: the challenger is worse", "upload", _ARRIVED + "labels.csv",
     "rejected", 2, 2, 0.9, [*TRAIN, "Reject Challenger", "Batch Suspect?", "Hold Batch", *GONE]),
    ("bad-promotion", "A promotion that turns bad while it bakes", "upload", _ARRIVED + "bake.csv",
     "rolled_back", 2, 2, 1.2, [*PROMOTE, *(["Bake", *WATCH] * 2), "Roll Back", *GONE]),
    ("scheduled", "The nightly schedule", "schedule", "the schedule retraining-iris",
     "skipped", 2, 2, 0.05, [*DECIDE, "Skip", *QUIET]),
    ("alarm", "An alarm on the model's performance", "alarm", "the alarm perennial/retrain/iris/performance",
     "skipped", 2, 2, 0.15, [*DECIDE, "Alert", "Skip", *QUIET]),
    ("by-hand", "Started by hand, and the trainer is lost", "on_demand", "asked for by hand: " + SPECIAL,
     "failed", 2, 2, 0.2, [*DECIDE, "Train On EC2", *FAILURE]),
]  # fmt: skip

_REASONS = {
    "promoted": "The challenger answers 96.6 % of the holdout correctly, the champion 82.8 %; p = 0.003.",
    "skipped": "No column drifted and the champion answers as well as before.",
    "quarantined": "species is missing; sepal_length: 31 of 60 values are no numbers; petal_width: 50 % null",
    "rejected": "The challenger answers 71.4 % of the holdout correctly, the champion 96.4 %; batch held.",
    "rolled_back": "The alarm perennial/health/iris/error-rate fired in the bake: version 2 serves again.",
    "failed": f"TrainerLost: the instance was terminated before it answered {SPECIAL}",
}
_TRAINED = {0: (1, None, 0.966), 2: (2, 0.828, 0.966), 4: (3, 0.964, 0.714), 5: (4, 0.95, 0.97)}


def run(index: int) -> RunView:
    """One of the nine runs."""
    name, title, kind, text, outcome, before, after, shift, path = _PLAN[index]
    start = START + timedelta(seconds=13 * index)
    seen = states(path, start, caught="Train On EC2" if outcome == "failed" else None)
    trained = _TRAINED.get(index)
    return RunView(
        name=name,
        title=title,
        run=f"iris-{name}-0{index}",
        started_at=start,
        trigger=kind,
        trigger_text=text,
        outcome=outcome,
        expected="skipped" if outcome == "failed" else outcome,
        reason=_REASONS[outcome],
        champion_before=before,
        champion_after=after,
        challenger=trained[0] if trained else None,
        states=seen,
        path=tuple(path),
        seconds=sum(state.seconds for state in seen),
        drift=columns(shift) if shift is not None else (),
        drift_kinds=("data", "label") if shift is not None and shift > 0.5 else (),
        drift_summary="petal_length, sepal_length and species drifted." if shift else "",
        decision=decision("retrain" if trained else "skip") if "Decide" in path else None,
        evaluation=evaluation(trained[1], trained[2], outcome in ("promoted", "rolled_back"))
        if trained
        else None,
        approval=("2026-11-20 10:00:00 UTC: asked, because always", "approved by ada: checked")
        if outcome == "promoted"
        else (),
        moves=(f"2026-11-20 10:00:30 UTC: version {after} serves",) if outcome == "promoted" else (),
    )


def story() -> StoryView:
    """The whole story."""

    def at(seconds: float) -> datetime:
        return START + timedelta(seconds=seconds)

    def event(seconds: float, kind: EventKind, version: int | None, index: int) -> EventView:
        return EventView(
            at=at(seconds), kind=kind, version=version, run=f"run-{index}", text=f"{kind} in run {index}"
        )

    def version(number: int, status: Status, seconds: float, metric: float, *served: Interval) -> VersionView:
        return VersionView(
            version=number,
            status=status,
            parent=number - 1 or None,
            run=f"run-{number}",
            created_at=at(seconds),
            metric_name="accuracy",
            metric=metric,
            rows_trained=80 + 40 * number,
            champion=served,
        )

    return StoryView(
        title="The whole loop, once around",
        model="iris",
        generated_at=at(125),
        stack="perennial-local",
        engine="MiniStack 1.5.33 on this machine",
        definition=DEFINITION,
        runs=tuple(run(index) for index in range(len(_PLAN))),
        versions=(
            version(1, "archived", 6, 0.966, Interval(since=at(8), until=at(36))),
            version(2, "champion", 32, 0.966, Interval(since=at(36), until=at(74)), Interval(since=at(77))),
            version(3, "rejected", 60, 0.714),
            version(4, "rolled_back", 72, 0.97, Interval(since=at(74), until=at(77))),
        ),
        events=(
            event(8, "promoted", 1, 1),
            event(36, "promoted", 2, 3),
            event(43, "quarantined", None, 4),
            event(62, "rejected", 3, 5),
            event(74, "promoted", 4, 6),
            event(77, "rolled_back", 4, 6),
            event(118, "failed", None, 9),
        ),
    )


def drift_document() -> dict[str, Any]:
    """A run's drift.json, as far as the page reads it."""

    def column(name: str, effect: float, weight: float, **changes: Any) -> dict[str, Any]:
        bars = {"levels": ["a", "b"], "reference": [0.5, 0.5], "current": [0.1, 0.9]}
        given = {
            "name": name, "kind": "category", "role": "feature", "drifted": True, "significant": True,
            "material": True, "p_value": 1e-6, "adjusted_p_value": 1e-5, "effect": effect, "weight": weight,
            "statistics": {"psi_corrected": 0.3}, "reasons": ["moved", "and more"], "histogram": bars,
        }  # fmt: skip
        return given | changes

    def test(name: str, reason: str, **changes: Any) -> dict[str, Any]:
        given = {"name": name, "reason": reason, "p_value": 0.5, "adjusted_p_value": 1.0, "effect": 0.0}
        return given | {"significant": False, "material": False} | changes

    primary = {
        "metric": "accuracy", "reference": 0.933, "reference_interval": [0.84, 1.0], "current": 0.885,
        "current_interval": [0.845, 0.92], "reference_rows": 45, "current_rows": 200,
    }  # fmt: skip
    estimate = {
        "metric": "accuracy", "value": 0.84, "interval": [0.57, 0.94], "reference": 0.933, "rows": 200,
        "reference_rows": 45, "known": False, "words": "accuracy is not known: rows are unlike the holdout",
    }  # fmt: skip
    answers = column("score", 1, 1)
    change = {"kind": "sudden", "at": 300, "began": 210, "ended": 400, "before": 0.066, "after": 0.21}
    importance = {"ndcg": 0.8, "p_value": 0.001, "changed": True, "risen": "hue", "fallen": None, "rows": 200}
    leans = {"mean": {"hue": 0.2, "petal_length": 0.3}, "error": {}, "rows": 45}
    return {
        "drifted": True, "kinds": ["data"], "summary": "2 of 2 features drifted", "metric": "accuracy",
        "reasons": ["petal_length: moved", "hue: moved"], "reference_rows": 105, "current_rows": 200,
        "tests": 18, "alpha": 0.01, "lifetime_alpha": 0.02, "performance": {"p_value": 0.2},
        "performance_drifted": False,
        "columns": {"hue": column("hue", 0.9, 0.2), "petal_length": column("petal_length", 0.5, 1.5)},
        "tables": [test("correlations", "correlation of a and b moved", significant=True)],
        "schema": {"added": ["extra"], "removed": [], "retyped": [], "reordered": False,
                   "renamed": [["hue", "colour"]]},
        "quality": [{"column": "hue", "flaw": "infinite", "reference": 0.0, "current": 0.01,
                     "words": "2 of 200 values are infinite; in the reference none was"}],
        "accumulated": {"significant": True, "material": True, "drifted": True, "p_value": 1e-11,
                        "effect": 1.1, "columns": ["hue"], "batches": 4, "reason": "hue drifted slowly"},
        "concept": {
            "primary": primary, "estimated": {"accuracy": estimate},
            "changes": [change | {"seconded": True, "like": None}],
            "prediction": {"drifted": True, "summary": "score drifted", "columns": {"score": answers}},
            "importance": importance,
            "importances": {"reference": leans, "current": {"mean": {"hue": 0.3, "petal_length": 0.1}}},
        },
    }  # fmt: skip
