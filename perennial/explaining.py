"""The whole story of a run in plain words, by what it left: pure, and for every outcome.

A document that a run never came to write, or that has expired, is simply not told of.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from perennial.canary import e_value
from perennial.contracts.canary import CanaryRecord, CanaryStep
from perennial.cost import Attempt, in_words
from perennial.lineage import VersionRecord
from perennial.words import counted

Document = Mapping[str, Any]
_REASONS = 8  # of drift, the weightiest


@dataclass(frozen=True)
class Facts:
    """What is left of a run: its entry in the ledger, its documents, its attempts at a training, the version
    that came of it, and the moves of the champion alias: its own, those meanwhile, all with that version."""

    entry: Document
    validation: Document | None = None
    drift: Document | None = None
    decision: Document | None = None
    evaluation: Document | None = None
    attempts: Sequence[Attempt] = ()
    version: VersionRecord | None = None
    moves: Sequence[Document] = field(default=())


@dataclass(frozen=True)
class Part:
    """A heading with its sentences."""

    title: str
    lines: tuple[str, ...]


def tell(facts: Facts) -> tuple[Part, ...]:
    """From the trigger to the outcome, in the order in which they come: those parts that there were."""
    parts = (
        ("Trigger", _trigger(facts.entry)),
        ("Data", _data(facts)),
        ("Drift", _drift(facts.drift or {})),
        ("Decision", _decision(facts.decision or {})),
        ("Training", _training(facts)),
        ("Evaluation", _evaluation(facts.evaluation or {})),
        ("Approval", approval(facts.entry)),
        ("Canary", _canary(facts.entry)),
        ("Who served", moves(facts.moves)),
        ("Outcome", _outcome(facts.entry)),
    )
    told = ((title, tuple(lines)) for title, lines in parts)
    return tuple(Part(title, lines) for title, lines in told if lines)


def _trigger(entry: Document) -> Iterator[str]:
    if "trigger" in entry:
        yield f"{_kind(entry['trigger'])}: {entry.get('trigger_reason', '')}"
    yield f"started {_time(entry.get('started_at', ''))}"
    before = entry.get("champion_before")
    yield f"version {before} of {entry['model']} served" if before is not None else "no version served"


def _data(facts: Facts) -> Iterator[str]:
    found = facts.validation
    if found is None:
        return
    rows, labelled = found.get("rows", 0), found.get("labelled_rows", 0)
    yield f"{rows} rows, {labelled} with a label: {'valid' if found['valid'] else 'not valid, quarantined'}"
    yield from found.get("reasons", ())
    yield from found.get("warnings", ())


def _drift(drift: Document) -> Iterator[str]:
    if not drift:
        return
    yield drift["summary"]
    yield (
        f"{drift['current_rows']} rows against {drift['reference_rows']} of the champion's, {drift['tests']} "
        f"tests at a false-alarm rate of {drift['alpha']:g} for all together"
    )
    for name in drift.get("drifted_columns", ())[:_REASONS]:
        column = drift["columns"][name]
        p = column["adjusted_p_value"]
        sure = "" if p is None else f", corrected {_p(p)}"
        yield f"{name}: {column['effect']:.3g} standard deviations{sure}"
    concept = drift.get("concept") or {}
    primary = concept.get("primary")
    if primary:
        low, high = primary["current_interval"]
        yield (
            f"{primary['metric']} measured: {primary['current']:.3g} ({low:.3g} to {high:.3g}), on the "
            f"holdout {primary['reference']:.3g}"
        )
    for estimate in (concept.get("estimated") or {}).values():
        yield estimate["words"]


def _decision(decision: Document) -> Iterator[str]:
    if not decision:
        return
    yield f"{decision['action']}, because:"
    yield from (f"  {reason}" for reason in decision["reasons"])
    if decision["alternatives"]:
        yield "turned down:"
        yield from (f"  {alternative}" for alternative in decision["alternatives"])
    strategy = decision.get("strategy")
    if strategy:
        yield f"strategy {strategy['name']}: {strategy['reason']}"


def _training(facts: Facts) -> Iterator[str]:
    for attempt in facts.attempts:
        kind = f"{attempt.instance_type or 'no instance'} {attempt.market or ''}".strip()
        ended = "" if attempt.ended_at else ", not settled yet"
        yield (
            f"attempt {attempt.attempt + 1} on {kind}: {attempt.minutes:.1f} minutes, "
            f"{in_words(attempt.dollars)}{ended}; {attempt.reason}"
        )
    found = facts.version
    if found is None:
        return
    objects = counted(len(found.data), "object") if found.data else "its objects"
    yield (
        f"version {found.version}: {found.estimator} learnt from {found.rows_trained} rows of {objects}, "
        f"{found.rows_held_out} held out, seed {found.seed}"
    )
    if found.strategy is not None:
        yield f"learnt by {found.strategy.name}: {found.strategy.reason}"
    if found.metrics:
        yield "on its holdout: " + ", ".join(f"{name} {value:.4g}" for name, value in found.metrics.items())
    yield from found.notes


def _evaluation(evaluation: Document) -> Iterator[str]:
    if not evaluation:
        return
    yield evaluation["summary"]
    yield from (f"  {reason}" for reason in evaluation["reasons"] if reason != evaluation["summary"])
    if evaluation.get("batch_suspect"):
        yield "learning from the batch hurt on known rows: the batch was moved to quarantine"


def approval(entry: Document) -> Iterator[str]:
    """What a person was asked, who decided, when and why."""
    if "approval" not in entry:
        return
    asked = entry["approval"]
    yield f"{_time(asked['asked_at'])}: asked, because {'; '.join(asked['because'])}"
    if times := int(asked.get("reminders", 0)):
        yield f"reminded {counted(times, 'time')}"
    if answer := entry.get("approval_answer"):
        identity = f" ({answer['identity']})" if answer.get("identity") else ""
        said = f"{answer['verdict']} by {answer['by']}{identity}: {answer['reason']}"
        yield f"{_time(answer['at'])}: {said}"
    elif "outcome" not in entry:
        yield f"nobody has answered yet; without an answer by {_time(asked['expires_at'])} it is rejected"


def canary_of(entry: Document) -> CanaryRecord | None:
    """The steps of a run's canary as they are on record so far; None where it had none."""
    return CanaryRecord.model_validate_json(entry["canary"]) if "canary" in entry else None


