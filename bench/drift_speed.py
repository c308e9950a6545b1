"""How long profile and verdict take, beside scipy by column and pyarrow reading alone, on the same data.

Calls that are compared take turns, after each has run once: imports, threads and caches are warm. Given is
the median wall time, and beside it the median processor time of all threads, which says more on a machine
that has other work. `python -m bench.drift_speed --large` adds a CSV file of 2 GB, `--docs FILE` writes the
tables into a file, between two marks.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

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
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / ".perennial" / "peers"


def mixed(rows: int, seed: int) -> pd.DataFrame:
    """15 columns of numbers, 5 of strings with 10 to 190 levels."""
    return pd.DataFrame(mixed_columns(rows, seed))


class Took(NamedTuple):
    """Median seconds of a call: by the clock, and of all processors together."""

    wall: float
    processor: float


def seconds(call: Callable[[], Any], repeats: int = 5) -> Took:
    """Of one call alone, which runs once before."""
    return interleaved({"": call}, repeats)[""]


def interleaved(calls: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, Took]:
    """Of calls that take turns: what else the machine does meets all of them."""
    took: dict[str, list[Took]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            wall, processor = time.perf_counter(), time.process_time()
            call()
            spent = Took(time.perf_counter() - wall, time.process_time() - processor)
            if turn:
                took[name].append(spent)
    return {name: Took(*map(statistics.median, zip(*times, strict=True))) for name, times in took.items()}


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
    strings = [f"s{i}" for i in range(STRINGS)]
    apart = current.astype(dict.fromkeys(strings, object))
    shared = apart.assign(**{name: _shared(apart[name]) for name in strings})
    data = arrow.nbytes / MEGABYTE
    calls: dict[str, Callable[[], Any]] = {
        "pandas": partial(_check, current, baseline),
        "pyarrow": partial(_check, arrow, baseline),
        "pandas, Python strings, each row its own": partial(_check, apart, baseline),
        "pandas, Python strings, shared as by `read_csv`": partial(_check, shared, baseline),
        "scipy, column by column": partial(scipy_verdict, reference, current),
        "a profile that is its own reference": partial(Profile.of, current),
    }
    took = interleaved(calls, 9)
    slowest = took["scipy, column by column"]
    result = _table(
        f"{ROWS:,} rows x {NUMBERS} numbers + {STRINGS} strings in memory ({data:.0f} MB), profile and "
        f"verdict, stored reference of {REFERENCE_ROWS:,} rows",
        ["", "seconds", "scipy's of it", "CPU seconds", "scipy's of it", "extra MB"],
    )
    for name, (wall, processor) in took.items():
        result.add_row(
            name,
            f"{wall:.3f}",
            f"{slowest.wall / wall:.1f} x",
            f"{processor:.3f}",
            f"{slowest.processor / processor:.1f} x",
            f"{peak_megabytes(calls[name]):.0f}",
        )
    for name in TOOLS:
        if (spent := peer_seconds(name)) is not None:
            times = f"{spent / took['pandas'].wall:.0f} times pandas'"
            result.add_row(name, f"{spent:.3f}", f"{slowest.wall / spent:.2f} x", times)
    return result


def _shared(values: pd.Series) -> pd.Series:
    """The same strings, equal ones as one object."""
    codes, levels = pd.factorize(values)
    return pd.Series(np.asarray(levels, object)[codes], dtype=object)


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
    baseline = Profile.load(Profile.of(mixed(REFERENCE_ROWS, 0)).save())
    config = model()
    result = _table(
        "From a file on disk to the report",
        ["file", "MB", "pyarrow reads", "to the report", "ratio", "CPU: reads", "to the report", "extra MB"],
    )
    readers: dict[str, Callable[[Path], Any]] = {"m.csv": pa_csv.read_csv, "m.parquet": pq.read_table}
    for name, read in readers.items():
        path = folder / name

        def check(path: Path = path) -> Any:
            found = validate_files([(path, path.name)], config, like=baseline)
            return detect_drift(baseline, found.profile)

        check()
        extra = peak_megabytes(check)
        reading, ours = interleaved({"read": partial(read, path), "check": check}, 15).values()
        result.add_row(
            name,
            f"{path.stat().st_size / MEGABYTE:.0f}",
            f"{reading.wall:.3f} s",
            f"{ours.wall:.3f} s",
            f"{ours.wall / reading.wall:.2f}",
            f"{reading.processor:.3f} s",
            f"{ours.processor:.3f} s",
            f"{extra:.0f}",
        )
    return result


def slopes() -> Table:
    """Nanoseconds per value; flat where cost is linear."""
    result = _table(
        "Profile + verdict, cost per value", ["rows", "columns", "seconds", "ns per value", "CPU ns"]
    )
    shapes = [(10**power, 10) for power in (4, 5, 6, 7)] + [(20_000, columns) for columns in (5, 50, 500)]
    for rows, columns in shapes:
        rng = np.random.default_rng(0)
        table = {f"n{i}": rng.normal(size=rows) for i in range(columns)}
        baseline = Profile.of({name: values[:10_000] for name, values in table.items()})
        wall, processor = seconds(partial(_check, table, baseline))
        each = rows * columns / 1e9
        result.add_row(
            f"{rows:,}", str(columns), f"{wall:.4f}", f"{wall / each:.1f}", f"{processor / each:.1f}"
        )
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

    before, now = (Profile.load(body) for body in bodies)
    calls = interleaved(
        {
            "comparing two of 200 columns": lambda: detect_drift(before, now),
            "loading and comparing them": lambda: detect_drift(
                Profile.load(bodies[0]), Profile.load(bodies[1])
            ),
            "and writing the report as JSON": lambda: json.dumps(detect_drift(before, now).to_dict()),
        },
        15,
    )
    calls["loading and merging 1,000 shards of 20 columns"] = seconds(
        lambda: Profile.merge_all(map(Profile.load, shards)), 3
    )
    size = len(bodies[0]) / 200
    result = _table(f"Stored profiles ({size:,.0f} bytes a column of 200)", ["", "ms", "CPU ms"])
    for name, (wall, processor) in calls.items():
        result.add_row(name, f"{wall * 1000:,.0f}", f"{processor * 1000:,.0f}")
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
    """`--large` adds a file of 2 GB, `--docs FILE` puts the tables into a file, between `BEGIN` and `END`."""
    console, written = Console(), []
    for table in tables(with_large="--large" in sys.argv):
        console.print(table)
        written.append(markdown(table))
    if "--docs" in sys.argv:
        path = Path(sys.argv[sys.argv.index("--docs") + 1])
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        machine = f"{os.process_cpu_count()} cores, {platform.system()} {platform.machine()}"
        text = "\n".join([f"Measured on {machine}.\n", *written])
        path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
