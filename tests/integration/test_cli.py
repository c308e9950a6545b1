"""The command line on moto: what it changes, what it says, and how it ends where it cannot."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from perennial import cli, layout
from perennial.aws import clients, wiring
from perennial.aws.approvals import Question
from perennial.aws.history import Visit
from perennial.aws.wiring import Services, Settings
from perennial.contracts.drift import Observed, PerformanceSummary
from perennial.contracts.training import TrainingProgress
from perennial.contracts.trigger import Trigger
from tests.integration import moto_support
from tests.integration.moto_support import NOW, Executions

type Command = Callable[..., Said]


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


class Stacks:
    """CloudFormation as far as the command line needs it, which moto cannot load without further packages."""

    def __init__(self) -> None:
        self.outputs: dict[str, dict[str, str]] = {}

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:
        if StackName not in self.outputs:
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        outputs = self.outputs[StackName].items()
        return {"Stacks": [{"Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs]}]}


@pytest.fixture
def stacks(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Stacks:
    """The stacks of the account: ours."""
    found = Stacks()
    found.outputs["perennial"] = {
        "DataBucketName": settings.data_bucket,
        "ArtifactBucketName": settings.artifact_bucket,
        "TableName": settings.table,
        "StateMachineArn": settings.state_machine_arn,
        "TopicArn": settings.topic_arn,
    }
    real = clients.client

    def client(service: str) -> Any:
        return found if service == "cloudformation" else real(service)

    monkeypatch.setattr(wiring, "client", client)
    return found


@pytest.fixture
def perennial(stacks: Stacks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `perennial` with these arguments beside the deployed stack."""
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("LOGNAME", "ada")

    def run(*arguments: str) -> Said:
        monkeypatch.setattr("sys.argv", ["perennial", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return Said(int(left.value.code or 0), said.out, said.err)

    return run


def enter(services: Services, run: str, minutes: int, **facts: Any) -> None:
    """A run in the ledger, and what is known of it."""
    at = NOW + timedelta(minutes=minutes)
    services.ledger.open(run, "iris", Trigger(kind="upload", reason="x.csv was uploaded", at=at), 1)
    if facts:
        services.ledger.note(run, **facts)


class TestRun:
    def test_starts_a_run_with_the_reason_and_who_gave_it(
        self, perennial: Command, executions: Executions
    ) -> None:
        said = perennial("run", "--model", "iris", "--reason", "new sensor", "--force", "--detach")

        assert said.code == 0
        (run,) = executions.names()
        assert run in said.out
        assert executions.input(run) == {"model": "iris", "reason": "new sensor (ada)", "force": True}

    def test_unknown_model_starts_nothing(self, perennial: Command, executions: Executions) -> None:
        said = perennial("run", "--model", "rose", "--reason", "any")

        assert said.code == 1
        assert said.err.startswith("UnknownModel: no model is named 'rose': expected one of iris")
        assert executions.names() == set()

    def test_reason_is_asked_for(self, perennial: Command, executions: Executions) -> None:
        assert perennial("run", "--model", "iris").code == 2
        assert executions.names() == set()


class TestStatus:
    def test_shows_what_serves_and_how_runs_ended(self, perennial: Command, services: Services) -> None:
        services.registry.register(moto_support.record(1))
        moto_support.serve(services, 1)
        enter(services, "run-1", 1, outcome="rolled_back", reason="errors", champion_after=1)

        said = perennial("status", "--model", "iris")

        assert said.code == 0
        assert "iris: version 1 serves" in said.out
        assert "rolled back" in said.out
        assert "champion 1" in said.out
        assert "run run-1" in said.out

    def test_what_is_too_long_for_the_terminal_stays_indented(
        self, perennial: Command, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        enter(services, "run-1", 1, outcome="quarantined", reason="too many words " * 10)
        monkeypatch.setenv("COLUMNS", "60")

        said = perennial("status", "--model", "iris").out.splitlines()

        words = [line for line in said if "words" in line]
        assert len(words) == 3
        assert all(line.startswith("  ") and len(line) <= 60 for line in words)

    def test_text_in_brackets_is_text(self, perennial: Command, services: Services) -> None:
        reason = "species: expected one of [setosa, virginica], came [/bold]"
        enter(services, "run-1", 1, outcome="quarantined", reason=reason)

        assert reason in perennial("status", "--model", "iris").out

    def test_run_that_was_stopped_is_not_shown_as_going_on(
        self, perennial: Command, services: Services, executions: Executions
    ) -> None:
        enter(services, "going-on", 1)
        executions.start("going-on")
        enter(services, "cut-off", 2)
        executions.start("cut-off")
        executions.end("cut-off")

        newest, oldest = [
            line for line in perennial("status", "--model", "iris").out.splitlines() if "  upload  " in line
        ]

        assert "stopped" in newest
        assert "…" in oldest

    def test_shows_how_far_a_training_is(
        self, perennial: Command, services: Services, executions: Executions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        enter(services, "training", 1)
        executions.start("training")
        visit = Visit("Train On EC2", datetime.now(UTC), None, None)
        monkeypatch.setattr("perennial.aws.history.visits", lambda _events: [visit])
        now = datetime.now(UTC)
        told = TrainingProgress(
            attempt=1,
            instance_id="i-1",
            phase="fit",
            share=0.43,
            at=now,
            ends_at=now + timedelta(minutes=5),
        )
        services.progress.tell("training", told)
        services.progress.tell("training", told.model_copy(update={"attempt": 0, "share": 0.9}))

        assert (
            "Train On EC2 … attempt 2: fit 43 %, about 5 min left"
            in perennial("status", "--model", "iris").out
        )

    def test_goes_on_showing_until_it_is_interrupted(
        self, perennial: Command, services: Services, executions: Executions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        enter(services, "first", 1, outcome="skipped", reason="nothing new")
        executions.start("second")
        looks = 0

        def wait(_seconds: float) -> None:
            nonlocal looks
            looks += 1
            if looks == 2:
                raise KeyboardInterrupt
            enter(services, "second", 2)

        monkeypatch.setattr("perennial.cli.runs.time.sleep", wait)

        said = perennial("status", "--model", "iris", "--watch")

        assert (said.code, looks) == (0, 2)
        assert "nothing new" in said.out
        assert "x.csv was uploaded" in said.out
        assert said.out.endswith("\n")

    def test_shows_the_newest_first_and_no_more_than_asked_for(
        self, perennial: Command, services: Services
    ) -> None:
        for number in range(4):
            enter(services, f"run-{number}", number, outcome="skipped", reason=f"because {number}")

        out = perennial("status", "--model", "iris", "--limit", "2").out

        assert out.index("because 3") < out.index("because 2")
        assert "because 1" not in out


class TestVersions:
    def test_lists_every_version_with_its_origin(self, perennial: Command, services: Services) -> None:
        for version in (1, 2):
            services.registry.register(moto_support.record(version, run=f"run-{version}"))
        moto_support.serve(services, 1)

        lines = perennial("versions", "--model", "iris").out.splitlines()
        first, second = [set(line.split()) for line in lines if "run-" in line]

        assert {"1", "champion", "0.9", "90", "run-1"} <= first
        assert {"2", "candidate", "run-2"} <= second

    def test_says_who_served_when_and_whose_files_are_gone(
        self, perennial: Command, services: Services
    ) -> None:
        for version in (1, 2):
            services.registry.register(moto_support.record(version, run=f"run-{version}"))
        moto_support.serve(services, 1)
        moto_support.serve(services, 2, previous=1, run="run-2")
        services.table.update_item(
            Key={"pk": "model#iris", "sk": "version#000001"},
            UpdateExpression="SET expired = :expired",
            ExpressionAttributeValues={":expired": {"since": NOW.isoformat(), "reason": "old", "done": True}},
        )

        out = perennial("versions", "--model", "iris").out
        first, second = [line for line in out.splitlines() if "run-" in line]

        assert "2026-11-21 06:00 to 2026-11-21 06:00" in first
        assert "archived, files gone" in first
        assert "2026-11-21 06:00 until now" in second
        assert "files gone" not in second
        said = perennial("versions", "1", "--model", "iris").out
        assert "the files of version 1 of iris are gone since 2026-11-21: old" in said

    def test_shows_the_metrics_that_are_asked_for(self, perennial: Command, services: Services) -> None:
        scores = {"accuracy": 0.9, "log_loss": 0.3125}
        services.registry.register(moto_support.record(1, run="run-1", metrics=scores))
        out = perennial("versions", "--model", "iris", "--metric", "log_loss", "--metric", "accuracy").out
        assert "0.3125" in out
        assert out.index("log_loss") < out.index("accuracy")
        refused = perennial("versions", "--model", "iris", "--metric", "r2")
        assert refused.code == 1
        assert "no version has the metric r2: expected one of accuracy, log_loss" in refused.err

    def test_tells_the_history_of_one(self, perennial: Command, services: Services) -> None:
        services.registry.register(moto_support.record(1, metrics={"accuracy": 0.9, "log_loss": 0.3125}))
        moto_support.serve(services, 1)
        known = {"metric": "accuracy", "reference": 0.9, "low": 0.7, "high": 0.9, "rows": 120}
        for number, current in enumerate((0.85, 0.8125)):
            level = PerformanceSummary.model_validate(known | {"current": current})
            found = Observed(measured=level if number else None, estimated=None if number else level)
            enter(services, f"run-{number}", number, outcome="skipped", reason="x")
            services.ledger.note(f"run-{number}", champion_before=1, performance=found.model_dump_json())
        enter(services, "other", 3, outcome="skipped", reason="x")
        services.ledger.note("other", champion_before=2, performance=found.model_dump_json())

        out = perennial("versions", "1", "--model", "iris").out

        assert "version 1 of iris: champion" in out
        assert "0.3125" in out
        assert out.index("0.85 (0.7 to 0.9, 120 rows)") < out.index("0.8125 (0.7 to 0.9, 120 rows)")
        assert "run-0" in out
        assert "other" not in out


class TestRollback:
    @pytest.fixture
    def third(self, services: Services) -> Services:
        """Version 3 serves, after 1 and 2."""
        for version in (1, 2, 3):
            services.registry.register(moto_support.record(version))
            moto_support.serve(services, version, previous=version - 1 or None, run=f"run-{version}")
        return services

    def test_goes_back_to_the_version_before(self, perennial: Command, third: Services) -> None:
        said = perennial("rollback", "--model", "iris", "--reason", "it guesses")

        assert (said.code, said.out) == (0, "version 2 of iris serves; version 3 was rolled back\n")
        alias = third.registry.champion("iris")
        assert alias is not None
        assert alias.version == 2
        assert [record.status for record in third.registry.versions("iris")] == [
            "archived",
            "champion",
            "rolled_back",
        ]
        move = third.registry.audit("iris")[-1]
        assert move["reason"] == "it guesses"
        assert move["run"].startswith("by-hand-ada-")
        mirror = boto3.client("ssm").get_parameter(Name="/perennial/perennial/iris/champion")["Parameter"]
        assert json.loads(mirror["Value"])["version"] == 2

    def test_goes_to_the_version_that_is_named(self, perennial: Command, third: Services) -> None:
        assert perennial("rollback", "--model", "iris", "--to", "1", "--reason", "any").code == 0

        alias = third.registry.champion("iris")
        assert alias is not None
        assert alias.version == 1

    @pytest.mark.parametrize(("to", "words"), [("99", "no version 99"), ("3", "version 3 serves already")])
    def test_changes_nothing_where_it_cannot_go(
        self, perennial: Command, third: Services, to: str, words: str
    ) -> None:
        before = third.registry.champion("iris")

        said = perennial("rollback", "--model", "iris", "--to", to, "--reason", "any")

        assert said.code == 1
        assert said.err.startswith("VersionNotFound: ")
        assert words in said.err
        assert third.registry.champion("iris") == before
        assert len(third.registry.audit("iris")) == 3

    def test_never_to_a_version_that_did_not_serve_unless_forced(
        self, perennial: Command, third: Services
    ) -> None:
        third.registry.register(moto_support.record(4))

        said = perennial("rollback", "--model", "iris", "--to", "4", "--reason", "any")
        assert (said.code, said.err.split(":")[0]) == (1, "InvalidRequest")
        assert "version 4 of iris is candidate and never served" in " ".join(said.err.split())
        assert len(third.registry.audit("iris")) == 3

        assert perennial("rollback", "--model", "iris", "--to", "4", "--reason", "any", "--force").code == 0
        alias = third.registry.champion("iris")
        assert alias
        assert alias.version == 4

    def test_without_a_version_before(self, perennial: Command, services: Services) -> None:
        said = perennial("rollback", "--model", "iris", "--reason", "any")

        assert (said.code, said.err) == (1, "VersionNotFound: model iris has no version to go back to\n")


@pytest.mark.parametrize("answer", ["approve", "reject"])
def test_answer_that_nobody_waits_for(perennial: Command, services: Services, answer: str) -> None:
    enter(services, "run-1", 1, outcome="promoted", reason="any")

    said = perennial(answer, "run-1", "--reason", "any")

    assert (said.code, said.err) == (1, "CallbackExpired: run run-1 waits for nobody's approval\n")


class TestLineage:
    """`compare` and `lineage`."""

    @pytest.fixture
    def family(self, services: Services) -> None:
        for version in (1, 2, 3):
            record = moto_support.record(version, metrics={"accuracy": 0.9 + version / 100})
            services.registry.register(record)
            key = layout.version_key("iris", version, layout.LINEAGE)
            services.artifacts.put_json(key, record.model_dump(mode="json"))

    def test_compare(self, perennial: Command, family: None) -> None:
        said = perennial("compare", "1", "3", "--model", "iris")

        assert said.code == 0
        assert "0.91" in said.out
        assert "0.93" in said.out
        assert "1, 1 of them shared" in said.out

    def test_lineage_shows_where_from_and_what_came_of_it(self, perennial: Command, family: None) -> None:
        said = perennial("lineage", "2", "--model", "iris")

        assert said.code == 0
        assert said.out.index("version 1") < said.out.index("version 2") < said.out.index("version 3")
        assert "accepted/iris/x.csv" in said.out

    def test_of_a_version_that_is_not_there(self, perennial: Command, family: None) -> None:
        said = perennial("lineage", "9", "--model", "iris")
        assert (said.code, said.err.split(":")[0]) == (1, "VersionNotFound")


class TestAnswer:
    """`approve` and `reject` on a run that waits."""

    @pytest.fixture
    def waiting(self, services: Services, executions: Executions) -> Services:
        enter(services, "run-1", 1)
        executions.start("run-1")
        self.ask(services, timedelta(hours=1))
        return services

    def ask(self, services: Services, left: timedelta) -> None:
        now = datetime.now(UTC)
        question = Question(asked_at=now, expires_at=now + left, because=("any",))
        services.ledger.note("run-1", approval=question.model_dump(mode="json"))

    def test_is_on_record_with_name_principal_reason_and_time(
        self, perennial: Command, waiting: Services
    ) -> None:
        assert perennial("reject", "run-1", "--reason", "odd labels").code == 0

        answer = waiting.approvals.answer("run-1")
        assert answer
        assert (answer.verdict, answer.reason) == ("refused", "odd labels")
        assert answer.by
        assert answer.identity.startswith("arn:aws:")
        assert datetime.now(UTC) - answer.at < timedelta(minutes=1)

    def test_given_twice_is_told(self, perennial: Command, waiting: Services) -> None:
        assert perennial("reject", "run-1", "--reason", "odd labels").code == 0
        said = perennial("approve", "run-1", "--reason", "they are right")

        assert said.code == 1
        assert "CallbackExpired: run run-1 was refused by" in said.err
        assert "odd labels" in said.err

    def test_too_late_is_refused(self, perennial: Command, waiting: Services) -> None:
        self.ask(waiting, -timedelta(seconds=1))
        said = perennial("approve", "run-1", "--reason", "labels checked")

        assert said.code == 1
        assert "its challenger is rejected" in said.err
        assert waiting.approvals.answer("run-1") is None

    def test_to_a_run_that_was_stopped_is_refused(
        self, perennial: Command, waiting: Services, executions: Executions
    ) -> None:
        executions.end("run-1")
        said = perennial("approve", "run-1", "--reason", "labels checked")

        assert (said.code, said.err) == (1, "CallbackExpired: run run-1 waits for nobody's approval\n")


class TestStack:
    def test_that_is_not_there(self, perennial: Command) -> None:
        said = perennial("status", "--model", "iris", "--stack", "elsewhere")

        assert said.code == 1
        assert said.err.startswith("ServiceRefused: AWS refused a call: ")
        assert "elsewhere" in said.err

    def test_of_something_else(self, perennial: Command, stacks: Stacks) -> None:
        stacks.outputs["website"] = {"Url": "https://example.org"}

        said = perennial("status", "--model", "iris", "--stack", "website")

        assert said.code == 1
        assert said.err.startswith("InvalidRequest: stack website is none of Perennial")

    def test_without_credentials(self, perennial: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        clients.client.cache_clear()

        said = perennial("status", "--model", "iris")

        assert (said.code, said.err) == (1, "AWS: Unable to locate credentials\n")
