"""Roll Back: give the place back to the version before."""

from datetime import UTC, datetime

from perennial.aws.handler import measure, task
from perennial.aws.wiring import Services
from perennial.contracts import RollBackInput, RolledBack


@task(RollBackInput)
def handler(request: RollBackInput, services: Services) -> RolledBack:
    """Raises AliasMoved when somebody has moved the alias since. Without a version before, nobody serves."""
    summary = (
        f"version {request.champion} was rolled back while it baked: {', '.join(request.alarms)} in alarm; "
        + (f"version {request.previous} serves again" if request.previous else "no version serves")
    )
    services.registry.move_champion(
        request.model,
        expected=request.champion,
        to=request.previous,
        previous=None,
        left_as="rolled_back",
        run=request.run,
        reason=summary,
        now=datetime.now(UTC),
    )
    services.announcer.champion(
        request.model, request.previous, request.champion, request.run, "Model Rolled Back"
    )
    measure("Rollbacks", 1)
    return RolledBack(champion=request.previous, summary=summary)
