"""A training instance's surroundings: its metadata, its waiting task, and a stack on moto."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

from perennial import layout
from perennial.aws.clients import client
from perennial.aws.wiring import Services, Settings
from perennial.aws.workflow import Callback
from perennial.contracts.objects import Manifest, StoredObject
from perennial.contracts.training import TrainingJob
from perennial.strategy import full
from scenarios.iris import first_season, season

RUN, MODEL, TOKEN, VERSION = "run-2", "iris", "token-of-run-2", 7
SETTINGS = Settings(stack="test", data_bucket="data", artifact_bucket="artifacts", table="table")
KNOWN = "accepted/iris/dt=2026-01-01/run-1/first.csv"
RECENT = "accepted/iris/dt=2026-01-02/run-2/second.parquet"


class Task:
    """A waiting task as Step Functions keeps it: one answer, heartbeats until then, nothing afterwards."""

    def __init__(self) -> None:
        self.beats = 0
        self.output: str | None = None
        self.failure: tuple[str, str] | None = None
        self.waiting = True
        self.beaten = threading.Event()

    def send_task_heartbeat(self, **request: str) -> None:
        self._check(request)
        self.beats += 1
        self.beaten.set()

    def send_task_success(self, *, output: str, **request: str) -> None:
        self._check(request)
        self.output, self.waiting = output, False

    def send_task_failure(self, *, error: str, cause: str, **request: str) -> None:
        self._check(request)
        self.failure, self.waiting = (error, cause), False

    def _check(self, request: dict[str, str]) -> None:
        if request != {"taskToken": TOKEN} or not self.waiting:
            raise ClientError({"Error": {"Code": "TaskTimedOut", "Message": "too late"}}, "SendTask")

    @property
    def error(self) -> str:
        assert self.failure
        return self.failure[0]

    @property
    def cause(self) -> dict[str, Any]:
        assert self.failure
        return cast("dict[str, Any]", json.loads(self.failure[1]))


class Stack(Services):
    """A stack whose callbacks reach one task."""

    def __init__(self, task: Task) -> None:
        super().__init__(SETTINGS)
        self.task = task

    def callback(self, token: str) -> Callback:
        return Callback(self.task, token)


class Metadata(BaseHTTPRequestHandler):
    """Instance metadata, version 2: nothing without a session token."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self._send(200 if "X-aws-ec2-metadata-token-ttl-seconds" in self.headers else 400, "session")

    def do_GET(self) -> None:
        if self.headers.get("X-aws-ec2-metadata-token") != "session":
            self._send(401, "")
            return
        values = cast("MetadataServer", self.server).values
        self._send(200 if self.path in values else 404, values.get(self.path, ""))

    def _send(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class MetadataServer(ThreadingHTTPServer):
    """Serves `values` by path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Metadata)
        self.values = {
            "/latest/meta-data/instance-id": "i-0123",
            "/latest/meta-data/tags/instance/perennial:run": RUN,
            "/latest/meta-data/tags/instance/perennial:attempt": "0",
        }


@contextmanager
def deployed() -> Iterator[Stack]:
    """The stack's buckets and table, empty."""
    with mock_aws():
        client.cache_clear()
        s3 = boto3.client("s3")
        for name in (SETTINGS.data_bucket, SETTINGS.artifact_bucket):
            s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        boto3.client("dynamodb").create_table(
            TableName=SETTINGS.table,
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield Stack(Task())
    client.cache_clear()


@contextmanager
def answering() -> Iterator[MetadataServer]:
    """A running metadata service."""
    server = MetadataServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def with_job(stack: Stack, **changes: Any) -> Stack:
    job = TrainingJob(
        run=RUN,
        model=MODEL,
        version=VERSION,
        champion=6,
        attempt=0,
        token=TOKEN,
        seed=7,
        code_version="layer:3",
        max_seconds=600,
        strategy=full("all accepted data"),
    )
    stack.artifacts.put_json(layout.run_key(RUN, layout.JOB), job.model_dump(mode="json") | changes)
    looked_at = StoredObject(key=RECENT, version_id=None, etag="", size=0)
    manifest = Manifest(run=RUN, model=MODEL, kind="incoming", objects=(looked_at,))
    stack.artifacts.put_json(layout.run_key(RUN, layout.MANIFEST), manifest.model_dump(mode="json"))
    stack.ledger.note(RUN, attempt=0)
    return stack


def with_data(stack: Stack) -> Stack:
    stack.data.put(KNOWN, first_season().to_csv(index=False).encode())
    parquet = io.BytesIO()
    season("second", rows=120, seed=2).to_parquet(parquet)
    stack.data.put(RECENT, parquet.getvalue())
    return stack
