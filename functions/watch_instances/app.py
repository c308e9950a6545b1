"""An instance went away: tell its run before a heartbeat times out, and settle its cost."""

from perennial.aws.handler import name_model, task
from perennial.aws.wiring import Services
from perennial.contracts.watching import InstanceStateChange, LossReport


@task(InstanceStateChange)
def handler(event: InstanceStateChange, services: Services) -> LossReport:
    """A trainer that has answered leaves no waiting callback, so its ordinary end costs and changes nothing
    else; nor does that of an attempt which another one has followed."""
    instance = event.detail.instance_id
    known = services.attempts.of_instance(instance)
    if known is None:
        return LossReport(instance_id=instance, run=None, told=False)
    attempt, token = known
    name_model(attempt.model)
    told = services.orphans.tell(
        attempt, token, f"instance {instance} is {event.detail.state} and had not answered"
    )
    services.attempts.settle(attempt, event.time)
    return LossReport(instance_id=instance, run=attempt.run, told=told)
