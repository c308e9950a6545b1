"""The README is part of the product: what a user can meet stands in it."""

import ast
import json
import re
from pathlib import Path

import pytest
import typer.main

from perennial import cli, errors
from perennial.alarms import GROUPS, UNHEALTHY
from tests.unit.readme_tables import readme_metrics

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NAMES = set(re.findall(r"`([^`\n]+)`", README))
TEXT = "\n".join(sorted(NAMES))


def _measured() -> set[str]:
    """Names given to `measure` in functions and adapters, and outcomes counted by the workflow."""
    calls = (
        node
        for path in (*(ROOT / "functions").glob("*/app.py"), *(ROOT / "perennial" / "aws").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"measure", "measure_of"}
    )
    named = {
        argument.value
        for call in calls
        for argument in call.args[:2]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    states = json.loads((ROOT / "statemachine" / "retraining.asl.json").read_text(encoding="utf-8"))["States"]
    counted = [states[name]["Arguments"]["MetricData"] for name in ("Count Outcome", "Count Failure")]
    outcomes = re.findall(r"'([A-Z]\w+)'", json.dumps(counted))
    plain = {one["MetricName"] for data in counted for one in data if one["MetricName"].isalpha()}
    verdict = (ROOT / "perennial" / "drift" / "verdict.py").read_text(encoding="utf-8")
    told = re.findall(r"^    metrics \|?= .*", verdict, re.MULTILINE)
    judged = {name for line in told for name in re.findall(r'"(\w+)":', line)}
    assert judged
    return (
        {str(name) for name in named}
        | plain
        | judged
        | {f"Runs{name}" for name in outcomes if name != "Runs"}
    )


@pytest.mark.parametrize("metric", sorted(_measured()))
def test_every_metric_is_listed(metric: str) -> None:
    assert metric in readme_metrics()


def test_no_metric_is_listed_that_nobody_measures() -> None:
    """Those of a service are the user's to measure."""
    ours = {name for name in readme_metrics() if not name.startswith("Serving")}
    assert ours - _measured() == set()


def test_every_alarm_of_a_model_is_listed() -> None:
    for group, names in GROUPS.items():
        assert [
            name for name in names if not re.search(rf"`(<stack>/{group}/<model>/)?{name}`", README)
        ] == []
    assert f"<stack>/{UNHEALTHY}/<model>" in NAMES


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name, item in vars(errors).items()
        if isinstance(item, type) and issubclass(item, errors.PerennialError) and not item.__subclasses__()
    ),
)
def test_every_error_is_listed(name: str) -> None:
    assert name in NAMES


def test_every_command_is_listed() -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    missing = [name for name in commands if f"perennial {name}" not in README]
    assert not missing


def test_every_alarm_of_the_template_is_listed() -> None:
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    alarms = re.findall(r"AlarmName: !Sub \$\{AWS::StackName\}/operations/([\w-]+)", template)
    assert alarms
    assert [name for name in alarms if name not in TEXT] == []


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)", README, re.MULTILINE)) <= targets


def test_every_link_into_the_repository_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
