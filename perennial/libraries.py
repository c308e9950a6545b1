"""The versions that the layers hold: a model is unpickled by the very versions that pickled it."""

import json
from collections.abc import Mapping
from pathlib import Path

from perennial.errors import VersionMismatch

FILE = Path(__file__).with_name("libraries.json")  # written where the layers are built, from their locks


def locked(path: Path = FILE) -> dict[str, str]:
    """What the functions load models with, by name; nothing outside a layer."""
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def check(expected: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raise VersionMismatch where a library is there in another version. Python's last number may differ.

    >>> check({"python": "3.13", "numpy": "2.5.5"}, {"python": "3.13.9", "numpy": "2.5.5"})
    >>> check({"numpy": "2.5.5"}, {"numpy": "2.4.0"})
    Traceback (most recent call last):
    perennial.errors.VersionMismatch: numpy is 2.4.0 where 2.5.5 was expected; nothing was trained
    """
    wrong = [
        f"{name} is {found.get(name, 'missing')} where {version} was expected"
        for name, version in expected.items()
        if not (
            found.get(name) == version or (found.get(name, "").startswith(f"{version}.") and name == "python")
        )
    ]
    if wrong:
        raise VersionMismatch(f"{', '.join(wrong)}; nothing was trained")
