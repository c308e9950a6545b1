"""Many runs at once on the deployed stack: `make bench-concurrency`.

    python -m bench.concurrency [--runs 50]

Three crowds, one after the other, on the embedded AWS with the real template: so many files uploaded to one
model, a file and so many requests for one, and a file uploaded to each of so many models. Each model has
to be trained once, serve version 1, and lose no file. The table goes to docs/concurrency.md.
"""

import argparse
import json
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import yaml

from bench.story import Sampler, speaking_to
from local import tree
from local.deploy import STACK, build, deploy
from local.engine import ROOT, Engine
from local.session import Session
from scenarios import crowd, iris
from scenarios.stack import DeployedStack

PATIENCE = 3600.0  # seconds
PAGE = ROOT / "docs" / "concurrency.md"
HEADER = (
    "| at once | runs | promoted | skipped | of them coalesced | otherwise | trainings | champion right "
    "| files lost | seconds |"
)
WARM = 20  # seconds that the engine keeps an idle worker: fifty of each function would take all memory
ROWS = 150  # of all files to one model: fewer cannot show that a first version is better than a naive answer
LAMBDA_LONGEST = 900  # seconds
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def main() -> None:
    """Play the three crowds and write the table; exit code 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    runs = parser.parse_args().runs
    many = [f"many-{number:02d}" for number in range(runs)]
    common = yaml.safe_load((ROOT / "models" / "iris.yaml").read_text("utf-8")) | crowd.GATHERING
    scratch = Path(tempfile.mkdtemp(prefix="perennial-concurrency-"))
    try:
        names = ("one", "asked", *many)
        copied = tree.copy(scratch / "tree", {name: common | {"name": name} for name in names})
        be_patient(copied)
        build(copied)
        engine = Engine(scratch / "engine", auth=True, settings={"LAMBDA_WARM_TTL_SECONDS": str(WARM)})
        with Session(engine), speaking_to(engine), Sampler(scratch) as sampler:
            deploy(engine, copied)
            found = {
                f"{runs} files to one model": [uploads("one", runs)],
                f"1 file and {runs} requests to one model": [requests("asked", runs)],
                f"1 file to each of {runs} models": models(many),
            }
        write(found, sampler.peak, runs)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    raise SystemExit(not all(one.right for several in found.values() for one in several))


def be_patient(copied: Path) -> None:
    """Give functions and their tasks more time: here fifty cold starts share a few cores."""
    template, machine = copied / "template.yaml", copied / "statemachine" / "retraining.asl.json"
    text, times = re.subn(
        r"(?m)^(\s+)Timeout: \d+$", rf"\1Timeout: {LAMBDA_LONGEST}", template.read_text("utf-8")
    )
    assert times
    template.write_text(text, "utf-8")
    definition = json.loads(machine.read_text("utf-8"))
    for state in definition["States"].values():
        if state["Type"] == "Task" and isinstance(state["TimeoutSeconds"], int):  # people have their own
            state["TimeoutSeconds"] = max(state["TimeoutSeconds"], LAMBDA_LONGEST)
    machine.write_text(json.dumps(definition, indent=2), "utf-8")


def uploads(model: str, count: int) -> crowd.Found:
    """So many files at once to one model."""
    stack, files = DeployedStack(STACK, model), crowd.files(model, count, rows=max(3, ROWS // count))
    crowd.at_once([partial(stack.upload, f"{number}.csv", body) for number, body in enumerate(files)])
    settle(stack, lambda: len(stack.runs()) >= count)
    return crowd.found(stack, files)


def requests(model: str, count: int) -> crowd.Found:
    """One file, and so many people at once who want a training of it."""
    stack, batch = DeployedStack(STACK, model), first_batch()
    ask = partial(stack.start_by_hand, "many ask at once", force=True)
    crowd.at_once([partial(stack.upload, "first.csv", batch), *[ask] * count])
    settle(stack, lambda: len(stack.runs()) > count)
    return crowd.found(stack, [batch])


def models(names: Sequence[str]) -> list[crowd.Found]:
    """One file at once to each of these models."""
    stacks, batch = [DeployedStack(STACK, name) for name in names], first_batch()
    crowd.at_once([partial(stack.upload, "first.csv", batch) for stack in stacks])
    settle(stacks[0], lambda: all(stack.runs() for stack in stacks))
    return [crowd.found(stack, [batch]) for stack in stacks]


def first_batch() -> bytes:
    """Enough labelled flowers for a first version."""
    return iris.first_season().to_csv(index=False).encode()


def settle(stack: DeployedStack, all_began: Callable[[], bool]) -> None:
    """Wait until the runs have begun and ended. Raises TimeoutError."""
    until = time.monotonic() + PATIENCE
    while not (all_began() and crowd.at_rest(stack)):
        if time.monotonic() > until:
            raise TimeoutError(f"runs of {stack.model} still go on after {PATIENCE:.0f} s")
        time.sleep(0.5)


def row(name: str, several: Sequence[crowd.Found]) -> str:
    """One line of the table."""
    outcomes = sum((one.outcomes for one in several), Counter[str]())
    others = outcomes.total() - outcomes["promoted"] - outcomes["skipped"]
    cells = (
        sum(one.runs for one in several),
        outcomes["promoted"],
        outcomes["skipped"],
        sum(one.coalesced for one in several),
        others,
        f"{sum(one.trainings for one in several)} of {len(several)}",
        f"{sum(one.champion == 1 for one in several)} of {len(several)}",
        sum(one.lost for one in several),
        f"{max(one.seconds for one in several):.0f}",
    )
    wrong = [one for one in several if not one.right]
    for one in wrong:
        print(f"wrong: {one}")
    return f"| {name} | {' | '.join(str(cell) for cell in cells)} |"


def write(found: dict[str, list[crowd.Found]], peak: int, runs: int) -> None:
    """Put the table between the marks of the page."""
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    measured = (
        f"`--runs {runs}`, {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Linux x86-64; "
        f"all processes together took at most {peak / 2**30:.1f} GiB."
    )
    table = [
        measured,
        "",
        HEADER,
        "|---|" + "---:|" * (HEADER.count("|") - 2),
        *(row(name, several) for name, several in found.items()),
    ]
    PAGE.write_text(f"{before}{BEGIN}\n{'\n'.join(table)}\n{END}{after}", encoding="utf-8")
    print("\n".join(table))


if __name__ == "__main__":
    main()
