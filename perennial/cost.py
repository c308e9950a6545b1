"""What one training instance cost, and what it may cost at most."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from perennial.contracts.base import Contract

MINIMUM_SECONDS = 60  # https://aws.amazon.com/ec2/pricing/on-demand/: by the second, at least a minute
# Beyond the time that a training may take: boot, shutdown, and the heartbeat's time-out, which ends an
# instance that hangs.
OVERHEAD_SECONDS = 600


@dataclass(frozen=True)
class Amount:
    """Dollars and instance minutes; dollars are None where a price is unknown.

    >>> Amount(0.25, 10) + Amount(0.5, 5)
    Amount(dollars=0.75, minutes=15)
    """

    dollars: float | None
    minutes: float

    def __add__(self, other: "Amount") -> "Amount":
        unknown = self.dollars is None or other.dollars is None
        return Amount(
            None if unknown else (self.dollars or 0.0) + (other.dollars or 0.0), self.minutes + other.minutes
        )


NOTHING = Amount(0.0, 0.0)


class Attempt(Contract):
    """One attempt at a training, from the reservation of what it can take at most to what it took.

    `price` is what an hour is charged with: before the launch that of the dearest type, on demand; afterwards
    the instance's own, and `price_note` says which. `prices_of` dates the price file. `dollars` and `minutes`
    are the reserved ones until `ended_at` is known. `month` is charged.
    """

    model: str
    run: str
    attempt: int
    month: str
    reserved_at: datetime
    types: tuple[str, ...]
    reason: str
    max_seconds: int
    price: float | None
    price_note: str
    prices_of: date
    dollars: float | None
    minutes: float
    instance_id: str | None = None
    instance_type: str | None = None
    market: Literal["spot", "on-demand"] | None = None
    launched_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def amount(self) -> Amount:
        """What it took, or may take at most while it is under way."""
        return Amount(self.dollars, self.minutes)

    def ended(self, at: datetime) -> "Attempt":
        """The same attempt with what it took; nothing where no instance was ever launched."""
        taken = billed(self.price, self.launched_at, at) if self.launched_at else NOTHING
        return self.model_copy(update={"ended_at": at, "dollars": taken.dollars, "minutes": taken.minutes})


def most(price: float | None, max_seconds: float) -> Amount:
    """The most that an attempt can take, at dollars an hour, which bounds spot as well.

    >>> most(0.6, 3000)
    Amount(dollars=0.6, minutes=60.0)
    """
    seconds = max_seconds + OVERHEAD_SECONDS
    return Amount(_dollars(price, seconds), seconds / 60)


def billed(price: float | None, launched: datetime, ended: datetime) -> Amount:
    """What an instance took from its launch to its end, at dollars an hour."""
    seconds = max(float(MINIMUM_SECONDS), (ended - launched).total_seconds())
    return Amount(_dollars(price, seconds), seconds / 60)


def in_words(dollars: float | None) -> str:
    """Dollars for people; less than ten cents keep two digits that say something.

    >>> in_words(0.00213), in_words(12.5), in_words(0), in_words(None)
    ('$0.0021', '$12.50', '$0.00', 'unknown')
    """
    if dollars is None:
        return "unknown"
    return f"${dollars:.2f}" if dollars >= 0.1 or not dollars else f"${dollars:.2g}"


def _dollars(price: float | None, seconds: float) -> float | None:
    return None if price is None else round(price * seconds / 3600, 6)


def of_entry(entry: dict[str, Any]) -> str:
    """What all attempts at a run's training cost, by its entry in the ledger.

    >>> of_entry({})
    '-'
    """
    if "training_minutes" not in entry:
        return "-"
    dollars = entry.get("training_dollars")
    return in_words(None if dollars is None else float(dollars))
