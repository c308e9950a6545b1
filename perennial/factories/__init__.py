"""The user's own modules beside the model files: `models/<module>.py` is `perennial.factories.<module>`.

Under this name they are found wherever Perennial is (in the layer `models/` lies beside it), so a pipeline
that holds their classes is unpickled in a Lambda as on the laptop, and none can hide an installed package.
A module imports another of them by `from . import other`.
"""

from collections.abc import Iterator

from perennial.config import models_dir


class _ModelsFolder(list[str]):
    """The folder of model files, wherever it is when a module is looked for."""

    def __iter__(self) -> Iterator[str]:
        return iter([str(models_dir())])


__path__ = _ModelsFolder()
