"""An instance went away: tell the run that waits for it, before its heartbeat times out."""

from perennial.aws.handler import logger, name_model, task
from perennial.aws.wiring import Services
from perennial.contracts import InstanceStateChange, LossReport
from perennial.errors import CallbackExpired, TrainerLost


@task(InstanceStateChange)
def handler(event: InstanceStateChange, services: Services) -> LossReport:
    """A trainer that has answered leaves no waiting callback, so its ordinary end changes nothing here."""
    known = services.fleet.recall(event.detail.instance_id)
    if known is None:
        return LossReport(instance_id=event.detail.instance_id, run=None, told=False)
    name_model(known["model"])
    try:
        services.callback(known["token"]).fail(
            TrainerLost.__name__,
            f"instance {event.detail.instance_id} is {event.detail.state} and had not answered",
        )
        told = True
    except CallbackExpired:
        logger.info("the run had its answer")
        told = False
    return LossReport(instance_id=event.detail.instance_id, run=known["run"], told=told)
