"""Build and deploy the real template to the embedded AWS, with the real SAM CLI."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from local.engine import ROOT, Engine

STACK = "perennial"
LOGS = ROOT / ".perennial" / "logs"
_BIN = Path(sys.executable).parent


class DeployError(RuntimeError):
    """SAM did not do what it was asked; the message ends with what it said."""


def build() -> None:
    """`sam build`. Raises DeployError."""
    _sam("build", os.environ)


def deploy(engine: Engine) -> None:
    """`sam deploy --config-env local` to the engine. Raises DeployError."""
    _sam("deploy", engine.child_environment(), "--config-env", "local")


def _sam(command: str, environment: Mapping[str, str], *options: str) -> None:
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"sam-{command}.log"
    path = f"{_BIN}{os.pathsep}{environment.get('PATH', '')}"
    with log.open("w") as output:
        done = subprocess.run(
            [str(_BIN / "sam"), command, *options],
            cwd=ROOT,
            env={**environment, "PATH": path, "SAM_CLI_TELEMETRY": "0"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        tail = "\n".join(log.read_text().splitlines()[-25:])
        raise DeployError(f"sam {command} failed (exit code {done.returncode}); the end of {log}:\n{tail}")
