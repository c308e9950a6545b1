"""One instance for one attempt at a training: sized, within its limits, and never two at once."""

from dataclasses import dataclass
from datetime import datetime

from aws_lambda_powertools import Logger

from perennial import layout
from perennial.aws.attempts import Attempts
from perennial.aws.compute import Fleet, Launched, Market, Seen
from perennial.aws.ledger import Ledger
from perennial.aws.objects import Bucket
from perennial.budget import month_of, refusal
from perennial.config import ModelConfig
from perennial.cost import NOTHING, Amount, Attempt, most
from perennial.errors import CallbackExpired, CapacityUnavailable, ServiceRefused, TrainerLost
from perennial.prices import Prices
from perennial.sizing import Sizing, StoredSize, choose

LOST_ON_SPOT = 2  # spot instances that a run may lose before it goes on demand

logger = Logger(service="perennial", child=True)


@dataclass(frozen=True)
class Quote:
    """What a training would take at most, what the month's took, reservations included, and why it would not
    be started, if so."""

    asked: Amount
    month: Amount
    refusal: str | None


class Launcher:
    """Launches, and settles what earlier attempts left open."""

    def __init__(
        self, fleet: Fleet, attempts: Attempts, ledger: Ledger, data: Bucket, prices: Prices
    ) -> None:
        self._fleet, self._attempts, self._ledger = fleet, attempts, ledger
        self.data, self.prices = data, prices

    def size(self, config: ModelConfig) -> Sizing:
        """The types that a training of this model would ask for now. Raises InvalidModelFile."""
        accepted = self.data.list(layout.accepted(config.name))
        stored = StoredSize.of((item.key, item.size) for item in accepted)
        return choose(stored, config.training, self.prices, self._fleet.region)

    def quote(self, config: ModelConfig, now: datetime) -> Quote:
        """What the first attempt of a run would take, and whether it may. Raises InvalidModelFile."""
        asked = most(self.size(config).price, config.training.max_duration.total_seconds())
        month = self._attempts.month(config.name, month_of(now))
        return Quote(asked, month, refusal(config.training, asked, NOTHING, month))

    def reserve(self, config: ModelConfig, run: str, attempt: int, now: datetime) -> Attempt:
        """Size an attempt and set aside what it can take; nothing is launched.

        Raises BudgetExceeded and InvalidModelFile.
        """
        sizing, seconds = self.size(config), int(config.training.max_duration.total_seconds())
        asked = most(sizing.price, seconds)
        return self._attempts.reserve(
            Attempt(
                model=config.name,
                run=run,
                attempt=attempt,
                month=month_of(now),
                reserved_at=now,
                types=sizing.types,
                reason=sizing.reason,
                max_seconds=seconds,
                price=sizing.price,
                price_note="on demand, of the dearest type",
                prices_of=self.prices.as_of,
                dollars=asked.dollars,
                minutes=asked.minutes,
            ),
            config.training,
        )

    def launch(self, reserved: Attempt, market: Market, token: str, now: datetime) -> Attempt:
        """Start the attempt's instance; asked again for the same attempt, no second one.

        Raises CapacityUnavailable, ServiceRefused, TrainerLost where the instance is gone already, and
        CallbackExpired where a later attempt has begun. None of these leaves an instance.
        """
        try:
            launched = self._fleet.launch(
                reserved.types,
                self._markets(reserved, market),
                run=reserved.run,
                model=reserved.model,
                attempt=reserved.attempt,
            )
        except (CapacityUnavailable, ServiceRefused):
            self._attempts.settle(reserved, now)
            raise
        attempt = self._priced(reserved, launched, now)
        try:
            self._attempts.launched(attempt, launched.instance_id, token)
        except CallbackExpired:
            self._fleet.terminate([launched.instance_id])
            self._attempts.settle(attempt, now)
            raise
        self._check(attempt, now)
        return attempt

    def clear(self, model: str, run: str, attempt: int, now: datetime) -> None:
        """Before an attempt: end what others left behind, and settle it.

        Left behind are earlier attempts of this run, whose function may have died between the launch and its
        note of it, and those of runs that are over.
        """
        tagged = {item.attempt: item for item in self._fleet.of_run(run) if item.attempt != attempt}
        self._fleet.terminate(item.instance_id for item in tagged.values() if not item.gone)
        left = [item for item in self._attempts.open(model) if (item.run, item.attempt) != (run, attempt)]
        noted = self._fleet.see(item.instance_id for item in left if item.instance_id)
        for item in left:
            seen = noted.get(item.instance_id or "") or (
                tagged.get(item.attempt) if item.run == run else None
            )
            if item.run == run or self._over(item.run):
                self.settle_left(item, seen, now)

    def settle_left(self, left: Attempt, seen: Seen | None, now: datetime) -> Attempt | None:
        """Settle an attempt whose end nobody noted, and end its instance; None where it was settled before.

        `seen`: its instance, or None where EC2 knows none (any more).
        """
        if seen is None:  # never launched, or gone for longer than EC2 remembers
            return self._attempts.settle(left, self._run_ended(left.run) or now)
        if not seen.gone:
            self._fleet.terminate([seen.instance_id])
        known = left if left.launched_at else self._priced(left, seen.launched, seen.since)
        return self._attempts.settle(known, seen.ended or now)

    def _over(self, run: str) -> bool:
        return "outcome" in (self._ledger.run(run) or {})

    def _run_ended(self, run: str) -> datetime | None:
        ended = (self._ledger.run(run) or {}).get("ended_at")
        return datetime.fromisoformat(ended) if ended else None

    def _markets(self, reserved: Attempt, market: Market) -> tuple[Market, ...]:
        if market == "on-demand":
            return ("on-demand",)
        earlier = self._attempts.of_run(reserved.model, reserved.run)
        lost = [item for item in earlier if item.market == "spot" and item.attempt < reserved.attempt]
        return ("on-demand",) if len(lost) >= LOST_ON_SPOT else ("spot", "on-demand")

    def _priced(self, reserved: Attempt, launched: Launched, now: datetime) -> Attempt:
        price, note = self._hourly(launched, now)
        return reserved.model_copy(
            update={
                "instance_id": launched.instance_id,
                "instance_type": launched.instance_type,
                "market": launched.market,
                "price": price,
                "price_note": note,
                "launched_at": now,
            }
        )

    def _hourly(self, launched: Launched, now: datetime) -> tuple[float | None, str]:
        """Dollars an hour of an instance, and which price that is."""
        spot = self._fleet.spot_price(launched.instance_type, now) if launched.market == "spot" else None
        if spot is not None:
            return spot, "spot, at the launch"
        listed = self.prices.price(launched.instance_type, self._fleet.region)
        if listed is None:
            return None, "unknown: the price file does not have it"
        return listed, "on demand" if launched.market == "on-demand" else "on demand, which bounds spot"

    def _check(self, attempt: Attempt, now: datetime) -> None:
        """An instance that went before it was known as the run's: no event can have told the run."""
        name = attempt.instance_id or ""
        found = self._fleet.see([name]).get(
            name
        )  # none: EC2 does not list it yet, and its events are to come
        if found is None or not found.gone:
            return
        self._attempts.settle(attempt, found.ended or now)
        raise TrainerLost(f"instance {name} was {found.state} before the training began")
