"""How the engine runs functions: what test_engine_corrections.py checks with and without each correction."""

import json
from collections.abc import Callable

from tests.integration.engine_support import INVOKE, Aws, task


def exceptions(aws: Aws) -> None:
    source = """
import os
class DataQualityError(Exception):
    pass
def handler(event, context):
    if event == "fail":
        raise DataQualityError("half of it is null")
    return os.getpid()
"""
    aws.function("fails", source)
    worker = aws.call("fails")
    answer = aws.call("fails", "fail")
    assert answer["errorType"] == "DataQualityError"
    assert answer["errorMessage"] == "half of it is null"
    assert 'raise DataQualityError("half of it is null")' in answer["stackTrace"][0]
    assert aws.call("fails") == worker, "the worker must live on"
    catch = {"ErrorEquals": ["DataQualityError"], "Next": "Caught", "Output": "{% $states.errorOutput %}"}
    states = {
        "Fail": task(INVOKE, {"FunctionName": "fails", "Payload": "fail"}, Catch=[catch]),
        "Caught": {"Type": "Pass", "End": True},
    }
    caught = json.loads(aws.run("caught", states)["output"])
    assert caught["Error"] == "DataQualityError"
    assert json.loads(caught["Cause"])["errorMessage"] == "half of it is null"
    aws.function("lacks", "import nowhere\ndef handler(event, context): pass")
    lacking = aws.call("lacks")
    assert lacking["errorType"] == "Runtime.ImportModuleError"
    assert lacking["errorMessage"] == "Unable to import module 'app': No module named 'nowhere'"


def logs(aws: Aws) -> None:
    source = """
def handler(event, context):
    for number in range(event):
        print("line", number)
    print("last", end="")
"""
    aws.function("talks", source)
    count = 100_000
    aws.call("talks", count)
    group = "/aws/lambda/talks"
    reader = aws.client("logs")
    (stream,) = reader.describe_log_streams(logGroupName=group)["logStreams"]
    events = reader.get_log_events(
        logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=False
    )
    lines = [event["message"] for event in events["events"]]
    assert [f"line {count - 1}", "last"] == lines[-4:-2], "a log ends before END and REPORT, and not earlier"


def endpoint(aws: Aws) -> None:
    source = """
import os
def handler(event, context):
    return os.environ["AWS_ENDPOINT_URL"]
"""
    aws.function("declared", source, Environment={"Variables": {"AWS_ENDPOINT_URL": ""}})
    assert aws.call("declared") == aws.engine.url


def interpreter(aws: Aws) -> None:
    aws.function("old", "def handler(event, context): return 1", Runtime="python3.12")
    assert "python3.12" in str(aws.call("old"))


def isolation(aws: Aws) -> None:
    source = """
import os
import boto3, inside
def handler(event, context):
    try:
        import hypercorn
    except ModuleNotFoundError:
        return {"variables": sorted(os.environ), "layer": inside.NAME}
"""
    first = aws.layer(
        "first", {"python/inside.py": "NAME = 'first'", "python/app.py": "def handler(*_): return 1"}
    )
    second = aws.layer(
        "second", {"python/inside.py": "NAME = 'second'", "python/shadowed.py": "NAME = 'layer'"}
    )
    aws.function("alone", source, Layers=[first, second])
    answer = aws.call("alone")
    assert answer != 1, "the function's code comes before its layers"
    assert answer, "the engine's packages are not the function's"
    assert answer["layer"] == "second", "a later layer covers an earlier one"
    assert "GATEWAY_PORT" not in answer["variables"]
    assert {"AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME"} <= set(answer["variables"])


def unpacked(aws: Aws) -> None:
    source = """
import inside
def handler(event, context):
    return inside.__file__
"""
    layer = aws.layer("shared", {"python/inside.py": ""})
    names = [aws.function(name, source, Layers=[layer]) for name in ("one", "two")]
    assert len({aws.call(name) for name in names}) == 1


CHECKS: dict[str, Callable[[Aws], None]] = {
    check.__name__: check for check in (exceptions, logs, endpoint, interpreter, isolation, unpacked)
}
