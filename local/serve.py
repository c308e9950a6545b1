"""The engine's process: `python -m local.serve` on the engine's interpreter, configured by its environment.

PERENNIAL_WITHOUT names corrections to leave out, separated by commas; the tests of the corrections set it.
"""

import os
import sys

from local import corrections


def main() -> None:
    """Correct the engine, then serve until SIGTERM."""
    corrections.apply(without=list(filter(None, os.environ.pop("PERENNIAL_WITHOUT", "").split(","))))
    from ministack.app import main as serve

    sys.argv = ["ministack"]
    serve()


if __name__ == "__main__":
    main()
