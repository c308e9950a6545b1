"""Sweep Instances: every quarter of an hour, end and settle what an event that was missed left behind."""

from datetime import UTC, datetime, timedelta

from perennial.aws.handler import task
from perennial.aws.measuring import measure_of
from perennial.aws.wiring import Services
from perennial.config import model_names
from perennial.contracts.watching import SweepInstancesInput, SweptInstances
from perennial.notices import of_orphans


@task(SweepInstancesInput)
def handler(request: SweepInstancesInput, services: Services) -> SweptInstances:
    """People are told of instances that had to be ended; it should not happen."""
    models = model_names() if request.model == "*" else [request.model]
    grace = timedelta(minutes=request.grace_minutes)
    swept = services.orphans.sweep(models, datetime.now(UTC), grace)
    for orphan in swept.ended:
        measure_of(orphan.model, "InstancesOrphaned", 1)
    if swept.ended:
        said = [f"{orphan.instance_id} of {orphan.model}: {orphan.reason}" for orphan in swept.ended]
        services.notices.publish(of_orphans(said))
    return SweptInstances(
        ended={orphan.instance_id: orphan.reason for orphan in swept.ended},
        settled=tuple(f"{attempt.run} attempt {attempt.attempt}" for attempt in swept.settled),
        told=swept.told,
    )
