"""Limits on what trainings take, in minutes and dollars, by run and by calendar month. Pure."""

from collections.abc import Iterator
from datetime import datetime

from perennial.cost import Amount, in_words
from perennial.training_config import Training

_ENOUGH = 1e-9  # below the rounding of sums


def month_of(now: datetime) -> str:
    """The calendar month (UTC) that a training is charged to.

    >>> month_of(datetime(2026, 11, 21))
    '2026-11'
    """
    return f"{now:%Y-%m}"


def refusal(training: Training, asked: Amount, run: Amount, month: Amount) -> str | None:
    """Why an attempt that may take `asked` at most is not started; None where it may be.

    `run` and `month` are what was taken or is reserved already, without this attempt. A cost that is unknown
    is over every limit in dollars: a limit that cannot be held is not held by luck.
    """
    return next(_refusals(training, asked, run, month), None)


def _refusals(training: Training, asked: Amount, run: Amount, month: Amount) -> Iterator[str]:
    for limit, taken, period in (
        (training.max_dollars, run, "run"),
        (training.max_dollars_per_month, month, "month"),
    ):
        if limit is None:
            continue
        if asked.dollars is None:
            yield (
                f"what this training costs is unknown, since the price file has no price for its instance "
                f"types in this region, and the {period} is limited to {in_words(limit)}"
            )
        elif (taken.dollars or 0.0) + asked.dollars > limit + _ENOUGH:
            yield (
                f"it may cost {in_words(asked.dollars)}, {in_words(taken.dollars)} of the {period}'s "
                f"{in_words(limit)} are taken or reserved"
            )
    for minutes, taken, period in (
        (training.max_minutes, run, "run"),
        (training.max_minutes_per_month, month, "month"),
    ):
        if minutes is not None and taken.minutes + asked.minutes > minutes + _ENOUGH:
            yield (
                f"it may take {asked.minutes:.0f} minutes of an instance, {taken.minutes:.0f} of the "
                f"{period}'s {minutes:g} are taken or reserved"
            )
