"""The process that plays EC2: `python -m local.ec2_host DIRECTORY`, with the engine's variables set.

It finds the instances that the engine records as running, runs the user data of their launch template's
version, and terminates them when they shut down or end. A terminated instance's processes end; so do all when
this ends. What goes wrong on demand is described in `local.faults`.
"""

import base64
import logging
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from os import environ
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import URLLib3Session
from mypy_boto3_ec2 import EC2Client
from mypy_boto3_ec2.type_defs import InstanceTypeDef, ResponseLaunchTemplateDataTypeDef

from local.faults import AT_THE_DOOR, FILE, FaultFile, FaultFileError, Plan
from local.gateway import Gateway
from local.injection import Injection
from local.instance import GRACE, Instance, make_python
from local.metadata import Facts

_POLL = 0.2  # seconds; the engine is on the loopback
_HASTE = 1.0  # seconds that instances have when the host itself ends
_PATIENCE = 25  # polls without an answer after which the engine is taken to be gone
_EXPIRY = timedelta(minutes=5)  # credentials are renewed this long before they expire
_log = logging.getLogger("perennial.ec2_host")


@dataclass(frozen=True)
class _Hosted:
    """A running instance, and what is to go wrong with it."""

    instance: Instance
    tags: Mapping[str, str]
    injection: Injection
    gateway: Gateway | None

    def stop(self, grace: float = GRACE) -> None:
        self.instance.stop(grace)
        if self.gateway:
            self.gateway.stop()


