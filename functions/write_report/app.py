"""Write Report: the page about a run that has its outcome."""

from datetime import UTC, datetime

from perennial.aws.handler import task
from perennial.aws.pages import write_run_page
from perennial.aws.wiring import Services
from perennial.contracts import WriteReportInput, WrittenReport


@task(WriteReportInput)
def handler(request: WriteReportInput, services: Services) -> WrittenReport:
    """Writing it again replaces it."""
    return WrittenReport(uri=write_run_page(services, request.run, request.model, datetime.now(UTC)))
