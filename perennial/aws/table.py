"""DynamoDB: the keys of the one table, and conditional writes."""

from typing import Any

from botocore.exceptions import ClientError

from perennial.aws.clients import error_code


def model_key(model: str, sort: str) -> dict[str, str]:
    """Key of a fact about a model: `alias#champion`, `lock`, `counter`, `version#000001`, `audit#…`."""
    return {"pk": f"model#{model}", "sk": sort}


def version_key(model: str, version: int) -> dict[str, str]:
    """Key of one version's record."""
    return model_key(model, f"version#{version:06d}")


def run_key(run: str) -> dict[str, str]:
    """Key of one run's entry in the ledger."""
    return {"pk": f"run#{run}", "sk": "run"}


def progress_key(run: str) -> dict[str, str]:
    """Key of how far a run's training is."""
    return {"pk": f"run#{run}", "sk": "progress"}


def claim_key(model: str, key: str, version_id: str | None) -> dict[str, str]:
    """Key of the claim on one version of one object."""
    return {"pk": f"claim#{model}", "sk": f"{key}#{version_id or ''}"}


def instance_key(instance_id: str) -> dict[str, str]:
    """Key of what is known of one training instance."""
    return {"pk": f"instance#{instance_id}", "sk": "instance"}


def attempt_key(model: str, run: str, attempt: int) -> dict[str, str]:
    """Key of one attempt at a run's training."""
    return model_key(model, f"attempt#{run}#{attempt:04d}")


def budget_key(model: str, month: str) -> dict[str, str]:
    """Key of what a model's trainings took in a month, reservations included."""
    return model_key(model, f"budget#{month}")


def refused(error: ClientError) -> bool:
    """Did a condition of the write fail, so that nothing was written?"""
    if error_code(error) == "ConditionalCheckFailedException":
        return True
    reasons = error.response.get("CancellationReasons") or []
    return any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons)


def put_if_absent(table: Any, item: dict[str, Any]) -> bool:
    """Write an item unless its key is taken; says whether it was written."""
    try:
        table.put_item(Item=item, ConditionExpression="attribute_not_exists(pk)")
    except ClientError as error:
        if refused(error):
            return False
        raise
    return True
