"""Asks every tool for its judgement, each by its own Python, the work cut into pieces for a pool."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from bench.quality_data import Case

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".perennial" / "peers"
VERSIONS = {"evidently": "0.7.23", "nannyml": "0.13.1", "alibi-detect": "0.13.0", "whylogs": "1.6.4"}
SLOW = ("nannyml", "whylogs")  # a tenth and a twentieth of the others' speed
VERDICTS = {"perennial": ("perennial", "perennial drifted"), "scipy": ("scipy KS", "scipy t")}
QUIET = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "WHYLOGS_NO_ANALYTICS": "True"}

Job = tuple[Case, int, int]


class Answer(NamedTuple):
    """Of one tool about one case: a score and a default alarm for each repetition; seconds per check."""

    scores: list[float]
    alarms: list[float]
    seconds: float


def tools() -> tuple[str, ...]:
    """Those that can be asked here."""
    return (*VERDICTS, *(name for name in VERSIONS if (PEERS / name / "bin" / "python").exists()))


def pieces(cases: Iterable[Case], counts: dict[Case, int], size: int) -> list[list[Job]]:
    """The repetitions of all cases in pieces of about `size` checks."""
    jobs = [
        (case, first, min(first + size, counts[case]))
        for case in cases
        for first in range(0, counts[case], size)
    ]
    whole: list[list[Job]] = [[]]
    for job in jobs:
        if sum(last - first for _, first, last in whole[-1]) >= size:
            whole.append([])
        whole[-1].append(job)
    return whole


def ask(tool: str, jobs: list[Job]) -> tuple[str, list[Job], list[dict[str, Any]]]:
    """What the tool answers, computed by the Python that has it."""
    python = PEERS / tool / "bin" / "python" if tool in VERSIONS else Path(sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        asked, answers = Path(folder, "jobs.json"), Path(folder, "answers.json")
        asked.write_text(json.dumps(jobs), encoding="utf-8")
        command = [str(python), "-m", "bench.quality_peers", tool, str(asked), str(answers)]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **QUIET, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{tool} failed: {done.stderr.decode()[-2000:]}")
        return tool, jobs, json.loads(answers.read_text(encoding="utf-8"))


def gathered(
    answers: Iterable[tuple[str, list[Job], list[dict[str, Any]]]],
) -> dict[str, dict[Case, Answer]]:
    """All pieces together, by tool (`perennial` and `scipy` give two each) and case."""
    found: dict[str, dict[Case, Answer]] = {}
    for tool, jobs, given in answers:
        for (case, _, _), answer in zip(jobs, given, strict=True):
            for place, name in enumerate(VERDICTS.get(tool, (tool,))):
                before = found.setdefault(name, {}).get(case, Answer([], [], 0.0))
                found[name][case] = Answer(
                    before.scores + [row[place] for row in answer["scores"]],
                    before.alarms + [row[place] for row in answer["alarms"]],
                    answer["seconds"][0],
                )
    return found
