"""The documents that a run leaves in the artefact bucket, as the page is told of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from perennial.canary import e_value
from perennial.explaining import canary_of, step_verdict
from perennial.report.findings import (
    AccumulatedView,
    DataView,
    ErrorChangeView,
    EvidenceView,
    FindingsView,
    LeaningView,
    LevelView,
    PerformanceView,
    PointView,
    ProblemView,
)
from perennial.report.views import CanaryStepView, ColumnView, DecisionView

Document = Mapping[str, Any]
_HOW = {
    "sudden": "suddenly",
    "gradual": "gradually",
    "recurring": "to a level that it had before",
}


def columns(drift: Document, role: Literal["answer"] | None = None) -> tuple[ColumnView, ...]:
    """The columns of a stored drift report that can be drawn."""
    return tuple(
        ColumnView(
            name=name,
            role=role or column["role"],
            kind=_drawn_as(column["kind"], bars),
            labels=tuple(bars.get("levels") or _bins(bars["edges"])),
            edges=tuple(bars["edges"]) if "edges" in bars else None,
            reference=tuple(bars["reference"]),
            current=tuple(bars["current"]),
            drifted=column["drifted"],
            significant=column["significant"],
            material=column["material"],
            effect=column["effect"],
            weight=column["weight"],
            p_value=column["adjusted_p_value"],
            statistics=column["statistics"],
            reasons=tuple(column["reasons"]),
        )
        for name, column in drift.get("columns", {}).items()
        if (bars := column["histogram"])["reference"]
    )


def _drawn_as(kind: str, bars: Document) -> Literal["number", "datetime", "category"]:
    if "edges" not in bars:
        return "category"
    return "datetime" if kind == "datetime" else "number"


def answers(drift: Document) -> tuple[ColumnView, ...]:
    """What the champion answers, drawn like columns."""
    return columns(_concept(drift).get("prediction") or {}, "answer")


def findings(drift: Document) -> FindingsView:
    """Everything else in a stored drift report."""
    concept = _concept(drift)
    prediction = concept.get("prediction") or {}
    return FindingsView(
        drifted=drift["drifted"],
        reasons=tuple(_reasons(drift, concept)),
        reference_rows=drift["reference_rows"],
        current_rows=drift["current_rows"],
        tests=drift["tests"],
        alpha=drift["alpha"],
        performance=performance(drift),
        changes=tuple(_change(change) for change in concept.get("changes", ())),
        together=tuple(
            EvidenceView(
                name=test["name"],
                reason=test["reason"],
                p_value=test["adjusted_p_value"],
                effect=test["effect"],
                significant=test["significant"],
                material=test["material"],
            )
            for test in drift["tables"]
        ),
        schema_changes=tuple(_schema(drift["schema"])),
        quality=tuple(f"column {issue['column']}: {issue['words']}" for issue in drift["quality"]),
        answers=prediction.get("summary", ""),
        leanings=_leanings(drift),
        leaning_words=_leaning_words(concept.get("importance")),
        accumulated=accumulated(drift),
    )


def _reasons(drift: Document, concept: Document) -> list[str]:
    """Those of the data, ranked, behind what concerns the champion's answers themselves."""
    changes = [_change(change) for change in concept.get("changes", ())]
    prediction = concept.get("prediction") or {}
    first = [change.words for change in changes if change.worse]
    last = [f"the champion answers otherwise: {prediction['summary']}"] if prediction.get("drifted") else []
    return [*first, *drift["reasons"], *last]


def performance(drift: Document) -> PerformanceView | None:
    """The champion's primary metric, measured and estimated; None where neither is there."""
    concept = _concept(drift)
    measured, estimates = concept.get("primary"), concept.get("estimated") or {}
    estimate = estimates.get(drift.get("metric", "")) or next(iter(estimates.values()), None)
    first = measured or estimate
    if first is None:
        return None
    reference = first["reference"]
    low, high = measured["reference_interval"] if measured else (reference, reference)
    return PerformanceView(
        metric=first["metric"],
        reference=LevelView(value=reference, low=low, high=high, rows=first["reference_rows"]),
        measured=_level(measured["current"], measured["current_interval"], measured["current_rows"])
        if measured
        else None,
        estimated=_level(estimate["value"], estimate["interval"], estimate["rows"]) if estimate else None,
        known=estimate is None or estimate["known"],
        drifted=drift["performance_drifted"],
        p_value=(drift.get("performance") or {}).get("p_value"),
        words=estimate["words"] if estimate else "",
    )


