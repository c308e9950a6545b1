"""A copy of the repository with further models: what is deployed from it is the real template."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from local.engine import ROOT

_FOLDERS = (
    "ec2_trainer",
    "functions",
    "layers",
    "local",
    "models",
    "perennial",
    "requirements",
    "scenarios",
    "statemachine",
)
_FILES = ("pyproject.toml", "samconfig.toml", "template.yaml")
_SHARED = (".venv", ".engine", ".perennial/cache")  # installed once; the layers are kept by their digest


def copy(target: Path, models: Mapping[str, Mapping[str, Any]]) -> Path:
    """Copy the working tree, uncommitted changes included, and add a file for each model."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, target / name, ignore=ignored)
    for name in _FILES:
        shutil.copy2(ROOT / name, target / name)
    for name in _SHARED:
        link = target / name
        link.parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).mkdir(parents=True, exist_ok=True)
        link.symlink_to(ROOT / name)
    for name, content in models.items():
        (target / "models" / f"{name}.yaml").write_text(yaml.safe_dump(dict(content)), encoding="utf-8")
    return target
