"""The report of a run, and of a model's last runs: rendered from what lies in the stack."""

from datetime import datetime

from botocore.exceptions import ClientError

from perennial import layout
from perennial.aws import facts
from perennial.aws.clients import client, error_code
from perennial.aws.wiring import Services
from perennial.errors import InvalidRequest
from perennial.report.page import render


def run_page(services: Services, run: str, model: str, now: datetime) -> str:
    """The page about one run, which may be in its last states still; its outcome has to be on record."""
    entry = services.ledger.run(run)
    if entry is None or "outcome" not in entry:
        raise InvalidRequest(f"run {run} has no outcome on record: there is nothing to show yet")
    title = entry.get("trigger_reason", run)
    view = facts.run_view(services, run, name=run, title=title[:1].upper() + title[1:])
    story = facts.story_view(
        services,
        model,
        [view],
        title=f"{model}: {view.outcome.replace('_', ' ')}",
        engine=_where(),
        now=now,
        past=facts.past_views(services, entry),
        single=True,
    )
    return render(story)


def runs_page(services: Services, model: str, limit: int, now: datetime) -> str:
    """The page about a model's last runs that have ended. Raises InvalidRequest where there are none."""
    ended = [entry for entry in services.ledger.runs(model, limit) if "outcome" in entry]
    if not ended:
        raise InvalidRequest(f"model {model} has no run that has ended: there is nothing to show yet")
    runs = [
        facts.run_view(
            services, entry["run"], name=entry["run"], title=entry.get("trigger_reason", entry["run"])
        )
        for entry in reversed(ended)
    ]
    title = f"{model}: the last {len(runs)} runs"
    return render(facts.story_view(services, model, runs, title=title, engine=_where(), now=now))


def found_page(services: Services, run: str, model: str, now: datetime) -> str:
    """The page about one run: made anew while Step Functions knows the path it took, else as it was kept.

    Raises InvalidRequest where none was.
    """
    try:
        return run_page(services, run, model, now)
    except ClientError as error:
        if error_code(error) != "ExecutionDoesNotExist":
            raise
        key = layout.history_key(run, layout.REPORT)
        if services.artifacts.head(key) is None:
            raise InvalidRequest(
                f"the path of run {run} is kept for 90 days, its page for as long only if it had a "
                f"challenger: perennial explain {run} tells what is left"
            ) from error
        return services.artifacts.get(key).decode()


def write_run_page(services: Services, run: str, model: str, now: datetime, *, lasting: bool) -> str:
    """Store the page about one run, note it in the run's record, and return its URI; `lasting`: keep it."""
    page = run_page(services, run, model, now)
    key = layout.run_key(run, layout.REPORT)
    services.artifacts.put(key, page.encode(), "text/html; charset=utf-8")
    if lasting:
        services.artifacts.put(
            layout.history_key(run, layout.REPORT), page.encode(), "text/html; charset=utf-8"
        )
    uri = f"s3://{services.artifacts.name}/{key}"
    services.ledger.note(run, report=uri)
    return uri


def _where() -> str:
    """AWS by its region; anything else by its address."""
    meta = client("stepfunctions").meta
    known = ".amazonaws.com" in meta.endpoint_url
    return f"AWS, {meta.region_name}" if known else f"embedded AWS at {meta.endpoint_url}"
