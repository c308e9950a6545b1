"""`make bench-quality`: false alarms, materiality, power against the peers, time to detect, to
docs/drift-quality.md.

    python -m bench.quality [--quick] [--workers=N]

Peers take part where `make bench-peers` has installed them.
"""

import os
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from time import perf_counter, strftime

from bench import (
    quality_alarm_page,
    quality_alarms,
    quality_ask,
    quality_life,
    quality_material,
    quality_page,
    quality_sections,
)
from bench.quality_ask import ROOT
from bench.quality_data import CASES, SHAPES, SHORT, Case
from bench.quality_life import Course

PAGE = ROOT / "docs" / "drift-quality.md"
COURSES = tuple(Course(2_000, rows, 22, 0.02, columns) for rows in (200, 500, 2_000) for columns in (1, 4))


@dataclass(frozen=True)
class Budget:
    """How often each thing is repeated."""

    tables: int
    splits: int
    shifts: int
    checks: int
    calm: int
    slow: int
    lives: int
    calm_lives: int


FULL = Budget(60, 150, 36, 60, 150, 12, 12, 30)
QUICK = Budget(10, 15, 6, 20, 40, 3, 4, 12)


def main() -> None:
    """Measure everything, as many processes as there are cores, and write the page."""
    quick, began = "--quick" in sys.argv, perf_counter()
    budget = QUICK if quick else FULL
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    given = [int(word.partition("=")[2]) for word in sys.argv if word.startswith("--workers=")]
    with ProcessPoolExecutor(given[-1] if given else os.cpu_count()) as pool:
        answers = [pool.submit(quality_ask.ask, tool, jobs) for tool, jobs in _questions(budget)]
        alarms = [
            pool.submit(quality_alarms.synthetic, shape, size, _tables(budget, size))
            for size in reversed(quality_alarms.SIZES)
            for shape in (SHAPES if max(size) < 1_000_000 else quality_alarms.AT_A_MILLION)
        ]
        splits = [pool.submit(quality_alarms.real, name, budget.splits) for name in quality_alarms.REAL]
        shifts = [pool.submit(quality_material.shifted, *arguments) for arguments in _shifts(budget)]
        courses = {course: _pieces(pool, course, budget.lives) for course in COURSES}
        calm = {
            course: _pieces(pool, course, budget.calm_lives)
            for course in dict.fromkeys(c._replace(drift=0.0, columns=0) for c in COURSES)
        }
        parts = [
            quality_page.head(),
            *quality_alarm_page.alarm_tables([row for part in (*alarms, *splits) for row in part.result()]),
            *quality_page.material_tables([part.result() for part in shifts]),
            *quality_page.power_tables(quality_ask.gathered(part.result() for part in answers)),
            *quality_page.life_tables(
                *({c: _joined(p) for c, p in found.items()} for found in (courses, calm))
            ),
        ]
    cpu = sum(os.times()[:4])
    minutes = (perf_counter() - began) / 60
    parts.append(
        f"Measured on {strftime('%Y-%m-%d')} in {minutes:.0f} minutes on {os.cpu_count()} cores "
        f"({cpu / 60:.0f} minutes of processor time), Linux x86-64.\n"
    )
    parts.append(quality_sections.kept(PAGE.read_text("utf-8")))
    PAGE.write_text("\n".join(parts), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} written in {minutes:.1f} minutes")


def _tables(budget: Budget, size: tuple[int, int]) -> int:
    return max(budget.tables // (1 if max(size) <= 5_000 else 2 if max(size) < 1_000_000 else 4), 1)


def _questions(budget: Budget) -> list[tuple[str, list[quality_ask.Job]]]:
    calm = [Case(n) for n in sorted({case.rows for case in CASES})]
    asked = []
    for tool in quality_ask.tools():
        slow = tool in quality_ask.SLOW
        cases = [case for case in (*calm, *CASES) if not slow or case in SHORT or case in calm[:-1]]
        counts = {
            case: budget.slow if slow else budget.calm if case in calm else budget.checks for case in cases
        }
        asked += [(tool, jobs) for jobs in quality_ask.pieces(cases, counts, 60 if slow else 400)]
    return sorted(asked, key=lambda question: question[0] not in quality_ask.SLOW)  # the slowest first


def _shifts(budget: Budget) -> list[tuple[str, int, float, int, int]]:
    asked = []
    for shape in quality_material.SHAPES:
        for rows in (50, 500, 1_000, 20_000, 1_000_000):
            checks = (
                budget.shifts if rows <= 1_000 else max(budget.shifts // (3 if rows < 1_000_000 else 36), 1)
            )
            asked += [
                (shape, rows, size, columns, checks) for size, columns in ((0.05, 1), (0.05, 20), (0.25, 1))
            ]
    return asked


def _pieces(pool: ProcessPoolExecutor, course: Course, count: int) -> list[Future[list[quality_life.Life]]]:
    step = 5
    return [
        pool.submit(quality_life.lives, course, range(first, min(first + step, count)))
        for first in range(0, count, step)
    ]


def _joined(pieces: list[Future[list[quality_life.Life]]]) -> list[quality_life.Life]:
    return [life for piece in pieces for life in piece.result()]


if __name__ == "__main__":
    main()
