"""Checkpoints of a run's training in S3: what an interrupted attempt leaves, the next one takes up.

They lie under `checkpoints/<run>/` in the artefact bucket, where only the trainer may write: they are
pickles, and unpickling runs code. A checkpoint is one object, so that it is there as a whole or not at all:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel. That it is of this very
training is checked by whoever wrote it (`perennial.training.checkpoints.Kept`).
"""

from collections.abc import Callable

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from perennial import layout
from perennial.aws.clients import error_code
from perennial.aws.objects import Bucket

logger = Logger(service="perennial-trainer", child=True)


class StoredCheckpoints:
    """The `Checkpoints` of one run.

    Where S3 fails for a moment there is none, and training starts over; one that could not be saved costs
    only what it would have spared.
    """

    def __init__(self, bucket: Bucket, run: str, interrupted: Callable[[], bool]) -> None:
        self._bucket, self._run, self._interrupted = bucket, run, interrupted
        self._names: set[str] = set()

    def load(self, name: str) -> bytes | None:
        """The last body of that name; None where there is none."""
        try:
            body = self._bucket.get(layout.checkpoint_key(self._run, name))
        except (ClientError, BotoCoreError) as error:
            if not isinstance(error, ClientError) or error_code(error) != "NoSuchKey":
                logger.warning("a checkpoint was not read", extra={"checkpoint": name, "error": str(error)})
            return None
        self._names.add(name)
        logger.info("checkpoint found", extra={"checkpoint": name, "bytes": len(body)})
        return body

    def save(self, name: str, body: bytes) -> None:
        """Keep the body in place of the one before."""
        try:
            self._bucket.put(layout.checkpoint_key(self._run, name), body)
        except (ClientError, BotoCoreError) as error:
            logger.warning("a checkpoint was not saved", extra={"checkpoint": name, "error": str(error)})
            return
        self._names.add(name)
        logger.info("checkpoint saved", extra={"checkpoint": name, "bytes": len(body)})

    def interrupted(self) -> bool:
        """Whether this attempt must end."""
        return self._interrupted()

    def remove(self) -> None:
        """The version is registered: nobody will take up what was kept. What stays expires by itself."""
        for name in sorted(self._names):
            try:
                self._bucket.delete(layout.checkpoint_key(self._run, name))
            except (ClientError, BotoCoreError) as error:
                logger.warning("a checkpoint stays", extra={"checkpoint": name, "error": str(error)})
