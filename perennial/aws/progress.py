"""How far a run's training is, in DynamoDB: written by its instance, read by whoever asks."""

from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from perennial.aws.table import progress_key, refused
from perennial.contracts.training import TrainingProgress

_LIFETIME = timedelta(days=30)


class ProgressBoard:
    """The last word of each run's training; one write of an item under a kilobyte for each of them."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def tell(self, run: str, progress: TrainingProgress) -> None:
        """Put it up, unless a later attempt has put up something."""
        try:
            self._table.put_item(
                Item={
                    **progress_key(run),
                    "attempt": progress.attempt,
                    "progress": progress.model_dump_json(),
                    "expires_at": int((progress.at + _LIFETIME).timestamp()),
                },
                ConditionExpression="attribute_not_exists(pk) OR attempt <= :attempt",
                ExpressionAttributeValues={":attempt": progress.attempt},
            )
        except ClientError as error:
            if not refused(error):
                raise

    def look(self, run: str) -> TrainingProgress | None:
        """What was told last; None before the first training."""
        item = self._table.get_item(Key=progress_key(run)).get("Item")
        return TrainingProgress.model_validate_json(item["progress"]) if item else None


def in_words(progress: TrainingProgress, now: datetime) -> str:
    """Such as `fit 43 %, about 2 minutes left`.

    >>> from datetime import UTC
    >>> at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> told = TrainingProgress(
    ...     attempt=1, instance_id="i-1", phase="fit", share=0.43, at=at, ends_at=at + timedelta(minutes=2)
    ... )
    >>> in_words(told, at)
    'attempt 2: fit 43 %, about 2 min left'
    >>> in_words(told, at + timedelta(minutes=5))
    'attempt 2: fit 43 %, last heard of 5 min ago'
    """
    words = f"{progress.phase} {progress.share:.0%}".replace("%", " %")
    if progress.attempt:
        words = f"attempt {progress.attempt + 1}: {words}"
    silent = now - progress.at
    if silent > timedelta(minutes=2):
        return f"{words}, last heard of {_span(silent)} ago"
    if progress.ends_at is not None and progress.ends_at > now:
        return f"{words}, about {_span(progress.ends_at - now)} left"
    return words


def _span(time: timedelta) -> str:
    seconds = time.total_seconds()
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
