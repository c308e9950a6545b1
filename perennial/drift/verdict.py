"""All kinds of drift of one batch together: what is told, stored, measured, and carried to the next run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from perennial.config import ModelConfig
from perennial.contracts.drift import ConceptChange, DriftSummary
from perennial.contracts.words import DriftKind
from perennial.drift.attribution import Attribution, attribute
from perennial.drift.change_point import Seen, Times, concept_change, row_times, signature
from perennial.drift.concept import Findings, Rows, errors_of, feed_stream, has_label, look_into, look_of
from perennial.drift.detect import detect_drift
from perennial.drift.error_stream import Change, ErrorStream
from perennial.drift.importance import Importances
from perennial.drift.multivariate import MultivariateChange, compare_samples
from perennial.drift.report import DriftReport
from perennial.drift.strength import estimated_of, measured_of, strengths
from perennial.health import performance_drop
from perennial.metrics import labels_of
from perennial.profile import Profile

if TYPE_CHECKING:
    import pandas as pd

STREAM, ACCUMULATED = "error_stream", "accumulated"
_DOMAIN_ROWS = 1_000


@dataclass
class Material:
    """What there is to judge by: the champion with its baseline, reference sample, holdout and importances,
    and the batch with its profile and arrival; not `new`: its rows have been judged before. What it is asked
    twice is found out once.
    """

    config: ModelConfig
    version: int
    model: Any
    baseline: Profile
    profile: Profile
    reference: "pd.DataFrame"
    batch: Rows
    holdout: Rows
    importances: Mapping[str, Any] | None
    arrived: datetime
    new: bool = True
    _findings: tuple[Findings, MultivariateChange | None] | None = None
    _attribution: tuple[Attribution | None] | None = None

    def labelled(self) -> tuple[Rows, Times]:
        """The batch's labelled rows with their times (n,), in the order of time."""
        rows = self.batch.of(has_label(self.batch.frame, self.config))
        times = row_times(rows.frame, self.config, self.arrived)
        order: Any = np.argsort(times, kind="stable")
        return Rows(rows.frame.iloc[order].reset_index(drop=True), rows.answers.of(order)), times[order]

    def attribution(self) -> Attribution | None:
        """Whether the relation between features and label changed."""
        if self._attribution is None:
            self._attribution = (attribute(self.config, self.batch, self.holdout),)
        return self._attribution[0]

    def findings(self) -> tuple[Findings, MultivariateChange | None]:
        """What does not depend on earlier runs."""
        if self._findings is None:
            known = Importances.from_dict(self.importances) if self.importances else None
            features = self.config.features
            self._findings = (
                look_into(self.config, self.model, self.batch, self.holdout, known),
                _told_apart(self.reference[features], self.batch.frame[features], self.config.seed),
            )
        return self._findings


@dataclass(frozen=True)
class Verdict:
    """The state's summary, the run's document, and metrics by name."""

    summary: DriftSummary
    document: dict[str, Any]
    metrics: dict[str, float]


def judge(material: Material, states: Mapping[str, Any]) -> tuple[dict[str, Any], Verdict]:
    """The states that the next run goes on from, and the verdict on this batch."""
    config = material.config
    findings, apart = material.findings()
    report = detect_drift(
        material.baseline,
        material.profile,
        config.drift,
        states.get(ACCUMULATED) or {},
        label=config.label,
        columns=[*config.features, config.label],
        performance=findings.performance,
        importances=Importances.from_dict(material.importances).weights() if material.importances else None,
        multivariate=apart,
    )
    watched, changes = _watch(material, states.get(STREAM))
    worse = [change for change in changes if _matters(change, config)]
    prediction = findings.prediction.drifted
    kinds = _kinds(report, prediction=prediction, concept=bool(worse))
    watched, concept = _concept(material, watched, kinds)
    found = _Found(kinds, changes, worse, concept)
    return {STREAM: watched, ACCUMULATED: report.state}, _verdict(config, report, findings, found)


@dataclass(frozen=True)
class _Found:
    """What is said of the champion's errors."""

    kinds: tuple[DriftKind, ...]
    changes: list[Change]
    worse: list[Change]
    concept: ConceptChange | None


