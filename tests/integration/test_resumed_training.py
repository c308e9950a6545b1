"""An attempt that another process began ends with the bytes of one that nothing disturbed."""

import json
import os
import subprocess
import sys
from pathlib import Path

from local.engine import ROOT

_ATTEMPT = """
import json, sys
from pathlib import Path
from perennial.artifacts import digest, dump
from perennial.errors import SpotInterrupted
from perennial.estimator_config import Search
from perennial.training import fit
from tests.unit.test_training_steps import ENSEMBLES, Ending, config, rows

class Stored(Ending):
    def load(self, name):
        path = folder / name
        return path.read_bytes() if path.exists() else None
    def save(self, name, body):
        super().save(name, body)
        (folder / name).write_bytes(body)

candidates = [{"class": "sklearn.tree.DecisionTreeClassifier", "space": {"max_depth": [1, 2, 4]}}]
kinds = {
    name: (config(f"ensemble.{name}", task="classification" if name.endswith("Classifier") else "regression",
                  params=params, steps=3), "full")
    for name, params in ENSEMBLES
}
kinds["incremental"] = (
    config("linear_model.SGDClassifier", params={"loss": "log_loss"},
           incremental={"epochs": 2, "block_rows": 40, "checkpoint_every": 1}),
    "incremental",
)
kinds["search"] = (
    config("ensemble.RandomForestClassifier", params={"n_estimators": 6}).model_copy(
        update={"search": Search(candidates=candidates, trials=3, folds=2, min_rows=100)}
    ),
    "search",
)
digests = {}
for kind, (of, strategy) in kinds.items():
    folder = Path(sys.argv[1], kind)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        model = fit(rows(), of, strategy=strategy, checkpoints=Stored(int(sys.argv[2])))
        digests[kind] = digest(dump(model.pipeline))
    except SpotInterrupted:
        digests[kind] = None
print(json.dumps(digests))
"""


def attempt(folder: Path, interrupted_after: int) -> dict[str, str | None]:
    """The digests of the models of every kind of training in steps, None where it was interrupted."""
    command = [sys.executable, "-c", _ATTEMPT, str(folder), str(interrupted_after)]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}  # threads wait for each other longer than so few rows take
    done = subprocess.run(command, cwd=ROOT, env=alone, check=True, capture_output=True, text=True)
    digests: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    return digests


def test_the_bytes_are_the_same(tmp_path: Path) -> None:
    undisturbed = attempt(tmp_path / "undisturbed", 1_000)
    assert set(attempt(tmp_path / "resumed", 1).values()) == {None}
    assert None not in undisturbed.values()
    assert attempt(tmp_path / "resumed", 1_000) == undisturbed
