"""How fast the stream detectors are: a million errors each, and what they carry from run to run.

python -m bench.streams
"""

import json
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from perennial.drift.adwin import Adwin
from perennial.drift.error_stream import ErrorStream
from perennial.drift.page_hinkley import PageHinkley

ROWS = 1_000_000
RATE = 0.2


def table() -> Table:
    """One row a detector: seconds for a million values without change, bytes of state, false detections."""
    errors = (np.random.default_rng(0).random(ROWS) < RATE).astype(float)
    result = Table(title=f"{ROWS:,} errors, {RATE:.0%} wrong, no change", title_justify="left")
    for heading in ("detector", "seconds", "bytes of state", "detections"):
        result.add_column(heading, justify="left" if heading == "detector" else "right")
    for detector in (Adwin(), PageHinkley(), ErrorStream()):
        started = time.perf_counter()
        found = detector.update(errors)
        took = time.perf_counter() - started
        size = len(json.dumps(detector.dump()))
        result.add_row(type(detector).__name__, f"{took:.2f}", f"{size:,}", str(len(found)))
    return result


if __name__ == "__main__":
    Console().print(table())