class Host:
    """All running instances. `directory`/instances holds theirs, `directory`/image what outlives them."""

    def __init__(self, directory: Path) -> None:
        settings = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5)
        self._ec2: EC2Client = boto3.client("ec2", config=settings)
        self._directory = directory / "instances"
        self._image = directory / "image"
        self._trash = directory / "trash"
        self._trash.mkdir(parents=True, exist_ok=True)
        self._python = make_python(directory / "python")
        self._instances: dict[str, _Hosted] = {}
        self._faults = FaultFile(directory / FILE)
        self._plan = Plan()
        self._known_since: dict[str, float] = {}
        self._ending = ThreadPoolExecutor(8, "ending")  # it takes seconds, and the others go on

    def clear(self) -> None:
        """Begin: end the instances of an earlier host, whose processes died with it, and forget its files."""
        if lost := list(self._running()):
            self._ec2.terminate_instances(InstanceIds=lost)
        for leftover in (self._directory, self._image):
            if leftover.exists():
                leftover.rename(self._trash / uuid4().hex)
            leftover.mkdir(parents=True)
        # beside the work: unpacked layers are many files, and a busy disk takes its time over them
        threading.Thread(
            target=shutil.rmtree, args=(self._trash,), kwargs={"ignore_errors": True}, daemon=True
        ).start()

    def look(self) -> None:
        """Bring the processes in line with the engine's records, and the records with the processes."""
        running = self._running()
        try:
            self._plan = self._faults.plan()
        except FaultFileError as error:
            _log.error("%s", error)
        for instance_id, record in running.items():
            if instance_id not in self._instances:
                self._boot(record)
        for instance_id, hosted in list(self._instances.items()):
            reason = hosted.instance.over() if instance_id in running else "terminated"
            if reason:
                self._end(instance_id, reason)
            else:
                hosted.injection.step(self._plan.for_instance(hosted.tags))

    def stop(self) -> None:
        """End every process of every instance."""
        for hosted in self._instances.values():
            hosted.stop(_HASTE)
        self._instances.clear()
        self._ending.shutdown()

    def _running(self) -> dict[str, InstanceTypeDef]:
        pages = self._ec2.get_paginator("describe_instances").paginate(
            Filters=[{"Name": "instance-state-name", "Values": ["running"]}]
        )
        return {
            record["InstanceId"]: record
            for page in pages
            for reservation in page["Reservations"]
            for record in reservation["Instances"]
        }

    def _boot(self, record: InstanceTypeDef) -> None:
        instance_id = record["InstanceId"]
        tags = {tag["Key"]: tag["Value"] for tag in record.get("Tags", [])}
        faults = self._plan.for_instance(tags)
        since = self._known_since.setdefault(instance_id, time.monotonic())
        if time.monotonic() < since + sum(one.after for one in faults if one.kind == "boot"):
            return
        gateway = None
        if any(one.kind in AT_THE_DOOR for one in faults):
            gateway = Gateway(environ["AWS_ENDPOINT_URL"])
            gateway.start()
        environment = {
            "AWS_ENDPOINT_URL": gateway.url if gateway else environ["AWS_ENDPOINT_URL"],
            "PERENNIAL_IMAGE_CACHE": str(self._image),
        }
        facts = _facts(record, tags, self._template(tags))
        instance = Instance(facts, self._directory / instance_id, self._python, environment)
        instance.start()
        injection = Injection(
            instance,
            gateway,
            warn=lambda kind: self._warn(instance_id, kind),
            terminate=lambda: self._terminate(instance_id),
            time_scale=self._plan.time_scale,
        )
        self._instances[instance_id] = _Hosted(instance, tags, injection, gateway)
        _log.info("%s: started", instance_id)

    def _terminate(self, instance_id: str) -> None:
        self._ec2.terminate_instances(InstanceIds=[instance_id])

    def _warn(self, instance_id: str, kind: str) -> None:
        """Let the engine publish a warning, see `local.corrections.instances.warnings`."""
        asked = {"Action": "WarnInstance", "InstanceId": instance_id, "Kind": kind}
        request = AWSRequest(
            "POST",
            environ["AWS_ENDPOINT_URL"],
            {"Content-Type": "application/x-www-form-urlencoded"},
            urlencode(asked).encode(),
        )
        credentials = Credentials(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"])
        SigV4Auth(credentials, "ec2", environ["AWS_DEFAULT_REGION"]).add_auth(request)
        URLLib3Session().send(request.prepare())

    def _template(self, tags: Mapping[str, str]) -> ResponseLaunchTemplateDataTypeDef:
        """The data of the launch template's version that the instance's own tags name."""
        if "aws:ec2launchtemplate:id" not in tags:
            return {}
        answer = self._ec2.describe_launch_template_versions(
            LaunchTemplateId=tags["aws:ec2launchtemplate:id"],
            Versions=[tags["aws:ec2launchtemplate:version"]],
        )
        return answer["LaunchTemplateVersions"][0]["LaunchTemplateData"]

    def _end(self, instance_id: str, reason: str) -> None:
        hosted = self._instances.pop(instance_id)
        if reason == "script ended":
            hosted.instance.say(
                "the user data ended without shutdown; on EC2 the instance would go on running"
            )
        hosted.instance.say(f"ends: {reason}")
        if reason != "terminated":
            self._terminate(instance_id)
        self._ending.submit(hosted.stop)
        _log.info("%s: ended (%s)", instance_id, reason)


def _facts(
    record: InstanceTypeDef, tags: Mapping[str, str], template: ResponseLaunchTemplateDataTypeDef
) -> Facts:
    options = template.get("MetadataOptions", {})
    profile = record.get("IamInstanceProfile", {}).get("Arn", "")
    role = _role(profile)
    return Facts(
        instance_id=record["InstanceId"],
        instance_type=record["InstanceType"],
        image_id=record["ImageId"],
        life_cycle=record.get("InstanceLifecycle", "on-demand"),
        availability_zone=record["Placement"]["AvailabilityZone"],
        account=profile.split(":")[4] if profile else "000000000000",
        user_data=base64.b64decode(template.get("UserData", "")),
        tags=tags if options.get("InstanceMetadataTags") == "enabled" else None,
        role=role.rpartition("/")[2] if role else None,
        credentials=_credentials(role, record["InstanceId"]) if role else dict,
    )


def _role(profile: str) -> str | None:
    """The ARN of the role in an instance profile; None without one."""
    if not profile:
        return None
    try:
        answer = boto3.client("iam").get_instance_profile(InstanceProfileName=profile.rpartition("/")[2])
    except ClientError as error:
        _log.warning("no credentials for %s: %s", profile, error)
        return None
    roles = answer["InstanceProfile"]["Roles"]
    return roles[0]["Arn"] if roles else None


def _credentials(role: str, session: str) -> Callable[[], Mapping[str, str]]:
    """What gives the role's credentials in the form of the metadata service, renewed before they expire."""
    kept: dict[str, str] = {}
    expires = datetime.fromtimestamp(0, UTC)
    lock = threading.Lock()

    def give() -> Mapping[str, str]:
        nonlocal kept, expires
        with lock:
            if datetime.now(UTC) > expires - _EXPIRY:
                answer = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName=session)["Credentials"]
                expires = answer["Expiration"]
                kept = {
                    "Code": "Success",
                    "Type": "AWS-HMAC",
                    "LastUpdated": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "AccessKeyId": answer["AccessKeyId"],
                    "SecretAccessKey": answer["SecretAccessKey"],
                    "Token": answer["SessionToken"],
                    "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            return kept

    return give


def main(directory: Path) -> None:
    """Host until SIGTERM, or until the engine is gone."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    host = Host(directory)
    host.clear()
    (directory / "ec2_host.ready").touch()
    unanswered = 0
    try:
        while unanswered < _PATIENCE and not stopping.wait(_POLL):
            try:
                host.look()
                unanswered = 0
            except (BotoCoreError, ClientError) as error:
                unanswered += 1
                _log.warning("the engine did not answer: %s", error)
    finally:
        host.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
