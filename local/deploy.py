"""Build and deploy the real template to the embedded AWS, with the real SAM CLI."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from local.engine import ROOT, Engine

STACK = "perennial"
_BIN = Path(sys.executable).parent
_LAYER = re.compile(r"(?m)^( +ContentUri: )(\w+)$")


class DeployError(RuntimeError):
    """SAM did not do what it was asked; the message ends with what it said."""


def build(root: Path = ROOT) -> None:
    """`sam build` of the repository at `root`. Raises DeployError."""
    _sam(root, "build", os.environ)


def deploy(engine: Engine, root: Path = ROOT) -> None:
    """`sam deploy --config-env local` of what was built there, to the engine. Raises DeployError."""
    template = _with_packed_layers(root / ".aws-sam" / "build")
    config = ("--config-file", str(root.resolve() / "samconfig.toml"), "--config-env", "local")
    _sam(root, "deploy", engine.child_environment(), "--template-file", str(template.resolve()), *config)


def _with_packed_layers(built: Path) -> Path:
    """The built template, its layers packed lightly: on this machine they do not go far, and SAM would take
    longer for compressing them than for all else.
    """
    text = (built / "template.yaml").read_text("utf-8")
    with ThreadPoolExecutor() as pool:  # compressing lets go of the interpreter's lock
        list(pool.map(_pack, [built / folder for _, folder in _LAYER.findall(text)]))
    template = built / "template-local.yaml"
    template.write_text(_LAYER.sub(r"\1\2.zip", text), "utf-8")
    return template


def _pack(folder: Path) -> None:
    """A zip file beside the folder."""
    target = folder.with_suffix(".zip")
    with ZipFile(target, "w", ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))


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
