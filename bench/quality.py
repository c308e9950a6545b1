"""`make bench-quality`: false alarms, power against the peers, time to detect, to docs/drift-quality.md.

    python -m bench.quality [--quick]

Peers take part where `make bench-peers` has installed them.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from math import sqrt
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.quality_alarms import Life, lives, median_batch, real_alarms, synthetic_alarms
from bench.quality_data import REFERENCE_ROWS, Case

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "drift-quality.md"
PEERS = ROOT / ".perennial" / "peers"
VERSIONS = {"evidently": "0.7.23", "nannyml": "0.13.1", "alibi-detect": "0.13.0", "whylogs": "1.6.4"}
OURS = ("perennial", "perennial drifted", "scipy KS", "scipy t")
RATE = 0.05  # the false-alarm rate that all scores are calibrated to
QUIET = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "WHYLOGS_NO_ANALYTICS": "True"}

CASES = (
    *(Case(100, "shift", 0.5, k) for k in (1, 4, 10)),
    *(Case(100, "shift", 0.25, k) for k in (4, 10)),
    Case(100, "shift", 1.0, 1),
    *(Case(500, "shift", 0.25, k) for k in (1, 4, 10)),
    *(Case(500, "shift", 0.1, k) for k in (4, 10)),
    *(Case(2_000, "shift", 0.1, k) for k in (1, 4, 10)),
    *(Case(20_000, "shift", 0.1, k) for k in (1, 4)),
    *(Case(n, "scale", 1.25, k) for n, k in ((100, 4), (500, 1), (500, 4), (2_000, 1))),
    *(Case(100, "category", 0.2, k) for k in (1, 4)),
    *(Case(500, "category", 0.1, k) for k in (1, 4)),
    Case(2_000, "category", 0.1, 1),
)


def main() -> None:
    """Measure everything and write the page."""
    quick, began = "--quick" in sys.argv, perf_counter()
    parts = [_head(quick), *_alarm_tables(quick), *_power_tables(quick), *_life_tables(quick)]
    seconds = perf_counter() - began
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join([*parts, f"Measured in {seconds / 60:.0f} minutes.", ""]), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} written in {seconds:.0f} s")


def _head(quick: bool) -> str:
    command = "python -m bench.quality --quick" if quick else "make bench-quality"
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn"))
    return (
        "# How good the drift verdict is\n\n"
        f"Written by `{command}` (after `make bench-peers`, which installs the peers) with {libraries}; "
        "default policy unless said otherwise. The method: [drift.md](drift.md).\n"
    )


def _alarm_tables(quick: bool) -> Iterable[str]:
    def checks(rows: int, columns: int) -> int:
        budget = 6e6 if quick else 4e7
        return int(
            min(
                60 if quick else 400, max(5 if quick else 20, budget / (rows * columns + 3e4 * sqrt(columns)))
            )
        )

    found = [*synthetic_alarms(checks), *real_alarms(50 if quick else 300)]
    total, wrong = sum(a.checks for a in found), sum(a.significant for a in found)
    yield "## False alarms per check, without drift\n"
    yield (
        f"Target: at most 1 % at every size. All rows together: {wrong} of {total:,} checks "
        f"({wrong / total:.2%}). Among 100 checks at a true rate of 1 % there are 0 to 4 "
        "alarms 99.7 times in 100.\n"
    )
    yield _table(
        ("data", "rows reference / current", "columns", "checks", "significant", "drifted"),
        [(a.data, a.rows, a.columns, a.checks, a.significant, a.drifted) for a in found],
    )


def _power_tables(quick: bool) -> Iterable[str]:
    calm = [Case(n) for n in sorted({case.rows for case in CASES})]
    peers = [name for name in VERSIONS if (PEERS / name / "bin" / "python").exists()]
    few, many = (30, 60) if quick else (100, 200)
    counts = {tool: few if tool in {"nannyml", "whylogs"} else many for tool in (*OURS, *peers)}
    found = {tool: _ask(tool, [(case, counts[tool]) for case in (*calm, *CASES)]) for tool in (*OURS, *peers)}
    shown = [tool for tool in found if tool != "perennial drifted"]
    yield "## Power at equal false-alarm rate\n"
    yield (
        f"{REFERENCE_ROWS:,} reference rows, 15 numbers and 5 categories. Share of {many} repetitions "
        f"(NannyML and whylogs {few}) in which the tool's score exceeds what it exceeds in {RATE:.0%} of "
        "as many repetitions without drift at the same number of rows. `drifted` is Perennial's full verdict "
        "at its defaults (1 % per check, and material), not recalibrated. Bold: the best; a peer's figure is "
        "bold only where it beats Perennial's. alibi-detect's MMD needs PyTorch or TensorFlow: left out.\n"
    )
    limits = {(tool, case.rows): _limit(found[tool][case]["scores"]) for tool in shown for case in calm}
    rows, losses = [], []
    for case in CASES:
        power = {t: float(np.mean(np.array(found[t][case]["scores"]) > limits[t, case.rows])) for t in shown}
        best = max(power.values())
        if best > power["perennial"]:
            losses.append((case, [t for t in shown if power[t] == best], best, power["perennial"]))
        drifted = float(np.mean(found["perennial drifted"][case]["alarms"]))
        mine = power["perennial"]
        cells = [
            f"**{p:.2f}**" if p == best and (t == "perennial" or p > mine) else f"{p:.2f}"
            for t, p in power.items()
        ]
        rows.append((_named(case), f"{case.rows:,}", case.columns, f"{drifted:.2f}", *cells))
    yield _table(("change", "rows", "of 20 columns", "perennial `drifted`", *shown), rows)
    yield "### Where a peer wins\n"
    yield (
        "\n".join(
            f"- {_named(case)} in {case.columns} of 20 columns, {case.rows:,} rows: {', '.join(who)} "
            f"{best:.2f}, Perennial {mine:.2f}{_doubt(best, mine, min(counts[t] for t in who), many)}"
            for case, who, best, mine in losses
        )
        or "Nowhere in these cases."
    )
    yield "\n## The tools' own defaults\n"
    yield "Share of checks without any drift in which the tool raises its default alarm:\n"
    rows = [(f"{case.rows:,}", *(f"{np.mean(found[t][case]['alarms']):.2f}" for t in found)) for case in calm]
    yield _table(("rows", *found), rows)
    yield "Seconds per check of 2,000 rows, profiles and imports included:\n"
    yield _table(tuple(found), [tuple(f"{found[t][Case(2_000)]['seconds'][0]:.3f}" for t in found)])


def _doubt(best: float, mine: float, theirs: int, ours: int) -> str:
    """Whether two shares of so many repetitions differ by less than two standard errors."""
    error = sqrt(best * (1 - best) / theirs + mine * (1 - mine) / ours)
    return " (within two standard errors)" if best - mine <= 2 * error else ""


def _limit(scores: Sequence[float]) -> float:
    ordered = np.sort(scores)
    return float(ordered[-1 - int(RATE * len(ordered))])


def _life_tables(quick: bool) -> Iterable[str]:
    count, batches = (5, 30) if quick else (40, 50)
    yield "## Slow drift: batches until the first alarm\n"
    yield (
        "20 normal columns; in some the mean moves by 0.02 standard deviations more with every batch. "
        f"Median of {count} lives. The two columns on the left hold a false-alarm rate of 1 % over the whole "
        "life; a test of single batches at 1 % per check does not (see below), and at 1 % over the life it "
        "takes longer. Perennial's verdict with a state is the earlier of the first and the third.\n"
    )
    tools = ("accumulated", "scipy_life", "perennial", "scipy_check")
    head = (
        "accumulated (1 % per life)",
        "scipy KS (1 % per life)",
        "perennial per batch (1 %)",
        "scipy KS (1 %)",
    )
    rows: list[tuple[Any, ...]] = []
    for reference, size, columns in (
        (2_000, 200, 1),
        (2_000, 500, 1),
        (2_000, 500, 4),
        (10_000, 200, 1),
        (10_000, 500, 4),
    ):
        found = lives(count, reference, size, batches, 0.02, columns)
        rows.append((f"{reference:,}", size, columns, *(median_batch(found, t, batches) for t in tools)))
    yield _table(("reference rows", "rows per batch", "drifting columns", *head), rows)
    yield f"\nLives of {batches} batches without drift in which there was an alarm:\n"
    rows = []
    for reference, size in ((2_000, 200), (200, 500)):
        calm: list[Life] = lives(count, reference, size, batches, 0.0, 0)
        alarms = (sum(getattr(life, tool) is not None for life in calm) for tool in tools)
        rows.append((f"{reference:,}", size, *(f"{alarm} of {count}" for alarm in alarms)))
    yield _table(("reference rows", "rows per batch", *head), rows)


def _ask(tool: str, jobs: list[tuple[Case, int]]) -> dict[Case, dict[str, list[float]]]:
    """Answers of the tool, computed by its own Python, in two processes."""
    python = PEERS / tool / "bin" / "python" if tool in VERSIONS else Path(sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        running = []
        for part in range(2):
            mine = jobs[part::2]
            asked, answers = Path(folder, f"jobs-{part}.json"), Path(folder, f"answers-{part}.json")
            asked.write_text(json.dumps(mine), encoding="utf-8")
            command = [str(python), "-m", "bench.quality_peers", tool, str(asked), str(answers)]
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **QUIET, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            running.append((process, mine, answers))
        found: dict[Case, dict[str, list[float]]] = {}
        for process, mine, answers in running:
            if process.wait():
                raise RuntimeError(f"{tool} failed: run {python} -m bench.quality_peers by hand to see why")
            given = json.loads(answers.read_text(encoding="utf-8"))
            found |= {case: answer for (case, _), answer in zip(mine, given, strict=True)}
    return found


def _named(case: Case) -> str:
    return {
        "shift": f"shift of {case.size:g} sd",
        "scale": f"scale by {case.size:g}",
        "category": f"category, total variation {case.size:g}",
    }[case.change]


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    main()
