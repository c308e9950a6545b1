"""Builds one Lambda layer into a folder: `python build.py CoreLayer ARTIFACTS_DIR`.

Five layers, so that a function carries only what its path imports:

    CodeLayer   perennial/, ec2_trainer/ and models/, copied afresh on every build
    CoreLayer   what every function imports: boto3, numpy, pydantic, Powertools
    ArrowLayer  pyarrow: reading batches
    LearnLayer  scipy, pandas, scikit-learn: statistics and estimators
    PageLayer   jinja2: the report of a run

All but the first are installed from their lock for the Lambda platform, slimmed, and kept under
.perennial/cache/layers by a digest of everything that shapes them. A repeated build links the kept tree, and
`sam deploy`, which names an upload by its content, sends nothing twice: bytecode too is the same each time.

Lambda allows a function 250 MB unzipped, layers included; the build fails when functions would exceed it.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

import compileall
import fnmatch
import hashlib
import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CACHE = ROOT / ".perennial" / "cache" / "layers"
PLATFORM = os.environ.get("PERENNIAL_LAYER_PLATFORM", "x86_64-manylinux_2_28")
PYTHON_VERSION = "3.13"

MEGABYTE = 1024 * 1024
BUDGET = 250 * MEGABYTE  # a hard limit of Lambda
SPARE = 8 * MEGABYTE  # of it, for growth; not asked for where there is no strip, which saves more than this
COMBINATIONS = {
    "validate": ("CodeLayer", "CoreLayer", "ArrowLayer"),
    "drift, evaluate": ("CodeLayer", "CoreLayer", "LearnLayer"),
}

PICKLED = ("numpy", "pandas", "scipy", "scikit-learn", "joblib")

AWS_SERVICES = frozenset(
    {
        "cloudformation", "cloudwatch", "dynamodb", "ec2", "events", "lambda", "logs",
        "s3", "scheduler", "sns", "ssm", "stepfunctions", "sts", "xray",
    }
)  # fmt: skip

# Glob patterns on paths below python/ ('*' crosses '/'): nothing that runs.
UNUSED = (
    "bin/*",
    "*/tests/*",
    "*/__pycache__/*",
    "*-stubs/*",
    "*.pyi",
    "*.pyx",
    "*.pyx.tp",
    "*.pxd",
    "*.pxi",
    "*.c",
    "*.cpp",
    "*.h",
    "*.hpp",
    "*.a",
    "*.lib",
    "*/include/*",
    "*/py.typed",
    "*.dist-info/RECORD",
    "*.dist-info/WHEEL",
    "*.dist-info/INSTALLER",
    "*.dist-info/REQUESTED",
    "*.dist-info/uv_cache.json",
    "*.dist-info/sboms/*",
    # pyarrow: remote file systems, RPC, query plans, ORC, encryption.
    # libarrow_substrait stays: libarrow_python is linked against it.
    "pyarrow/libarrow_flight*",
    "pyarrow/libarrow_python_flight*",
    "pyarrow/libarrow_python_parquet_encryption*",
    "pyarrow/libarrow_s3*",
    "pyarrow/libarrow_python.so",
    "pyarrow/*.so.*.*.*",
    "pyarrow/_flight*",
    "pyarrow/_s3fs*",
    "pyarrow/_gcsfs*",
    "pyarrow/_azurefs*",
    "pyarrow/_hdfs*",
    "pyarrow/_cuda*",
    "pyarrow/_orc*",
    "pyarrow/_dataset_orc*",
    "pyarrow/_substrait*",
    "pyarrow/_parquet_encryption*",
    "pyarrow/_dataset_parquet_encryption*",
    "pyarrow/_pyarrow_cpp_tests*",
    "pyarrow/includes/*",
    "pyarrow/src/*",
    # sample pictures, a test package, examples, the page of an API browser
    "sklearn/datasets/images/*",
    "joblib/test/*",
    "boto3/examples/*",
    "aws_lambda_powertools/event_handler/openapi/swagger_ui/*.min.*",
)


def main(layer: str, artifacts: Path) -> None:
    """Fill `artifacts` with the layer's content and check the sizes of what is built so far."""
    shutil.rmtree(artifacts, ignore_errors=True)
    target = artifacts / "python"
    if layer == "CodeLayer":
        copy_code(target)
    else:
        link_tree(kept_tree(layer), target)
    record_size(layer, artifacts)
    check_budget()


def copy_code(target: Path) -> None:
    """The library, the trainer and the model definitions, side by side, with their bytecode."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    for folder in ("perennial", "ec2_trainer", "models"):
        shutil.copytree(ROOT / folder, target / folder, ignore=ignored)
    (target / "perennial" / "libraries.json").write_text(json.dumps(locked_versions(), indent=1))
    precompile(target)


def locked_versions() -> dict[str, str]:
    """What a pickled model depends on, as the other layers hold it."""
    locks = "".join(path.read_text("utf-8") for path in sorted(ROOT.glob("requirements/layer-*.txt")))
    pins = dict(re.findall(r"^([\w-]+)==([\w.]+)", locks, re.MULTILINE))
    return {"python": PYTHON_VERSION} | {name: pins[name] for name in PICKLED}


def kept_tree(layer: str) -> Path:
    """The layer's slimmed content, built at its first use."""
    lock = ROOT / "requirements" / f"layer-{layer.removesuffix('Layer').lower()}.txt"
    strip = find_strip()
    shaped_by = (lock.read_bytes(), Path(__file__).read_bytes(), PLATFORM.encode(), bool(strip))
    digest = hashlib.sha256(repr(shaped_by).encode()).hexdigest()[:12]
    kept = CACHE / f"{layer}-{digest}"
    if kept.is_dir():
        return kept
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        tree = Path(scratch) / "tree"
        install(lock, tree)
        remove(tree, unused_files(tree))
        if strip:
            strip_libraries(strip, tree)
        precompile(tree)
        for older in CACHE.glob(f"{layer}-*"):
            shutil.rmtree(older)
        keep(tree, kept)
    return kept


