"""The story of `make run`, on the deployed stack: how every run ends, and that nothing is lost or left."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from markupsafe import escape

from perennial import layout
from perennial.aws.clients import client
from perennial.contracts.words import Outcome
from perennial.report.views import RunView
from scenarios.play import differences, play, tell, write
from scenarios.story import STORY
from tests.e2e.models import INVALID, MODELS
from tests.e2e.support import Command, Deployment, Model, until

SUBJECTS = {
    "promoted": "iris: version 1 was promoted",
    "quarantined": "iris: a batch was quarantined",
    "rejected": "iris: version 3 was rejected",
    "rolled_back": "iris: version 4 was rolled back, version 2 serves",
    "alert": "iris needs a look",
}


@dataclass(frozen=True)
class Played:
    """The story as it went, and the folder with what it left for people and programs."""

    model: Model
    runs: Sequence[RunView]
    out: Path


class _Silent:
    """Nobody watches."""

    def state(self, name: str) -> None:
        pass

    def done(self, outcome: Outcome, reason: str, expected: Outcome | None = None) -> None:
        pass


@pytest.fixture(scope="module")
def played(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The whole story, played once; afterwards everything has come to rest."""
    model = deployment.model("iris")
    runs = [play(model, step, _Silent()) for step in STORY]
    until(deployment.at_rest, "nothing runs, no lock is held")
    out = tmp_path_factory.mktemp("out")
    write(tell(model, runs, "embedded AWS"), out)
    return Played(model, runs, out)


def test_every_run_ends_as_the_story_says(played: Played) -> None:
    assert differences(played.runs, STORY) == []
    assert [run.outcome for run in played.runs] == [step.expected for step in STORY]


def test_champion_after_each_run(played: Played) -> None:
    after = {run.name: run.champion_after for run in played.runs}

    assert after == {
        "first_data": 1,
        "stable_batch": 1,
        "data_drift": 2,
        "broken_batch": 2,
        "mislabelled_batch": 2,
        "bad_promotion": 2,
        "scheduled": 2,
        "alarm": 2,
        "by_hand": 5,
    }
    assert played.model.champion() == 5
    statuses = {record.version: record.status for record in played.model.services.registry.versions("iris")}
    assert statuses == {1: "archived", 2: "archived", 3: "rejected", 4: "rolled_back", 5: "champion"}


def test_each_run_was_started_the_way_it_is_in_production(played: Played) -> None:
    assert [run.trigger for run in played.runs] == [
        *["upload"] * 6,
        "schedule",
        "alarm",
        "on_demand",
    ]


def test_every_run_has_one_outcome_on_record(stack: Deployment, played: Played) -> None:
    entries = stack.services.ledger.runs("iris", limit=200)

    assert Counter(entry["run"] for entry in entries) == Counter(run.run for run in played.runs)
    assert {entry["run"]: entry["outcome"] for entry in entries} == {
        run.run: run.outcome for run in played.runs
    }
    assert all(entry["reason"] and entry["ended_at"] for entry in entries)


def test_the_champion_lies_ready_for_a_pipeline(played: Played) -> None:
    """Also after what rolled back: the last change of the champion is the last one delivered."""
    services = played.model.services
    champion = services.registry.version("iris", 5)

    def ready() -> bool:
        if services.artifacts.head(layout.delivery_key("iris")) is None:
            return False
        with ZipFile(BytesIO(services.artifacts.get(layout.delivery_key("iris")))) as bundle:
            assert set(bundle.namelist()) == {"champion.json", layout.MODEL, layout.CARD}
            facts = json.loads(bundle.read("champion.json"))
            served = sha256(bundle.read(layout.MODEL)).hexdigest()
        assert facts["sha256"] == served
        return bool(served == champion.artifact.sha256)

    until(ready, "the champion lies ready")


def test_no_uploaded_byte_is_lost(stack: Deployment, played: Played) -> None:
    assert played.model.stored("incoming") == []
    assert Counter(played.model.bodies("accepted", "quarantine")) == Counter(played.model.uploaded)
    assert len(played.model.stored("quarantine")) == 2  # the broken batch and the mislabelled one


