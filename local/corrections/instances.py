"""EC2: fleets of type instant launch once for a client token, and instances announce their states."""

from collections.abc import Callable, Iterable
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2

from local.corrections.metrics import publish
from local.corrections.rewrite import CorrectionError, rewrite

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


def _state(instance: str) -> str:
    return str(ec2._instances[instance]["State"]["Name"])


def _announce(instances: Iterable[str], states: list[str]) -> None:
    for instance in instances:
        arn = f"arn:aws:ec2:{get_region()}:{get_account_id()}:instance/{instance}"
        details = [{"instance-id": instance, "state": state} for state in states]
        publish("aws.ec2", "EC2 Instance State-change Notification", arn, details)


def _wrap(action: str, make: Callable[[Handler], Handler]) -> None:
    if action not in ec2._ACTION_MAP:
        raise CorrectionError(f"ec2._ACTION_MAP has no {action}")
    ec2._ACTION_MAP[action] = make(ec2._ACTION_MAP[action])


CORRECTIONS: dict[str, Callable[[], None]] = {
    "fleet_facts": fleet_facts,
    "fleet_token": fleet_token,
    "state_events": state_events,
}
