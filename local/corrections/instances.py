"""EC2: fleets of type instant launch once for a client token, and instances announce their states."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2

from local.corrections.metrics import publish
from local.corrections.rewrite import CorrectionError, rewrite
from local.faults import Fault, FaultFile, FaultFileError

_log = logging.getLogger("perennial.corrections")

type Handler = Callable[[dict[str, Any]], Any]
_fleets_by_token: dict[tuple[str, str, str], tuple[str, dict[str, Any], Any]] = {}


def fleet_facts() -> None:
    """An instance knows that it is a spot instance, and which launch template and fleet it comes from.

    The lifecycle stands in DescribeInstances, the rest in the tags that EC2 sets (aws:ec2launchtemplate:id,
    aws:ec2launchtemplate:version, aws:ec2:fleet-id); the stand-in host finds the user data by them.
    """
    rewrite(
        ec2,
        "_create_fleet",
        (
            '            merged.update({t["Key"]: t["Value"] for t in instance_tags})\n',
            """            merged.update({t["Key"]: t["Value"] for t in instance_tags})
            merged.update(fleet_tags_of(slot["spec"], fleet_id))
            if is_spot:
                for inst in launched:
                    inst["InstanceLifecycle"] = "spot"
""",
        ),
        fleet_tags_of=_tags_of_fleet,
    )
    rewrite(
        ec2,
        "_instance_xml",
        (
            "        <amiLaunchIndex>",
            """        {lifecycle_xml(inst)}
        <amiLaunchIndex>""",
        ),
        lifecycle_xml=_lifecycle_xml,
    )
    ec2._ACTION_MAP["CreateFleet"] = ec2._create_fleet


def _lifecycle_xml(instance: dict[str, str]) -> str:
    lifecycle = instance.get("InstanceLifecycle")
    return f"<instanceLifecycle>{lifecycle}</instanceLifecycle>" if lifecycle else ""


def _tags_of_fleet(spec: dict[str, str], fleet: str) -> dict[str, str]:
    tags = {"aws:ec2:fleet-id": fleet}
    _data, template, error = ec2._resolve_launch_template_data(spec)
    if template and not error:
        version = _version_number(template, spec.get("Version") or "$Default")
        tags["aws:ec2launchtemplate:id"] = template["LaunchTemplateId"]
        tags["aws:ec2launchtemplate:version"] = str(version)
    return tags


def _version_number(template: dict[str, Any], version: str) -> int:
    named = {"$Default": "DefaultVersionNumber", "$Latest": "LatestVersionNumber"}
    return int(template[named[version]] if version in named else version)


def no_capacity() -> None:
    """CreateFleet is answered as when EC2 has no instance to give, where the fault file says so.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFleetError.html
    """
    file = FaultFile(Path(os.environ["PERENNIAL_FAULTS"]))
    refused: Counter[tuple[Fault, str]] = Counter()

    def make(create: Handler) -> Handler:
        def maybe(params: dict[str, Any]) -> Any:
            try:
                plan = file.plan()
            except FaultFileError as error:
                _log.error("%s", error)
                return create(params)
            market = ec2._p(params, "TargetCapacitySpecification.DefaultTargetCapacityType", "on-demand")
            for fault in plan.faults:
                if fault.kind != "capacity" or not fault.fits(_wanted_tags(params)):
                    continue
                if fault.market in {"", market} and refused[fault, market] < fault.calls:
                    refused[fault, market] += 1
                    return _refusal(params, market, fault.error)
            return create(params)

        return maybe

    _wrap("CreateFleet", make)


def _numbered(params: dict[str, Any], prefix: str, name: str) -> list[str]:
    """The values of prefix.1.name, prefix.2.name, ...; each may be missing as a whole only."""
    found: list[str] = []
    while value := ec2._p(params, f"{prefix}.{len(found) + 1}.{name}"):
        found.append(value)
    return found


def _wanted_tags(params: dict[str, Any]) -> dict[str, str]:
    """The tags that a fleet's instances are to bear."""
    tags: dict[str, str] = {}
    for number, kind in enumerate(_numbered(params, "TagSpecification", "ResourceType"), start=1):
        if kind == "instance":
            prefix = f"TagSpecification.{number}.Tag"
            for index, key in enumerate(_numbered(params, prefix, "Key"), start=1):
                tags[key] = ec2._p(params, f"{prefix}.{index}.Value")
    return tags


