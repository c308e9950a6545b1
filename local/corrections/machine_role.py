"""Step Functions under IAM: what a state machine calls, it calls as its role."""

import contextvars
import re
from collections.abc import Callable, Iterator
from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import stepfunctions

from local.corrections.rewrite import replace
from local.corrections.roles import instance_tags

_role: contextvars.ContextVar[str] = contextvars.ContextVar("state_machine_role", default="")
_NAMESPACES = {"sfn": "states", "eventbridge": "events", "cloudwatchlogs": "logs"}
_ACTIONS = {
    "lambda:invoke": "lambda:InvokeFunction",
    "s3:listObjectsV2": "s3:ListBucket",
    "s3:headObject": "s3:GetObject",
}
_TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}

type Check = tuple[str, str, dict[str, Any]]  # action, resource, condition keys


def machine_role() -> None:
    """A task is denied what the state machine's role does not allow, and resource policies see that role.

    The engine called everything as the account, so that a permission missing in the role went unnoticed.
    Holds for the integrations that name a service (`arn:aws:states:::…`), with auth only.
    """

    def as_role(original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(state: Any, data: Any, execution: dict[str, Any], context: Any) -> Any:
            machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) if execution else None
            if not app.AUTH or not machine:
                return original(state, data, execution, context)
            role = machine["roleArn"]
            name = role.rpartition("/")[2]
            session = f"arn:aws:sts::{get_account_id()}:assumed-role/{name}/{execution['name']}"
            tokens = _role.set(role), iam_evaluator._request_caller_arn.set(session)
            try:
                return original(state, data, execution, context)
            finally:
                _role.reset(tokens[0])
                iam_evaluator._request_caller_arn.reset(tokens[1])

        return execute

    def checked(original: Callable[..., Any]) -> Callable[..., Any]:
        def invoke(resource: str, data: Any) -> Any:
            if (role := _role.get()) and resource.startswith("arn:aws:states:::"):
                _check(role, resource, data if isinstance(data, dict) else {})
            return original(resource, data)

        return invoke

    replace(stepfunctions, "_execute_task", as_role, "state_def, raw_input, execution, ctx")
    replace(stepfunctions, "_invoke_resource", checked, "resource, input_data")


def _check(role: str, resource: str, data: dict[str, Any]) -> None:
    """Raise as Step Functions does where the role's policies do not allow the call."""
    call = re.sub(r"\.(waitForTaskToken|sync.*)$", "", resource.removeprefix("arn:aws:states:::"))
    *_sdk, service, operation = call.split(":")
    for action, arn, keys in _checks(service, operation, data):
        context = iam_evaluator.EvalContext(
            principal_arn=role,
            principal_type="AssumedRole",
            principal_account=get_account_id(),
            action=action,
            resource_arn=arn,
            region=get_region(),
            service_context={key.lower(): value for key, value in keys.items()},
        )
        policies = iam_evaluator._gather_role_policies(role.rpartition("/")[2], get_account_id())
        if iam_evaluator.evaluate(context, policies).decision != "Allow":
            prefix = stepfunctions._AWS_SDK_ERROR_PREFIX.get(service, service.capitalize())
            cause = f"User: {role} is not authorized to perform: {action} on resource: {arn}"
            raise stepfunctions._ExecutionError(f"{prefix}.AccessDeniedException", cause)


def _checks(service: str, operation: str, data: dict[str, Any]) -> Iterator[Check]:
    """What a call needs to be allowed: one check, or one for each item or instance that it names."""
    namespace = _NAMESPACES.get(service, service)
    plain = f"{namespace}:{operation[0].upper()}{operation[1:]}"
    action = _ACTIONS.get(f"{service}:{operation}", plain)
    if operation == "transactWriteItems":
        for item in data.get("TransactItems", []):
            for kind, write in item.items():
                yield f"dynamodb:{_TRANSACTION[kind]}", _arn("dynamodb", f"table/{write['TableName']}"), {}
    elif operation == "terminateInstances":
        for instance in data.get("InstanceIds", []):
            yield action, _arn("ec2", f"instance/{instance}"), instance_tags(instance)
    elif operation == "putMetricData":
        yield action, "*", {"cloudwatch:namespace": data.get("Namespace", "")}
    elif operation == "putEvents":
        for bus in {entry.get("EventBusName", "default") for entry in data.get("Entries", [])}:
            yield action, bus if bus.startswith("arn:") else _arn("events", f"event-bus/{bus}"), {}
    else:
        yield action, _resource(namespace, operation, data), {}


def _resource(namespace: str, operation: str, data: dict[str, Any]) -> str:
    """The ARN of the one resource that a call names; `*` where it names none."""
    match namespace:
        case "lambda":
            name = str(data.get("FunctionName", ""))
            arn = name if name.startswith("arn:") else _arn("lambda", f"function:{name}")
        case "dynamodb":
            arn = _arn("dynamodb", f"table/{data.get('TableName', '')}")
        case "s3":
            arn = f"arn:aws:s3:::{data.get('Bucket', '')}" + (f"/{data['Key']}" if "Key" in data else "")
        case "ssm":
            arn = _arn("ssm", f"parameter/{str(data.get('Name', '')).lstrip('/')}")
        case "sqs":
            arn = _arn("sqs", str(data.get("QueueUrl", "")).rpartition("/")[2])
        case "cloudwatch" if operation == "describeAlarms":
            names = data.get("AlarmNames", [])
            arn = _arn("cloudwatch", f"alarm:{names[0] if len(names) == 1 else '*'}")
        case _:
            arn = str(data.get("TopicArn") or data.get("StateMachineArn") or "*")
    return arn


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{get_region()}:{get_account_id()}:{resource}"


CORRECTIONS: dict[str, Callable[[], None]] = {"machine_role": machine_role}
