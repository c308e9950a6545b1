"""Reference against current: evidence first, then materiality, one verdict."""

from collections.abc import Iterable, Mapping
from typing import Any

from perennial.config import DriftPolicy
from perennial.contracts import DriftKind
from perennial.drift.drawing import bars
from perennial.drift.evidence import Evidence, compare_columns
from perennial.drift.multiplicity import holm
from perennial.drift.performance import PerformanceChange
from perennial.drift.report import ColumnDrift, DriftReport, summarise
from perennial.errors import MissingColumn, ProfileMismatch
from perennial.profile import ColumnProfile, NumberColumn, Profile


def detect_drift(
    reference: Any,
    current: Any,
    policy: DriftPolicy | None = None,
    *,
    label: str | None = None,
    performance: PerformanceChange | None = None,
    columns: Iterable[str] | None = None,
) -> DriftReport:
    """Compare current data with a reference, each a `Profile`, a DataFrame, a pyarrow Table or a mapping of
    arrays.

    `columns` to compare (default: all of the reference; leave out keys, whose values are new in every batch).
    `label` names the one among them whose drift is label drift. `performance` adds the champion's score on
    labelled current rows.

    A column drifted when a test of it is significant (Holm-adjusted p-value over all tests of the batch below
    `policy.alpha`) and its effect material (`min_ks`, `min_psi`, both free of sampling noise). Performance
    drifted when the drop is significant in the same family of tests and at least `min_performance_drop`.

    Raises ProfileMismatch where the two were not binned alike, MissingColumn where current data lacks a
    column.
    """
    policy = policy or DriftPolicy()
    before = reference if isinstance(reference, Profile) else Profile.of(reference)
    now = current if isinstance(current, Profile) else Profile.of(current, like=before)
    names = list(before.columns if columns is None else columns)
    evidence = {name: _evidence(name, before, now, policy) for name in names}
    family = [test.p_value for tests in evidence.values() for test in tests]
    family += [performance.p_value] if performance else []
    adjusted = iter(holm(family))
    verdicts = {
        name: _verdict(
            name,
            tests,
            [next(adjusted) for _ in tests],
            (before.columns[name], now.columns[name]),
            policy,
            label,
        )
        for name, tests in evidence.items()
    }
    worse_significant = performance is not None and next(adjusted) < policy.alpha
    worse_material = performance is not None and performance.drop >= policy.min_performance_drop
    worse = worse_significant and worse_material
    return DriftReport(
        drifted=worse or any(column.drifted for column in verdicts.values()),
        significant=worse_significant or any(column.significant for column in verdicts.values()),
        material=worse_material or any(column.material for column in verdicts.values()),
        kinds=_kinds(verdicts, worse),
        score=max((column.statistics.get("psi_corrected", 0.0) for column in verdicts.values()), default=0.0),
        summary=summarise(verdicts, performance, worse),
        columns=verdicts,
        performance=performance,
        performance_drifted=worse,
        reference_rows=before.rows,
        current_rows=now.rows,
        tests=len(family),
        alpha=policy.alpha,
    )


def _evidence(name: str, before: Profile, now: Profile, policy: DriftPolicy) -> list[Evidence]:
    for side, profile in (("reference", before), ("current data", now)):
        if name not in profile.columns:
            raise MissingColumn(f"the {side} has no column {name!r}: found {', '.join(profile.columns)}")
    reference, current = before.columns[name], now.columns[name]
    if _binning(reference) != _binning(current):
        raise ProfileMismatch(
            f"column {name!r} was binned differently: profile the current data with `like=reference`"
        )
    return list(compare_columns(reference, current, policy))


def _binning(column: ColumnProfile) -> tuple[Any, ...]:
    return (column.kind, column.edges if isinstance(column, NumberColumn) else column.levels)


def _verdict(
    name: str,
    tests: list[Evidence],
    adjusted: list[float],
    pair: tuple[ColumnProfile, ColumnProfile],
    policy: DriftPolicy,
    label: str | None,
) -> ColumnDrift:
    judged = sorted(zip(tests, adjusted, strict=True), key=lambda item: -item[0].effect)
    significant = [test for test, p in judged if p < policy.alpha]
    drifted = [test for test in significant if test.material]
    ordered = sorted(judged, key=lambda item: (item[0] not in drifted, -item[0].effect))
    return ColumnDrift(
        name=name,
        kind=pair[0].kind,
        role="label" if name == label else "feature",
        drifted=bool(drifted),
        significant=bool(significant),
        material=any(test.material for test in tests),
        p_value=min((test.p_value for test in tests), default=None),
        adjusted_p_value=min(adjusted, default=None),
        effect=max((test.effect for test in drifted or tests), default=0.0),
        statistics={key: value for test in tests for key, value in test.statistics.items()},
        reasons=tuple(_reason(test, p, policy) for test, p in ordered),
        histogram=bars(*pair),
    )


def _reason(test: Evidence, adjusted: float, policy: DriftPolicy) -> str:
    size = f"{test.words}, corrected p {_p(adjusted)}"
    if adjusted >= policy.alpha:
        return f"{size}: not significant"
    return size if test.material else f"{size}: significant, but too small to matter"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"= {value:.2g}"


def _kinds(columns: Mapping[str, ColumnDrift], worse: bool) -> tuple[DriftKind, ...]:
    kinds: list[DriftKind] = []
    roles = {column.role for column in columns.values() if column.drifted}
    if "feature" in roles:
        kinds.append("data")
    if "label" in roles:
        kinds.append("label")
    if worse:
        kinds.append("concept")
    return tuple(kinds)