def step_verdict(step: CanaryStep, *, ended: bool) -> str:
    """What became of a step; `ended`: its run has its outcome."""
    return {
        "trying": "broken off, the run ended" if ended else "under way",
        "passed": "no worse than the champion",
        "lost": "worse than the champion: taken back",
        "untested": "no request came to it: not promoted",
        "overtaken": "broken off, another version serves",
    }[step.verdict]


def _canary(entry: Document) -> Iterator[str]:
    found = canary_of(entry)
    if found is None:
        return
    yield (
        f"version {found.version} beside the champion: taken back at an e-value of {1 / found.level:.4g} if "
        f"its share of errors is higher by more than {100 * found.tolerance:g} points"
    )
    for step in found.steps:
        times = f"{_time(step.began_at.isoformat())} to {step.looked_at:%H:%M:%S}"
        yield (
            f"{step.share} % of the requests, {times}: it failed on {step.canary.errors} of "
            f"{step.canary.requests}, the champion on {step.champion.errors} of {step.champion.requests}; "
            f"e-value {e_value(step.log_e):.3g}: {step_verdict(step, ended='outcome' in entry)}"
        )


def moves_during(entry: Document, audit: Sequence[Document]) -> list[Document]:
    """The changes of the champion that a run made, and those by hand while it was under way."""
    began, ended = entry.get("started_at", ""), entry.get("ended_at")
    since = datetime.fromisoformat(began) if began else None
    until = datetime.fromisoformat(ended) if ended else None

    def meanwhile(move: Document) -> bool:
        at = datetime.fromisoformat(move["changed_at"])
        return since is not None and since <= at and (until is None or at <= until)

    return [move for move in audit if move["run"] == entry.get("run") or meanwhile(move)]


def moves(audit: Sequence[Document]) -> Iterator[str]:
    """Each change of the champion, and each end of a canary beside it."""
    for move in audit:
        to = f"version {move['version']}" if move.get("version") is not None else "no version"
        before = f", before version {move['from']}" if move.get("from") is not None else ""
        canary = move.get("canary")
        said = f"{to} serves{before}" if canary is None else f"{to} serves alone, canary {canary} has ended"
        yield f"{_time(move['changed_at'])}: {said}: {move.get('reason', '')} (run {move['run']})"


def _outcome(entry: Document) -> Iterator[str]:
    if "outcome" not in entry:
        yield "the run has not ended"
        return
    yield f"{entry['outcome'].replace('_', ' ')}: {entry.get('reason', '')}"
    after = entry.get("champion_after")
    yield f"version {after} serves" if after is not None else "no version serves"
    if "ended_at" in entry:
        yield f"ended {_time(entry['ended_at'])}"


def _kind(trigger: str) -> str:
    return {"on_demand": "asked for"}.get(trigger, trigger)


def _time(moment: str) -> str:
    return moment[:19].replace("T", " ") + " UTC"


def _p(p: float) -> str:
    return f"p = {p:.2g}" if p >= 0.0001 else "p < 0.0001"
