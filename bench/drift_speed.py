"""How long profile and verdict take, beside scipy by column and pyarrow reading alone, on the same data.

Every ratio is of two medians of one run. `python -m bench.drift_speed --large` adds a CSV file of 2 GB.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from scipy.stats import chi2_contingency, ks_2samp

from bench.speed_data import NUMBERS, REFERENCE_ROWS, ROWS, STRINGS, mixed_columns
from bench.speed_peers import TOOLS
from perennial import Profile, detect_drift
from perennial.config import ModelConfig
from perennial.validation import validate_files

MEGABYTE = 1024 * 1024
ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / ".perennial" / "peers"


def mixed(rows: int, seed: int) -> pd.DataFrame:
    """15 columns of numbers, 5 of strings with 10 to 190 levels."""
    return pd.DataFrame(mixed_columns(rows, seed))


def seconds(call: Callable[[], Any], repeats: int = 3) -> float:
    """Median wall time."""
    took = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def peak_megabytes(call: Callable[[], Any]) -> float:
    """By how much the resident memory rose above where it was, at most (Linux; else NaN)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    except OSError:
        return float("nan")
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def _status(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def scipy_verdict(reference: pd.DataFrame, current: pd.DataFrame) -> None:
    """What one would write by hand: a test per column, on the rows of both tables."""
    for name in current:
        if str(name).startswith("n"):
            ks_2samp(reference[name], current[name])
        else:
            counts = pd.concat([reference[name].value_counts(), current[name].value_counts()], axis=1)
            chi2_contingency(counts.fillna(0).to_numpy().T)


def in_memory() -> Table:
    """A million rows in memory against a stored reference."""
    reference, current = mixed(REFERENCE_ROWS, 0), mixed(ROWS, 1)
    baseline = Profile.load(Profile.of(reference).save())
    arrow = pa.Table.from_pandas(current, preserve_index=False)
    objects = current.astype({f"s{i}": object for i in range(STRINGS)})
    data = arrow.nbytes / MEGABYTE
    calls: dict[str, Callable[[], Any]] = {
        "pandas": partial(_check, current, baseline),
        "pyarrow": partial(_check, arrow, baseline),
        "pandas, object strings": partial(_check, objects, baseline),
        "scipy, column by column": partial(scipy_verdict, reference, current),
        "a profile that is its own reference": partial(Profile.of, current),
    }
    took = interleaved(calls, 7)
    slowest = took["scipy, column by column"]
    result = _table(
        f"{ROWS:,} rows x {NUMBERS} numbers + {STRINGS} strings in memory ({data:.0f} MB), profile + verdict",
        ["", "seconds", "of Perennial's on pandas", "scipy's of it", "extra MB"],
    )
    peers = {name: spent for name in TOOLS if (spent := peer_seconds(name)) is not None}
    for name, value in (took | peers).items():
        extra = f"{peak_megabytes(calls[name]):.0f}" if name in calls else ""
        times = f"{value / took['pandas']:.1f} x"
        result.add_row(name, f"{value:.3f}", times, f"{slowest / value:.1f} x", extra)
    return result


def interleaved(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median wall times of calls that take turns: what else the machine does meets all of them."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            took[name].append(seconds(call, 1))
    return {name: statistics.median(times) for name, times in took.items()}


def peer_seconds(tool: str) -> float | None:
    """Of one check by another tool; None where `make bench-peers` has not installed it."""
    python = PEERS / tool / "bin" / "python"
    if not python.exists():
        return None
    command = [str(python), "-m", "bench.speed_peers", tool]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return float(next(line.split()[1] for line in shown.splitlines() if line.startswith("seconds ")))


def files(folder: Path) -> Table:
    """From a file on disk to the report."""
    arrow = pa.Table.from_pandas(mixed(ROWS, 1), preserve_index=False)
    pa_csv.write_csv(arrow, folder / "m.csv")
    pq.write_table(arrow, folder / "m.parquet")
    del arrow
    baseline = Profile.of(mixed(REFERENCE_ROWS, 0))
    config = model()
    result = _table(
        "From a file on disk to the report",
        ["file", "MB", "pyarrow reads", "to the report", "ratio", "extra MB"],
    )
    readers: dict[str, Callable[[Path], Any]] = {"m.csv": pa_csv.read_csv, "m.parquet": pq.read_table}
    for name, read in readers.items():
        path = folder / name

        def check(path: Path = path) -> Any:
            found = validate_files([(path, path.name)], config, like=baseline)
            return detect_drift(baseline, found.profile)

        check()
        extra = peak_megabytes(check)
        reading, ours = interleaved({"read": partial(read, path), "check": check}, 7).values()
        size = path.stat().st_size / MEGABYTE
        result.add_row(
            name, f"{size:.0f}", f"{reading:.2f} s", f"{ours:.2f} s", f"{ours / reading:.2f}", f"{extra:.0f}"
        )
    return result


def slopes() -> Table:
    """Nanoseconds per value; flat where cost is linear."""
    result = _table("Profile + verdict, cost per value", ["rows", "columns", "seconds", "ns per value"])
    shapes = [(10**power, 10) for power in (4, 5, 6, 7)] + [(20_000, columns) for columns in (5, 50, 500)]
    for rows, columns in shapes:
        rng = np.random.default_rng(0)
        table = {f"n{i}": rng.normal(size=rows) for i in range(columns)}
        baseline = Profile.of({name: values[:10_000] for name, values in table.items()})
        took = seconds(partial(_check, table, baseline))
        result.add_row(f"{rows:,}", str(columns), f"{took:.3f}", f"{took / rows / columns * 1e9:.1f}")
    return result


def _check(table: Any, baseline: Profile) -> Any:
    return detect_drift(baseline, Profile.of(table, like=baseline))


def stored() -> Table:
    """What a stored profile takes, and what comparing and merging stored ones costs."""
    rng = np.random.default_rng(0)
    wide = {f"n{i}": rng.normal(size=5_000) for i in range(150)}
    wide |= {f"s{i}": np.array([f"level {j}" for j in rng.integers(0, 60, 5_000)]) for i in range(50)}
    reference = Profile.of(wide)
    bodies = reference.save(), Profile.of(wide, like=reference).save()
    baseline = Profile.of(mixed(REFERENCE_ROWS, 0))
    shards = [Profile.of(mixed(200, seed), like=baseline).save() for seed in range(1000)]

    def compared() -> Any:
        before, now = (Profile.load(body) for body in bodies)
        return detect_drift(before, now)

    compared()
    result = _table("Stored profiles", ["", ""])
    result.add_row("bytes per column, 200 columns", f"{len(bodies[0]) / 200:,.0f}")
    result.add_row("loading and comparing two of 200 columns, ms", f"{seconds(compared, 15) * 1000:.0f}")
    merged = seconds(lambda: Profile.merge_all(map(Profile.load, shards)), 1)
    result.add_row("loading and merging 1,000 shards of 20 columns, s", f"{merged:.2f}")
    return result


def large(folder: Path) -> Table:
    """A CSV file of 2 GB: the memory that its validation takes."""
    path = folder / "large.csv"
    block = pa.Table.from_pandas(mixed(ROWS, 1), preserve_index=False)
    with path.open("wb") as file:
        pa_csv.write_csv(block, file)
        while file.tell() < 2_000_000_000:
            pa_csv.write_csv(block, file, pa_csv.WriteOptions(include_header=False))
    del block
    baseline = Profile.of(mixed(REFERENCE_ROWS, 0))
    started = time.perf_counter()
    extra = peak_megabytes(lambda: validate_files([(path, path.name)], model(), like=baseline))
    result = _table("A large file", ["GB", "seconds", "extra MB", "resident MB"])
    size = path.stat().st_size / 1e9
    result.add_row(
        f"{size:.2f}", f"{time.perf_counter() - started:.1f}", f"{extra:.0f}", f"{_status('VmHWM'):.0f}"
    )
    return result


def model() -> ModelConfig:
    """Declares the columns of `mixed`."""
    kinds = {f"n{i}": "number" for i in range(NUMBERS)} | {f"s{i}": "category" for i in range(STRINGS)}
    return ModelConfig.model_validate(
        {
            "name": "speed",
            "task": "classification",
            "label": "s0",
            "columns": {name: {"type": kind} for name, kind in kinds.items()},
            "estimator": {"class": "sklearn.linear_model.LogisticRegression"},
        }
    )


def tables(with_large: bool = False) -> Iterator[Table]:
    """All of them, each when it is done."""
    yield in_memory()
    with tempfile.TemporaryDirectory() as folder:
        yield files(Path(folder))
        if with_large:
            yield large(Path(folder))
    yield slopes()
    yield stored()


def _table(title: str, headings: list[str]) -> Table:
    load = f"; {os.process_cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    result = Table(title=title + load, title_justify="left")
    for place, heading in enumerate(headings):
        result.add_column(heading, justify="right" if place else "left")
    return result


def markdown(table: Table) -> str:
    """The table for docs/speed.md."""
    rows = zip(*(column.cells for column in table.columns), strict=True)
    heads = [str(column.header) for column in table.columns]
    marks = ["---:" if column.justify == "right" else "---" for column in table.columns]
    lines = [heads, marks, *([str(cell) for cell in row] for row in rows)]
    return f"{table.title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """`--large` adds a file of 2 GB, `--docs FILE` appends the tables to a file."""
    console = Console()
    for table in tables(with_large="--large" in sys.argv):
        console.print(table)
        if "--docs" in sys.argv:
            with Path(sys.argv[sys.argv.index("--docs") + 1]).open("a", encoding="utf-8") as file:
                file.write("\n" + markdown(table))


if __name__ == "__main__":
    main()
