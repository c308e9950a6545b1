"""A champion's answers to its holdout, kept as a small table beside it: asked once, read at every check."""

import gzip
import io
from typing import TYPE_CHECKING

import numpy as np

from perennial.config import ModelConfig

if TYPE_CHECKING:
    from perennial.metrics import Answers

_CHANCE = "probability:"


def dump_answers(answers: "Answers") -> bytes:
    """Gzipped CSV: `prediction`, and a column of probabilities per class; equal answers give equal bytes."""
    import pandas as pd

    columns = {"prediction": answers.predicted}
    if answers.probabilities is not None and answers.classes is not None:
        for place, name in enumerate(answers.classes.tolist()):
            columns[f"{_CHANCE}{name}"] = answers.probabilities[:, place]
    return gzip.compress(pd.DataFrame(columns).to_csv(index=False, lineterminator="\n").encode(), mtime=0)


def read_answers(body: bytes, config: ModelConfig) -> "Answers":
    """What `dump_answers` wrote, in the order of the holdout's rows; classes as the labels are read."""
    import pandas as pd

    from perennial.metrics import Answers

    number = config.columns[config.label].type == "number"
    kind = "float64" if number else "object"
    frame = pd.read_csv(
        io.BytesIO(gzip.decompress(body)),
        dtype={"prediction": kind},
        keep_default_na=False,
    )
    predicted = frame.pop("prediction").to_numpy()
    if frame.empty:
        return Answers(predicted)
    names = [str(name).removeprefix(_CHANCE) for name in frame]
    classes = np.array([float(name) for name in names]) if number else np.array(names, object)
    return Answers(predicted, frame.to_numpy(np.float64), classes)
