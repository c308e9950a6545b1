"""What every Lambda function has in common: contracts at its door, logs, traces, metrics, named errors."""

from collections.abc import Callable
from functools import cache
from typing import Any, cast

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from pydantic import ValidationError

from perennial.aws.clients import naming_outages
from perennial.aws.wiring import Services, Settings
from perennial.contracts.base import Contract
from perennial.errors import InvalidRequest
from perennial.summaries import small

type Handler = Callable[[dict[str, Any], Any], dict[str, Any]]

logger = Logger(service="perennial")
tracer = Tracer(service="perennial", patch_modules=("botocore",))  # the SDK would look at a dozen more
metrics = Metrics(namespace="Perennial")


@cache
def services() -> Services:
    """The adapters of this stack, once per process."""
    return Services(Settings.from_environment())


def task[C: Contract](
    contract: type[C],
) -> Callable[[Callable[[C, Services], Contract]], Handler]:
    """Make a Lambda handler of a function from one contract to another.

    The handler raises InvalidRequest when the event is not what the contract says, ServiceUnavailable when
    AWS could not answer for a moment, ServiceRefused when it refused, and whatever PerennialError the
    function raises.
    """

    def decorate(function: Callable[[C, Services], Contract]) -> Handler:
        @logger.inject_lambda_context(clear_state=True)
        @tracer.capture_lambda_handler(capture_response=False)
        def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
            try:
                request = _read(contract, event)
                _speak_of(request)
                with naming_outages():
                    answer = small(function(request, services()).model_dump(mode="json"))
            finally:
                _publish_metrics()
            logger.info("done", extra={"answer": answer})
            return answer

        return cast("Handler", handler)

    return decorate


def measure(name: str, value: float, unit: MetricUnit = MetricUnit.Count) -> None:
    """Add one metric of the model at hand to this invocation's EMF line."""
    metrics.add_metric(name=name, unit=unit, value=value)


def _publish_metrics() -> None:
    # Powertools' own decorator warns where there are none, and then keeps the model for the next invocation
    if metrics.metric_set:
        metrics.flush_metrics()
    else:
        metrics.clear_metrics()


def _read[C: Contract](contract: type[C], event: dict[str, Any]) -> C:
    try:
        return contract.model_validate(event)
    except ValidationError as error:
        raise InvalidRequest(f"the event is no {contract.__name__}: {error}") from error


def _speak_of(request: Contract) -> None:
    run, model = getattr(request, "run", None), getattr(request, "model", None)
    logger.append_keys(run=run, model=model)
    if run:
        tracer.put_annotation(key="run", value=run)
    if model:
        name_model(model)


def name_model(model: str) -> None:
    """Say which model the metrics, logs and traces of this invocation are about."""
    metrics.add_dimension(name="Model", value=model)
    logger.append_keys(model=model)
    tracer.put_annotation(key="model", value=model)
