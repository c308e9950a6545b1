"""What happened, gathered for the report from where it lies: ledger, history, documents, registry."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from perennial import explaining, layout
from perennial.aws import history
from perennial.aws.clients import client
from perennial.aws.documents import document
from perennial.aws.wiring import Services
from perennial.config import load_model
from perennial.contracts.words import Outcome
from perennial.errors import InvalidModelFile, UnknownModel
from perennial.lineage import served
from perennial.report import documents
from perennial.report.findings import PastView, PointView
from perennial.report.views import (
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
    drift = document(services, run, layout.DRIFT)
    validation = document(services, run, layout.VALIDATION)
    decision = document(services, run, layout.DECISION)
    evaluation = document(services, run, layout.EVALUATION)
    audit = services.registry.audit(entry["model"]) if "model" in entry else []
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
        challenger=_integer(entry.get("challenger", entry.get("recalled"))),
        instance=entry.get("instance", ""),
        instance_reason=entry.get("instance_reason", ""),
        states=_states(seen),
        path=tuple(visit.state for visit in seen),
        seconds=((seen[-1].left or seen[-1].entered) - seen[0].entered).total_seconds(),
        drift=documents.columns(drift) if drift else (),
        drift_kinds=tuple(drift["kinds"]) if drift else (),
        drift_summary=drift["summary"] if drift else "",
        answers=documents.answers(drift) if drift else (),
        findings=documents.findings(drift) if drift else None,
        data=documents.data(validation) if validation else None,
        point=_point(entry, drift),
        decision=documents.decision(decision) if decision else None,
        evaluation=EvaluationView.model_validate(
            {name: evaluation[name] for name in EvaluationView.model_fields if name in evaluation}
        )
        if evaluation
        else None,
        approval=tuple(explaining.approval(entry)),
        canary=documents.canary(entry),
        moves=tuple(explaining.moves(explaining.moves_during(entry, audit))),
    )


def story_view(
    services: Services,
    model: str,
    runs: Sequence[RunView],
    *,
    title: str,
    engine: str,
    now: datetime,
    past: Sequence[PastView] = (),
    single: bool = False,
) -> StoryView:
    """What the report shows of these runs, with the model's versions and the workflow of the last one."""
    machine = client("stepfunctions").describe_state_machine_for_execution(
        executionArn=services.workflow.execution_arn(runs[-1].run)
    )
    return StoryView(
        title=title,
        model=model,
        generated_at=now,
        stack=services.settings.stack,
        engine=engine,
        definition=json.loads(machine["definition"]),
        runs=tuple(runs),
        versions=version_views(services, model, runs),
        events=event_views(runs),
        past=tuple(past),
        single=single,
    )


def past_views(services: Services, entry: Mapping[str, Any], limit: int = 20) -> list[PastView]:
    """The ended runs before that of `entry`, oldest first, with what those of the same champion found."""
    before = datetime.fromisoformat(entry["started_at"])
    earlier = services.ledger.runs(entry["model"], limit, before=before)
    champion = _integer(entry.get("champion_before"))
    return [_past(services, each, champion) for each in reversed(earlier) if "outcome" in each]


def _past(services: Services, entry: Mapping[str, Any], champion: int | None) -> PastView:
    compared = champion is not None and champion == _integer(entry.get("champion_before"))
    return PastView(
        run=entry["run"],
        started_at=datetime.fromisoformat(entry["started_at"]),
        trigger=entry.get("trigger"),
        outcome=entry["outcome"],
        reason=_sentence(entry.get("reason", "")),
        champion=_integer(entry.get("champion_after")),
        point=_point(entry, document(services, entry["run"], layout.DRIFT)) if compared else None,
    )


def _point(entry: Mapping[str, Any], drift: dict[str, Any] | None) -> PointView | None:
    champion = _integer(entry.get("champion_before"))
    if drift is None or champion is None:
        return None
    at = datetime.fromisoformat(entry["started_at"])
    return documents.point(drift, run=entry["run"], at=at, champion=champion)


def version_views(services: Services, model: str, runs: Sequence[RunView]) -> tuple[VersionView, ...]:
    """All versions, each with the times at which it served."""
    spans = served(services.registry.audit(model))
    metric = _metric(model)
    return tuple(
        VersionView(
            version=record.version,
            status=record.status,
            parent=record.parent,
            run=next((run.name for run in runs if run.run == record.run), record.run),
            created_at=record.created_at,
            metric_name=metric,
            metric=record.metrics.get(metric),
            rows_trained=record.rows_trained,
            champion=tuple(
                Interval(since=since, until=until) for since, until in spans.get(record.version, ())
            ),
        )
        for record in services.registry.versions(model)
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


def _metric(model: str) -> str:
    """Name of the model's metric; a run may have failed because its model file cannot be read."""
    try:
        return load_model(model).metric
    except (UnknownModel, InvalidModelFile):
        return ""


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


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)
