"""Does the stored file load in a process that knows nothing of its training, and answer as it does here?

A process of its own, started before the comparison and asked after it, so that it costs hardly any time. It
verifies the digest, unpickles and answers a few rows: what a serving process does first. Where a class of the
user's is in no module that Lambda has, this is where it shows.
"""

import json
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perennial.artifacts import load
from perennial.contracts.evaluation import Gate

_TIMEOUT = 120.0  # seconds; a cold import of scikit-learn takes 1 to 2
_ROWS = 5
_CODE = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from perennial.evaluation.clean import answer
answer(sys.argv[2])
"""


class CleanLoad:
    """The other process; use it as a context, so that it never outlives its purpose."""

    def __init__(self, body: bytes, sha256: str, features: pd.DataFrame) -> None:
        """Start it. `features`: rows (n, d) of which the first few are asked."""
        self._folder = tempfile.TemporaryDirectory(prefix="perennial-")
        self._rows = features.head(_ROWS)
        path = Path(self._folder.name)
        (path / "model").write_bytes(body)
        with (path / "asked").open("wb") as file:
            pickle.dump((sha256, self._rows), file)
        with (path / "errors").open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CODE, json.dumps(sys.path), str(path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def __enter__(self) -> "CleanLoad":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def gate(self, model: Any) -> Gate:
        """Wait for it and compare its answers with those of the model as loaded here."""
        try:
            code = self._process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            return _gate(f"it had not loaded after {_TIMEOUT:g} s")
        path = Path(self._folder.name)
        if code:
            errors = (path / "errors").read_text("utf-8", "replace").strip().splitlines()
            return _gate(errors[-1] if errors else f"the process ended with {code}")
        told = json.loads((path / "answers").read_text("utf-8"))
        if told != _answers(model, self._rows):
            return _gate("it answers otherwise there than here")
        return _gate("")


def _gate(problem: str) -> Gate:
    said = "the challenger's file loads by its digest in a clean process"
    if problem:
        said = f"the challenger's file does not work in a clean process: {problem}"
    return Gate(name="loads", passed=not problem, sentence=said)


def answer(folder: str) -> None:
    """What the other process does."""
    path = Path(folder)
    with (path / "asked").open("rb") as file:
        sha256, rows = pickle.load(file)  # noqa: S301 - this process's parent wrote it
    answers = _answers(load((path / "model").read_bytes(), sha256), rows)
    (path / "answers").write_text(json.dumps(answers), "utf-8")


def _answers(model: Any, rows: pd.DataFrame) -> list[str]:
    """To 9 significant digits where they are numbers."""
    said = np.asarray(model.predict(rows)).ravel().tolist()
    return [f"{value:.9g}" if isinstance(value, float) else str(value) for value in said]
