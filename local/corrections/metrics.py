"""CloudWatch: metrics out of logs, and alarms that compare their own metric and tell EventBridge."""

import contextvars
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import cloudwatch, eventbridge, lambda_svc

from local.corrections.rewrite import replace, rewrite

_log = logging.getLogger("perennial.corrections")
_last_states: dict[str, dict[str, str]] = {}  # by alarm ARN


def embedded_metrics() -> None:
    """Log lines of a function in the embedded metric format become metrics, for every set of dimensions.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """

    def make(original: Callable[..., None]) -> Callable[..., None]:
        def emit(
            func: dict[str, Any], request_id: str, log_text: str, *args: object, **kwargs: object
        ) -> None:
            original(func, request_id, log_text, *args, **kwargs)
            found = [datum for line in (log_text or "").splitlines() for datum in _metrics_of(line)]
            for datum in found:
                cloudwatch._store_datum(*datum)
            if found:
                cloudwatch._evaluate_all_alarms()

        return emit

    replace(
        lambda_svc,
        "_emit_lambda_logs",
        make,
        "func, request_id, log_text, error, duration_ms, log_source",
    )


def _metrics_of(line: str) -> Iterator[tuple[Any, ...]]:
    """The arguments of cloudwatch._store_datum for every metric in a log line; none for an ordinary line."""
    if '"CloudWatchMetrics"' not in line:
        return
    try:
        document = json.loads(line)
        moment = document["_aws"]["Timestamp"] / 1000
        for block in document["_aws"]["CloudWatchMetrics"]:
            for names in block.get("Dimensions") or [[]]:
                dimensions = {name: str(document[name]) for name in names}
                for metric in block["Metrics"]:
                    value = document[metric["Name"]]
                    values = [float(one) for one in value] if isinstance(value, list) else [float(value)]
                    name, unit = metric["Name"], metric.get("Unit", "None")
                    yield block["Namespace"], name, dimensions, moment, unit, None, values, None, None
    except (ValueError, KeyError, TypeError) as error:  # as CloudWatch: the line stays a log line
        _log.warning("not in the embedded metric format (%r): %s", error, line)


def alarm_dimensions() -> None:
    """An alarm looks at the metric with exactly its dimensions, not at every metric of that name."""
    rewrite(
        cloudwatch,
        "_evaluate_alarm",
        ("for (k_ns, k_mn, _), pts in", "for (k_ns, k_mn, k_dims), pts in"),
        (
            "if k_ns == ns and k_mn == mn:",
            "if k_ns == ns and k_mn == mn and k_dims == dims_key_of(alarm):",
        ),
        dims_key_of=lambda alarm: cloudwatch._dims_key(cloudwatch._dims_from_list(alarm["Dimensions"] or [])),
    )


def alarm_events() -> None:
    """A change of an alarm's state is an event, "CloudWatch Alarm State Change", with the metric it watches.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
    """

    def make(original: Callable[..., None]) -> Callable[..., None]:
        def dispatch(alarm: dict[str, Any], old_state: str, new_state: str, reason: str) -> None:
            detail = _state_change(alarm, old_state, new_state, reason)
            publish("aws.cloudwatch", "CloudWatch Alarm State Change", alarm["AlarmArn"], [detail])
            original(alarm, old_state, new_state, reason)

        return dispatch

    replace(cloudwatch, "_dispatch_alarm_actions", make, "alarm, old_state, new_state, reason")


def _state_change(alarm: dict[str, Any], old_state: str, new_state: str, reason: str) -> dict[str, Any]:
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
    state = {"value": new_state, "reason": reason, "timestamp": moment}
    if alarm.get("StateReasonData"):
        state["reasonData"] = alarm["StateReasonData"]
    previous = _last_states.get(alarm["AlarmArn"], {})
    _last_states[alarm["AlarmArn"]] = state
    configuration: dict[str, Any] = {"description": alarm.get("AlarmDescription") or ""}
    if alarm.get("MetricName"):
        metric = {
            "namespace": alarm["Namespace"],
            "name": alarm["MetricName"],
            "dimensions": cloudwatch._dims_from_list(alarm.get("Dimensions") or []),
        }
        stat = alarm.get("ExtendedStatistic") or alarm["Statistic"]
        configuration["metrics"] = [
            {
                "id": new_uuid(),
                "metricStat": {"metric": metric, "period": alarm["Period"], "stat": stat},
                "returnData": True,
            }
        ]
    return {
        "alarmName": alarm["AlarmName"],
        "state": state,
        "previousState": {**previous, "value": old_state},
        "configuration": configuration,
    }


def publish(source: str, kind: str, resource: str, details: list[dict[str, Any]]) -> None:
    """Put events of an AWS service on the default bus, in order, without holding up the caller."""

    def put() -> None:
        for detail in details:
            entry = {
                "Source": source,
                "DetailType": kind,
                "Resources": [resource],
                "Detail": json.dumps(detail),
                "Time": time.time(),
            }
            eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)

    threading.Thread(target=contextvars.copy_context().run, args=(put,), daemon=True).start()


CORRECTIONS: dict[str, Callable[[], None]] = {
    "embedded_metrics": embedded_metrics,
    "alarm_dimensions": alarm_dimensions,
    "alarm_events": alarm_events,
}
