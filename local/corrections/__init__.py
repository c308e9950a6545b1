"""What MiniStack does otherwise than AWS and Perennial relies on, set right inside the engine's process.

Runs on the engine's interpreter: the standard library and ministack only. Every correction finds the code
that it changes by its text or its signature and raises `CorrectionError` where it is not what was read.
"""

from collections.abc import Callable, Collection
from importlib import import_module
from importlib.metadata import version

from local.corrections.rewrite import CorrectionError

ENGINE_VERSION = "1.5.33"

_MODULES = (
    "lambdas",
    "workers",
    "metrics",
    "workflows",
    "callbacks",
    "instances",
    "objects",
    "schedules",
    "roles",
    "machine_role",
)


def apply(without: Collection[str] = ()) -> None:
    """Apply every correction except those named in `without`: a test leaves one out to see what it is for.

    Raises `CorrectionError` for another version of the engine, changed code, or an unknown name in `without`.
    """
    installed = version("ministack")
    if installed != ENGINE_VERSION:
        raise CorrectionError(f"the corrections were written for ministack {ENGINE_VERSION}, not {installed}")
    corrections = known()
    if unknown := set(without) - set(corrections):
        raise CorrectionError(f"no correction is called {', '.join(sorted(unknown))}")
    for name, correct in corrections.items():
        if name not in without:
            correct()


def known() -> dict[str, Callable[[], None]]:
    """Every correction by its name; imports the engine."""
    modules = [import_module(f"{__name__}.{module}") for module in _MODULES]
    return {name: correct for module in modules for name, correct in module.CORRECTIONS.items()}
