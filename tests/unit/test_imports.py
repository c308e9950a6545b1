"""What each path may load: no Lambda carries pandas and pyarrow both, and cold starts are paid for."""

import subprocess
import sys

import pytest

REFUSE = """
import sys
from importlib.abc import MetaPathFinder

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if any(name == unwanted or name.startswith(unwanted + ".") for unwanted in sys.argv[1:]):
            raise ModuleNotFoundError(f"{name} is not in this Lambda", name=name)

sys.meta_path.insert(0, Refuse())
"""
VALIDATE = """
import pyarrow as pa
from perennial import config, dataset, profile, validation
model = config.load_model("iris")
columns = {name: ["1"] * 30 for name in model.columns}
found = validation.validate(dataset.combine_tables([pa.table(columns)]), model)
profile.Profile.of(found.table)
dataset.write_sample(found.table, 0, 10)
"""
DRIFT = """
from perennial import Profile, detect_drift
baseline = Profile.load(Profile.of({"x": [1.0, 2.0], "c": ["a", "b"]}).save())
detect_drift(baseline, baseline)
"""


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import perennial", ["numpy", "pandas", "pyarrow", "scipy", "sklearn", "pydantic"]),
        ("import perennial.dataset, perennial.validation", ["pandas", "pyarrow", "scipy", "sklearn"]),
        (VALIDATE, ["pandas", "scipy", "sklearn", "pyarrow.dataset", "pyarrow.parquet"]),
        (DRIFT, ["pandas", "pyarrow", "scipy.stats", "sklearn"]),
    ],
    ids=["package", "reading", "validate", "drift"],
)
def test_a_path_works_without_what_its_lambda_has_not(code: str, unwanted: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSE + code, *unwanted], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_importing_builds_no_validators() -> None:
    code = """
import pkgutil
from importlib import import_module
from perennial import config, contracts
from perennial.config_fields import Block
from perennial.contracts.base import Contract
for module in pkgutil.iter_modules(contracts.__path__, contracts.__name__ + "."):
    import_module(module.name)
classes = {Block, Contract}
while more := {below for of in classes for below in of.__subclasses__()} - classes:
    classes |= more
assert len(classes) > 50
print(*sorted(of.__name__ for of in classes if of.__pydantic_complete__))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["ServingCounts"], "two numbers, with those who look at a canary alone"
