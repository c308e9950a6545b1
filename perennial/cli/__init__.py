"""`perennial`: run, watch, change and report on the models of a stack, on AWS and on the embedded AWS alike.

Which account, region and endpoint is a matter of the usual AWS environment variables and profiles.
"""

import typer
from botocore.exceptions import BotoCoreError
from rich.text import Text

from perennial.aws.clients import naming_outages
from perennial.cli.approval import approve, reject
from perennial.cli.card import card
from perennial.cli.explain import explain
from perennial.cli.init import init
from perennial.cli.lineage import compare, lineage
from perennial.cli.report import report
from perennial.cli.reproduce import reproduce
from perennial.cli.runs import run, status
from perennial.cli.shared import problems
from perennial.cli.versions import rollback, versions
from perennial.errors import PerennialError

app = typer.Typer(
    help="Keep a deployed scikit-learn model alive on AWS.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_COMMANDS = (init, run, status, versions, compare, lineage, card, reproduce, report, explain)
for _command in (*_COMMANDS, rollback, approve, reject):
    app.command()(_command)


def main() -> None:
    """The command line; a named error is a sentence and exit code 1, not a traceback."""
    try:
        with naming_outages():
            app()
    except PerennialError as error:
        problems.print(Text(type(error).__name__, "red") + Text(f": {error}"))
        raise SystemExit(1) from error
    except BotoCoreError as error:  # no credentials, no region: nothing was asked of AWS
        problems.print(Text("AWS", "red") + Text(f": {error}"))
        raise SystemExit(1) from error