def test_a_version_can_be_trained_again(
    played: Played, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("reproduce", "2", "--model", "iris") == 0
    assert "identical: version 2 of iris" in capsys.readouterr().out


def test_data_that_was_moved_away_is_named(
    played: Played, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """The batch that hurt version 3 is in quarantine."""
    assert command("reproduce", "3", "--model", "iris") == 1
    said = capsys.readouterr().out
    assert "different: version 3 of iris" in said
    assert "is gone" in said


def test_summary_for_programs(played: Played) -> None:
    summary = json.loads((played.out / "summary.json").read_text())

    fields = {
        "name",
        "trigger",
        "outcome",
        "reason",
        "champion_before",
        "champion_after",
        "states",
        "seconds",
    }
    assert [run["name"] for run in summary["runs"]] == [step.name for step in STORY]
    for run in summary["runs"]:
        assert set(run) == fields
        assert run["reason"]
        assert run["states"][0]["name"] == "Start Run"
        assert run["seconds"] >= max(state["seconds"] for state in run["states"])


def test_report_is_one_self_contained_page(played: Played) -> None:
    page = (played.out / "report.html").read_text()

    loaded = re.findall(
        r"""(?:src|href)\s*=\s*["']?(?!#|data:)[^\s"'>]+|@import|url\((?!["']?(?:#|data:))""", page
    )
    assert loaded == []
    for run in played.runs:
        assert escape(run.title) in page
    assert page.count("<svg") > len(played.runs)


def test_people_are_told_what_happened_and_why(stack: Deployment, played: Played) -> None:
    seen = set()
    for entry in reversed(stack.services.ledger.runs("iris", limit=200)):
        kind = entry["outcome"] if entry.get("decision") != "alert" else "alert"
        if kind == "skipped":
            assert "notice" not in entry
            continue
        if kind in seen:  # of each kind one an hour
            assert stack.notice(entry["run"]) == "held back"
            continue
        seen.add(kind)
        assert stack.notice(entry["run"]) == "sent"
        told = stack.notification(entry["run"])
        assert SUBJECTS[kind] in told["Subject"]
        assert f"Why: {entry['reason']}" in told["Message"]
        assert f"Champion now: version {entry['champion_after']}" in told["Message"]
        assert f"Report: {entry['report']}" in told["Message"]
    assert seen == set(SUBJECTS)


def test_the_story_left_its_metrics_and_alarms(stack: Deployment, played: Played) -> None:
    watching = client("cloudwatch")
    about = [{"Name": "Model", "Value": "iris"}]
    pages = watching.get_paginator("list_metrics").paginate(Namespace="Perennial", Dimensions=about)
    assert {metric["MetricName"] for page in pages for metric in page["Metrics"]} >= {
        *("BatchRows", "BatchLabelledRows", "NullRate", "DataAge", "BatchesQuarantined", "QuarantineRate"),
        *("DriftScore", "ColumnsDrifted", "FalseAlarmBudgetUsed", "PerformanceMeasured", "PerformanceDrop"),
        *("RetrainDecisions", "DriftUnanswered", "LabelAge", "TrainingSeconds", "ChallengerScore"),
        *("TrainingCost", "MonthCost", "TrainingsFailedInRow", "Promotions", "Rollbacks", "DriftToPromotion"),
        *("RunSeconds", "RunsSkipped", "RunsQuarantined", "RunsPromoted", "RunsRejected", "RunsRolledBack"),
    }
    kinds = ["MetricAlarm", "CompositeAlarm"]
    found = watching.describe_alarms(AlarmTypes=kinds, AlarmNamePrefix=f"{stack.stack}/")
    (overall,) = (one for one in found["CompositeAlarms"] if one["AlarmName"].endswith("/unhealthy/iris"))
    members = [one for one in found["MetricAlarms"] if "/iris/" in one["AlarmName"]]
    assert len(members) >= 6
    assert all(f'ALARM("{one["AlarmName"]}")' in overall["AlarmRule"] for one in members)
    # the poor performance that the story reported was the last word on it
    on = {one["AlarmName"].rpartition("/iris/")[2] for one in members if one["StateValue"] == "ALARM"}
    assert "performance" in on
    assert overall["StateValue"] == "ALARM"


def test_every_run_left_its_page(stack: Deployment, played: Played) -> None:
    for run in played.runs:
        key = layout.run_key(run.run, layout.REPORT)
        page = stack.services.artifacts.get(key).decode()
        entry = stack.services.ledger.run(run.run) or {}
        assert entry["report"] == f"s3://{stack.services.artifacts.name}/{key}"
        assert escape(run.reason) in page
        assert all(escape(problem.message) in page for problem in (run.data.problems if run.data else ()))
        assert (run.findings is None) == ("Reference against current" not in page)


def test_every_version_left_its_card(stack: Deployment, played: Played) -> None:
    trained = [run for run in played.runs if run.challenger is not None]
    assert trained
    for run in trained:
        page = stack.services.artifacts.get(layout.run_key(run.run, layout.CARD_PAGE)).decode()
        assert f"iris, version {run.challenger}" in page
        assert "By slice" in page


def test_champion_is_mirrored_and_announced(stack: Deployment, played: Played) -> None:
    mirror = client("ssm").get_parameter(Name=f"/perennial/{stack.stack}/iris/champion")["Parameter"]
    until(lambda: len(stack.announced("iris")) >= 5, "five announcements")

    assert json.loads(mirror["Value"])["version"] == played.model.champion()
    assert stack.announced("iris") == [
        ("Model Promoted", 1, None),
        ("Model Promoted", 2, 1),
        ("Model Promoted", 4, 2),
        ("Model Rolled Back", 2, 4),
        ("Model Promoted", 5, 2),
    ]


def test_schedule_looked_at_every_model_in_a_run_of_its_own(stack: Deployment, played: Played) -> None:
    statuses = {
        execution["name"].rpartition("-")[0].removeprefix("schedule-"): execution["status"]
        for execution in stack.executions()
        if execution["name"].startswith("schedule-")
    }

    expected = {name: "FAILED" if name in INVALID else "SUCCEEDED" for name in ["iris", *MODELS]}
    assert statuses == expected


def test_report_of_the_command_line_shows_the_same_runs(
    stack: Deployment, played: Played, command: Command, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    assert command("report", "--model", "iris", "--limit", "50", "--out", str(page)) == 0
    shown = page.read_text(encoding="utf-8")
    for run in played.runs:
        assert run.run in shown
