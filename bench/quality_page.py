"""The page of the quality benchmark: tables of what was measured."""

import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from statistics import median
from typing import Any

import numpy as np

from bench import quality_ask, quality_life, quality_material
from bench.quality_ask import Answer
from bench.quality_data import CASES, REFERENCE_ROWS, SHORT, Case
from bench.quality_life import Course
from bench.quality_table import share, table
from perennial.drift.proportions import difference_interval

RATE = 0.05  # the false-alarm rate that all scores are calibrated to


def head() -> str:
    command = " ".join(["python -m bench.quality", *sys.argv[1:]])
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn"))
    peers = ", ".join(
        f"{tool} {quality_ask.VERSIONS[tool]}" for tool in quality_ask.tools() if tool in quality_ask.VERSIONS
    )
    return (
        "# How good the drift verdict is\n\n"
        f"Written by `{command}` (`make bench-quality` gives no arguments; "
        f"after `make bench-peers`, which installs the peers) with {libraries}; "
        f"peers: "
        f"{peers or 'none'}, and scipy. Default policy. Intervals are Wilson's, 95 %. "
        "The method: [drift.md](drift.md).\n"
    )


def material_tables(found: list[quality_material.Shifted]) -> Iterable[str]:
    yield "## Materiality\n"
    small = [row for row in found if row.size < 0.1]
    large = [row for row in found if row.size > 0.1 and row.rows >= 1_000]
    yield (
        "20 columns, of which 1 or all are shifted by so many of their own standard deviations (counts and "
        "flags: "
        "their mean). Target: 0.05 sd is not material at any number of rows, 0.25 sd is once the rows can "
        "tell. "
        f"Material at 0.05 sd: {share(sum(r.material for r in small), sum(r.checks for r in small))}; "
        f"drifted at "
        f"0.25 sd in one column, from 1,000 rows: "
        f"{share(sum(r.drifted for r in large), sum(r.checks for r in large))}. "
        "At each number of rows, shapes together and apart:\n"
    )
    sizes = sorted({row.rows for row in found})
    for size, columns, what in ((0.05, 1, "material"), (0.05, 20, "material"), (0.25, 1, "drifted")):
        rows = []
        for shape in ("all", *quality_material.SHAPES):
            cells = [shape]
            for n in sizes:
                mine = [
                    r
                    for r in found
                    if (r.rows, r.size, r.columns) == (n, size, columns) and shape in ("all", r.shape)
                ]
                hits, checks = sum(getattr(r, what) for r in mine), sum(r.checks for r in mine)
                cells.append(f"{hits} of {checks}")
            rows.append(cells)
        yield f"`{what}` at {size:g} sd in {columns} of 20 columns:\n"
        yield table(("shape", *(f"{n:,} rows" for n in sizes)), rows)


