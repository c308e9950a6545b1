"""What each Lambda function weighs and how long its handler takes to import, beside a bare `import boto3`.

Times are processor time, the least of several runs that took turns: other load on the machine counts little.
Handlers are imported by a fresh interpreter that sees the function's code and its layers and nothing else, as
on Lambda; no bytecode is written: /opt is read-only there. The interpreter's own start does not count.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from layers import build

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 5
LAMBDA = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "LAMBDA_TASK_ROOT": "/var/task",
}  # X-Ray's SDK loads more elsewhere

IMPORT = """
import sys, time
sys.path[:0] = sys.argv[2:]
started = time.process_time()
__import__(sys.argv[1])
print((time.process_time() - started) * 1000)
"""


@dataclass(frozen=True)
class Function:
    """A function of the template: its logical id, its code and the logical ids of its layers."""

    name: str
    code: Path
    module: str
    layers: tuple[str, ...]


class TemplateLoader(yaml.SafeLoader):
    """Reads CloudFormation's short tags (!Ref, !Sub) as the plain value behind them."""


def _plain(loader: TemplateLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


TemplateLoader.add_multi_constructor("!", _plain)


def functions(template: Path = ROOT / "template.yaml") -> list[Function]:
    """The functions of the template, those of Globals' layers included."""
    content = yaml.load(template.read_text(), TemplateLoader)  # noqa: S506  # a SafeLoader
    common = content.get("Globals", {}).get("Function", {})
    return [
        Function(
            name=name,
            code=template.parent / properties.get("CodeUri", common.get("CodeUri")),
            module=properties.get("Handler", common.get("Handler")).rpartition(".")[0],
            layers=(*common.get("Layers", ()), *properties.get("Layers", ())),
        )
        for name, resource in content["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
        for properties in [resource["Properties"]]
    ]


@cache
def layer_folder(layer: str) -> Path:
    """The built content of a layer, made by the same code as `sam build`."""
    folder = ROOT / ".perennial" / "bench" / layer
    build.main(layer, folder)
    return folder


def import_time(module: str, folders: Sequence[Path]) -> float:
    """Milliseconds of importing a module once with only these folders on the path."""
    command = [sys.executable, "-I", "-S", "-B", "-c", IMPORT, module, *map(str, folders)]
    with tempfile.TemporaryDirectory() as home:
        environment = {**LAMBDA, "HOME": home, "PATH": os.environ["PATH"]}
        run = subprocess.run(
            command, env=environment, cwd=home, stdout=subprocess.PIPE, text=True, check=True
        )
    return float(run.stdout)


def table() -> Table:
    """One row a function: unzipped megabytes with its layers, import time, and that as a ratio to boto3's."""
    found = functions()
    folders = {f.name: [f.code, *(layer_folder(layer) / "python" for layer in f.layers)] for f in found}
    bare = [layer_folder("CoreLayer") / "python"]
    rounds = [
        (import_time("boto3", bare), [import_time(f.module, folders[f.name]) for f in found])
        for _ in range(REPEATS)
    ]
    boto3 = min(took for took, _ in rounds)
    result = Table(title=f"Functions (of 250 MB; import boto3: {boto3:.0f} ms)", title_justify="left")
    for heading in ("function", "layers"):
        result.add_column(heading)
    for heading in ("MB", "import ms", "x boto3"):
        result.add_column(heading, justify="right")
    for place, function in enumerate(found):
        megabytes = sum(map(unzipped, folders[function.name])) / build.MEGABYTE
        took = min(handlers[place] for _, handlers in rounds)
        names = " + ".join(layer.removesuffix("Layer") for layer in function.layers)
        result.add_row(
            function.name.removesuffix("Function"),
            names,
            f"{megabytes:.1f}",
            f"{took:.0f}",
            f"{took / boto3:.1f}",
        )
    return result


def unzipped(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.stat().st_size for path in build.files(folder))