def keep(tree: Path, kept: Path) -> None:
    """Move a finished tree to its place; another build may have been quicker."""
    try:
        tree.rename(kept)
    except OSError:
        if not kept.is_dir():
            raise


def find_strip() -> str | None:
    """The tool that drops symbol tables; those of other systems do not know Lambda's file format."""
    return shutil.which("strip") if sys.platform == "linux" else None


def install(lock: Path, target: Path) -> None:
    """Exactly the locked wheels, for Lambda's platform whatever this machine is."""
    beside = Path(sys.executable).parent / "uv"
    uv = shutil.which("uv") or (str(beside) if beside.exists() else None)
    if uv is None:
        sys.exit("no uv found: run 'make install' first")
    command = [uv, "pip", "install", "--no-config", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--python-platform", PLATFORM, "--python-version", PYTHON_VERSION]
    subprocess.run([*command, "--target", str(target), "--requirement", str(lock)], check=True)
    for lock_file in target.glob(".lock"):
        lock_file.unlink()


def unused_files(tree: Path) -> Iterator[Path]:
    """Files that no function needs at run time."""
    for path in files(tree):
        name = path.relative_to(tree).as_posix()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in UNUSED) or describes_other_service(name):
            yield path


def describes_other_service(name: str) -> bool:
    """Whether this is boto3's data about a service that Perennial does not call: data/<service>/<date>/…"""
    match name.split("/"):
        case ["boto3" | "botocore", "data", service, _, *_]:
            return service not in AWS_SERVICES
        case _:
            return False


def remove(tree: Path, unused: Iterable[Path]) -> None:
    """Delete the files, then the folders they leave empty."""
    for path in list(unused):
        path.unlink()
    for folder in sorted((path for path in tree.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def strip_libraries(strip: str, tree: Path) -> None:
    """Drop symbol tables, except in *.libs: those were rewritten by auditwheel, and stripping breaks them."""
    libraries = [path for path in files(tree) if ".so" in path.suffixes and path.parent.suffix != ".libs"]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        copies = pool.map(lambda path: stripped_copy(strip, path), libraries)
        for path, copy in zip(libraries, copies, strict=True):
            if copy:
                copy.replace(path)  # never in place: an installer may have linked the file to its cache


def stripped_copy(strip: str, path: Path) -> Path | None:
    """A stripped copy beside `path`; None when this machine's strip does not know the format."""
    copy = path.with_name(f"{path.name}.stripped")
    done = subprocess.run([strip, "-o", str(copy), str(path)], capture_output=True, check=False)
    return copy if done.returncode == 0 else None


def precompile(tree: Path) -> None:
    """Put bytecode beside the sources: /opt is read-only, so every cold start would compile them anew.

    scikit-learn imports in a third of the time, a handler in four fifths. Unchecked hashes: a zip does not
    keep the files' times.
    """
    compileall.compile_dir(
        tree,
        quiet=2,
        workers=os.cpu_count() or 1,
        stripdir=str(tree),
        prependdir="/opt/python",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def link_tree(source: Path, target: Path) -> None:
    """Hard links where the file system allows them, copies where it does not."""

    def link(origin: str, copy: str) -> str:
        try:
            os.link(origin, copy)
        except OSError:
            shutil.copy2(origin, copy)
        return copy

    shutil.copytree(source, target, copy_function=link)


def files(tree: Path) -> Iterator[Path]:
    """Every file below a folder."""
    return (path for path in tree.rglob("*") if path.is_file())


def record_size(layer: str, artifacts: Path) -> None:
    """Remember a layer's unzipped bytes for the check of combinations."""
    CACHE.mkdir(parents=True, exist_ok=True)
    size = sum(path.stat().st_size for path in files(artifacts))
    unfinished = CACHE / f"{layer}.{os.getpid()}"  # layers are built side by side: none may read half
    unfinished.write_text(str(size))
    unfinished.replace(CACHE / f"{layer}.bytes")


def check_budget() -> None:
    """Fail, with the table, when a combination of layers leaves no room under Lambda's limit."""
    sizes = {path.stem: int(path.read_text()) for path in CACHE.glob("*.bytes")}
    allowed = BUDGET - SPARE if find_strip() else BUDGET
    rows, over = [], False
    for functions, layers in COMBINATIONS.items():
        if any(layer not in sizes for layer in layers):
            continue
        total = sum(sizes[layer] for layer in layers)
        over |= total > allowed
        parts = " + ".join(f"{layer.removesuffix('Layer')} {sizes[layer] / MEGABYTE:.1f}" for layer in layers)
        rows.append(f"{functions:<16} {total / MEGABYTE:6.1f} MB of {BUDGET // MEGABYTE} = {parts}")
    if over:
        sys.exit("layers too large for Lambda:\n" + "\n".join(rows))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
