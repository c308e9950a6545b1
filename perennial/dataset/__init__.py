"""Tables in and out: files as they arrive, columns as the model file declares them, samples as they are kept.

pyarrow reads what arrives (Validate Data, the trainer); pandas holds what is learnt from (the trainer,
Compute Drift, Evaluate Challenger). Each is imported only inside the functions that use it, because no Lambda
carries both.
"""

from perennial.dataset.casting import BadValues, conform_table
from perennial.dataset.reading import combine_tables, read_table
from perennial.dataset.sample import frame_to_csv, read_sample, to_frame, write_sample

__all__ = [
    "BadValues",
    "combine_tables",
    "conform_table",
    "frame_to_csv",
    "read_sample",
    "read_table",
    "to_frame",
    "write_sample",
]
