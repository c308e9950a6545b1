"""Resolve Trigger: make one request of any trigger, claim its batch, take the model's lock."""

from hashlib import sha256

from perennial.aws.handler import name_model, task
from perennial.aws.objects import is_folder
from perennial.aws.wiring import Services
from perennial.config import load_model, model_names
from perennial.contracts import Request, ResolveTriggerInput, Trigger
from perennial.triggers import EVERY_MODEL, read_trigger


@task(ResolveTriggerInput)
def handler(request: ResolveTriggerInput, services: Services) -> Request:
    """Every way a run can be nothing to do ends here, with its reason; no data was touched then."""
    model, trigger = read_trigger(request.event, request.started_at)
    if model == EVERY_MODEL:
        return _fan_out(request, trigger, services)
    name_model(load_model(model).name)
    alias = services.registry.champion(model)
    champion = alias.version if alias else None
    services.ledger.open(request.run, model, trigger, champion)

    def nothing(reason: str) -> Request:
        return Request(
            run=request.run,
            model=model,
            trigger=trigger,
            runnable=False,
            reason=reason,
            champion=champion,
            batch=None,
            objects=0,
        )

    if trigger.key and is_folder(trigger.key):
        return nothing(f"{trigger.key} is a folder: no data arrived")
    if trigger.key and services.data.head(trigger.key) is None:
        return nothing(f"duplicate: another run has already taken {trigger.key}")
    before = services.lock.holder(model)
    if before and not services.workflow.alive(before):
        services.ledger.close_stopped(before, champion, request.started_at)
    holder = services.lock.acquire(model, request.run, request.started_at)
    if holder:
        return nothing(
            f"run {holder} is at work on {model}; what has arrived stays under incoming/ until then"
        )
    manifest = services.intake.arrived(model, request.run, request.started_at)
    if manifest is None and trigger.kind != "upload":
        manifest = services.intake.unlearnt(model, request.run, champion)
    if manifest is None:
        return nothing(_nothing_new(trigger, champion))
    return Request(
        run=request.run,
        model=model,
        trigger=trigger,
        runnable=True,
        reason=trigger.reason,
        champion=champion,
        batch=manifest.kind,
        objects=len(manifest.objects),
    )


def _nothing_new(trigger: Trigger, champion: int | None) -> str:
    if trigger.kind == "upload":
        return "duplicate: another run has already taken this upload"
    if champion is None:
        return "there is neither data nor a champion yet"
    return f"nothing has arrived since version {champion} was trained"


def _fan_out(request: ResolveTriggerInput, trigger: Trigger, services: Services) -> Request:
    """Start one run per model; a second delivery of the same event starts none again."""
    started = []
    for model in model_names():
        occasion = sha256(str(request.event.get("time", request.run)).encode()).hexdigest()[:12]
        event = {**request.event, "model": model}
        if services.workflow.start(f"{trigger.kind}-{model}-{occasion}", event):
            started.append(model)
    services.ledger.open(request.run, EVERY_MODEL, trigger, None)
    return Request(
        run=request.run,
        model=EVERY_MODEL,
        trigger=trigger,
        runnable=False,
        reason=f"started one run for each of: {', '.join(started) or 'none, they run already'}",
        champion=None,
        batch=None,
        objects=0,
    )
