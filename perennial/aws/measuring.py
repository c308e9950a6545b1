"""Metrics as lines of the log that CloudWatch reads, for what is not about the model at hand."""

from aws_lambda_powertools.metrics import MetricUnit, single_metric


def measure_of(model: str, name: str, value: float, unit: MetricUnit = MetricUnit.Count) -> None:
    """One metric of a model, a line of its own, written at once."""
    with single_metric(name=name, unit=unit, value=value, namespace="Perennial") as metric:
        metric.add_dimension(name="Model", value=model)
