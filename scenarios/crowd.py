"""Many runs at once: files uploaded in the same moment, and requests that come in the same moment."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from perennial.aws.clients import client
from scenarios import iris
from scenarios.stack import DeployedStack

HANDS = 16  # that upload or ask at the same time

# A model that is quick to train and gathers its uploads; what is left of `models/iris.yaml` stands.
GATHERING: dict[str, Any] = {
    "estimator": {"class": "sklearn.tree.DecisionTreeClassifier"},
    "bake": {"duration": "1s", "check_every": "1s"},
    "trigger": {"debounce": "5s", "max_wait": "2m"},
}


@dataclass(frozen=True)
class Found:
    """What a model's runs left. `lost`: files that were uploaded and lie nowhere any more, or twice."""

    model: str
    runs: int
    outcomes: Counter[str]
    coalesced: int
    trainings: int
    champion: int | None
    accepted: int
    lost: int
    seconds: float

    @property
    def right(self) -> bool:
        """One training, whose version serves, and every file accepted once."""
        return (self.trainings, self.champion, self.lost) == (1, 1, 0) and set(self.outcomes) <= {
            "promoted",
            "skipped",
        }


def files(name: str, count: int, rows: int) -> list[bytes]:
    """So many different small tables of labelled flowers."""
    whole = iris.season(name, rows=count * rows, seed=41)
    return [
        whole.iloc[number * rows : (number + 1) * rows].to_csv(index=False).encode()
        for number in range(count)
    ]


def at_once(actions: Sequence[Callable[[], object]]) -> None:
    """Do all of it at the same time, as far as this machine can."""
    with ThreadPoolExecutor(HANDS) as pool:
        for done in [pool.submit(action) for action in actions]:
            done.result()


def found(stack: DeployedStack, uploaded: Sequence[bytes]) -> Found:
    """Look at one model after all its runs have ended."""
    services, model = stack.services, stack.model
    entries = services.ledger.runs(model, limit=1000)
    areas = [f"{area}/{model}/" for area in ("incoming", "accepted", "quarantine")]
    lying = [services.data.get(item.key) for area in areas for item in services.data.list(area)]
    accepted = sum(1 for _ in services.data.list(areas[1]))
    missing, extra = Counter(uploaded) - Counter(lying), Counter(lying) - Counter(uploaded)
    alias = services.registry.champion(model)
    ended = [entry["ended_at"] for entry in entries if "ended_at" in entry]
    return Found(
        model=model,
        runs=len(entries),
        outcomes=Counter(entry.get("outcome", "none") for entry in entries),
        coalesced=sum("coalesced_into" in entry for entry in entries),
        trainings=len(services.registry.versions(model)),
        champion=alias.version if alias else None,
        accepted=accepted,
        lost=(missing + extra).total() + len(uploaded) - accepted,
        seconds=_seconds(min(entry["started_at"] for entry in entries), max(ended)) if ended else 0.0,
    )


def at_rest(stack: DeployedStack) -> bool:
    """Does no run of the stack go on?"""
    answer = client("stepfunctions").list_executions(
        stateMachineArn=stack.services.workflow.arn, statusFilter="RUNNING", maxResults=1
    )
    return not answer["executions"]


def _seconds(first: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()
