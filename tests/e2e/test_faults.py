"""What breaks, comes twice or comes at once: every run ends in one outcome, and nothing is left running."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest

from perennial.aws.clients import client
from scenarios import iris
from tests.e2e.support import Command, Deployment, Model, living_instances, until

NOTICED = 5.0  # seconds within which a run knows that its instance is gone
WAITS_FOR_BEAT = 40.0  # seconds: an instance asks every 20 whether its run still waits


def unlabelled(name: str) -> pd.DataFrame:
    """Flowers whose species nobody knows: a valid batch from which nothing can be learnt."""
    return iris.season(name, rows=60, seed=21).assign(species=None)


class TestDelivery:
    """Events that come twice, and batches that come at once."""

    def test_same_event_again_changes_nothing(self, stack: Deployment) -> None:
        model = stack.model("repeated")
        first = model.started(lambda: model.upload_frame("flowers.csv", unlabelled("again")))
        event = json.loads(_description(stack, first)["input"])

        stack.services.workflow.start("delivered-again-at-once", event)
        model.follow(first)
        model.follow("delivered-again-at-once")
        stack.services.workflow.start("delivered-again-later", event)
        model.follow("delivered-again-later")

        entries = [model.follow(run) for run in (first, "delivered-again-at-once", "delivered-again-later")]
        assert [entry["outcome"] for entry in entries] == ["skipped"] * 3
        assert sum("Accept Batch" in model.path(entry["run"]) for entry in entries) == 1
        assert entries[2]["reason"].startswith("duplicate: ")
        assert model.bodies("incoming", "accepted", "quarantine") == model.uploaded

    def test_batch_that_finds_the_model_busy_gets_a_run_of_its_own(self, stack: Deployment) -> None:
        model = stack.model("crowded")
        before = model.runs()
        first = model.started(lambda: model.upload_frame("first.csv", iris.first_season()))
        model.when_in(first, "Train On EC2")

        second = model.ended(
            lambda: model.upload_frame("second.csv", iris.season("second", rows=90, seed=22))
        )
        assert second["outcome"] == "skipped"
        assert second["reason"].startswith(f"run {first} is at work on crowded")
        assert model.follow(first)["outcome"] == "promoted"
        follow_up = until(lambda: model.runs() - before - {first, second["run"]}, "a run of its own")
        entry = model.follow(follow_up.pop())

        assert entry["trigger_reason"] == f"a batch arrived during run {first}"
        assert "Accept Batch" in model.path(entry["run"])
        assert Counter(model.bodies("accepted")) == Counter(model.uploaded)

    def test_batches_that_come_at_once_are_worked_on_one_after_the_other(self, stack: Deployment) -> None:
        model = stack.model("rushed")
        with ThreadPoolExecutor(6) as pool:
            for number in range(6):
                pool.submit(model.upload_frame, f"{number}.csv", unlabelled(f"rush-{number}"))

        until(lambda: len(model.stored("accepted")) == 6, "six files accepted")
        until(stack.at_rest, "every run has ended")
        assert model.stored("incoming") == []
        assert Counter(model.bodies("accepted")) == Counter(model.uploaded)
        held = sorted(filter(None, (_held(model, run) for run in model.runs())))
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(held))
        assert all(entry["outcome"] == "skipped" for entry in stack.services.ledger.runs("rushed"))


class TestLostTrainer:
    """Instances that go away without a word."""

    @pytest.mark.parametrize("name", ["terminated", "killed"])
    def test_is_noticed_at_once_and_the_run_trains_again(self, stack: Deployment, name: str) -> None:
        model = stack.model(name)
        run = model.started(lambda: model.upload_frame("flowers.csv", iris.first_season()))
        instance = model.trainer(run)
        console = stack.session.console(instance)
        until(lambda: console.exists() and "data loaded" in console.read_text(), f"{instance} at work")
        began = time.monotonic()
        if name == "terminated":
            client("ec2").terminate_instances(InstanceIds=[instance])
        else:
            kill(console.parent)

        until(lambda: "TrainerLost" in _errors(stack, run), f"TrainerLost in {run}", NOTICED)
        noticed = time.monotonic() - began
        again = model.trainer(run, attempt=1)
        entry = model.follow(run)

        assert noticed < NOTICED
        assert again != instance
        assert entry["outcome"] == "promoted"
        assert model.champion() == entry["challenger"]


class TestStoppedRun:
    """A run that a person stopped in the middle of its training."""

    def test_its_end_is_recorded_and_the_next_run_takes_over(self, stack: Deployment) -> None:
        model = stack.model("stopped")
        stopped = model.started(lambda: model.upload_frame("flowers.csv", iris.first_season()))
        instance = model.trainer(stopped)
        assert [lock["owner"] for lock in stack.locks()] == [stopped]
        client("stepfunctions").stop_execution(
            executionArn=stack.services.workflow.execution_arn(stopped), cause="the test stops it"
        )

        def recorded() -> dict[str, Any]:
            found = stack.services.ledger.run(stopped) or {}
            return found if "outcome" in found else {}

        left = until(recorded, "the record of the stopped run")
        assert (left["outcome"], left["error"]) == ("failed", "States.Aborted")
        assert "stopped" in left["reason"]
        until(lambda: stack.locks() == [], "the lock is given back")
        until(lambda: living_instances() == [], f"the end of {instance}", WAITS_FOR_BEAT)

        entry = model.ended(lambda: model.upload_frame("more.csv", unlabelled("more")))
        assert entry["outcome"] == "skipped"
        assert "Accept Batch" in model.path(entry["run"])
        assert stack.locks() == []
        assert Counter(model.bodies("accepted")) == Counter(model.uploaded)


class TestThrottling:
    """AWS refuses for a moment."""

    def test_is_waited_out(self, stack: Deployment) -> None:
        model = stack.model("throttled")
        function = _function("Decide")
        refusing = Event()
        refusing.set()
        with throttling(stack.session.engine.url, refusing) as address, pointed_to(function, address):
            run = model.started(lambda: model.upload_frame("flowers.csv", unlabelled("throttled")))
            until(lambda: "ServiceUnavailable" in _errors(stack, run), "the first failed attempt")
            refusing.clear()
            entry = model.follow(run)

        assert entry["outcome"] == "skipped"
        assert "0 rows have a label" in entry["reason"]
        assert model.bodies("accepted") == model.uploaded


class TestApproval:
    """A model whose promotions a person has to approve."""

    def test_rejected_approved_and_overtaken(self, stack: Deployment, command: Command) -> None:
        model = stack.model("approved")

        rejected = model.started(lambda: model.upload_frame("first.csv", iris.first_season()))
        model.when_in(rejected, "Await Approval")
        asked = stack.notification(rejected, "may version")
        assert asked["Subject"] == "Perennial: may version 1 of approved serve?"
        assert f"perennial approve {rejected}" in asked["Message"]
        assert command("reject", rejected, "--reason", "the labels look odd") == 0
        entry = model.follow(rejected)
        assert entry["outcome"] == "rejected"
        assert entry["reason"].startswith("Not approved by ")
        assert entry["reason"].endswith(": the labels look odd")
        assert model.champion() is None
        assert model.services.registry.version("approved", 1).status == "rejected"

        approved = model.started(model.force)
        model.when_in(approved, "Await Approval")
        assert command("approve", approved, "--reason", "labels checked") == 0
        entry = model.follow(approved)
        assert entry["outcome"] == "promoted"
        assert ": labels checked" in entry["reason"]
        assert model.champion() == 2
        (move,) = model.services.registry.audit("approved")
        assert ": labels checked" in move["reason"]
        assert command("approve", approved, "--reason", "once more") == 1
        answer = model.services.approvals.answer(approved)
        assert answer
        assert (answer.verdict, answer.reason) == ("approved", "labels checked")

        overtaken = model.started(
            lambda: model.upload_frame("rain.csv", iris.season("rain", rows=200, seed=23, scale=2.0))
        )
        model.when_in(overtaken, "Await Approval")
        by_hand = ("rollback", "--model", "approved", "--to", "1", "--reason", "by hand")
        assert command(*by_hand) == 1  # it was rejected
        assert command(*by_hand, "--force") == 0
        assert command("approve", overtaken, "--reason", "too late") == 0
        entry = model.follow(overtaken)
        assert entry["outcome"] == "rejected"
        assert "the champion of approved is version 1: expected 2" in entry["reason"]
        assert entry["champion_after"] == 1
        assert model.champion() == 1
        assert model.services.registry.version("approved", 3).status == "rejected"
        assert "expected 2" in stack.notification(overtaken, "rejected")["Message"]

    def test_silence_is_a_no_after_a_reminder(self, stack: Deployment) -> None:
        model = stack.model("unanswered")
        entry = model.ended(lambda: model.upload_frame("first.csv", iris.first_season()))
        assert entry["outcome"] == "rejected"
        assert entry["reason"].startswith("Not approved: nobody answered by ")
        assert stack.notification(entry["run"], "reminder")["Subject"].endswith(
            "may version 1 of unanswered serve?"
        )
        assert model.champion() is None
        path = model.path(entry["run"])
        assert path.count("Await Approval") >= 2


def _description(stack: Deployment, run: str) -> dict[str, Any]:
    found: dict[str, Any] = client("stepfunctions").describe_execution(
        executionArn=stack.services.workflow.execution_arn(run)
    )
    return found


def _errors(stack: Deployment, run: str) -> list[str]:
    """The names of all errors in a run's history, those that were retried too."""
    pages = client("stepfunctions").get_paginator("get_execution_history")
    arn = stack.services.workflow.execution_arn(run)
    return [
        details["error"]
        for page in pages.paginate(executionArn=arn)
        for event in page["events"]
        for details in event.values()
        if isinstance(details, dict) and "error" in details
    ]


