"""The user's own modules beside the model files: `models/<module>.py` is `perennial.factories.<module>`.

Under this name they are found wherever Perennial is (in the layer `models/` lies beside it), so a pipeline
that holds their classes is unpickled in a Lambda as on the laptop, and none can hide an installed package.
A module imports another of them by `from . import other`.
"""

import importlib
from collections.abc import Callable, Iterator
from typing import Any, cast

from perennial.config import ModelConfig, models_dir
from perennial.errors import InvalidModelFile


class _ModelsFolder(list[str]):
    """The folder of model files, wherever it is when a module is looked for."""

    def __iter__(self) -> Iterator[str]:
        return iter([str(models_dir())])


__path__ = _ModelsFolder()


def own_function(config: ModelConfig, path: str) -> Callable[..., Any]:
    """The function that `module:function` names. Raises InvalidModelFile where there is none."""
    module, _, name = path.partition(":")
    try:
        function = getattr(importlib.import_module(f"{__name__}.{module}"), name, None)
    except Exception as error:
        raise InvalidModelFile(
            f"{config.name}: {module}.py, expected beside the model files, cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not callable(function):
        raise InvalidModelFile(f"{config.name}: {module}.py has no function {name}")
    return cast("Callable[..., Any]", function)
