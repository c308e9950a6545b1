"""What services report of the versions that serve: sums of CloudWatch metrics by model and version."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from perennial.contracts.canary import ServingCounts

_PERIOD = 60  # seconds, in which services report
_METRICS = {"requests": "ServingRequests", "errors": "ServingErrors"}


class Serving:
    """ServingRequests and ServingErrors, with the dimensions Model and Version."""

    def __init__(self, cloudwatch: Any) -> None:
        self._cloudwatch = cloudwatch

    def counts(
        self, model: str, versions: Collection[int], since: datetime, until: datetime
    ) -> dict[int, ServingCounts]:
        """Sums over whole minutes, from that of `since` to that of `until`; 0 where nothing was reported."""
        sums = {(version, field): 0.0 for version in versions for field in _METRICS}
        queries = [
            _query(f"{field}_{version}", model, version, name)
            for version in versions
            for field, name in _METRICS.items()
        ]
        asked = {
            "MetricDataQueries": queries,
            "StartTime": since.replace(second=0, microsecond=0),
            "EndTime": until.replace(second=0, microsecond=0) + timedelta(seconds=_PERIOD),
        }
        while True:
            answer = self._cloudwatch.get_metric_data(**asked)
            for result in answer["MetricDataResults"]:
                field, _, version = result["Id"].partition("_")
                sums[int(version), field] += sum(result["Values"])
            if not answer.get("NextToken"):
                break
            asked["NextToken"] = answer["NextToken"]
        return {version: _counted(sums, version) for version in versions}


def _counted(sums: dict[tuple[int, str], float], version: int) -> ServingCounts:
    requests = round(sums[version, "requests"])
    return ServingCounts(requests=requests, errors=min(requests, round(sums[version, "errors"])))


def _query(name: str, model: str, version: int, metric: str) -> dict[str, Any]:
    dimensions = [{"Name": "Model", "Value": model}, {"Name": "Version", "Value": str(version)}]
    wanted = {"Namespace": "Perennial", "MetricName": metric, "Dimensions": dimensions}
    return {"Id": name, "MetricStat": {"Metric": wanted, "Period": _PERIOD, "Stat": "Sum"}}
