"""A search's choice holds until the model file says something else."""

from pathlib import Path
from typing import Any

from perennial.config import ModelConfig, load_model
from perennial.estimator_config import Estimator
from perennial.lineage import Chosen, VersionRecord
from perennial.training.chosen import chosen, in_force

TREE = Estimator.model_validate({"class": "sklearn.tree.DecisionTreeClassifier", "params": {"max_depth": 3}})


def version(of: Chosen | None) -> VersionRecord:
    construct: Any = VersionRecord.model_construct  # the other fields do not matter here
    record: VersionRecord = construct(chosen=of)
    return record


def config() -> ModelConfig:
    return load_model("iris", Path(__file__).parents[2] / "models")


def test_it_holds_while_the_model_file_says_the_same() -> None:
    choice = chosen(config(), TREE)
    again = in_force(config().model_copy(update={"seed": 99}), version(choice))
    assert again == choice
    assert Chosen.model_validate_json(choice.model_dump_json()).estimator == TREE


def test_it_ends_with_another_estimator_in_the_model_file_or_without_a_parent() -> None:
    edited = config().model_copy(update={"estimator": TREE})
    assert in_force(edited, version(chosen(config(), TREE))) is None
    assert in_force(config(), version(None)) is None
    assert in_force(config(), None) is None
