"""What becomes of a batch: Validate Data, Settle Batch."""

from datetime import datetime
from typing import Literal

from perennial.contracts.base import Contract, OfRun


class ValidateDataInput(OfRun):
    champion: int | None


class DataSummary(Contract):
    valid: bool
    rows: int
    labelled_rows: int
    reasons: tuple[str, ...]


class SettleBatchInput(OfRun):
    started_at: datetime
    disposition: Literal["accepted", "quarantine"]
    reasons: tuple[str, ...]


class SettledBatch(Contract):
    disposition: Literal["accepted", "quarantine"]
    objects: int
    prefix: str
