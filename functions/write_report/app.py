"""Write Report: the page about a run that has its outcome."""

from datetime import UTC, datetime

from perennial.aws.cards import write_card_page
from perennial.aws.documents import keep
from perennial.aws.handler import task
from perennial.aws.pages import write_run_page
from perennial.aws.wiring import Services
from perennial.contracts import WriteReportInput, WrittenReport


@task(WriteReportInput)
def handler(request: WriteReportInput, services: Services) -> WrittenReport:
    """With the card of the version that it made. Writing them again replaces them."""
    entry = services.ledger.run(request.run) or {}
    lasting = "challenger" in entry or "recalled" in entry
    if lasting:
        keep(services, request.run)
    write_card_page(services, request.run, request.model)
    now = datetime.now(UTC)
    return WrittenReport(uri=write_run_page(services, request.run, request.model, now, lasting=lasting))
