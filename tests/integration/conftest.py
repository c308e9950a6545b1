"""Fixtures on moto: an AWS of its own for each test, with the resources that template.yaml describes."""

import os
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import boto3
import botocore.session
import pytest
from botocore.loaders import create_loader
from moto import mock_aws
from moto.cloudwatch.responses import CloudWatchResponse

from perennial.aws import clients, handler
from perennial.aws.wiring import Services, Settings
from tests.integration import moto_support, trainer_support

REGION = "us-east-1"


@pytest.fixture(scope="session", autouse=True)
def _services_described_once() -> Iterator[None]:
    """Every test has sessions of its own, of which each would read the descriptions of its services anew:
    a tenth of a second for each.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", cache(create_loader))
        yield


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty AWS, credentials that are none, and no client left over from another test."""
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # hundreds, and they take a second
    # moto reads an AlarmRule and describes composite alarms, but has no such action
    monkeypatch.setattr(
        CloudWatchResponse, "put_composite_alarm", CloudWatchResponse.put_metric_alarm, raising=False
    )
    with mock_aws():
        clients.client.cache_clear()
        handler.services.cache_clear()
        yield
    clients.client.cache_clear()
    handler.services.cache_clear()


@pytest.fixture
def table(aws: None) -> Any:
    """The one table, with keys and index as in template.yaml."""
    return moto_support.create_table("perennial-table")


@pytest.fixture
def settings(aws: None, table: Any, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The stack's resources, and the environment in which its functions find them."""
    environment = moto_support.create_stack("perennial", table.name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings.from_environment()


@pytest.fixture
def services(settings: Settings) -> Services:
    """The adapters of the stack."""
    return Services(settings)


@pytest.fixture
def executions(settings: Settings) -> moto_support.Executions:
    """Runs that go on until they are told to end."""
    return moto_support.Executions(cast("Any", boto3.client("stepfunctions")), settings.state_machine_arn)


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[trainer_support.MetadataServer]:
    """The metadata service of a training instance."""
    with trainer_support.answering() as server:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
        yield server


@pytest.fixture
def stack(
    monkeypatch: pytest.MonkeyPatch, metadata: trainer_support.MetadataServer
) -> Iterator[trainer_support.Stack]:
    """What a training instance finds."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with trainer_support.deployed() as deployed:
        yield deployed
