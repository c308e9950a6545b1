"""Resolve Trigger: one request of any trigger; take the model, let its uploads settle, claim the batch."""

from hashlib import sha256

from perennial.aws.handler import name_model, task
from perennial.aws.objects import is_folder
from perennial.aws.wiring import Services
from perennial.config import TriggerPolicy, load_model, model_names
from perennial.contracts.objects import Manifest
from perennial.contracts.trigger import Request, ResolveTriggerInput, Trigger
from perennial.triggers import EVERY_MODEL, read_trigger, seconds_to_wait


@task(ResolveTriggerInput)
def handler(request: ResolveTriggerInput, services: Services) -> Request:
    """Every way a run can be nothing to do ends here, with its reason; no data was touched then."""
    model, trigger = read_trigger(request.event, request.started_at)
    if model == EVERY_MODEL:
        return _fan_out(request, trigger, services)
    policy = load_model(model).trigger
    name_model(model)
    alias = services.registry.champion(model)
    champion = alias.version if alias else None
    services.ledger.open(request.run, model, trigger, champion)

    def answer(reason: str, manifest: Manifest | None = None, wait_seconds: int = 0) -> Request:
        return Request(
            run=request.run,
            model=model,
            trigger=trigger,
            runnable=manifest is not None,
            reason=reason,
            champion=champion,
            batch=manifest.kind if manifest else None,
            objects=len(manifest.objects) if manifest else 0,
            wait_seconds=wait_seconds,
        )

    before = services.lock.holder(model)
    if trigger.key and is_folder(trigger.key):
        return answer(f"{trigger.key} is a folder: no data arrived")
    if trigger.key and before != request.run and services.data.head(trigger.key) is None:
        return answer(f"duplicate: another run has already taken {trigger.key}")
    if before and not services.workflow.alive(before):
        services.ledger.close_stopped(before, champion, request.now)
    refusal = _take(request, model, trigger, policy, services)
    if refusal:
        return answer(refusal)
    if trigger.kind == "upload" and policy.debounce:
        newest = services.intake.newest(model)
        wait = seconds_to_wait(newest, request.started_at, request.now, policy) if newest else 0
        if wait:
            return answer(f"waiting until the uploads to {model} have settled", wait_seconds=wait)
        services.lock.settle(model, request.run)
    manifest = services.intake.arrived(model, request.run, request.now)
    if manifest is None and trigger.kind != "upload":
        manifest = services.intake.unlearnt(model, request.run, champion)
    return answer(_why(trigger, manifest) if manifest else _nothing_new(trigger, champion), manifest)


def _take(
    request: ResolveTriggerInput, model: str, trigger: Trigger, policy: TriggerPolicy, services: Services
) -> str | None:
    """Take the model's lock; why this run ends where another holds it."""
    upload = trigger.kind == "upload"
    holder = services.lock.acquire(
        model, request.run, request.now, collecting=upload and bool(policy.debounce), waiting=upload
    )
    if holder is None:
        return None
    if upload and holder.collecting:
        services.ledger.note(request.run, coalesced_into=holder.run)
        return f"coalesced: run {holder.run} waits for further uploads and takes this one with them"
    return f"run {holder.run} is at work on {model}; what has arrived stays under incoming/ until then"


def _why(trigger: Trigger, manifest: Manifest) -> str:
    others = len(manifest.objects) - 1
    if trigger.key is None or not others:
        return trigger.reason
    return f"{trigger.reason}, and {others} more object{'s' if others > 1 else ''} with it"


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
