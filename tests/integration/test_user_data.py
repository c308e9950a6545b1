"""The user data on a bare machine: only what Amazon Linux 2023 ships, nothing of this one's environment.

Each command is one of a folder that is the whole PATH, and notes its use. Packages of the standard image:
https://docs.aws.amazon.com/linux/al2023/ug/image-comparison.html
"""

import ast
import base64
import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import botocore.session
import pytest

from local.instance import processes
from local.metadata import Facts, MetadataService
from tests.integration.engine_support import eventually
from tests.unit.template_file import user_data

pytestmark = pytest.mark.integration

SHIPPED = {  # by the package that brings it
    "coreutils": "base64 cat chmod cut head mkdir mktemp mv od rm sha256sum sleep tail tee timeout tr",
    "bash": "bash",
    "curl-minimal": "curl",
    "python3": "python3",
    "sed": "sed",
    "grep": "grep",
    "gzip": "gzip",
    "tar": "tar",
}
STUBS = {"awscli-2": "aws", "dnf": "dnf", "systemd": "shutdown"}
USED = {
    *("shutdown", "mktemp", "tee", "curl", "mkdir", "tr", "aws", "sha256sum", "cut", "base64", "od"),
    *("python3", "mv", "rm", "dnf", "python3.13", "timeout", "tail", "bash"),
}
MAY_BE_USED = {"sleep"}  # while the last lines are on their way

NOTE = """#!/bin/bash
echo "{name} ${{*//$'\\n'/ }}" >> '{root}/used'
exec {command} "$@"
"""
SHUTDOWN = "#!/bin/bash\necho \"shutdown $*\" >> '{root}/used'\n"
DNF = "#!/bin/bash\necho \"dnf $*\" >> '{root}/used'\nmv '{root}/python3.13' '{root}/bin/python3.13'\n"
AWS = """#!{python}
import json, pathlib, sys, time
words, root = sys.argv[1:], pathlib.Path('{root}')
with (root / "used").open("a") as used:
    print("aws", *words, file=used)
options = dict(zip(words[2::2], words[3::2]))
match words[:2]:
    case ["lambda", "get-layer-version-by-arn"]:
        assert options["--query"] == "Content.[Location, CodeSha256]" and options["--output"] == "text"
        layer = json.loads((root / "layers.json").read_text())[options["--arn"]]
        print(*layer, sep="\\t")
    case ["logs", "create-log-stream"]:
        assert options.keys() == {{"--log-group-name", "--log-stream-name"}}
        (root / "asked").touch()
        while (root / "wait").exists():
            time.sleep(0.01)
    case ["logs", "put-log-events"]:
        events = json.loads(pathlib.Path(options["--log-events"].removeprefix("file://")).read_text())
        assert all(event.keys() == {{"timestamp", "message"}} for event in events)
        (root / "shipped").write_text("".join(event["message"] for event in events))
    case _:
        sys.exit(252)
"""
TRAINER = """
import json, os, sys, tempfile
import marker_core, marker_arrow, marker_learn
print("trainer", json.dumps(dict(os.environ)))
print("scratch", tempfile.gettempdir())
print("last words", flush=True)
sys.exit({code})
"""
INTERRUPTED = """
import pathlib, signal, time
def answer(*_):
    time.sleep(0.3)
    print("answered after the signal", flush=True)
    raise SystemExit(1)
signal.signal(signal.SIGTERM, answer)
pathlib.Path('{root}/training').touch()
signal.pause()
"""


