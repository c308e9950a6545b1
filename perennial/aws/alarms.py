"""The models' CloudWatch alarms: set to the version that serves, all of a model's under a composite one."""

from typing import Any

from botocore.exceptions import ClientError

from perennial.alarms import GROUPS, ModelAlarm, alarms_of, full_name, unhealthy_name
from perennial.aws.clients import error_code
from perennial.config import ModelConfig
from perennial.lineage import VersionRecord


class Alarms:
    """The alarms of one stack's models."""

    def __init__(self, cloudwatch: Any, stack: str, topic: str) -> None:
        self._cloudwatch, self._stack, self._topic = cloudwatch, stack, topic

    def watch(self, config: ModelConfig, version: VersionRecord) -> None:
        """Set the model's alarms to the version that serves now, and remove those not wanted any more.

        Repeating it changes nothing.
        """
        model, wanted = config.name, alarms_of(config, version)
        for alarm in wanted:
            self._put(model, alarm)
        names = [full_name(self._stack, alarm.group, model, alarm.name) for alarm in wanted]
        overall = unhealthy_name(self._stack, model)
        if config.watch.unhealthy:
            self._put_overall(overall, model, names)
        else:
            self._remove(overall)
        for group, known in GROUPS.items():
            for name in known:
                full = full_name(self._stack, group, model, name)
                if full not in names:
                    self._remove(full)

    def _put(self, model: str, alarm: ModelAlarm) -> None:
        self._cloudwatch.put_metric_alarm(
            AlarmName=full_name(self._stack, alarm.group, model, alarm.name),
            AlarmDescription=alarm.description,
            Namespace="Perennial",
            MetricName=alarm.metric,
            Dimensions=[{"Name": "Model", "Value": model}],
            Statistic="Maximum" if alarm.lasts else "Average",
            Period=60,
            EvaluationPeriods=1,
            Threshold=alarm.threshold,
            ComparisonOperator=alarm.operator,
            TreatMissingData="ignore" if alarm.lasts else "notBreaching",
            AlarmActions=[self._topic],
        )

    def _put_overall(self, name: str, model: str, members: list[str]) -> None:
        """Its members tell what is wrong; it tells when the last of them is well again."""
        self._cloudwatch.put_composite_alarm(
            AlarmName=name,
            AlarmDescription=f"{model} is unhealthy while any of its alarms is on; each says what to do.",
            AlarmRule=" OR ".join(f'ALARM("{member}")' for member in members),
            OKActions=[self._topic],
        )

    def _remove(self, name: str) -> None:
        try:
            self._cloudwatch.delete_alarms(AlarmNames=[name])
        except ClientError as error:
            if error_code(error) not in {"ResourceNotFound", "ResourceNotFoundException"}:
                raise
