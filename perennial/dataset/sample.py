"""pandas frames with declared types, and small tables kept as gzipped CSV.

The types do not depend on whether pyarrow is installed beside pandas, so that a pipeline fitted on the
training instance (which has it) sees the same frames in a Lambda (which has not): strings are `object` with
NaN for missing, never pandas' `str`, whose storage differs.
"""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

import numpy as np

from perennial.config import ModelConfig
from perennial.errors import MissingColumn

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DTYPES = {
    "number": "float64",
    "category": "object",
    "text": "object",
    "boolean": "boolean",
    "datetime": "datetime64[us]",
}


def to_frame(table: pa.Table, config: ModelConfig) -> pd.DataFrame:
    """A conformed table (see `conform_table`) as a frame of `DTYPES`, with a fresh index, columns as in the
    model file.

    Raises MissingColumn where a declared column is not in the table.
    """
    import pandas as pd

    _need_all(table.column_names, config)
    columns = {}
    for name, column in config.columns.items():
        values = table.column(name)
        if column.type == "number":
            columns[name] = pd.Series(values.to_numpy().astype("float64"))
        elif column.type == "datetime":
            columns[name] = pd.Series(values.to_numpy().astype("datetime64[us]"))
        elif column.type == "boolean":
            columns[name] = pd.Series(pd.array(values.to_pylist(), dtype="boolean"))
        else:
            columns[name] = _strings(values.to_pylist())
    return pd.DataFrame(columns)


def read_sample(body: bytes, config: ModelConfig) -> pd.DataFrame:
    """Read what `write_sample` or `frame_to_csv` wrote. Needs pandas, not pyarrow.

    Declared columns come first, as `DTYPES`, in the order of the model file; others follow as pandas reads
    them. Raises MissingColumn where a declared column is not there.
    """
    import pandas as pd

    strings = {name: "object" for name, column in config.columns.items() if column.type != "number"}
    numbers = {name: "float64" for name, column in config.columns.items() if column.type == "number"}
    frame = pd.read_csv(
        io.BytesIO(gzip.decompress(body)),
        dtype={**strings, **numbers},
        keep_default_na=False,
        na_values=[""],
    )
    _need_all(list(frame.columns), config)
    for name, column in config.columns.items():
        if column.type == "boolean":
            frame[name] = frame[name].str.lower().map({"true": True, "false": False}).astype("boolean")
        elif column.type == "datetime":
            frame[name] = pd.to_datetime(frame[name], format="ISO8601").astype("datetime64[us]")
        elif column.type != "number":
            frame[name] = _strings(frame[name].tolist())
    others = [name for name in frame.columns if name not in config.columns]
    return frame[[*config.columns, *others]]


def write_sample(table: pa.Table, rng_seed: int, max_rows: int) -> bytes:
    """At most `max_rows` rows of a conformed table, drawn without replacement, in their order, as gzipped
    CSV.

    The same table, seed and bound give the same bytes. Needs pyarrow, not pandas.
    """
    from pyarrow import csv

    if table.num_rows > max_rows:
        chosen = np.random.default_rng(rng_seed).choice(table.num_rows, max_rows, replace=False)
        table = table.take(np.sort(chosen))
    buffer = io.BytesIO()
    csv.write_csv(table, buffer)
    return gzip.compress(buffer.getvalue(), mtime=0)


def frame_to_csv(frame: pd.DataFrame) -> bytes:
    """A frame as gzipped CSV without its index; floats survive the round trip exactly, equal frames give
    equal bytes.
    """
    return gzip.compress(frame.to_csv(index=False, lineterminator="\n").encode(), mtime=0)


def _strings(values: list[str | None]) -> pd.Series[str]:
    import pandas as pd

    return pd.Series([value if isinstance(value, str) else np.nan for value in values], dtype="object")


def _need_all(names: list[str], config: ModelConfig) -> None:
    missing = [name for name in config.columns if name not in names]
    if missing:
        raise MissingColumn(
            f"the data has no column {', '.join(map(repr, missing))}: found {', '.join(names)}"
        )
