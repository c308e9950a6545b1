"""Close Run: a run failed or was stopped; record that, free its model, end its canary and its instances."""

from datetime import UTC, datetime

from perennial.aws.handler import logger, measure, name_model, task
from perennial.aws.wiring import Services
from perennial.contracts.outcome import ClosedRun, RunStatusChange

_ERRORS = {"TIMED_OUT": "States.Timeout", "ABORTED": "States.Aborted", "FAILED": "States.Runtime"}


@task(RunStatusChange)
def handler(event: RunStatusChange, services: Services) -> ClosedRun:
    """What a run recorded itself is left as it is; repeating it changes nothing."""
    run, now = event.detail.name, datetime.now(UTC)
    if services.workflow.alive(run):  # redriven since
        return ClosedRun(run=run, recorded=False, released=False)
    services.fleet.terminate(seen.instance_id for seen in services.fleet.of_run(run) if not seen.gone)
    entry = services.ledger.run(run)
    if entry is None:  # it had taken nothing yet
        logger.info("the ledger does not know the run")
        return ClosedRun(run=run, recorded=False, released=False)
    model = entry["model"]
    name_model(model)
    alias = services.registry.champion(model)
    champion = alias.version if alias else None
    recorded = services.ledger.close_stopped(run, champion, now, _ERRORS[event.detail.status])
    if recorded:
        measure("RunsFailed", 1)
    # after the outcome: a look that is still under way can set no canary any more
    dropped = services.succession.drop_canary(
        model,
        run=run,
        tried="canary" in entry,
        reason=f"run {run} ended without a verdict on its canary",
        now=now,
    )
    waiting = services.lock.release(model, run)
    if waiting:
        services.workflow.start(
            f"after-{run}"[:80], {"source": "perennial.waiting", "model": model, "run": run}
        )
    return ClosedRun(run=run, recorded=recorded, released=waiting is not None, canary=dropped)
