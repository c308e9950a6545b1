"""A model is unpickled by the versions that pickled it."""

import json
from pathlib import Path

import pytest

from layers.build import copy_code, locked_versions
from perennial.errors import VersionMismatch
from perennial.libraries import check, locked


def test_the_locks_name_every_library_that_a_pickle_depends_on() -> None:
    pinned = locked_versions()
    assert pinned["python"] == "3.13"
    assert set(pinned) == {"python", "numpy", "pandas", "scipy", "scikit-learn", "joblib"}


def test_outside_a_layer_nothing_is_expected(tmp_path: Path) -> None:
    assert locked(tmp_path / "libraries.json") == {}
    (tmp_path / "libraries.json").write_text(json.dumps({"numpy": "2.5.5"}))
    assert locked(tmp_path / "libraries.json") == {"numpy": "2.5.5"}


def test_the_layer_of_the_code_says_what_the_other_layers_hold(tmp_path: Path) -> None:
    copy_code(tmp_path)
    assert locked(tmp_path / "perennial" / "libraries.json") == locked_versions()
    assert (tmp_path / "ec2_trainer" / "__main__.py").is_file()


def test_every_difference_is_named_with_both_versions() -> None:
    expected = {"python": "3.13", "numpy": "2.5.5", "scipy": "1.18.1", "joblib": "1.6.0"}
    found = {"python": "3.12.8", "numpy": "2.5.5", "scipy": "1.18.0"}
    with pytest.raises(VersionMismatch) as mismatch:
        check(expected, found)
    assert str(mismatch.value) == (
        "python is 3.12.8 where 3.13 was expected, scipy is 1.18.0 where 1.18.1 was expected, "
        "joblib is missing where 1.6.0 was expected; nothing was trained"
    )


@pytest.mark.parametrize("found", ["3.13", "3.13.0", "3.13.11"])
def test_the_last_number_of_python_does_not_matter(found: str) -> None:
    check({"python": "3.13"}, {"python": found})


def test_a_longer_number_is_another_version() -> None:
    with pytest.raises(VersionMismatch):
        check({"python": "3.1"}, {"python": "3.13.0"})
    with pytest.raises(VersionMismatch):
        check({"numpy": "2.5"}, {"numpy": "2.5.1"})
