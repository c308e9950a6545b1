"""IAM, which the engine checks where it was started with auth: what it decides otherwise than AWS."""

import json
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.services import ec2, iam

from local.corrections import callbacks
from local.corrections.rewrite import replace, rewrite


def secure_transport() -> None:
    """A request on the loopback counts as `aws:SecureTransport`, as every request to AWS does.

    The engine speaks plain HTTP, and a policy that refuses unencrypted requests refused all.
    """

    def make(original: Callable[[str, bool], None]) -> Callable[[str, bool], None]:
        return lambda source_ip, _secure: original(source_ip, True)

    replace(app, "pin_request_origin", make, "source_ip, secure_transport")


def condition_keys() -> None:
    """`cloudwatch:namespace` and `ec2:ResourceTag/<key>` have values; `aws:PrincipalArn` is a session's role.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
    """

    def make(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def context(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
            keys = original(service, action, body, params)
            if action == "cloudwatch:PutMetricData":
                keys |= {"cloudwatch:namespace": _field(body, "Namespace") or ec2._p(params, "Namespace")}
            for instance in ec2._parse_member_list(params, "InstanceId") if service == "ec2" else ():
                keys |= instance_tags(instance)
            return keys

        return context

    replace(iam_actions, "request_tag_context", make, "service, iam_action, body, params")
    rewrite(
        iam_evaluator,
        "_resolve_condition_key",
        ("return ctx.principal_arn\n", "return role_of(ctx.principal_arn)\n"),
        role_of=_role_of,
    )


def _role_of(principal: str) -> str:
    """The ARN of the role behind the ARN of a role's session; another principal's as it is."""
    kind, _slash, rest = principal.partition(":assumed-role/")
    role = iam._roles.get_scoped(kind.rpartition(":")[2], None, rest.partition("/")[0]) if rest else None
    return str(role["Arn"]) if role else principal


def instance_tags(instance: str) -> dict[str, str]:
    """The condition keys that the tags of an instance are."""
    tags = {tag["Key"]: tag["Value"] for tag in ec2._tags.get(instance, [])}
    return {
        f"{service}:ResourceTag/{key}": value for key, value in tags.items() for service in ("aws", "ec2")
    }


def callback_permission() -> None:
    """SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat are allowed on the state machine of their token.

    The engine checked them on `*`, so that only a policy for all machines allowed them.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html
    """

    def make(original: Callable[..., str]) -> Callable[..., str]:
        def arn(service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> str:
            token = _field(body, "taskToken") if service == "states" else ""
            machine = callbacks.machine_of(token) if token else None
            return machine or original(service, method, path, headers, body, *rest)

        return arn

    takes = "service, method, path, headers, body, query_params, region, account_id"
    replace(iam_actions, "extract_resource_arn", make, takes)


def log_stream_permission() -> None:
    """A call on a log stream is checked on the stream, so that a policy for `<log group's ARN>:*` allows it.

    CloudFormation returns such an ARN for a log group; the engine checked the group without the end.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
    """

    def make(original: Callable[..., str]) -> Callable[..., str]:
        def arn(service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> str:
            found = original(service, method, path, headers, body, *rest)
            stream = _field(body, "logStreamName") if service == "logs" else ""
            return f"{found}:log-stream:{stream}" if stream else found

        return arn

    takes = "service, method, path, headers, body, query_params, region, account_id"
    replace(iam_actions, "extract_resource_arn", make, takes)


def alarm_permission() -> None:
    """A call that names alarms in a list, such as DeleteAlarms, is checked on the first of them.

    The engine checked it on `*`, so that only a policy for all alarms allowed it.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
    """

    def make(original: Callable[..., str]) -> Callable[..., str]:
        def arn(
            service: str,
            method: str,
            path: str,
            headers: Any,
            body: bytes,
            params: Any,
            region: str,
            account: str,
        ) -> str:
            names = _alarm_names(body, params) if service == "monitoring" else []
            if names:
                return f"arn:aws:cloudwatch:{region}:{account}:alarm:{names[0]}"
            return original(service, method, path, headers, body, params, region, account)

        return arn

    takes = "service, method, path, headers, body, query_params, region, account_id"
    replace(iam_actions, "extract_resource_arn", make, takes)


def _alarm_names(body: bytes, params: Any) -> list[str]:
    """The alarms that a call names in a list, as JSON or as a form."""
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        document = {}
    named = document.get("AlarmNames") if isinstance(document, dict) else None
    return [str(name) for name in named or ec2._parse_member_list(params, "AlarmNames.member")]


def layer_permission() -> None:
    """Reading a layer version is lambda:GetLayerVersion on that version, not lambda:ListLayers."""

    def named(original: Callable[..., str | None]) -> Callable[..., str | None]:
        def action(
            service: str, method: str, path: str, headers: Any, body: bytes, params: dict[str, Any]
        ) -> str | None:
            if service == "lambda" and method == "GET" and _layer_version(path, params):
                return "lambda:GetLayerVersion"
            return original(service, method, path, headers, body, params)

        return action

    def on(original: Callable[..., str]) -> Callable[..., str]:
        def arn(
            service: str,
            method: str,
            path: str,
            headers: Any,
            body: bytes,
            params: Any,
            region: str,
            account: str,
        ) -> str:
            version = _layer_version(path, params) if service == "lambda" and method == "GET" else ""
            if version and not version.startswith("arn:"):
                return f"arn:aws:lambda:{region}:{account}:layer:{version}"
            return version or original(service, method, path, headers, body, params, region, account)

        return arn

    replace(iam_actions, "extract_iam_action", named, "service, method, path, headers, body, query_params")
    takes = "service, method, path, headers, body, query_params, region, account_id"
    replace(iam_actions, "extract_resource_arn", on, takes)


def _layer_version(path: str, params: dict[str, Any]) -> str:
    """The layer version that a GET names, as NAME:VERSION or an ARN; empty for another request."""
    parts = path.strip("/").split("/")
    if parts[1:] == ["layers"] and ec2._p(params, "find") == "LayerVersion":
        return str(ec2._p(params, "Arn"))
    match parts[1:]:
        case ["layers", name, "versions", version]:
            return f"{name}:{version}"
    return ""


def _field(body: bytes, name: str) -> str:
    """A text field of a JSON body; empty where there is none."""
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return ""
    return str(document.get(name, "")) if isinstance(document, dict) else ""


CORRECTIONS: dict[str, Callable[[], None]] = {
    "secure_transport": secure_transport,
    "condition_keys": condition_keys,
    "callback_permission": callback_permission,
    "log_stream_permission": log_stream_permission,
    "alarm_permission": alarm_permission,
    "layer_permission": layer_permission,
}
