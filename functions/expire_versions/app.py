"""Expire Versions: once a day, delete the files of old versions as each model's retention says."""

from datetime import UTC, datetime

from perennial.aws.handler import logger, task
from perennial.aws.wiring import Services
from perennial.config import load_model, model_names
from perennial.contracts.watching import ExpiredVersions, ExpireVersionsInput
from perennial.errors import InvalidModelFile


@task(ExpireVersionsInput)
def handler(request: ExpireVersionsInput, services: Services) -> ExpiredVersions:
    """A model file that cannot be read keeps its versions, and keeps no other model from its retention."""
    now, found = datetime.now(UTC), {}
    for model in model_names() if request.model == "*" else [request.model]:
        try:
            versions = services.retention.apply(load_model(model), now)
        except InvalidModelFile as error:
            logger.warning("left as it is", extra={"model": model, "why": str(error)})
            continue
        if versions:
            found[model] = tuple(versions)
    return ExpiredVersions(versions=found)
