"""Where a Lambda worker runs: which interpreter, what it can import and see, and how it gets its files."""

import hashlib
import io
import os
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from ministack.core import lambda_runtime

from local.corrections.rewrite import CorrectionError, edit, replace, rewrite

# What Lambda's Python runtime has beside the standard library: the SDK.
_SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
_UNUSED_FOR = 7 * 24 * 3600.0  # seconds after which an unpacked archive that nobody asks for is removed
_OWN_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
_unpacking = threading.Lock()


def interpreter() -> None:
    """A function runs on the Python that its Runtime names, or not at all.

    The engine runs every python runtime on its own interpreter, whichever that is.
    """

    def make(original: Callable[[str], tuple[str, str]]) -> Callable[[str], tuple[str, str]]:
        def detect(runtime: str) -> tuple[str, str]:
            if runtime.startswith("python") and runtime != _OWN_PYTHON:
                raise RuntimeError(f"the function's Runtime is {runtime}, the engine's Python {_OWN_PYTHON}")
            return original(runtime)

        return detect

    replace(lambda_runtime, "_detect_runtime_binary", make, "runtime")


def isolation() -> None:
    """A worker imports its function, its layers and the SDK, and sees none of the engine's variables.

    The engine gave its own environment and its site-packages to every function, so that a dependency missing
    in a layer went unnoticed, and put layers before the function's code. The order here is Lambda's: code,
    layers (later ones first), standard library, SDK.
    """
    lambda_runtime._PYTHON_WORKER_SCRIPT = edit(
        lambda_runtime._PYTHON_WORKER_SCRIPT,
        (
            "    sys.path.insert(0, code_dir)\n[...]        sys.path.insert(0, _ld)\n",
            f"""    _layers = [os.path.join(_ld, _sub)
               for _ld in reversed(os.environ.get("_LAMBDA_LAYERS_DIRS", "").split(os.pathsep)) if _ld
               for _sub in ("python/lib/{_OWN_PYTHON}/site-packages", "python")]
    sys.path[:0] = [code_dir, *filter(os.path.isdir, _layers)]
    sys.path.append({_sdk_directory()!r})
""",
        ),
        where="lambda_runtime._PYTHON_WORKER_SCRIPT",
    )
    binary = sys._base_executable  # type: ignore[attr-defined] # without the virtual environment
    rewrite(
        lambda_runtime.Worker,
        "_spawn",
        ("[binary, worker_path]", f"[{binary!r}, '-S', '-P', worker_path]"),
        ("spawn_env = {**os.environ, **env_vars}", "spawn_env = {**lambda_environment(runtime), **env_vars}"),
        lambda_environment=_lambda_environment,
    )


def _lambda_environment(runtime: str) -> dict[str, str]:
    """What Lambda sets in every function's environment, as far as it is not the engine's part."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "TMPDIR": tempfile.gettempdir(),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
        "AWS_ENDPOINT_URL": os.environ["PERENNIAL_URL"],
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }


def _sdk_directory() -> str:
    """A directory with nothing but the SDK of the engine's virtual environment in it."""
    directory = Path(tempfile.mkdtemp(prefix="lambda-sdk-"))
    for name in _SDK:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise CorrectionError(f"the engine's virtual environment has no {name}")
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (directory / source.name).symlink_to(source)
    return str(directory)


def unpacked() -> None:
    """A layer and a function's code are unpacked once for each content, and shared by all workers.

    The engine unpacked them for every worker: ten seconds and 264 MB for each with a layer of 200 MB.
    """
    rewrite(
        lambda_runtime.Worker,
        "_spawn",
        (
            """    code_dir = os.path.join(self._tmpdir, "code")
    os.makedirs(code_dir)
    with open(os.path.join(self._tmpdir, "code.zip"), "wb") as f:
        f.write(self.code_zip)
    with zipfile.ZipFile(os.path.join(self._tmpdir, "code.zip")) as zf:
        zf.extractall(code_dir)
""",
            "    code_dir = unpacked(self.code_zip)\n",
        ),
        (
            "layer_dir = os.path.join(self._tmpdir,[...]layers_dirs.append(layer_dir)",
            "layers_dirs.append(unpacked(layer_data))",
        ),
        unpacked=_unpacked,
    )


def _unpacked(archive: bytes) -> str:
    """The directory with the files of a zip archive, named by its SHA-256; unpacked if it is not there."""
    store = Path(os.environ.get("PERENNIAL_UNPACKED") or Path(tempfile.gettempdir(), "unpacked"))
    target = store / hashlib.sha256(archive).hexdigest()
    with _unpacking:
        if not target.is_dir():
            store.mkdir(parents=True, exist_ok=True)
            _forget_unused(store)
            scratch = tempfile.mkdtemp(dir=store)
            with zipfile.ZipFile(io.BytesIO(archive)) as files:
                files.extractall(scratch)
            Path(scratch).chmod(0o755)
            try:
                Path(scratch).rename(target)
            except OSError:  # another engine was faster, with the same content
                shutil.rmtree(scratch)
        os.utime(target)
    return str(target)


def _forget_unused(store: Path) -> None:
    for directory in store.iterdir():
        if time.time() - directory.stat().st_mtime > _UNUSED_FOR:
            shutil.rmtree(directory, ignore_errors=True)


CORRECTIONS: dict[str, Callable[[], None]] = {
    "interpreter": interpreter,
    "isolation": isolation,
    "unpacked": unpacked,
}