def _held(model: Model, run: str) -> tuple[float, float] | None:
    """From when to when a run was at work on its model; None for one that found nothing to do."""
    visits = {visit.state: visit for visit in model.visits(run)}
    if "Validate Data" not in visits:
        return None
    return visits["Validate Data"].entered.timestamp(), visits["Release Lock"].entered.timestamp()


def kill(directory: Path) -> None:
    """SIGKILL to the process group of the instance whose home this is."""
    home = f"HOME={directory}".encode()
    groups = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile, or not ours
            if home in (process / "environ").read_bytes().split(b"\0"):
                groups.add(os.getpgid(int(process.name)))
    (group,) = groups
    os.killpg(group, signal.SIGKILL)


def _function(name: str) -> str:
    """The full name of one of the stack's functions."""
    functions = client("lambda").list_functions()["Functions"]
    (found,) = [item["FunctionName"] for item in functions if f"{name}Function" in item["FunctionName"]]
    return str(found)


@contextmanager
def throttling(engine: str, refusing: Event) -> Iterator[str]:
    """The address of an AWS that refuses every call for coming too fast, and passes it on to the engine when
    it is `refusing` no more.
    """

    class Between(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if refusing.is_set():
                told = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
                status, headers = 400, [("Content-Type", "application/x-amz-json-1.0")]
            else:
                with closing(HTTPConnection(urlsplit(engine).netloc, timeout=30)) as further:
                    further.request(self.command, self.path, body, dict(self.headers))
                    answered = further.getresponse()
                    status, told, headers = answered.status, answered.read(), answered.getheaders()
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def do_PUT(self) -> None:
            self.answer()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Between) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def pointed_to(function: str, address: str) -> Iterator[None]:
    """Let a function take another address for AWS."""
    functions = client("lambda")
    before = functions.get_function_configuration(FunctionName=function)["Environment"]
    changed = {"Variables": {**before["Variables"], "AWS_ENDPOINT_URL": address}}
    functions.update_function_configuration(FunctionName=function, Environment=changed)
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=function, Environment=before)
