"""Checkpoints of a run's training in S3: what an interrupted attempt leaves, the next one takes up.

They lie under `checkpoints/<run>/` in the artefact bucket, where only the trainer may write: they are
pickles, and unpickling runs code. A checkpoint is one object, so that it is there as a whole or not at all
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel): a line of JSON with the
training's fingerprint and the body's digest, then the body.
"""

import hashlib
import json
from collections.abc import Callable

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from perennial import layout
from perennial.artifacts import digest
from perennial.aws.clients import error_code
from perennial.aws.objects import Bucket

logger = Logger(service="perennial-trainer", child=True)


def fingerprint(facts: object) -> str:
    """A digest of everything that decides which model a training gives; JSON documents only.

    >>> fingerprint({"seed": 1, "model": "iris"}) == fingerprint({"model": "iris", "seed": 1})
    True
    >>> fingerprint({"seed": 1}) == fingerprint({"seed": 2})
    False
    """
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class StoredCheckpoints:
    """The `Checkpoints` of one run.

    One of another fingerprint, or not whole, counts as none: training then starts over. So it does where S3
    fails for a moment, and a checkpoint that could not be saved costs only what it would have spared.
    """

    def __init__(self, bucket: Bucket, run: str, mark: str, interrupted: Callable[[], bool]) -> None:
        self._bucket, self._run, self._mark, self._interrupted = bucket, run, mark, interrupted
        self._names: set[str] = set()

    def load(self, name: str) -> bytes | None:
        """The last body of that name; None where there is none of this very training."""
        try:
            header, _, body = self._bucket.get(layout.checkpoint_key(self._run, name)).partition(b"\n")
        except (ClientError, BotoCoreError) as error:
            if not isinstance(error, ClientError) or error_code(error) != "NoSuchKey":
                logger.warning("a checkpoint was not read", extra={"checkpoint": name, "error": str(error)})
            return None
        self._names.add(name)
        if header != self._header(body):
            logger.warning("a checkpoint is another training's, or not whole", extra={"checkpoint": name})
            return None
        logger.info("checkpoint found", extra={"checkpoint": name, "bytes": len(body)})
        return body

    def save(self, name: str, body: bytes) -> None:
        """Keep the body in place of the one before."""
        try:
            self._bucket.put(layout.checkpoint_key(self._run, name), self._header(body) + b"\n" + body)
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

    def _header(self, body: bytes) -> bytes:
        return json.dumps({"training": self._mark, "sha256": digest(body)}).encode()