def _watch(material: Material, stored: Any) -> tuple[Any, list[Change]]:
    """Feed the errors on labelled rows in the order of time; without any, nothing changes."""
    labelled, times = material.labelled()
    if not len(labelled):
        return stored, []
    return feed_stream(
        stored,
        material.version,
        errors=errors_of(material.config, labelled, material.holdout),
        times=times,
        primer=errors_of(material.config, material.holdout, material.holdout),
        look=look_of(material.baseline, material.profile, material.config.features),
    )


def _concept(
    material: Material, watched: Any, kinds: tuple[DriftKind, ...]
) -> tuple[Any, ConceptChange | None]:
    """The state with this batch's finding, and the change of the relation between features and label.

    Where no row of the batch is like a known one, the errors are put down to the new rows.
    """
    labelled, times = material.labelled()
    if not len(labelled):
        return watched, None
    found = material.attribution() if "concept" in kinds else None
    unknown = "concept" in kinds and found is None
    changed = None if unknown and "data" in kinds else unknown or (found is not None and found.changed)
    latest = ErrorStream.load(watched["stream"]).changes[-1:]
    standing = next((change for change in latest if _matters(change, material.config)), None)
    seen = Seen(times, changed, _signature(material, labelled) if changed else {}, new=material.new)
    batches, concept = concept_change(watched, seen, standing)
    return {**watched, "changed": batches}, concept


def _signature(material: Material, labelled: Rows) -> dict[str, float]:
    """In which way the champion errs on labelled rows."""
    config, predicted = material.config, labelled.answers.predicted
    labels = labels_of(labelled.frame, config)
    if config.task == "classification":
        return signature(predicted, labels)
    known = material.holdout
    return signature(predicted, labels, known.answers.predicted - labels_of(known.frame, config))


def _matters(change: Change, config: ModelConfig) -> bool:
    return change.worse and change.after - change.before >= config.drift.min_performance_drop


def _verdict(config: ModelConfig, report: DriftReport, findings: Findings, found: _Found) -> Verdict:
    prediction = findings.prediction.drifted
    drifted = report.drifted or prediction or bool(found.worse)
    estimate = findings.estimated.get(config.metric) or next(iter(findings.estimated.values()), None)
    sentences = [report.summary] if report.drifted or not drifted else []
    sentences += [change.words for change in found.worse[-1:]]
    sentences += [f"the champion answers otherwise: {findings.prediction.summary}"] if prediction else []
    sentences += [estimate.words] if estimate and not findings.performance else []
    measured = findings.primary
    summary = DriftSummary(
        compared=True,
        drifted=drifted,
        kinds=found.kinds,
        columns=report.drifted_columns,
        score=report.score,
        summary="; ".join(sentences),
        findings=strengths(found.kinds, report, findings.prediction, found.worse, config.drift),
        measured=measured_of(measured, config.drift) if measured else None,
        estimated=estimated_of(estimate, config.drift) if estimate and estimate.known else None,
        change=found.worse[-1].kind if found.worse else None,
        concept=found.concept,
    )
    changed = found.concept.model_dump(mode="json") if found.concept else None
    document = report.to_dict() | {
        "drifted": drifted,
        "kinds": list(found.kinds),
        "summary": summary.summary,
        "metric": config.metric,
        "lifetime_alpha": config.drift.lifetime_alpha,
        "concept": findings.to_dict()
        | {"changes": [asdict(change) for change in found.changes], "changed": changed},
    }
    metrics = {"DriftScore": report.score, "ColumnsDrifted": float(len(report.drifted_columns))}
    metrics |= {"PerformanceMeasured": measured.current} if measured else {}
    metrics |= {"PerformanceEstimated": estimate.value} if estimate and estimate.known else {}
    told = summary.measured or summary.estimated
    metrics |= {"PerformanceDrop": performance_drop(told)} if told else {}
    return Verdict(summary, document, metrics)


def _kinds(report: DriftReport, *, prediction: bool, concept: bool) -> tuple[DriftKind, ...]:
    found: list[DriftKind] = list(report.kinds)
    if prediction:
        found.append("prediction")
    if concept and "concept" not in found:
        found.append("concept")
    return tuple(found)


def _told_apart(reference: "pd.DataFrame", batch: "pd.DataFrame", seed: int) -> MultivariateChange | None:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):  # threads that wait for each other cost more than so small a fit
        return compare_samples(reference, batch, seed=seed, most_rows=_DOMAIN_ROWS)
