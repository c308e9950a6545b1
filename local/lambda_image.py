"""The container images that functions run in: AWS's own, with a function's layers unpacked in /opt.

`sam local` packs the layers of a template into an image for every single invocation, which takes longer than
anything else. Here each layer is one image over the one before, kept by what it holds.
"""

import hashlib
import io
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from docker.errors import ContainerError, ImageNotFound  # type: ignore[import-untyped]

BASE = "public.ecr.aws/lambda/python:3.13-x86_64"
LABEL = "perennial"  # of every image made here: docker image prune --all --filter label=perennial
_STUBS = ("librt.so.1", "libdl.so.2")
_FOLDERS = (Path("/lib/x86_64-linux-gnu"), Path("/lib64"))  # on Debian and its kin, on Red Hat and its kin


def invoke_image(client: Any, layers: Sequence[Path]) -> str:
    """The image of a function with these layers, built where it is not there yet.

    layers: their folders, those that change least first. Raises docker's APIError where AWS's image is not
    here and cannot be pulled.
    """
    try:
        base = client.images.get(BASE)
    except ImageNotFound:
        base = client.images.pull(BASE)
    digest = base.id.removeprefix("sha256:")
    image = _image(client, digest, BASE, partial(_lacking, client, base), "/var/lang/lib/")
    for layer in layers:
        digest = hashlib.sha256(f"{digest} {_fingerprint(layer)}".encode()).hexdigest()
        image = _image(client, digest, image, partial(_contents, layer), "/opt/")
    return image


def _image(client: Any, digest: str, base: str, files: Callable[[], list[Path]], folder: str) -> str:
    """One image over another; built if there is none of this digest.

    The digest is part of the name and not of the tag: SAM adds its emulator once for each name.
    """
    name = f"{LABEL}-lambda-{digest[:16]}"
    try:
        client.images.get(name)
    except ImageNotFound:
        with tempfile.TemporaryFile() as context:
            _pack(context, base, files(), folder)
            client.images.build(
                fileobj=context, custom_context=True, tag=name, rm=True, labels={LABEL: digest}
            )
    return f"{name}:latest"


def _contents(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def _lacking(client: Any, base: Any) -> list[Path]:
    """Files of this machine's C library without which binary wheels cannot be loaded in the base image.

    Wheels still name the libraries that became empty with glibc 2.34. AWS's image has them; one that somebody
    made in its place may not.
    """
    check = "import ctypes, sys; [ctypes.CDLL(name) for name in sys.argv[1:]]"
    try:
        client.containers.run(
            base.id, ["-c", check, *_STUBS], entrypoint="/var/lang/bin/python3.13", remove=True
        )
    except ContainerError:
        return [folder / name for name in _STUBS for folder in _FOLDERS if (folder / name).exists()]
    return []


def _pack(context: IO[bytes], base: str, files: Iterable[Path], folder: str) -> None:
    """Write a build context: the files, and what to do with them."""
    with tarfile.open(fileobj=context, mode="w", dereference=True) as archive:
        for path in files:
            archive.add(path, arcname=f"files/{path.name}")
        body = f"FROM {base}\n{f'COPY files/ {folder}' if archive.getnames() else ''}\n".encode()
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(body)
        archive.addfile(info, io.BytesIO(body))
    context.seek(0)


def _fingerprint(folder: Path) -> str:
    """What a folder holds, by names, sizes and times."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            stat = path.stat()
            found.update(f"{path.relative_to(folder)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return found.hexdigest()
