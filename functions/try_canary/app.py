"""Try Canary: let the challenger answer a share of the requests, look, go on or stop."""

from datetime import UTC, datetime

from perennial.aws.handler import measure, task
from perennial.aws.wiring import Services
from perennial.canary import in_words, look, next_step, noted, worse
from perennial.config import ModelConfig, load_model
from perennial.contracts.canary import CanaryLook, CanaryRecord, CanaryState, TryCanaryInput
from perennial.errors import AliasMoved


@task(TryCanaryInput)
def handler(request: TryCanaryInput, services: Services) -> CanaryLook:
    """Raises AliasMoved where another version serves by now than the challenger was compared with.

    Each look is put on record as it happens: an end of the run from outside loses none.
    """
    config, now = load_model(request.model), datetime.now(UTC)
    if request.champion is None or not config.bake.steps:
        return CanaryLook(verdict="won", reason=request.reason, canary=None)
    try:
        return _look(request, request.champion, services, config, now)
    except AliasMoved:
        if request.canary is not None:
            _note(request, services, config, noted(request.canary, config.bake, now, "overtaken"))
        services.registry.refuse(request.model, request.challenger)
        raise


def _look(
    request: TryCanaryInput, champion: int, services: Services, config: ModelConfig, now: datetime
) -> CanaryLook:
    if request.canary is None:
        first = CanaryState(version=request.challenger, step=0, started_at=now, step_at=now)
        return _serve(request, services, config, first, now, step_changed=True)
    versions = (champion, request.challenger)
    found = services.serving.counts(config.name, versions, request.canary.started_at, now)
    state = look(request.canary, found[champion], found[request.challenger])
    if worse(state, config.bake.level, config.bake.tolerance):
        return _stop(request, services, config, noted(state, config.bake, now, "lost"), now)
    following = next_step(noted(state, config.bake, now, "passed"), config.bake, now)
    if following == "untested":
        return _untested(request, services, config, noted(state, config.bake, now, "untested"), now)
    if following == "won":
        state = noted(state, config.bake, now, "passed")
        _note(request, services, config, state)
        reason = f"{request.reason} As a canary: {in_words(state)}."
        return CanaryLook(verdict="won", reason=reason, canary=state)
    return _serve(request, services, config, following, now, step_changed=following.step != state.step)


def _serve(
    request: TryCanaryInput,
    services: Services,
    config: ModelConfig,
    state: CanaryState,
    now: datetime,
    *,
    step_changed: bool,
) -> CanaryLook:
    services.succession.try_canary(
        config,
        champion=request.champion,
        challenger=request.challenger,
        share=config.bake.steps[state.step],
        until=now + config.bake.step + 10 * config.bake.check_every,
        run=request.run,
        announce=step_changed,
    )
    state = noted(state, config.bake, now, "trying")
    _note(request, services, config, state)
    wait = max(1, round(min(config.bake.check_every, config.bake.step).total_seconds()))
    return CanaryLook(verdict="trying", reason=request.reason, canary=state, wait_seconds=wait)


def _stop(
    request: TryCanaryInput, services: Services, config: ModelConfig, state: CanaryState, now: datetime
) -> CanaryLook:
    share = config.bake.steps[state.step]
    reason = f"version {request.challenger} was taken back as a canary at {share} %: {in_words(state)}"
    _end(request, services, config, reason, now, lost=True)
    _note(request, services, config, state)
    measure("Rollbacks", 1)
    return CanaryLook(verdict="lost", reason=reason, canary=state)


def _untested(
    request: TryCanaryInput, services: Services, config: ModelConfig, state: CanaryState, now: datetime
) -> CanaryLook:
    share = config.bake.steps[state.step]
    reason = f"no request came to the canary at {share} % of them: nothing is known of it in service"
    _end(request, services, config, reason, now, lost=False)
    _note(request, services, config, state)
    return CanaryLook(verdict="untested", reason=reason, canary=state)


def _end(
    request: TryCanaryInput,
    services: Services,
    config: ModelConfig,
    reason: str,
    now: datetime,
    *,
    lost: bool,
) -> None:
    services.succession.end_canary(
        config,
        champion=request.champion,
        challenger=request.challenger,
        left_as="rolled_back" if lost else "rejected",
        run=request.run,
        reason=reason,
        now=now,
    )


def _note(request: TryCanaryInput, services: Services, config: ModelConfig, state: CanaryState) -> None:
    kept = CanaryRecord(
        version=state.version, level=config.bake.level, tolerance=config.bake.tolerance, steps=state.steps
    )
    services.ledger.note(request.run, canary=kept.model_dump_json())
