"""The sections of docs/drift-quality.md that need no peers: what accumulates, importances, estimates, a real
stream.

    python -m bench.quality_sections slow calm importance estimate streams elec2=<path of elec.csv.gz>

Each named section is measured and put in the place of the old one, or at the end of the page.
"""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from time import strftime

from bench import quality_calm, quality_estimate, quality_importance, quality_slow, quality_stream
from bench.quality_ask import ROOT
from bench.quality_table import interval, table
from perennial.columns import Floats
from perennial.config import DriftPolicy
from perennial.drift.family import RECENT

PAGE = ROOT / "docs" / "drift-quality.md"
TITLES = {
    "slow": "## Slow drift: batches until the first alarm",
    "calm": "## Over a life without drift",
    "importance": "## Feature importance without a change",
    "estimate": "## Performance without labels: do the intervals hold?",
    "streams": "## Errors that follow each other",
    "elec2": "## A real stream: Elec2",
}
DRAWS, CHECKS = 40, 24


def main() -> None:
    """Measure what is asked for."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for word in sys.argv[1:] or ["slow", "calm", "importance", "estimate", "streams"]:
        name, _, path = word.partition("=")
        lines = MEASURED.get(name)
        text = "\n".join(lines() if lines else elec2(Path(path)))
        text += f"\nMeasured on {strftime('%Y-%m-%d')} by `python -m bench.quality_sections {name}`.\n"
        page = placed(PAGE.read_text("utf-8"), TITLES[name], text)
        PAGE.write_text(page, encoding="utf-8")


def placed(page: str, title: str, text: str) -> str:
    """The page with the section of this title replaced, or added at its end.

    >>> placed("# A\\n\\n## B\\n\\nold\\n\\n## C\\n", "## B", "new\\n")
    '# A\\n\\n## B\\n\\nnew\\n\\n## C\\n'
    """
    before, found, after = page.partition(f"{title}\n")
    rest = after[after.index("\n## ") :] if found and "\n## " in after else ""
    return f"{before.rstrip()}\n\n{title}\n\n{text}{rest}"


def kept(page: str) -> str:
    """The sections of the page that are measured here."""
    parts = page.split("\n## ")[1:]
    return "\n".join(
        f"## {part.rstrip()}\n" for part in parts if f"## {part.partition(chr(10))[0]}" in TITLES.values()
    )


def slow() -> Iterable[str]:
    tools, batches = quality_slow.TOOLS, quality_slow.BATCHES
    yield (
        f"{quality_slow.COLUMNS} normal columns, {quality_slow.REFERENCE:,} reference rows; in some columns "
        f"the mean moves by {quality_slow.DRIFT:g} standard deviations more with every batch. Mean of "
        f"{quality_slow.LIVES} lives, with its standard error, at equal false-alarm rate: each tool alarms "
        f"where its smallest p-value falls below what it ever falls below in {quality_slow.RATE:.0%} of "
        f"{quality_slow.CALM} lives of {batches} batches without drift. Columns as counts in 64 bins. "
        "Perennial carries its state; *t* is Student's test of each batch alone, the sharpest of the tests "
        "of single batches on such data; *bound* is the likelihood ratio of a detector that is told what the "
        "others have to find out, that one column drifts in a straight line from the first batch on. Where "
        "several drift at once it can be beaten: it is told of one.\n"
    )
    found = [one for rows in quality_slow.SIZES for one in quality_slow.slow(rows)]
    yield table(
        ("rows per batch", "drifting columns", *tools),
        [(f"{s.rows:,}", s.columns, *(_mean(s.firsts[tool]) for tool in tools)) for s in found],
    )
    yield (
        "Why the gain shrinks as batches grow: what all batches share is the reference's error, 0.022 sd of "
        "2,000 rows. Many batches of 200 rows (0.071 sd each) come close to it together, one alone does not. "
        "A batch of 2,000 rows (0.022 sd) is as good as the reference itself: knowing all earlier ones for "
        "certain takes the error of the difference down by the root of two at most, so that a change is seen "
        "at 0.08 sd instead of 0.12, less than two batches of 0.02 sd. No test is much sooner there.\n"
    )


def _mean(values: Floats) -> str:
    return f"{values.mean():.1f} ± {values.std(ddof=1) / len(values) ** 0.5:.1f}"


def calm() -> Iterable[str]:
    yield (
        "Lives without drift in which `accumulated` was ever significant (`lifetime_alpha` allows 1 %), and "
        f"checks in which `recent batches` was (its share of `alpha` allows "
        f"{RECENT * DriftPolicy().alpha:.2%}). Columns in 64 bins; no single-batch tests.\n"
    )
    found = [quality_calm.calm(*course) for course in quality_calm.COURSES]
    yield table(
        ("rows reference / batch", "columns", "batches", "lives with an alarm", "interval", "recent batches"),
        [
            (
                f"{c.reference:,} / {c.rows:,}",
                c.columns,
                c.batches,
                f"{c.accumulated} of {c.lives:,}",
                interval(c.accumulated, c.lives),
                f"{c.recent} of {c.checks:,} checks ({c.recent / c.checks:.2%})",
            )
            for c in found
        ],
    )


def importance() -> Iterable[str]:
    found = [
        quality_importance.unchanged(shape, *size, DRAWS)
        for shape in quality_importance.SHAPES
        for size in quality_importance.SIZES
    ]
    draws, changed = sum(r.draws for r in found), sum(r.changed for r in found)
    yield (
        f"A logistic model, its importances on a holdout and a batch of the same distribution. A change was "
        f"called in {changed} of {draws} draws ({interval(changed, draws)}); a bare limit of NDCG 0.90 would "
        f"have called {sum(r.low for r in found)}.\n"
    )
    yield table(
        ("weights", "holdout / batch rows", "draws", "NDCG below 0.90", "called a change"),
        [(r.shape, f"{r.holdout} / {r.batch}", r.draws, r.low, r.changed) for r in found],
    )


def estimate() -> Iterable[str]:
    yield (
        "How often the 95 % interval of the estimate held the metric that labels show. A random forest of "
        "500 rows (accuracy, F1, ROC AUC) and a line through a bent curve (mean absolute error), 4 features; "
        "*moved*: one feature by 1 sd; *noisy*: 10 % of labels drawn anew (numbers: of errors three times as "
        "large) in holdout and batch alike. Concept drift, 30 % in the batch alone, is there to show what no "
        "estimate without labels can see: its intervals do not hold, and are not meant to.\n"
    )
    found = [
        row
        for size in quality_estimate.SIZES
        for situation in quality_estimate.SITUATIONS
        for measure in (quality_estimate.classified, quality_estimate.regressed)
        for row in measure(situation, *size, CHECKS)
    ]
    yield table(
        ("metric", "situation", "holdout / batch rows", "held", "interval", "mean width"),
        [
            (
                r.metric,
                r.situation,
                f"{r.holdout:,} / {r.batch:,}",
                f"{r.held} of {r.checks}",
                interval(r.held, r.checks),
                f"{r.width:.3f}",
            )
            for r in found
        ],
    )
    still = [r for r in found if r.situation != "concept drift"]
    held, checks = sum(r.held for r in still), sum(r.checks for r in still)
    yield f"Without concept drift {held} of {checks} held ({held / checks:.1%}).\n"


def streams() -> Iterable[str]:
    yield (
        "20 streams of 10,000 errors at a rate of 0.2, each error that of the row before with a certain "
        "chance, which is their correlation, and 20 whose rate goes to 0.3 after 3,000 rows. The watch knows "
        "nothing of the correlation; it estimates how much less such rows say. ADWIN alone takes them for "
        "independent.\n"
    )
    yield table(
        (
            "correlation",
            "changes where there are none: the watch",
            "ADWIN alone",
            "the change seen: the watch",
            "after rows",
            "ADWIN alone",
            "after rows ",
        ),
        [
            (
                f"{f.correlation:g}",
                f"{f.false[0]} in {f.false_streams[0]} streams",
                f"{f.false[1]} in {f.false_streams[1]} streams",
                f"{f.seen[0]} of 20",
                f"{f.delay[0]:,.0f}",
                f"{f.seen[1]} of 20",
                f"{f.delay[1]:,.0f}",
            )
            for f in map(quality_stream.following, quality_stream.STAYS)
        ],
    )


def elec2(path: Path) -> Iterable[str]:
    yield (
        "45,312 half-hours of the electricity market of New South Wales, in order of time; champions learn "
        "the first 4,000 rows and are never trained again. Nobody knows where the drift is. What is known: "
        "prices follow each other, and so do a champion's errors; to detectors that take rows for "
        "independent every run of errors is a change of level. In random order, without change, they should "
        "be silent.\n"
    )
    yield table(
        (
            "errors",
            "values",
            "mean",
            "correlation with the one before",
            "changes",
            "for the worse",
            "ADWIN alone",
            "Page-Hinkley alone",
            "changes in 10 random orders",
        ),
        [
            (
                s.what,
                f"{s.values:,}",
                f"{s.mean:.3f}",
                f"{s.correlation:.2f}",
                s.changes,
                s.worse,
                s.adwin,
                s.page_hinkley,
                s.shuffled,
            )
            for s in quality_stream.elec2(path)
        ],
    )


MEASURED: dict[str, Callable[[], Iterable[str]]] = {
    "slow": slow,
    "calm": calm,
    "importance": importance,
    "estimate": estimate,
    "streams": streams,
}

if __name__ == "__main__":
    main()
