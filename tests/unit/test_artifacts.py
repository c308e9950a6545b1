"""Stored models: what was written comes back, and nothing else is ever unpickled."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from sklearn.dummy import DummyClassifier

from perennial.artifacts import digest, dump, load, verified
from perennial.errors import ArtifactCorrupted


class Trap:
    """Leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_model_comes_back() -> None:
    model = DummyClassifier(strategy="most_frequent").fit([[0], [1], [2]], ["a", "b", "b"])
    body = dump(model)
    assert load(body, digest(body)).predict([[7]]).tolist() == ["b"]


def test_equal_models_have_equal_bytes_whichever_strings_they_share() -> None:
    name = "".join(["tree", "_of_", "one"])  # equal to the constant, and another object
    one, other = {"tree_of_one": "tree_of_one"}, {"tree_of_one": name}
    assert pickle.dumps(one) != pickle.dumps(other)
    assert dump(one) == dump(other)
    assert load(dump(other), digest(dump(one))) == one


def test_a_changed_artefact_is_refused_before_it_is_unpickled(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    body = pickle.dumps(Trap(sprung))
    with pytest.raises(ArtifactCorrupted, match="was not loaded"):
        load(body, digest(b"the registered one"))
    assert not sprung.exists()
    load(body, digest(body))
    assert sprung.exists()  # so the trap works


def test_verified_bytes_are_passed_on() -> None:
    assert verified(b"profile", digest(b"profile")) == b"profile"
    with pytest.raises(ArtifactCorrupted):
        verified(b"profile ", digest(b"profile"))


def test_the_digest_is_sha256() -> None:
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
