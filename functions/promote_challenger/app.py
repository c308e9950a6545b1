"""Promote Challenger: compare and swap the alias, then mirror, announce and watch it."""

from datetime import UTC, datetime

from aws_lambda_powertools.metrics import MetricUnit

from perennial.aws.documents import keep
from perennial.aws.evidence import checks_of
from perennial.aws.handler import measure, task
from perennial.aws.wiring import Services
from perennial.config import load_model
from perennial.contracts.promotion import PromoteChallengerInput, Promotion
from perennial.errors import AliasMoved
from perennial.health import drift_to_promotion


@task(PromoteChallengerInput)
def handler(request: PromoteChallengerInput, services: Services) -> Promotion:
    """Raises AliasMoved when the champion is not the one that the challenger was compared with."""
    config, now = load_model(request.model), datetime.now(UTC)
    keep(services, request.run)  # before it serves: no champion is without its reasons
    try:
        services.succession.promote(
            config,
            challenger=request.challenger,
            champion=request.champion,
            run=request.run,
            reason=request.reason,
            now=now,
        )
    except AliasMoved:
        services.registry.refuse(request.model, request.challenger)
        raise
    measure("Promotions", 1)
    measure("PerformanceDrop", 0, MetricUnit.NoUnit)  # what the version before had lost is mended
    waited = _since_drift(request, services, now)
    if waited is not None:
        measure("DriftToPromotion", waited, MetricUnit.Seconds)
    interval = max(1, round(config.bake.check_every.total_seconds()))
    return Promotion(
        champion=request.challenger,
        previous=request.champion,
        bake_checks=max(1, round(config.bake.duration.total_seconds() / interval)),
        bake_interval_seconds=interval,
    )


def _since_drift(request: PromoteChallengerInput, services: Services, now: datetime) -> float | None:
    checks = [check for check in checks_of(services, request.model) if check.champion == request.champion]
    checks.sort(key=lambda check: check.at, reverse=True)
    return drift_to_promotion(checks, now)
