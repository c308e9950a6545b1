"""The layers: what a build leaves of our own code."""

from pathlib import Path

import pytest

from layers import build


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "project"
    for folder in ("perennial", "ec2_trainer", "models", "requirements"):
        (root / folder).mkdir(parents=True)
    (root / "perennial" / "names.py").write_text("NAMES = frozenset({'a', 'b', 'c'})\n", "utf-8")
    (root / "models" / "unfinished.py").write_text("def make(:\n", "utf-8")
    locks = "".join(f"{name}==1.2.3\n" for name in build.PICKLED)
    (root / "requirements" / "layer-core.txt").write_text(locks, "utf-8")
    monkeypatch.setattr(build, "ROOT", root)


@pytest.mark.usefixtures("project")
def test_the_code_layer_brings_bytecode_and_is_the_same_each_time(tmp_path: Path) -> None:
    built = []
    for name in ("once", "again"):
        target = tmp_path / name
        build.copy_code(target)
        built.append({path.relative_to(target): path.read_bytes() for path in build.files(target)})
    assert built[0] == built[1]
    assert Path("perennial/__pycache__/names.cpython-313.pyc") in built[0]
    assert Path("models/unfinished.py") in built[0], "what cannot be compiled fails where it is imported"
