"""The documents of runs. They expire under runs/; those that tell why a version serves are kept beside it."""

from typing import Any

from botocore.exceptions import ClientError

from perennial import layout
from perennial.aws.clients import error_code
from perennial.aws.wiring import Services

_TELLING = (layout.MANIFEST, layout.VALIDATION, layout.DRIFT, layout.DECISION, layout.EVALUATION)


def document(services: Services, run: str, name: str) -> dict[str, Any] | None:
    """One of a run's documents, where it was written or where it is kept; None where it is in neither."""
    for key in (layout.run_key(run, name), layout.history_key(run, name)):
        try:
            found: dict[str, Any] = services.artifacts.get_json(key)
        except ClientError as error:
            if error_code(error) != "NoSuchKey":
                raise
        else:
            return found
    return None


def keep(services: Services, run: str) -> None:
    """Keep what tells why a run decided and how it compared, as long as the versions that it was about."""
    for name in _TELLING:
        found = document(services, run, name)
        if found is not None:
            services.artifacts.put_json(layout.history_key(run, name), found)