def _refusal(params: dict[str, Any], market: str, code: str) -> Any:
    """A fleet without an instance: an error for each type that was allowed."""
    kinds = _numbered(params, "LaunchTemplateConfigs.1.Overrides", "InstanceType")
    items = "".join(
        f"""<item>
            <launchTemplateAndOverrides><overrides><instanceType>{kind}</instanceType></overrides>
            </launchTemplateAndOverrides><lifecycle>{market}</lifecycle><errorCode>{code}</errorCode>
            <errorMessage>There is no {market} capacity for {kind} at the moment</errorMessage>
        </item>"""
        for kind, market, code in ((escape(kind), escape(market), escape(code)) for kind in kinds or ["any"])
    )
    fleet = f"<fleetId>fleet-{ec2.new_uuid()}</fleetId><fleetInstanceSet/><errorSet>{items}</errorSet>"
    return ec2._xml(200, "CreateFleetResponse", fleet)


def fleet_token() -> None:
    """CreateFleet with a client token of before answers with the fleet of then and launches nothing."""

    def make(create: Handler) -> Handler:
        def once(params: dict[str, Any]) -> Any:
            token = ec2._p(params, "ClientToken")
            key = (get_account_id(), get_region(), token)
            fleet, asked, answer = _fleets_by_token.get(key, ("", {}, None))
            if token and fleet in ec2._fleets:
                if asked == params:
                    return answer
                message = f"The client token {token} was used with other parameters"
                return ec2._error("IdempotentParameterMismatch", message, 400)
            before = set(ec2._fleets)
            answer = create(params)
            for fleet in set(ec2._fleets) - before:
                _fleets_by_token[key] = (fleet, dict(params), answer)
            return answer

        return once

    _wrap("CreateFleet", make)


def state_events() -> None:
    """EC2 Instance State-change Notification events for launches and terminations.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html
    """

    def launching(create: Handler) -> Handler:
        def launch(params: dict[str, Any]) -> Any:
            before = set(ec2._instances)
            answer = create(params)
            _announce(set(ec2._instances) - before, ["pending", "running"])
            return answer

        return launch

    def terminating(terminate: Handler) -> Handler:
        def end(params: dict[str, Any]) -> Any:
            named = ec2._parse_member_list(params, "InstanceId")
            alive = [one for one in named if one in ec2._instances and _state(one) != "terminated"]
            answer = terminate(params)
            _announce([one for one in alive if _state(one) == "terminated"], ["shutting-down", "terminated"])
            return answer

        return end

    _wrap("CreateFleet", launching)
    _wrap("RunInstances", launching)
    _wrap("TerminateInstances", terminating)


def warnings() -> None:
    """An action of our own, WarnInstance: EC2's events before it takes a spot instance back.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html
    """
    names = {
        "interruption": "EC2 Spot Instance Interruption Warning",
        "rebalance": "EC2 Instance Rebalance Recommendation",
    }

    def warn(params: dict[str, Any]) -> Any:
        instance, kind = ec2._p(params, "InstanceId"), ec2._p(params, "Kind")
        detail = {"instance-id": instance}
        if kind == "interruption":
            detail["instance-action"] = "terminate"
        publish("aws.ec2", names[kind], _arn(instance), [detail])
        return ec2._xml(200, "WarnInstanceResponse", "<return>true</return>")

    ec2._ACTION_MAP["WarnInstance"] = warn


def _arn(instance: str) -> str:
    return f"arn:aws:ec2:{get_region()}:{get_account_id()}:instance/{instance}"


def _state(instance: str) -> str:
    return str(ec2._instances[instance]["State"]["Name"])


def _announce(instances: Iterable[str], states: list[str]) -> None:
    for instance in instances:
        details = [{"instance-id": instance, "state": state} for state in states]
        publish("aws.ec2", "EC2 Instance State-change Notification", _arn(instance), details)


def _wrap(action: str, make: Callable[[Handler], Handler]) -> None:
    if action not in ec2._ACTION_MAP:
        raise CorrectionError(f"ec2._ACTION_MAP has no {action}")
    ec2._ACTION_MAP[action] = make(ec2._ACTION_MAP[action])


CORRECTIONS: dict[str, Callable[[], None]] = {
    "fleet_facts": fleet_facts,
    "no_capacity": no_capacity,
    "fleet_token": fleet_token,
    "state_events": state_events,
    "warnings": warnings,
}
