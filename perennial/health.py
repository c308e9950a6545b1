"""How a model fares, in the numbers that alarms and dashboard show. Pure: what is on record in, a number out.

docs/watching.md says what each means and what to make of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perennial.config import ModelConfig
    from perennial.contracts.drift import PerformanceSummary
    from perennial.cost import Amount
    from perennial.decision.evidence import Check
    from perennial.profile import Profile
    from perennial.training_config import Training

RECENT_BATCHES = 10  # that a rate of quarantine is of


def null_rate(profile: Profile, columns: Iterable[str]) -> float:
    """Per cent of the values of these columns that are missing."""
    found = [profile.columns[name].nulls for name in columns if name in profile.columns]
    return 100 * sum(found) / (profile.rows * len(found)) if profile.rows and found else 0.0


def data_age(
    profile: Profile | None, time: str | None, arrived: Iterable[datetime | None], now: datetime
) -> float | None:
    """Seconds since the newest row by its own `time`; without that, since the newest object arrived."""
    column = profile.columns.get(time) if profile is not None and time is not None else None
    newest: float | None = getattr(column, "high", None)
    if newest is None:
        times = [at.timestamp() for at in arrived if at is not None]
        newest = max(times, default=None)
    return None if newest is None else max(0.0, now.timestamp() - newest)


def label_age(checks: Iterable[Check], trained_at: datetime | None, now: datetime) -> float | None:
    """Seconds since a check last saw labelled rows, or a champion was made of some."""
    times = [check.at for check in checks if check.labelled_rows]
    latest = max([*times, *([trained_at] if trained_at else [])], default=None)
    return None if latest is None else max(0.0, (now - latest).total_seconds())


def drift_unanswered(checks: Sequence[Check]) -> int:
    """How many of a champion's checks in a row, up to the latest, asked for a person and not for a training.

    `checks`: those of one champion, the latest first.
    """
    count = 0
    for check in checks:
        if check.action != "alert":
            break
        count += 1
    return count


def false_alarm_budget(checks: Collection[Check], alpha: float, lifetime_alpha: float) -> float:
    """Per cent of the false alarms that a champion's checks may have by chance: those that found drift.

    Chance may give `alpha` a check and `lifetime_alpha` for the test that accumulates; less than one alarm
    is no alarm, so that one is always allowed.
    """
    drifted = sum(bool(check.findings) for check in checks)
    return 100 * drifted / max(1.0, alpha * len(checks) + lifetime_alpha)


def performance_drop(found: PerformanceSummary) -> float:
    """By how much the champion is worse than on its holdout, in multiples of what is allowed.

    0 where the drop's interval does not exclude that nothing was lost.
    """
    if found.drop is None or found.drop_low is None or found.drop_low <= 0:
        return 0.0
    return found.drop / found.allowed if found.allowed else 1.0


def drift_to_promotion(checks: Sequence[Check], now: datetime) -> float | None:
    """Seconds from the first of the checks that found the drift which a promotion answers; None without one.

    `checks`: of the champion that leaves, the latest first. A check that found nothing ends the drift of
    before it.
    """
    first = None
    for check in checks:
        if not check.findings:
            break
        first = check.at
    return None if first is None else (now - first).total_seconds()


def quarantine_rate(entries: Sequence[Mapping[str, Any]]) -> float:
    """Per cent of the last ten batches that were refused; `entries` of the ledger, the latest first.

    While there were fewer than ten, those missing count as good.
    """
    looked_at = [entry for entry in entries if "check" in entry or entry.get("outcome") == "quarantined"]
    refused = [entry for entry in looked_at[:RECENT_BATCHES] if entry.get("outcome") == "quarantined"]
    return 100 * len(refused) / RECENT_BATCHES


def trainings_failed(entries: Sequence[Mapping[str, Any]]) -> int:
    """How many runs in a row, up to the latest, failed after their training had begun.

    `entries` of the ledger, the latest first; runs that came to no training are passed over.
    """
    count = 0
    for entry in entries:
        if "attempt" not in entry or "outcome" not in entry:
            continue
        if entry["outcome"] != "failed":
            break
        count += 1
    return count


def budget_used(training: Training, month: Amount) -> float | None:
    """Per cent of the month's limit that is taken or reserved, by the limit nearest to it; None without one.

    An unknown cost is over every limit in dollars, as in `perennial.budget`.
    """
    shares = []
    if training.max_dollars_per_month is not None:
        taken = training.max_dollars_per_month if month.dollars is None else month.dollars
        shares.append(taken / training.max_dollars_per_month)
    if training.max_minutes_per_month is not None:
        shares.append(month.minutes / training.max_minutes_per_month)
    return 100 * max(shares) if shares else None


def run_age(
    since: datetime, asked_at: datetime | None, answered_at: datetime | None, now: datetime
) -> timedelta:
    """How long a run has held its model, without the time that it waited for a person, or still does."""
    waited = (answered_at or now) - asked_at if asked_at is not None else timedelta()
    return max(timedelta(), now - since - waited)


def longest_run(config: ModelConfig) -> timedelta:
    """How long a run may hold its model: what the model file says, or what all that it may do takes.

    That is gathering uploads, two attempts at a training, canary, bake, and an hour for everything else.
    """
    if config.watch.longest_run is not None:
        return config.watch.longest_run
    bake = config.bake
    serving = len(bake.steps) * bake.step + bake.duration
    return config.trigger.max_wait + 2 * config.training.max_duration + serving + timedelta(hours=1)
