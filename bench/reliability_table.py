"""docs/reliability.md, written by the campaign that it tells of."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import median

from bench.reliability_judge import PROMISES, Ending

_HEAD = """# Faults at random moments

A campaign of {runs} runs of the deployed stack on the embedded AWS, each with a model and a batch of its own
and with one fault at a random moment of its training. Written by `{command}` (`make bench-reliability`) on
{day}, {cores} cores, Linux x86-64; it took {minutes:.0f} minutes.

What is not as on AWS: the workflow waits 45 seconds for a heartbeat instead of 300; its retry delays and
waits take a fifth, and a spot interruption comes 12 seconds after its notice instead of 120.

## What was promised

| promise | runs | broken |
|---|---:|---:|
{promises}

## By fault

A fault strikes where its moment comes before the instance is gone. The errors are those in the workflow's
history; the last one of a failed run stands there twice, for the training and for the run.

| fault | runs | struck | promoted | failed | other | attempts | seconds, median | seconds, longest |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
{faults}

| error | times |
|---|---:|
{errors}

## What each fault is

{kinds}
"""

_MEANING = {
    "kill": "SIGKILL to the trainer's process, as the kernel does when memory is short",
    "panic": "every process of the instance dies at once",
    "terminate": "the instance is terminated from outside",
    "interruption": "spot interruption notice, then termination",
    "rebalance": "rebalance recommendation, and no interruption",
    "hang": "every process stands still while EC2 calls the instance running. One that hangs after its "
    "answer is ended by its run, a minute after the answer at the earliest",
    "network": "the instance's calls of AWS find nobody, for a while or for good",
    "disk": "no file grows any further, for a while or for good",
    "s3": "S3 answers 503 SlowDown, for a while or for good",
    "callback": "Step Functions throttles or denies the instance's answers, for a while or for good",
    "capacity": "CreateFleet has no instance, one to eight times per market",
    "boot": "the instance boots seconds late",
}


def write(
    path: Path, endings: Sequence[Ending], command: str, day: datetime, minutes: float, cores: int
) -> None:
    """Write the tables of a campaign."""
    broken = Counter(promise for ending in endings for promise, _ in ending.broken)
    names = list(dict.fromkeys(kind for kind in _MEANING if any(e.fault["kind"] == kind for e in endings)))
    errors = Counter(error for ending in endings for error in ending.errors)
    text = _HEAD.format(
        runs=len(endings),
        command=command,
        day=f"{day:%Y-%m-%d}",
        cores=cores,
        minutes=minutes,
        promises="\n".join(f"| {_kept(name)} | {len(endings)} | {broken[name]} |" for name in PROMISES),
        faults="\n".join(
            [_row(kind, [one for one in endings if one.fault["kind"] == kind]) for kind in names]
            + [_row("**all**", endings)]
        ),
        errors="\n".join(f"| `{name}` | {count} |" for name, count in errors.most_common()),
        kinds="\n".join(f"- **{kind}**: {_MEANING[kind]}." for kind in names),
    )
    for ending in endings:
        for promise, found in ending.broken:
            text += f"\nBroken: {promise} ({ending.fault}): {found}\n"
    path.write_text(text, encoding="utf-8")


def _kept(promise: str) -> str:
    return {
        "no outcome": "the run ends in one recorded outcome",
        "instance left": "no instance is left",
        "lock left": "no lock is left",
        "half-written version visible": "no half-written version is visible",
        "batch lost or doubled": "the batch is there, once",
        "champion is not the run's": "the champion is the run's version after `promoted`, none otherwise",
    }[promise]


def _row(name: str, endings: Sequence[Ending]) -> str:
    outcomes = Counter(ending.outcome for ending in endings)
    other = len(endings) - outcomes["promoted"] - outcomes["failed"]
    seconds = [ending.seconds for ending in endings]
    cells = (
        name,
        len(endings),
        sum(ending.struck > 0 for ending in endings),
        outcomes["promoted"],
        outcomes["failed"],
        other,
        sum(ending.attempts for ending in endings),
        f"{median(seconds):.0f}",
        f"{max(seconds):.0f}",
    )
    return f"| {' | '.join(map(str, cells))} |"
