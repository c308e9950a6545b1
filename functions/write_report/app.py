"""Write Report: the page about a run that has its outcome."""

from datetime import UTC, datetime

from perennial.aws.cards import write_card_page
from perennial.aws.documents import keep
from perennial.aws.handler import task
from perennial.aws.pages import write_run_page
from perennial.aws.wiring import Services
from perennial.contracts.outcome import WriteReportInput, WrittenReport


@task(WriteReportInput)
def handler(request: WriteReportInput, services: Services) -> WrittenReport:
    """With the card of the version that it made. Writing them again replaces them.

    Who serves is read here and put on record: a person may have changed it while the run was under way.
    """
    entry = services.ledger.run(request.run) or {}
    alias = services.registry.champion(request.model)
    champion = alias.version if alias else None
    if "outcome" in entry:
        services.ledger.note(request.run, champion_after=champion)
    lasting = "challenger" in entry or "recalled" in entry
    if lasting:
        keep(services, request.run)
    write_card_page(services, request.run, request.model)
    now = datetime.now(UTC)
    uri = write_run_page(services, request.run, request.model, now, lasting=lasting)
    return WrittenReport(uri=uri, champion=champion)
