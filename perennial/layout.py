"""Where things lie in the two buckets: the one place that spells a key."""

from datetime import date

INCOMING, ACCEPTED, QUARANTINE = "incoming", "accepted", "quarantine"


def incoming(model: str) -> str:
    """Prefix under which a model's batches arrive (data bucket)."""
    return f"{INCOMING}/{model}/"


def accepted(model: str, day: date | None = None) -> str:
    """Prefix of accepted batches, of one day or of all (data bucket)."""
    return f"{ACCEPTED}/{model}/" + (f"dt={day.isoformat()}/" if day else "")


def quarantine(model: str) -> str:
    """Prefix of refused batches (data bucket)."""
    return f"{QUARANTINE}/{model}/"


def run_key(run: str, name: str) -> str:
    """Key of one of a run's documents, such as `manifest.json` (artefact bucket)."""
    return f"runs/{run}/{name}"


def version_key(model: str, version: int, name: str) -> str:
    """Key of one of a version's files, such as `model.joblib` (artefact bucket)."""
    return f"models/{model}/{version:06d}/{name}"


MANIFEST, PROFILE, SAMPLE = "manifest.json", "profile.json", "sample.csv.gz"
DRIFT, DECISION, EVALUATION, JOB = "drift.json", "decision.json", "evaluation.json", "job.json"
MODEL, BASELINE, REFERENCE, HOLDOUT, LINEAGE = (
    "model.joblib",
    "baseline.json",
    "reference.csv.gz",
    "holdout.csv.gz",
    "lineage.json",
)
