"""Write Report: the page about a run that has its outcome."""

from datetime import UTC, datetime

from perennial.aws.cards import write_card_page
from perennial.aws.handler import task
from perennial.aws.pages import write_run_page
from perennial.aws.wiring import Services
from perennial.contracts import WriteReportInput, WrittenReport


@task(WriteReportInput)
def handler(request: WriteReportInput, services: Services) -> WrittenReport:
    """With the card of the version that it made. Writing them again replaces them."""
    write_card_page(services, request.run, request.model)
    return WrittenReport(uri=write_run_page(services, request.run, request.model, datetime.now(UTC)))
