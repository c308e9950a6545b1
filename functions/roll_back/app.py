"""Roll Back: give the place back to the version before."""

from datetime import UTC, datetime

from perennial.aws.handler import measure, task
from perennial.aws.wiring import Services
from perennial.config import load_model
from perennial.contracts.promotion import RollBackInput, RolledBack


@task(RollBackInput)
def handler(request: RollBackInput, services: Services) -> RolledBack:
    """Raises AliasMoved when somebody has moved the alias since. Without a version before, nobody serves."""
    summary = (
        f"version {request.champion} was rolled back while it baked: {', '.join(request.alarms)} in alarm; "
        + (f"version {request.previous} serves again" if request.previous else "no version serves")
    )
    services.succession.roll_back(
        load_model(request.model),
        champion=request.champion,
        to=request.previous,
        run=request.run,
        reason=summary,
        now=datetime.now(UTC),
    )
    measure("Rollbacks", 1)
    return RolledBack(champion=request.previous, summary=summary)