@dataclass
class Machine:
    """An instance: its folder, its metadata, its layers, and those of which something else is served."""

    root: Path
    metadata: MetadataService
    address: str
    layers: dict[str, bytes]
    served: dict[str, bytes]
    script: str = field(default_factory=user_data)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def boot(self, **changes: str) -> str:
        """Run the user data to its end; what it printed."""
        process = self.start(**changes)
        printed, _ = process.communicate(timeout=60)
        return printed

    def start(self, **changes: str) -> subprocess.Popen[str]:
        """Begin to run the user data, in a session of its own."""
        known = {
            arn: (f"{self.address}/{arn}", base64.b64encode(hashlib.sha256(body).digest()).decode())
            for arn, body in self.layers.items()
        }
        (self.root / "layers.json").write_text(json.dumps(known))
        environment = {
            "PATH": str(self.root / "bin"),
            "TMPDIR": str(self.root / "tmp"),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata.url,
            "PERENNIAL_IMAGE_CACHE": str(self.root / "opt"),
        }
        script = self.root / "user-data"
        script.write_text(self.script)
        process = subprocess.Popen(
            ["/bin/bash", script],
            env=environment | changes,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def stop(self) -> None:
        """End what is left of it."""
        for process in self.started:
            for left in processes(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(left, signal.SIGKILL)
            process.communicate()

    @property
    def used(self) -> list[str]:
        """The commands that ran, with their arguments, in their order."""
        return (self.root / "used").read_text().splitlines()

    @property
    def shipped(self) -> str:
        """What reached CloudWatch Logs."""
        return (self.root / "shipped").read_text()

    @property
    def trainer_environment(self) -> dict[str, str]:
        """What the trainer saw."""
        said = re.search(r"^trainer (.*)$", self.shipped, re.MULTILINE)
        assert said
        return dict(json.loads(said[1]))


def layer(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(f"python/{path}", text)
    return buffer.getvalue()


def bare(root: Path) -> None:
    """A folder of commands: those of the image, three that the test plays, no Python 3.13 yet."""
    (root / "bin").mkdir()
    (root / "tmp").mkdir()
    for names in SHIPPED.values():
        for name in names.split():
            real = sys.executable if name == "python3" else shutil.which(name)
            assert real, name
            write(root / "bin" / name, NOTE.format(name=name, root=root, command=f"'{real}'"))
    played = {"aws": AWS.format(python=sys.executable, root=root), "dnf": DNF, "shutdown": SHUTDOWN}
    for name in STUBS.values():
        write(root / "bin" / name, played[name].replace("{root}", str(root)))
    command = f"'{sys.executable}' -S"
    write(root / "python3.13", NOTE.format(name="python3.13", root=root, command=command))


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    bare(tmp_path)
    facts = Facts("i-0123", "c7i.large", "ami-1", "spot", "eu-central-1a", "123456789012", b"#!", {})
    metadata = MetadataService(facts)
    metadata.start()
    arns = {name: f"arn:aws:lambda:eu-central-1:123456789012:layer:{name}Layer:1" for name in _LAYERS}
    layers = {arns[name]: layer({f"marker_{name.lower()}.py": ""}) for name in _LAYERS}
    layers[arns["Code"]] = layer({"ec2_trainer/__main__.py": TRAINER.format(code=0)})

    served: dict[str, bytes] = {}

    class Storage(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = served.get(self.path[1:]) or layers[self.path[1:]]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Storage) as storage:
        threading.Thread(target=storage.serve_forever, kwargs={"poll_interval": 0.01}).start()
        machine = Machine(tmp_path, metadata, f"http://127.0.0.1:{storage.server_port}", layers, served)
        yield machine
        machine.stop()
        storage.shutdown()
    metadata.stop()


_LAYERS = ("Code", "Core", "Arrow", "Learn")


def test_boots_with_what_the_image_ships(machine: Machine) -> None:
    assert "command not found" not in machine.boot()
    commands = [line.split()[0] for line in machine.used]
    assert set(commands) - MAY_BE_USED == USED
    assert machine.used[0] == "shutdown -h +240", "the dead man's switch is the very first command"
    assert machine.used[-1] == "shutdown -h now"
    assert "dnf install -y -q python3.13" in machine.used
    assert commands.count("curl") == 3 + len(_LAYERS)


def test_the_trainer_is_told_its_stack_and_nothing_of_the_machine(machine: Machine) -> None:
    machine.boot()
    environment = machine.trainer_environment
    assert environment["AWS_DEFAULT_REGION"] == "eu-central-1"
    assert environment["PERENNIAL_INSTANCE_ID"] == "i-0123"
    assert {"STACK_NAME", "DATA_BUCKET", "ARTIFACT_BUCKET", "TABLE_NAME", "CODE_VERSION"} <= set(environment)
    assert "PYTHONPATH" not in {line.split("=")[0] for line in machine.used}
    assert len(environment["PYTHONPATH"].split(":")) == len(_LAYERS)


def test_scratch_is_on_the_disk_where_nothing_else_is_said(machine: Machine) -> None:
    assert "TMPDIR=${TMPDIR:-/var/tmp} PYTHONPATH" in machine.script
    machine.boot(TMPDIR="")
    assert "scratch /var/tmp" in machine.shipped


@pytest.mark.parametrize("code", [1, 137])
def test_the_log_is_shipped_and_the_instance_ends_however_the_trainer_does(
    machine: Machine, code: int
) -> None:
    arn = next(name for name in machine.layers if "Code" in name)
    program = TRAINER.replace("sys.exit({code})", "os.kill(os.getpid(), 9)" if code == 137 else "sys.exit(1)")
    machine.layers[arn] = layer({"ec2_trainer/__main__.py": program})
    machine.boot()
    assert "last words" in machine.shipped
    assert machine.used[-1] == "shutdown -h now"


def test_a_shutdown_loses_neither_the_last_words_nor_the_log(machine: Machine) -> None:
    """SIGTERM comes to every process: while the trainer is at work, and while the log is on its way."""
    arn = next(name for name in machine.layers if "Code" in name)
    machine.layers[arn] = layer({"ec2_trainer/__main__.py": INTERRUPTED.format(root=machine.root)})
    (machine.root / "wait").touch()
    instance = machine.start()
    for moment in ("training", "asked"):
        assert eventually((machine.root / moment).exists, within=30)
        for process in processes(instance.pid):
            os.kill(process, signal.SIGTERM)
    (machine.root / "wait").unlink()
    instance.communicate(timeout=60)
    assert "answered after the signal" in machine.shipped
    assert machine.used[-1] == "shutdown -h now"


def test_a_layer_that_is_not_the_registered_one_is_not_run(machine: Machine) -> None:
    arn = next(name for name in machine.layers if "Core" in name)
    machine.served[arn] = layer({"marker_core.py": "print('not what was registered')"})
    machine.boot()
    assert not any(line.startswith("python3.13") for line in machine.used)
    assert machine.used[-1] == "shutdown -h now"


def test_without_metadata_the_instance_ends(machine: Machine) -> None:
    machine.script = machine.script.replace("--retry 5", "--retry 0")
    machine.boot(AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:9")
    assert machine.used[0] == "shutdown -h +240"
    assert machine.used[-1] == "shutdown -h now"


def test_credentials_may_come_late(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """By botocore's defaults a metadata service that takes a second leaves one without credentials."""
    machine.boot()
    for name, value in machine.trainer_environment.items():
        if name.startswith("AWS_METADATA_"):
            monkeypatch.setenv(name, value)
    settings = botocore.session.Session()
    assert settings.get_config_variable("metadata_service_timeout") >= 5
    assert settings.get_config_variable("metadata_service_num_attempts") >= 3


def test_the_log_of_a_chatty_training_fits_into_one_call(machine: Machine) -> None:
    arn = next(name for name in machine.layers if "Code" in name)
    machine.layers[arn] = layer({"ec2_trainer/__main__.py": "for n in range(50_000): print(n)\nprint('end')"})
    machine.boot()
    lines = machine.shipped.splitlines()
    assert lines[-1] == "end"
    assert len(lines) <= 10_000
    assert len(machine.shipped) + 26 * len(lines) <= 1_048_576


def test_inline_python_runs_on_the_python_of_the_image() -> None:
    """The image's own python3 is 3.9."""
    (program,) = re.findall(r"python3 -c '(.+?)'\s*\|", user_data(), re.DOTALL)
    ast.parse(program, feature_version=(3, 9))