def power_tables(found: dict[str, dict[Case, Answer]]) -> Iterable[str]:
    calm = [Case(n) for n in sorted({case.rows for case in CASES})]
    shown = [tool for tool in found if tool != "perennial drifted"]
    counts = {tool: (len(found[tool][calm[0]].scores), len(found[tool][SHORT[0]].scores)) for tool in shown}
    yield "## Power at equal false-alarm rate\n"
    yield (
        f"{REFERENCE_ROWS:,} reference rows, 15 numbers and 5 categories, the same tables for all tools. "
        f"Share of "
        f"{counts['perennial'][1]} repetitions in which the tool's score exceeds what it exceeds in "
        f"{RATE:.0%} of "
        f"{counts['perennial'][0]} repetitions without drift at the same number of rows (NannyML and "
        f"whylogs, which are "
        f"slower: {min(c[1] for c in counts.values())} of each, in some of the cases). `drifted` is "
        f"Perennial's full verdict at "
        f"its "
        "defaults (1 % per check, and material), not recalibrated. Bold: the best; a peer's figure is bold "
        "only where "
        "it beats Perennial's.\n"
    )
    limits = {
        (tool, case.rows): _limit(found[tool][case].scores)
        for tool in shown
        for case in calm
        if case in found[tool]
    }
    rows, losses = [], []
    for case in CASES:
        asked = [tool for tool in shown if case in found[tool]]
        power = {t: float(np.mean(np.array(found[t][case].scores) > limits[t, case.rows])) for t in asked}
        best, mine = max(power.values()), power["perennial"]
        if best > mine:
            losses.append((case, [t for t in asked if power[t] == best], best, mine))
        cells = [
            _bold(power[t], power[t] == best and (t == "perennial" or best > mine)) if t in power else ""
            for t in shown
        ]
        drifted = float(np.mean(found["perennial drifted"][case].alarms))
        rows.append((_named(case), f"{case.rows:,}", case.columns, f"{drifted:.2f}", *cells))
    yield table(("change", "rows", "of 20 columns", "perennial `drifted`", *shown), rows)
    yield "### Where a peer wins\n"
    lines = [
        f"- {_named(case)} in {case.columns} of 20 columns, {case.rows:,} rows: {', '.join(who)} {best:.2f}, "
        f"Perennial {mine:.2f}{_doubt(best, mine, min(counts[t][1] for t in who), counts['perennial'][1])}"
        for case, who, best, mine in losses
    ]
    yield ("\n".join(lines) or "Nowhere in these cases.") + "\n"
    yield (
        "Why: Perennial also watches scale, shape, missing values, correlations and all columns together, "
        "and pays for "
        "that with a part of its error rate, as a test of means alone need not. alibi-detect's MMD is left "
        "out: it "
        "needs PyTorch, TensorFlow or KeOps, and judges the table by one number without naming columns.\n"
    )
    yield "## The tools' own defaults\n"
    yield "Share of checks without any drift in which the tool raises its default alarm:\n"
    rows = [
        (
            f"{case.rows:,}",
            *(f"{np.mean(found[t][case].alarms):.2f}" if case in found[t] else "" for t in found),
        )
        for case in calm
    ]
    yield table(("rows", *found), rows)
    yield (
        "Seconds per check of 2,000 rows, profiles included, imports not (scipy: both tests)"
        ", while other checks ran beside it: not a comparison of speed.\n"
    )
    tools = [tool for tool in found if tool not in {"perennial drifted", "scipy t"}]
    yield table(
        tuple(t.removesuffix(" KS") for t in tools),
        [tuple(f"{found[t][Case(2_000)].seconds:.3f}" for t in tools)],
    )


def life_tables(
    found: dict[Course, list[quality_life.Life]], calm: dict[Course, list[quality_life.Life]]
) -> Iterable[str]:
    tools = quality_life.TOOLS
    count = len(next(iter(found.values())))
    batches = next(iter(found)).batches
    yield "## Slow drift: the tools' default alarms\n"
    yield (
        "20 normal columns, 2,000 reference rows; in some columns the mean moves by 0.02 standard deviations "
        "more with every batch. Perennial carries its state, the peers look at each batch alone. Median "
        f"batch of the first default alarm in {count} lives (Perennial: 1 % per check and 1 % over the life; "
        "Kolmogorov-Smirnov and t: 1 % per check, Bonferroni; Evidently: half the columns). Material is "
        f"0.15 sd, which is reached at batch 8: before that `drifted` is rightly false. {batches + 1} means "
        "never. At equal false-alarm rate: see below.\n"
    )
    rows: list[tuple[Any, ...]] = []
    for course, lives in found.items():
        alarmed = (f"{median(quality_life.first_alarm(life[tool]) for life in lives):g}" for tool in tools)
        rows.append((course.rows, course.columns, *alarmed))
    yield table(("rows per batch", "drifting columns", *tools), rows)
    yield (
        f"Lives of {batches} batches without drift with a default alarm, and alarms per check. "
        "Perennial's accumulated alarm stands once it was raised, so that one life can bring many:\n"
    )
    rows = []
    for course, lives in calm.items():
        ever = (sum(any(life[tool]) for life in lives) for tool in tools)
        each = (sum(sum(life[tool]) for life in lives) / (len(lives) * batches) for tool in tools)
        cells = (f"{e} of {len(lives)} ({rate:.2%})" for e, rate in zip(ever, each, strict=True))
        rows.append((course.rows, *cells))
    yield table(("rows per batch", *tools), rows)


def _bold(power: float, best: bool) -> str:
    return f"**{power:.2f}**" if best else f"{power:.2f}"


def _doubt(best: float, mine: float, theirs: int, ours: int) -> str:
    """The 95 % interval of the difference of two shares of so many repetitions."""
    low, high = difference_interval(round(best * theirs), theirs, round(mine * ours), ours)
    few = f", {theirs} repetitions of the peer" if theirs < ours else ""
    return f" (difference {low:+.2f} to {high:+.2f}{few})"


def _limit(scores: Sequence[float]) -> float:
    ordered = np.sort(scores)
    return float(ordered[-1 - int(RATE * len(ordered))])


def _named(case: Case) -> str:
    return {
        "shift": f"shift of {case.size:g} sd",
        "scale": f"scale by {case.size:g}",
        "category": f"category, total variation {case.size:g}",
    }[case.change]
