"""The README's tables as data, for the tests that read them."""

import re
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def readme_metrics() -> set[str]:
    """Every name in the first column of the table of metrics."""
    _, _, after = README.partition("| metric | by | meaning |\n|---|---|---|\n")
    table = after.partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell) if name != "Version"}
