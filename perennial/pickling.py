"""A pickle that depends on what a model is, not on how it came to be.

scikit-learn's objects from a checkpoint and from the process at hand are equal, but pickle also writes down
which of their strings are the very same object, numpy leaves what the memory held between the fields of a
tree's nodes, and histogram boosting remembers how many threads the machine had. All are made alike here.
"""

import copyreg
import io
import sys
from typing import Any

import numpy as np
from joblib.compressor import BinaryZlibFile
from joblib.numpy_pickle import NumpyPickler

_COMPRESSION = 3  # of 9: forests shrink to about a fifth; more costs seconds and wins little


def pickled(model: Any) -> bytes:
    """A model as `joblib.load` reads it, compressed by zlib."""
    trees = sys.modules.get("sklearn.tree._tree")
    if trees:
        copyreg.pickle(trees.Tree, _reduced_tree)
    bins = sys.modules.get("sklearn.ensemble._hist_gradient_boosting.binning")
    if bins:
        copyreg.pickle(bins._BinMapper, _reduced_bins)
    body = io.BytesIO()
    with io.BufferedWriter(BinaryZlibFile(body, "wb", compresslevel=_COMPRESSION)) as file:
        _Pickler(file).dump(model)
    return body.getvalue()


class _Pickler(NumpyPickler):  # type: ignore[misc] # joblib has no types
    """joblib's, to which equal strings are one string."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self._strings: dict[str, str] = {}

    def save(self, obj: Any, *arguments: Any, **named: Any) -> None:
        """Called for every object in turn."""
        super().save(self._strings.setdefault(obj, obj) if type(obj) is str else obj, *arguments, **named)


def _reduced_tree(tree: Any) -> tuple[Any, ...]:
    """How scikit-learn pickles a tree, with zeros where its nodes have padding."""
    kind, arguments, state = tree.__reduce__()
    nodes = state["nodes"]
    plain = np.zeros(nodes.shape, nodes.dtype)
    for name in nodes.dtype.names:
        plain[name] = nodes[name]
    return kind, arguments, {**state, "nodes": plain}


def _reduced_bins(mapper: Any) -> tuple[Any, ...]:
    """With as many threads as there are where it is loaded, not where it was fitted."""
    kind, arguments, state, *_ = mapper.__reduce_ex__(2)
    return kind, arguments, {**state, "n_threads": None}
