"""Telling the world who the champion is: SSM parameter, event, and the alarms that watch it."""

import json
from typing import Any

from perennial.config import ModelConfig
from perennial.lineage import Canary, VersionRecord
from perennial.metric_names import allowed


class Announcer:
    """Mirrors of the registry; the registry itself stays the truth."""

    def __init__(self, ssm: Any, events: Any, cloudwatch: Any, stack: str, topic: str) -> None:
        self._ssm, self._events, self._cloudwatch = ssm, events, cloudwatch
        self._stack, self._topic = stack, topic

    def champion(
        self,
        model: str,
        version: int | None,
        previous: int | None,
        run: str,
        change: str | None,
        canary: Canary | None = None,
    ) -> None:
        """Mirror the alias to its SSM parameter and put `change`, such as `Model Promoted`, on the bus.

        Without a change the mirror alone is renewed.
        """
        said: dict[str, Any] = {"model": model, "version": version, "previous": previous, "run": run}
        if canary:
            said["canary"] = canary.model_dump(mode="json")
        document = json.dumps(said)
        self._ssm.put_parameter(
            Name=f"/perennial/{self._stack}/{model}/champion", Value=document, Type="String", Overwrite=True
        )
        if change is None:
            return
        self._events.put_events(
            Entries=[
                {"Source": "perennial", "DetailType": change, "Detail": document, "Resources": [self._stack]}
            ]
        )

    def watch(self, config: ModelConfig, version: VersionRecord) -> None:
        """Set the model's alarms to the version that serves now; repeating it changes nothing.

        `health` alarms are read while a promotion bakes, `retrain` alarms start a run.
        """
        model = config.name
        self._alarm(
            f"{self._stack}/health/{model}/error-rate",
            f"{model}: more than {config.bake.max_error_rate:.0%} of the predictions fail.",
            "ServingErrorRate",
            model,
            config.bake.max_error_rate,
            "GreaterThanThreshold",
        )
        if config.bake.max_latency is not None:
            seconds = config.bake.max_latency.total_seconds()
            self._alarm(
                f"{self._stack}/health/{model}/latency",
                f"{model}: predictions take longer than {seconds:g} s on average.",
                "ServingLatency",
                model,
                seconds,
                "GreaterThanThreshold",
            )
        if config.bake.max_prediction_drift is not None:
            self._alarm(
                f"{self._stack}/health/{model}/prediction-drift",
                f"{model}: the predictions drifted by more than {config.bake.max_prediction_drift:g}.",
                "ServingPredictionDrift",
                model,
                config.bake.max_prediction_drift,
                "GreaterThanThreshold",
            )
        score = version.metrics.get(config.metric)
        if score is not None:
            lower_is_worse = config.higher_is_better
            may_lose = allowed(config.metric, score, config.drift.min_performance_drop)
            self._alarm(
                f"{self._stack}/retrain/{model}/performance",
                f"{model}: {config.metric} is worse than version {version.version} had on its holdout.",
                "ServingPerformance",
                model,
                score - may_lose if lower_is_worse else score + may_lose,
                "LessThanThreshold" if lower_is_worse else "GreaterThanThreshold",
            )

    def _alarm(
        self, name: str, description: str, metric: str, model: str, threshold: float, operator: str
    ) -> None:
        self._cloudwatch.put_metric_alarm(
            AlarmName=name,
            AlarmDescription=description,
            Namespace="Perennial",
            MetricName=metric,
            Dimensions=[{"Name": "Model", "Value": model}],
            Statistic="Average",
            Period=60,
            EvaluationPeriods=1,
            Threshold=threshold,
            ComparisonOperator=operator,
            TreatMissingData="notBreaching",
            AlarmActions=[self._topic],
        )
