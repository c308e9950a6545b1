"""Models as bytes: written once, and verified before they are ever unpickled.

joblib runs code that a file names, so a file is loaded only if it is the registered one, byte for byte.
https://joblib.readthedocs.io/en/stable/persistence.html
"""

import hashlib
import io
from typing import Any

from perennial.errors import ArtifactCorrupted


def dump(model: Any) -> bytes:
    """A fitted model as bytes: the same for the same model, in whichever process and over whichever
    checkpoints it came to be."""
    from perennial.pickling import pickled

    return pickled(model)


def digest(body: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def verified(body: bytes, sha256: str) -> bytes:
    """The same bytes, if they are the registered ones. Raises ArtifactCorrupted if they are not."""
    came = digest(body)
    if came != sha256:
        raise ArtifactCorrupted(
            f"expected {sha256[:12]}… as SHA-256, came {came[:12]}… ({len(body)} bytes): it was not loaded"
        )
    return body


def load(body: bytes, sha256: str) -> Any:
    """A model from its bytes. Raises ArtifactCorrupted, before anything is unpickled, if they differ."""
    import joblib

    return joblib.load(io.BytesIO(verified(body, sha256)))
