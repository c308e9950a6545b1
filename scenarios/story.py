"""The story of `make run`: what happens to the iris model, step by step, and how each step has to end."""

from collections.abc import Callable
from dataclasses import dataclass

from perennial.contracts.words import Outcome
from scenarios import iris
from scenarios.stack import DeployedStack


@dataclass(frozen=True)
class Step:
    """One run: how it is started, what happens `while_in` one of its states, and how it has to end."""

    name: str
    title: str
    expected: Outcome
    start: Callable[[DeployedStack], None]
    while_in: tuple[str, Callable[[DeployedStack], None]] | None = None


def _first(stack: DeployedStack) -> None:
    stack.upload_frame("first-season.csv", iris.first_season())


def _stable(stack: DeployedStack) -> None:
    stack.upload_frame("second-season.csv", iris.season("second", rows=120, seed=2))


def _drifted(stack: DeployedStack) -> None:
    stack.upload_frame("rainy-season.csv", iris.season("rainy", rows=200, seed=3, scale=2.0))


def _broken(stack: DeployedStack) -> None:
    stack.upload_frame("broken-export.csv", iris.broken(iris.season("export", rows=120, seed=4)))


def _mislabelled(stack: DeployedStack) -> None:
    stack.upload_frame("wrong-labels.csv", iris.mislabelled(iris.season("labels", rows=240, seed=5)))


def _dry(stack: DeployedStack) -> None:
    stack.upload_frame("dry-season.csv", iris.season("dry", rows=200, seed=7, scale=0.6))


def _errors(stack: DeployedStack) -> None:
    stack.report_metric("ServingErrorRate", 0.4)


def _schedule(stack: DeployedStack) -> None:
    stack.let_schedule_fire()


def _poor_performance(stack: DeployedStack) -> None:
    stack.report_metric("ServingPerformance", 0.6)


def _by_hand(stack: DeployedStack) -> None:
    stack.report_metric("ServingErrorRate", 0.0, count=1000)
    stack.start_by_hand("the errors came from a broken sensor, not from the model", force=True)


STORY = (
    Step("first_data", "The first data set arrives; there is no champion yet", "promoted", _first),
    Step("stable_batch", "A second season much like the first", "skipped", _stable),
    Step("data_drift", "A rainy season: every flower is larger", "promoted", _drifted),
    Step("broken_batch", "An export gone wrong", "quarantined", _broken),
    Step("mislabelled_batch", "Every species under another one's name", "rejected", _mislabelled),
    Step(
        "bad_promotion",
        "A dry season: retrained, promoted, and then predictions fail while it bakes",
        "rolled_back",
        _dry,
        ("Bake", _errors),
    ),
    Step("scheduled", "The schedule fires while the rollback's cooldown lasts", "skipped", _schedule),
    Step("alarm", "The performance alarm goes off within the cooldown", "skipped", _poor_performance),
    Step("by_hand", "A person knows better and asks for a training", "promoted", _by_hand),
)
