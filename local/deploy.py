"""Build and deploy the real template to the embedded AWS, with the real SAM CLI."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from local.engine import ROOT, Engine

STACK = "perennial"
_BIN = Path(sys.executable).parent


class DeployError(RuntimeError):
    """SAM did not do what it was asked; the message ends with what it said."""


def build(root: Path = ROOT) -> None:
    """`sam build` of the repository at `root`. Raises DeployError."""
    _sam(root, "build", os.environ)


def deploy(engine: Engine, root: Path = ROOT) -> None:
    """`sam deploy --config-env local` of what was built there, to the engine. Raises DeployError."""
    _sam(root, "deploy", engine.child_environment(), "--config-env", "local")


def _sam(root: Path, command: str, environment: Mapping[str, str], *options: str) -> None:
    log = root / ".perennial" / "logs" / f"sam-{command}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    path = f"{_BIN}{os.pathsep}{environment.get('PATH', '')}"
    with log.open("w") as output:
        done = subprocess.run(
            [str(_BIN / "sam"), command, *options],
            cwd=root,
            env={**environment, "PATH": path, "SAM_CLI_TELEMETRY": "0"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        tail = "\n".join(log.read_text().splitlines()[-25:])
        raise DeployError(f"sam {command} failed (exit code {done.returncode}); the end of {log}:\n{tail}")
