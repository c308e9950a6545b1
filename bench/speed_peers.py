"""Seconds that a tool takes to compare a million rows with its reference, run by the Python that has it.

    python -m bench.speed_peers TOOL

Tools and their versions: `bench/install_peers.sh`. What is timed is what a user calls, on pandas frames in
memory; whylogs' profile and NannyML's fit of the reference, which can be kept, are not.
"""

import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

from bench.speed_data import REFERENCE_ROWS, ROWS, mixed_columns


def evidently(reference: Any, current: Any) -> Callable[[], Any]:
    """DataDriftPreset."""
    report = import_module("evidently").Report([import_module("evidently.presets").DataDriftPreset()])
    return lambda: report.run(current, reference).dict()


def nannyml(reference: Any, current: Any) -> Callable[[], Any]:
    """UnivariateDriftCalculator as it comes, the batch one chunk."""
    names, rows = list(reference.columns), len(current)
    calculator = import_module("nannyml").UnivariateDriftCalculator(column_names=names, chunk_size=rows)
    calculator.fit(reference)
    return lambda: calculator.calculate(current).to_df()


def whylogs(reference: Any, current: Any) -> Callable[[], Any]:
    """Profile of the batch and drift scores."""
    log = import_module("whylogs").log
    scores = import_module("whylogs.viz.drift.column_drift_algorithms").calculate_drift_scores
    before = log(reference).view()
    return lambda: scores(target_view=log(current).view(), reference_view=before, with_thresholds=True)


TOOLS = {"evidently": evidently, "nannyml": nannyml, "whylogs": whylogs}


def main() -> None:
    """Print the seconds."""
    warnings.simplefilter("ignore")
    frame = import_module("pandas").DataFrame
    tables = frame(mixed_columns(REFERENCE_ROWS, 0)), frame(mixed_columns(ROWS, 1))
    check = TOOLS[sys.argv[1]](*tables)
    started = time.perf_counter()
    check()
    print(f"seconds {time.perf_counter() - started:.3f}")


if __name__ == "__main__":
    main()
