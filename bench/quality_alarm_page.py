"""The page's tables of false alarms: by rows, by shape, by data set, and each combination apart."""

from collections.abc import Iterable, Sequence

from bench.quality_alarms import Alarms
from bench.quality_data import SHAPES
from bench.quality_table import interval, share, table
from perennial.drift.proportions import share_interval

_TARGET = 0.01  # false alarms per check


def alarm_tables(found: Sequence[Alarms]) -> Iterable[str]:
    """All of it."""
    drawn = [a for a in found if a.data in SHAPES]
    yield "## False alarms per check, without drift\n"
    total, wrong = sum(a.checks for a in found), sum(a.significant for a in found)
    yield (
        f"Target: at most 1 % at every size. All together {share(wrong, total)} of {total:,} checks were "
        f"significant, {share(sum(a.drifted for a in found), total)} were called drift. {_above(found)} "
        "Every check has a reference of its own. The tables of 5 columns are quarters of those of 20, so "
        "that the cells of one line depend on each other; the checks in a cell do not.\n"
    )
    yield from _together(drawn, "rows reference / current", "rows")
    yield from _together(drawn, "data", "data")
    yield "Real data sets, split at random into reference and current, anew for every check:\n"
    yield table(
        ("data", "rows reference / current", "columns", "significant", "drifted"),
        [(a.data, a.rows, a.columns, _pooled([a]), a.drifted) for a in found if a.data not in SHAPES],
    )
    yield "Each combination apart: significant of checks with 5, 20 and 200 columns.\n"
    sizes, shapes = dict.fromkeys(a.rows for a in drawn), dict.fromkeys(a.data for a in drawn)
    yield table(
        ("data", *sizes),
        [(shape, *(_apart(drawn, shape, rows) for rows in sizes)) for shape in shapes],
    )


def _above(found: Sequence[Alarms]) -> str:
    worse = [a for a in found if share_interval(a.significant, a.checks, 0.95)[0] > _TARGET]
    named = "; ".join(
        f"{a.data}, {a.rows} rows, {a.columns} columns: {a.significant} of {a.checks}" for a in worse
    )
    return (
        f"Of the {len(found)} combinations of data, rows and columns, {len(worse)} have an interval wholly "
        f"above 1 %{f' ({named})' if named else ''}; if every rate were exactly 1 %, about one in 40 would."
    )


def _together(drawn: Sequence[Alarms], head: str, key: str) -> Iterable[str]:
    lines = sorted({a.columns for a in drawn})
    rest = "data" if key == "rows" else "sizes"
    yield f"Significant by {head}, all {rest} together:\n"
    yield table(
        (head, *(f"{columns} columns" for columns in lines)),
        [
            (
                line,
                *(_pooled([a for a in drawn if getattr(a, key) == line and a.columns == c]) for c in lines),
            )
            for line in dict.fromkeys(getattr(a, key) for a in drawn)
        ],
    )


def _pooled(found: Sequence[Alarms]) -> str:
    checks, wrong = sum(a.checks for a in found), sum(a.significant for a in found)
    return f"{wrong} of {checks:,} ({interval(wrong, checks)})" if checks else ""


def _apart(drawn: Sequence[Alarms], shape: str, rows: str) -> str:
    return ", ".join(f"{a.significant} of {a.checks}" for a in drawn if (a.data, a.rows) == (shape, rows))
