"""Promote Challenger: compare and swap the alias, then mirror, announce and watch it."""

from datetime import UTC, datetime

from perennial.aws.documents import keep
from perennial.aws.handler import measure, task
from perennial.aws.wiring import Services
from perennial.config import load_model
from perennial.contracts import PromoteChallengerInput, Promotion


@task(PromoteChallengerInput)
def handler(request: PromoteChallengerInput, services: Services) -> Promotion:
    """Raises AliasMoved when the champion is not the one that the challenger was compared with."""
    config = load_model(request.model)
    keep(services, request.run)  # before it serves: no champion is without its reasons
    services.succession.promote(
        config,
        challenger=request.challenger,
        champion=request.champion,
        run=request.run,
        reason=request.reason,
        now=datetime.now(UTC),
    )
    measure("Promotions", 1)
    interval = max(1, round(config.bake.check_every.total_seconds()))
    return Promotion(
        champion=request.challenger,
        previous=request.champion,
        bake_checks=max(1, round(config.bake.duration.total_seconds() / interval)),
        bake_interval_seconds=interval,
    )
