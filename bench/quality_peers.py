"""Every tool's judgement of the same pairs of tables, run by the Python that has the tool.

    python -m bench.quality_peers TOOL JOBS ANSWERS

JOBS: a JSON list of [case, first, last repetition]; ANSWERS gets, for each, the tool's scores (the larger,
the more drift) and its default verdicts. Peers live in virtual environments of their own, never beside
Perennial.
"""

import json
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.quality_data import LEVELS, Case, Table, pair

Judgement = tuple[float, bool]
_TINY = 1e-300


def perennial(reference: Table, current: Table) -> list[Judgement]:
    """Smallest corrected p-value of columns and table; by default `significant`, and `drifted`."""
    package = import_module("perennial")
    baseline = package.Profile.of(reference)
    report = package.detect_drift(baseline, package.Profile.of(current, like=baseline))
    found = [c.adjusted_p_value for c in report.columns.values()] + [
        t.adjusted_p_value for t in report.tables
    ]
    score = -np.log10(max(min(found), _TINY))
    return [(score, bool(report.significant)), (score, bool(report.drifted))]


def scipy(reference: Table, current: Table) -> list[Judgement]:
    """Kolmogorov-Smirnov, and Welch's t, each with chi-square for categories, Bonferroni at 5 %."""
    stats = import_module("scipy.stats")
    levels, ks, t = [], [], []
    for name, before in reference.items():
        now = current[name]
        if name[0] == "c":
            table = np.stack(
                [[np.count_nonzero(side == level) for level in LEVELS] for side in (before, now)]
            )
            levels.append(stats.chi2_contingency(table[:, table.sum(axis=0) > 0], correction=False).pvalue)
        else:
            ks.append(stats.ks_2samp(before, now, method="asymp").pvalue)
            t.append(stats.ttest_ind(before, now, equal_var=False).pvalue)
    smallest = (min(levels + found) for found in (ks, t))
    return [(-np.log10(max(p, _TINY)), p < 0.05 / len(reference)) for p in smallest]


def alibi(reference: Table, current: Table) -> Judgement:
    """alibi-detect's TabularDrift at its default p_val 0.05, Bonferroni-corrected."""
    detector = import_module("alibi_detect.cd").TabularDrift(
        _matrix(reference),
        p_val=0.05,
        categories_per_feature={i: None for i, name in enumerate(reference) if name[0] == "c"},
    )
    found = detector.predict(_matrix(current))["data"]
    return -np.log10(max(float(found["p_val"].min()), _TINY)), bool(found["is_drift"])


def evidently(reference: Table, current: Table) -> Judgement:
    """Evidently's DataDriftPreset, by its tests for more than 1,000 reference rows: normed Wasserstein and
    Jensen-Shannon distance over 0.1, drift where half the columns drift.
    """
    pandas = import_module("pandas")
    tests = import_module("evidently.legacy.calculations.stattests")
    kinds = import_module("evidently.legacy.core").ColumnType
    found = []
    for name, before in reference.items():
        test = tests.wasserstein_stat_test if name[0] == "x" else tests.jensenshannon_stat_test
        kind = kinds.Numerical if name[0] == "x" else kinds.Categorical
        found.append(test.func(pandas.Series(before), pandas.Series(current[name]), kind, 0.1)[0] / 0.1)
    return float(max(found)), bool(np.mean(np.array(found) >= 1) >= 0.5)


def nannyml(reference: Table, current: Table) -> Judgement:
    """NannyML's UnivariateDriftCalculator as it comes: Jensen-Shannon distance, the batch one chunk."""
    pandas = import_module("pandas")
    rows = len(next(iter(current.values())))
    calculator = import_module("nannyml").UnivariateDriftCalculator(
        column_names=list(reference), chunk_size=rows
    )
    calculator.fit(pandas.DataFrame(reference))
    found = calculator.calculate(pandas.DataFrame(current)).filter(period="analysis").to_df()
    values = [found[(name, "jensen_shannon", "value")].iloc[0] for name in reference]
    alerts = [bool(found[(name, "jensen_shannon", "alert")].iloc[0]) for name in reference]
    return float(max(values)), any(alerts)


def whylogs(reference: Table, current: Table) -> Judgement:
    """whylogs' drift scores of two profiles: KS on sketches, chi-square; drift below p = 0.05."""
    pandas = import_module("pandas")
    log = import_module("whylogs").log
    module = import_module("whylogs.viz.drift.column_drift_algorithms")
    views = [log(pandas.DataFrame(side)).view() for side in (current, reference)]
    scores = module.calculate_drift_scores(
        target_view=views[0], reference_view=views[1], with_thresholds=True
    )
    found = [float(score["pvalue"]) for score in scores.values() if score]
    return -np.log10(max(min(found), _TINY)), min(found) < 0.05


def _matrix(columns: Table) -> Any:
    return np.column_stack(
        [values if name[0] == "x" else np.searchsorted(LEVELS, values) for name, values in columns.items()]
    ).astype(np.float64)


def _alone(judge: Callable[[Table, Table], Judgement]) -> Callable[[Table, Table], list[Judgement]]:
    return lambda reference, current: [judge(reference, current)]


TOOLS: dict[str, Callable[[Table, Table], list[Judgement]]] = {
    "perennial": perennial,
    "scipy": scipy,
    "alibi-detect": _alone(alibi),
    "evidently": _alone(evidently),
    "nannyml": _alone(nannyml),
    "whylogs": _alone(whylogs),
}


def judge(tool: str, case: Case, first: int, last: int) -> dict[str, list[Any]]:
    """Scores and default verdicts, one list a repetition from `first` on, and the seconds per check after
    the first.
    """
    found = [TOOLS[tool](*pair(case, first))]
    began = perf_counter()
    found += [TOOLS[tool](*pair(case, repetition)) for repetition in range(first + 1, last)]
    seconds = (perf_counter() - began) / max(last - first - 1, 1)
    return {
        "scores": [[float(s) for s, _ in row] for row in found],
        "alarms": [[float(a) for _, a in row] for row in found],
        "seconds": [seconds],
    }


def main() -> None:
    """Answer all jobs."""
    warnings.simplefilter("ignore")
    tool, jobs, answers = sys.argv[1:]
    asked = json.loads(Path(jobs).read_text(encoding="utf-8"))
    given = [judge(tool, Case(*case), first, last) for case, first, last in asked]
    Path(answers).write_text(json.dumps(given), encoding="utf-8")


if __name__ == "__main__":
    main()
