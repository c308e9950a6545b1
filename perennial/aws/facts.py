"""What happened, gathered for the report from where it lies: ledger, history, documents, registry."""

import json
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from botocore.exceptions import ClientError

from perennial import layout
from perennial.aws import history
from perennial.aws.clients import client, error_code
from perennial.aws.wiring import Services
from perennial.config import ModelConfig
from perennial.contracts import Outcome
from perennial.report.views import (
    ColumnView,
    DecisionView,
    EvaluationView,
    EventView,
    Interval,
    RunView,
    StateView,
    StoryView,
    VersionView,
)


def run_view(
    services: Services, run: str, *, name: str, title: str, expected: Outcome | None = None
) -> RunView:
    """One finished run, with the documents that it left."""
    entry = services.ledger.run(run) or {}
    seen = history.visits(history.events(client("stepfunctions"), services.workflow.execution_arn(run)))
    drift = _document(services, run, layout.DRIFT) or {}
    decision = _document(services, run, layout.DECISION)
    evaluation = _document(services, run, layout.EVALUATION)
    return RunView(
        name=name,
        title=title,
        run=run,
        started_at=seen[0].entered,
        trigger=entry.get("trigger"),
        trigger_text=entry.get("trigger_reason", ""),
        outcome=entry.get("outcome", "failed"),
        expected=expected,
        reason=_sentence(entry.get("reason", "the run ended without a record")),
        champion_before=_integer(entry.get("champion_before")),
        champion_after=_integer(entry.get("champion_after")),
        challenger=_integer(entry.get("challenger")),
        states=_states(seen),
        path=tuple(visit.state for visit in seen),
        seconds=((seen[-1].left or seen[-1].entered) - seen[0].entered).total_seconds(),
        drift=_columns(drift),
        drift_kinds=tuple(drift.get("kinds", ())),
        drift_summary=drift.get("summary", ""),
        decision=_decision(decision) if decision else None,
        evaluation=EvaluationView.model_validate(
            {name: evaluation[name] for name in EvaluationView.model_fields}
        )
        if evaluation
        else None,
    )


def story_view(
    services: Services,
    config: ModelConfig,
    runs: Sequence[RunView],
    *,
    title: str,
    engine: str,
    now: datetime,
) -> StoryView:
    """What the report shows of these runs, with the model's versions and the workflow as deployed."""
    machine = client("stepfunctions").describe_state_machine(stateMachineArn=services.workflow.arn)
    return StoryView(
        title=title,
        model=config.name,
        generated_at=now,
        stack=services.settings.stack,
        engine=engine,
        definition=json.loads(machine["definition"]),
        runs=tuple(runs),
        versions=version_views(services, config, runs),
        events=event_views(runs),
    )


def version_views(
    services: Services, config: ModelConfig, runs: Sequence[RunView]
) -> tuple[VersionView, ...]:
    """All versions, each with the times at which it served."""
    served = _intervals(services.registry.audit(config.name))
    return tuple(
        VersionView(
            version=record.version,
            status=record.status,
            parent=record.parent,
            run=next((run.name for run in runs if run.run == record.run), record.run),
            created_at=record.created_at,
            metric_name=config.metric,
            metric=record.metrics.get(config.metric),
            rows_trained=record.rows_trained,
            champion=tuple(served.get(record.version, ())),
        )
        for record in services.registry.versions(config.name)
    )


def event_views(runs: Sequence[RunView]) -> tuple[EventView, ...]:
    """What is worth a mark on the time line."""
    return tuple(
        EventView.model_validate(
            {
                "at": run.states[-1].entered,
                "kind": run.outcome,
                "version": run.challenger,
                "run": run.name,
                "text": run.reason,
            }
        )
        for run in runs
        if run.outcome != "skipped"
    )


def _columns(drift: dict[str, Any]) -> tuple[ColumnView, ...]:
    """The columns of a stored drift report that can be drawn."""
    return tuple(
        ColumnView(
            name=name,
            kind="number" if "edges" in bars else "category",
            labels=tuple(bars.get("levels") or _bins(bars["edges"])),
            edges=tuple(bars["edges"]) if "edges" in bars else None,
            reference=tuple(bars["reference"]),
            current=tuple(bars["current"]),
            drifted=column["drifted"],
            significant=column["significant"],
            material=column["material"],
            effect=column["effect"],
            p_value=column["adjusted_p_value"],
            statistics=column["statistics"],
            reasons=tuple(column["reasons"]),
        )
        for name, column in drift.get("columns", {}).items()
        if (bars := column["histogram"])["reference"]
    )


def _decision(document: dict[str, Any]) -> DecisionView:
    strategy = document.pop("strategy", None) or {}
    told = {"strategy": strategy.get("name", ""), "strategy_reason": strategy.get("reason", "")}
    return DecisionView.model_validate(document | told)


def _bins(edges: Sequence[float]) -> list[str]:
    return [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]


def _states(seen: Sequence[history.Visit]) -> tuple[StateView, ...]:
    """All visits to one state together, in the order of the first."""
    states: dict[str, list[history.Visit]] = {}
    for visit in seen:
        states.setdefault(visit.state, []).append(visit)
    return tuple(
        StateView.model_validate(
            {
                "name": name,
                "status": "caught" if visits[-1].error else "succeeded",
                "entered": visits[0].entered,
                "seconds": sum(visit.seconds for visit in visits),
                "visits": len(visits),
            }
        )
        for name, visits in states.items()
    )


def _intervals(audit: Sequence[dict[str, Any]]) -> dict[int, list[Interval]]:
    served: dict[int, list[Interval]] = {}
    for move, following in zip(audit, [*audit[1:], None], strict=True):
        if move["version"] is not None:
            since = datetime.fromisoformat(move["changed_at"])
            until = datetime.fromisoformat(following["changed_at"]) if following else None
            served.setdefault(int(move["version"]), []).append(Interval(since=since, until=until))
    return served


def _document(services: Services, run: str, name: str) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = services.artifacts.get_json(layout.run_key(run, name))
    except ClientError as error:
        if error_code(error) == "NoSuchKey":
            return None
        raise
    return document


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)
