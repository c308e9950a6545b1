"""How strong the evidence is: what the decision asks of a report and of the champion's performance."""

from collections.abc import Iterator, Sequence

from perennial.config import DriftPolicy
from perennial.contracts.drift import Finding, PerformanceSummary
from perennial.contracts.words import DriftKind
from perennial.drift.error_stream import Change
from perennial.drift.estimate import Estimate
from perennial.drift.performance import MetricChange
from perennial.drift.report import DriftReport
from perennial.metrics import HIGHER_IS_BETTER

_Evidence = tuple[float, float]  # corrected p-value, size in multiples of the smallest change that matters


def strengths(
    kinds: Sequence[DriftKind],
    report: DriftReport,
    answers: DriftReport,
    changes: Sequence[Change],
    policy: DriftPolicy,
) -> tuple[Finding, ...]:
    """One finding for each kind that drifted, in their order.

    `answers` is the report of what the champion answers, `changes` are those of its errors for the worse.
    """
    return tuple(_strength(kind, report, answers, changes, policy) for kind in kinds)


def _strength(
    kind: DriftKind,
    report: DriftReport,
    answers: DriftReport,
    changes: Sequence[Change],
    policy: DriftPolicy,
) -> Finding:
    if kind == "schema":
        return Finding(kind=kind, p_value=0.0)  # seen, not inferred
    if kind == "concept":
        found, lasting = list(_worse(report, policy)), bool(changes)
        least = policy.min_performance_drop or 1.0
        # ADWIN's own bound holds over the whole stream; at the policy's level nothing better is known of it
        found += [(policy.lifetime_alpha, (change.after - change.before) / least) for change in changes]
    elif kind == "prediction":
        found, lasting = list(_drifted(answers, None, policy)), False
    else:
        found = list(_drifted(report, "label" if kind == "label" else "feature", policy))
        slow = report.accumulated
        accumulated = slow is not None and slow.drifted and _concerns(report, slow.columns, kind)
        lasting = accumulated and slow is not None and slow.batches > 1
        if slow is not None and accumulated:
            found.append((slow.p_value, slow.effect / (policy.min_effect or 1.0)))
    if not found:
        return Finding(kind=kind, p_value=policy.alpha, size=1.0, lasting=lasting)
    return Finding(
        kind=kind,
        p_value=min(1.0, *(p for p, _ in found)),
        size=max(0.0, *(size for _, size in found)),
        lasting=lasting,
    )


def _worse(report: DriftReport, policy: DriftPolicy) -> Iterator[_Evidence]:
    found = report.performance
    if found is not None and report.performance_drifted:
        # significant among all tests at once; Bonferroni's bound is not below what that took
        p_value = min(policy.alpha, found.p_value * report.tests)
        yield p_value, found.drop / (policy.min_performance_drop or 1.0)


def _drifted(report: DriftReport, role: str | None, policy: DriftPolicy) -> Iterator[_Evidence]:
    """Of the columns of one role, or of all, and of the tables."""
    least = policy.min_effect or 1.0
    for column in report.columns.values():
        if column.drifted and role in {None, column.role} and column.adjusted_p_value is not None:
            yield column.adjusted_p_value, column.effect * column.weight / least
    for test in report.tables:
        if test.drifted and _of_role(report, test.columns, role):
            smallest = policy.min_correlation_change if test.name == "correlations" else policy.min_effect
            yield test.adjusted_p_value, test.effect / (smallest or 1.0)


def _of_role(report: DriftReport, columns: Sequence[str], role: str | None) -> bool:
    if role is None or not columns:
        return role != "label"
    return any(name in report.columns and report.columns[name].role == role for name in columns)


def _concerns(report: DriftReport, columns: Sequence[str], kind: DriftKind) -> bool:
    return _of_role(report, columns, "label" if kind == "label" else "feature")


def measured_of(found: MetricChange, policy: DriftPolicy) -> PerformanceSummary:
    """What labels say of the primary metric."""
    higher = HIGHER_IS_BETTER.get(found.metric, True)
    scale = 1.0 if higher else abs(found.reference) or 1.0
    low, high = found.interval
    return PerformanceSummary(
        metric=found.metric,
        reference=found.reference,
        current=found.current,
        low=found.current_interval[0],
        high=found.current_interval[1],
        rows=found.current_rows,
        higher_is_better=higher,
        drop=found.drop / scale,
        drop_low=low / scale,
        drop_high=high / scale,
        allowed=policy.min_performance_drop,
    )


def estimated_of(found: Estimate, policy: DriftPolicy) -> PerformanceSummary:
    """What is thought of it without labels."""
    return PerformanceSummary(
        metric=found.metric,
        reference=found.reference,
        current=found.value,
        low=found.interval[0],
        high=found.interval[1],
        rows=found.rows,
        higher_is_better=HIGHER_IS_BETTER.get(found.metric, True),
        drop=found.drop,
        drop_low=found.drop_interval[0],
        drop_high=found.drop_interval[1],
        allowed=policy.min_performance_drop,
    )
