"""Evidence as the tests of the decision use it: what is usual, and any that can be."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from perennial.contracts.batch import DataSummary
from perennial.contracts.drift import DriftSummary, Finding, PerformanceSummary
from perennial.contracts.trigger import Trigger
from perennial.decision import Check, Costs, Evidence, Retrain
from perennial.policy_config import RetrainPolicy, Rules, ValueModel

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
KINDS = ("data", "label", "prediction", "concept", "schema")
SURE = Finding(kind="data", p_value=1e-9, size=5.0)
UNSURE = Finding(kind="data", p_value=0.004, size=1.3)


def trigger(kind: Any = "upload", *, force: bool = False) -> Trigger:
    return Trigger(kind=kind, reason=f"{kind} reason", at=NOW, force=force)


def data(*, valid: bool = True, labelled: int = 90, rows: int = 90) -> DataSummary:
    reasons = () if valid else ("column x is missing",)
    return DataSummary(valid=valid, rows=rows, labelled_rows=labelled, reasons=reasons)


def performance(drop: float, half: float = 0.02, rows: int = 500) -> PerformanceSummary:
    """Accuracy that was 0.9 on the holdout."""
    return PerformanceSummary(
        metric="accuracy",
        reference=0.9,
        current=0.9 - drop,
        low=0.9 - drop - half,
        high=0.9 - drop + half,
        rows=rows,
        drop=drop,
        drop_low=drop - half,
        drop_high=drop + half,
        allowed=0.05,
    )


def drift(*findings: Finding, **changes: Any) -> DriftSummary:
    kinds = tuple(item.kind for item in findings if item.kind != "performance")
    told = {
        "compared": True,
        "drifted": bool(kinds),
        "kinds": kinds,
        "columns": (),
        "score": 0.4 if kinds else 0.0,
        "summary": f"{' and '.join(kinds)} drifted" if kinds else "no drift",
        "findings": findings,
    }
    return DriftSummary.model_validate(told | changes)


EVIDENCE = Evidence(
    champion=1,
    trained_at=NOW - timedelta(days=20),
    trigger=trigger(),
    data=data(),
    drift=drift(SURE),
)


def but(evidence: Evidence = EVIDENCE, **changes: Any) -> Evidence:
    """The evidence with something else in it."""
    return Evidence.model_validate(evidence.model_copy(update=changes).model_dump())


def check(days_ago: float, *findings: Finding, **changes: Any) -> Check:
    told = {
        "run": f"run-{days_ago}",
        "at": NOW - timedelta(days=days_ago),
        "champion": 1,
        "incoming": True,
        "action": "alert" if findings else "skip",
        "findings": findings,
    }
    return Check.model_validate(told | changes)


def retrain(outcome: Any, days_ago: float = 5.0, **changes: Any) -> Retrain:
    told = {
        "run": f"retrain-{days_ago}",
        "version": 2,
        "parent": 1,
        "at": NOW - timedelta(days=days_ago),
        "outcome": outcome,
    }
    return Retrain.model_validate(told | changes)


def costs(expected: float | None = 0.04, refusal: str | None = None) -> Costs:
    return Costs(
        expected=expected, most=expected, most_minutes=20, month=1.5, month_minutes=300, refusal=refusal
    )


_times = st.timedeltas(timedelta(0), timedelta(days=400)).map(lambda ago: NOW - ago)
_p_values = st.floats(0, 1)
_sizes = st.none() | st.floats(0, 1e6)
_drops = st.floats(-1, 1)


def _findings() -> st.SearchStrategy[Any]:
    made = st.builds(Finding, kind=st.sampled_from(KINDS), p_value=_p_values, size=_sizes)
    return st.lists(made, max_size=5, unique_by=lambda item: item.kind).map(tuple)


_performances = st.none() | st.builds(performance, _drops, st.floats(0, 0.5), st.integers(1, 10_000))
_drifts = st.builds(
    lambda findings, measured, estimated: drift(*findings, measured=measured, estimated=estimated),
    _findings(),
    _performances,
    _performances,
)
_checks = st.builds(
    Check,
    run=st.just("earlier"),
    at=_times,
    champion=st.none() | st.integers(1, 3),
    incoming=st.booleans(),
    action=st.sampled_from(["skip", "alert", "retrain"]),
    findings=_findings(),
    drifted_rows=st.integers(0, 1000),
    waiting_labels=st.integers(0, 200),
)
_retrains = st.builds(
    Retrain,
    run=st.just("earlier"),
    version=st.integers(1, 9),
    parent=st.none() | st.integers(1, 3),
    at=_times,
    outcome=st.sampled_from(["promoted", "rejected", "rolled_back", "failed"]),
    gain=st.none() | st.floats(-1, 1),
    dollars=st.none() | st.floats(0, 100),
    findings=_findings(),
    drifted_rows=st.integers(0, 1000),
)
_costs = st.none() | st.builds(costs, st.none() | st.floats(0, 1000), st.none() | st.just("all is spent"))
evidences = st.builds(
    Evidence,
    champion=st.none() | st.integers(1, 3),
    trained_at=st.none() | _times,
    trigger=st.builds(
        trigger, st.sampled_from(["schedule", "upload", "alarm", "on_demand"]), force=st.booleans()
    ),
    data=st.builds(data, valid=st.booleans(), labelled=st.integers(0, 200), rows=st.integers(200, 400)),
    drift=_drifts,
    incoming=st.booleans(),
    checks=st.lists(_checks, max_size=4).map(tuple),
    retrains=st.lists(_retrains, max_size=3).map(tuple),
    last_retrained_at=st.none() | _times,
    last_rolled_back_at=st.none() | _times,
    costs=_costs,
)
_rules = st.sampled_from(["retrain", "alert", "ignore"])
policies = st.builds(
    RetrainPolicy,
    cooldown=st.timedeltas(timedelta(0), timedelta(days=30)),
    cooldown_after_rollback=st.timedeltas(timedelta(0), timedelta(days=30)),
    min_labelled_rows=st.integers(1, 100),
    max_age=st.none() | st.timedeltas(timedelta(days=1), timedelta(days=300)),
    rules=st.builds(Rules, **dict.fromkeys([*KINDS[:4], "schema_", "performance"], _rules)),
    confirmations=st.integers(1, 3),
    of_checks=st.integers(3, 5),
    sure=st.floats(0, 1),
    strong=st.floats(0, 10),
    when_holding=_rules,
    growth=st.floats(1, 5),
    value=st.none()
    | st.builds(ValueModel, error_cost=st.floats(0, 100), predictions_per_day=st.floats(0, 1e6)),
)
