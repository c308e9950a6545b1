"""Models as bytes: written once, and verified before they are ever unpickled.

joblib runs code that a file names, so a file is loaded only if it is the registered one, byte for byte.
https://joblib.readthedocs.io/en/stable/persistence.html
"""

import copyreg
import hashlib
import io
import sys
from typing import Any

import numpy as np

from perennial.errors import ArtifactCorrupted

_COMPRESSION = 3  # of 9: forests shrink to about a fifth; more costs seconds and wins little


def dump(model: Any) -> bytes:
    """A fitted model as bytes: the same for the same model, built in the same way."""
    import joblib

    trees = sys.modules.get("sklearn.tree._tree")
    if trees:
        copyreg.pickle(trees.Tree, _reduced_tree)
    buffer = io.BytesIO()
    joblib.dump(model, buffer, compress=_COMPRESSION)
    return buffer.getvalue()


def _reduced_tree(tree: Any) -> tuple[Any, ...]:
    """How scikit-learn pickles a tree, with zeros where its nodes have padding: whatever the memory held
    before would make equal models differ."""
    kind, arguments, state = tree.__reduce__()
    nodes = state["nodes"]
    plain = np.zeros(nodes.shape, nodes.dtype)
    for name in nodes.dtype.names:
        plain[name] = nodes[name]
    return kind, arguments, {**state, "nodes": plain}


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
