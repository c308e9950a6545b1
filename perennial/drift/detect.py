"""Reference against current: evidence first, then materiality, one verdict."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

from scipy.special import ndtri

from perennial.arguments import block, need, numbers
from perennial.column_profiles import without_values
from perennial.columns import TABLE, columns_of, kind_of
from perennial.config import DriftPolicy
from perennial.contracts.words import DriftKind
from perennial.drift.correlation import structure
from perennial.drift.evidence import ColumnEvidence, ColumnTest, TestName, compare_columns
from perennial.drift.family import adjust
from perennial.drift.materiality import HARMLESS, background, leanings
from perennial.drift.multiplicity import holm
from perennial.drift.multivariate import MultivariateChange
from perennial.drift.performance import PerformanceChange
from perennial.drift.quality import column_quality
from perennial.drift.report import ColumnDrift, DriftReport
from perennial.drift.schema import SchemaChange, profile_schema, table_schema
from perennial.drift.sequential import Accumulated, accumulate
from perennial.drift.table_test import TableTest
from perennial.drift.tables import compare_tables
from perennial.drift.words import performance_words, ranked_reasons, summarise, told
from perennial.errors import MissingColumn, ProfileMismatch
from perennial.profile import ColumnProfile, NumberColumn, Profile, as_profile

if TYPE_CHECKING:
    import pandas as pd

_TESTS: tuple[TestName, ...] = get_args(TestName)


def detect_drift(  # noqa: PLR0913
    reference: Any,
    current: Any,
    policy: DriftPolicy | Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
    *,
    label: str | None = None,
    performance: PerformanceChange | None = None,
    columns: Iterable[str] | None = None,
    importances: "Mapping[str, float] | pd.Series[float] | None" = None,
    multivariate: MultivariateChange | None = None,
) -> DriftReport:
    """Compare current data with a reference, each a `Profile`, a DataFrame (pandas, polars), a pyarrow Table
    or a mapping of arrays. `policy` is a `DriftPolicy` or a mapping of its fields.

    `columns` to compare (default: all of the reference; leave out keys, whose values are new in every batch).
    `label` names the one among them whose drift is label drift. `performance` adds the champion's score on
    labelled current rows, `multivariate` a domain classifier's verdict (`compare_samples`). `importances` say
    how much the model leans on each column. With `state` (`{}` at first, then each report's own `state`) what
    batches have in common accumulates: slow drift too small for one batch.

    A column drifted when a test of it is significant (corrected p-value below `policy.alpha`) and its effect
    material (at least `policy.min_effect`, free of sampling noise, weighted by importance). Performance
    drifted when the drop is significant in the same family of tests and at least `min_performance_drop`.

    Raises ProfileMismatch where the two were not binned alike or `state` is none, MissingColumn where the
    reference has no column of `columns` or no `label` (a column that current data merely lacks is schema
    drift), InvalidData where `reference` or `current` is no table, InvalidRequest where another argument is
    not of its kind.
    """
    policy = DriftPolicy() if policy is None else block("policy", policy, DriftPolicy)
    need("state", state, Mapping | None, "the `state` of a report, as a mapping")
    need("performance", performance, PerformanceChange | None, "a PerformanceChange")
    need("multivariate", multivariate, MultivariateChange | None, "a MultivariateChange")
    leaning = None if importances is None else numbers("importances", importances)
    label = None if label is None else str(label)
    before = as_profile("reference", reference)
    before, now, schema = _profiled(current, before)
    names = _names(before, now, schema, columns, label)
    evidence = compare_columns(before, now, names)
    weights = leanings([name for name in names if name != label], leaning)
    pair = structure(before, now, names)
    accumulated, recent, carried = accumulate(before, now, names, policy, state, weights, pair)
    tables, share = compare_tables(pair, evidence, weights, multivariate, recent, policy)
    family = [evidence[name].p_value for name in names if evidence[name].tests]
    harmless = _harmless(evidence, policy)
    adjusted = iter(holm([*family, *([performance.p_value] if performance else [])]))
    verdicts = {
        name: _verdict(
            name,
            evidence[name],
            adjust(next(adjusted), share) if evidence[name].tests else None,
            (before.columns[name], now.columns[name]),
            _Limits(policy, len(family), label, weights.get(name, 1.0), harmless[name]),
        )
        for name in names
    }
    worse_significant = performance is not None and adjust(next(adjusted), share) < policy.alpha
    worse_material = performance is not None and performance.drop >= policy.min_performance_drop
    worse = worse_significant and worse_material
    parts: list[ColumnDrift | TableTest | Accumulated] = [*verdicts.values(), *tables]
    parts += [accumulated] if accumulated else []
    first = [f"schema: {schema.words}"] if schema.breaking else []
    first += [f"performance: {performance_words(performance)}"] if performance and worse else []
    first += [accumulated.reason] if accumulated and accumulated.drifted else []
    return DriftReport(
        drifted=worse or schema.breaking or any(part.drifted for part in parts),
        significant=worse_significant or any(part.significant for part in parts),
        material=worse_material or any(part.material for part in parts),
        kinds=_kinds(verdicts, tables, accumulated, label, worse=worse, schema=schema),
        score=max((column.statistics.get("psi_corrected", 0.0) for column in verdicts.values()), default=0.0),
        summary=summarise(
            verdicts, performance, worse=worse, tables=tables, schema=schema, accumulated=accumulated
        ),
        reasons=ranked_reasons(verdicts, evidence, tables, first),
        columns=verdicts,
        tables=tables,
        schema=schema,
        quality=tuple(
            issue
            for name in names
            for issue in column_quality(
                name, before.columns[name], now.columns[name], evidence[name].statistics or {}
            )
        ),
        performance=performance,
        performance_drifted=worse,
        accumulated=accumulated,
        state=carried,
        reference_rows=before.rows,
        current_rows=now.rows,
        tests=sum(len(found.tests) for found in evidence.values()) + len(tables) + (performance is not None),
        alpha=policy.alpha,
    )


def _profiled(current: Any, before: Profile) -> tuple[Profile, Profile, SchemaChange]:
    """Both profiles of the columns that can be compared, and how the schema changed."""
    if isinstance(current, Profile):
        return before, current, profile_schema(before, current)
    given = columns_of(current, f"current: expected a Profile, {TABLE}")
    before = _of_kinds_that_came(before, given)
    schema = table_schema(given, before)
    gone = {*schema.removed, *schema.retyped}
    if not gone:
        return before, Profile.of(given, like=before), schema
    kept = {name: column for name, column in before.columns.items() if name not in gone}
    return before, Profile.of(given, like=replace(before, columns=kept, products=None)), schema


def _of_kinds_that_came(before: Profile, given: Mapping[str, Any]) -> Profile:
    """The reference, its columns without values taken for what they are now: nothing is of any kind."""
    found = {
        name: without_values(kind, column.nulls)
        for name, column in before.columns.items()
        if not column.count and name in given and (kind := kind_of(given[name])) != column.kind
    }
    return replace(before, columns={**before.columns, **found}, products=None) if found else before


def _names(
    before: Profile, now: Profile, schema: SchemaChange, wanted: Iterable[str] | None, label: str | None
) -> list[str]:
    gone = {*schema.removed, *schema.retyped}
    need("columns", wanted, Iterable | None, "the names of columns")
    wanted = before.columns if wanted is None else [wanted] if isinstance(wanted, str) else wanted
    names = list(dict.fromkeys(map(str, wanted)))  # strings, as those of every profile
    for name in [*names, *([label] if label is not None else [])]:
        if name not in before.columns:
            raise MissingColumn(f"the reference has no column {name!r}: found {', '.join(before.columns)}")
    names = [name for name in names if name not in gone]
    for name in names:
        if _binning(before.columns[name]) != _binning(now.columns[name]):
            raise ProfileMismatch(
                f"column {name!r} was binned differently: profile the current data with `like=reference`"
            )
    return names


def _binning(column: ColumnProfile) -> tuple[Any, ...]:
    return (column.kind, column.edges if isinstance(column, NumberColumn) else column.levels)


@dataclass(frozen=True)
class _Limits:
    """What a column is held against; `harmless` sizes by test."""

    policy: DriftPolicy
    columns: int
    label: str | None
    weight: float
    harmless: Mapping[str, float]

    def material(self, test: ColumnTest) -> bool:
        """Large enough to matter, and no accident among so many columns."""
        chance = self.policy.alpha / max(self.columns, 1)
        if test.p_value > chance or not self.large(test):
            return False
        least = test.size + float(ndtri(chance / 2)) * test.error
        return not test.error or least > self.harmless[test.name]

    def large(self, test: ColumnTest) -> bool:
        """Whether the effect as it was seen would matter."""
        return test.effect * self.weight >= self.policy.min_effect


def _harmless(evidence: Mapping[str, ColumnEvidence], policy: DriftPolicy) -> dict[str, dict[str, float]]:
    """By column and test: how far the other columns moved."""
    found: dict[str, dict[str, float]] = {name: {} for name in evidence}
    for kind in _TESTS:
        tests = [
            (name, test)
            for name, seen in evidence.items()
            for test in seen.tests
            if test.name == kind and test.error
        ]
        sizes, errors = [test.size for _, test in tests], [test.error for _, test in tests]
        least = background(sizes, errors, HARMLESS * policy.min_effect)
        for (name, _), value in zip(tests, least.tolist(), strict=True):
            found[name][kind] = value
    return found


def _verdict(
    name: str,
    found: ColumnEvidence,
    adjusted: float | None,
    pair: tuple[ColumnProfile, ColumnProfile],
    limits: _Limits,
) -> ColumnDrift:
    factor = adjusted / found.p_value if adjusted is not None and found.p_value > 0 else 1.0
    judged = []
    for test in found.tests:
        corrected = min(1.0, test.weighted_p * factor)
        judged.append((test, corrected, corrected < limits.policy.alpha, limits.material(test)))
    judged.sort(key=lambda item: (not (item[2] and item[3]), not item[2], -item[0].effect))
    drifted = [test for test, _, significant, material in judged if significant and material]
    return ColumnDrift(
        name=name,
        kind=pair[0].kind,
        role="label" if name == limits.label else "feature",
        drifted=bool(drifted),
        significant=any(significant for _, _, significant, _ in judged),
        material=any(material for *_, material in judged),
        p_value=found.p_value if found.tests else None,
        adjusted_p_value=adjusted,
        effect=max((test.effect for test in drifted or found.tests), default=0.0),
        weight=limits.weight,
        statistics=found.statistics or {},
        reasons=tuple(
            told(test, corrected, significant=significant, material=material, large=limits.large(test))
            for test, corrected, significant, material in judged
        ),
        profiles=pair,
    )


def _kinds(
    columns: Mapping[str, ColumnDrift],
    tables: Iterable[TableTest],
    accumulated: Accumulated | None,
    label: str | None,
    *,
    worse: bool,
    schema: SchemaChange,
) -> tuple[DriftKind, ...]:
    slow = set(accumulated.columns if accumulated and accumulated.drifted else ())
    slow.update(name for test in tables if test.drifted for name in test.columns)
    roles = {column.role for column in columns.values() if column.drifted or column.name in slow}
    found: dict[DriftKind, bool] = {
        "data": "feature" in roles or any(test.drifted and not test.columns for test in tables),
        "label": label is not None and "label" in roles,
        "concept": worse,
        "schema": schema.breaking,
    }
    return tuple(kind for kind, present in found.items() if present)
