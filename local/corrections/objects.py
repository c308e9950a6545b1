"""S3: the event of an object in a versioned bucket names its version."""

from collections.abc import Callable

from ministack.services import s3

from local.corrections.rewrite import rewrite


def object_version() -> None:
    """`detail.object.version-id` stands in the S3 event for a bucket with versioning.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    rewrite(
        s3,
        "_fire_s3_event",
        (
            '"sequencer": sequencer or "0"}',
            '"sequencer": sequencer or "0", **({"version-id": version_id} if version_id else {})}',
        ),
    )


CORRECTIONS: dict[str, Callable[[], None]] = {"object_version": object_version}