def accumulated(drift: Document) -> AccumulatedView | None:
    """The sequential test's verdict after this batch."""
    found = drift.get("accumulated")
    if not found:
        return None
    given = {name: found[name] for name in AccumulatedView.model_fields if name in found}
    return AccumulatedView.model_validate(given | {"alpha": drift.get("lifetime_alpha", drift["alpha"])})


def point(drift: Document, *, run: str, at: datetime, champion: int) -> PointView:
    """This batch in the life of the version that it was compared with."""
    return PointView(
        run=run,
        at=at,
        champion=champion,
        performance=performance(drift),
        accumulated=accumulated(drift),
        drifted=drift["drifted"],
    )


def decision(stored: Document) -> DecisionView:
    """What the policy decided, and how the training was to learn."""
    strategy = stored.get("strategy") or {}
    told = {name: stored[name] for name in ("action", "summary", "reasons", "alternatives")}
    told |= {"strategy": strategy.get("name", ""), "strategy_reason": strategy.get("reason", "")}
    return DecisionView.model_validate(told)


def data(validation: Document) -> DataView:
    """What validation found."""
    return DataView(
        valid=validation["valid"],
        rows=validation.get("rows", 0),
        labelled_rows=validation.get("labelled_rows", 0),
        problems=tuple(ProblemView.model_validate(problem) for problem in validation.get("problems", ())),
        warnings=tuple(validation.get("warnings", ())),
        bad=validation.get("bad", {}),
    )


def _concept(drift: Document) -> Document:
    return drift.get("concept") or {}


def _level(value: float, interval: Sequence[float], rows: int) -> LevelView:
    return LevelView(value=value, low=interval[0], high=interval[1], rows=rows)


def _change(change: Document) -> ErrorChangeView:
    worse = change["after"] > change["before"]
    return ErrorChangeView(
        kind=change["kind"],
        worse=worse,
        seconded=change["seconded"],
        words=f"the error {'rose' if worse else 'fell'} {_HOW[change['kind']]}, "
        f"{change['before']:.3g} → {change['after']:.3g}, from row {change['began']} on",
    )


def _schema(schema: Document) -> list[str]:
    told = [
        f"column {name} was {what}"
        for what, key in (("removed", "removed"), ("added", "added"), ("given another type", "retyped"))
        for name in schema[key]
    ]
    told += [f"perhaps {old} is now called {new}" for old, new in schema["renamed"]]
    return [*told, *(["the columns come in another order"] if schema["reordered"] else [])]


def _leanings(drift: Document) -> tuple[LeaningView, ...]:
    """Importances as shares, the largest first; empty where none were measured."""
    found = _concept(drift).get("importances") or {}
    before, now = _shares(found.get("reference")), _shares(found.get("current"))
    names = sorted(before, key=lambda name: (-max(before[name], now.get(name, 0.0)), name))
    return tuple(LeaningView(name=name, reference=before[name], current=now.get(name)) for name in names)


def _shares(importances: Document | None) -> dict[str, float]:
    if not importances:
        return {}
    useful = {name: max(0.0, value) for name, value in importances["mean"].items()}
    total = sum(useful.values())
    return {name: value / total if total else 0.0 for name, value in useful.items()}


def _leaning_words(change: Document | None) -> str:
    if not change:
        return ""
    if not change["changed"]:
        return f"The ranking of the features is what it was (NDCG {change['ndcg']:.3f})."
    moved = " and ".join(
        f"{change[key]} {word}" for key, word in (("risen", "rose"), ("fallen", "fell")) if change[key]
    )
    return f"The ranking of the features changed (NDCG {change['ndcg']:.3f}){': ' + moved if moved else ''}."


def _bins(edges: Sequence[float]) -> list[str]:
    return [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]


def canary(entry: Document) -> tuple[CanaryStepView, ...]:
    """The steps of a run's canary, from its entry in the ledger."""
    found = canary_of(entry)
    if found is None:
        return ()
    return tuple(
        CanaryStepView(
            share=step.share,
            began_at=step.began_at,
            looked_at=step.looked_at,
            champion=step.champion,
            canary=step.canary,
            e_value=e_value(step.log_e),
            bound=1 / found.level,
            verdict=step_verdict(step, ended="outcome" in entry),
        )
        for step in found.steps
    )
