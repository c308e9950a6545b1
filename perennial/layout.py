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


def settled(key: str, model: str, run: str, day: date | None) -> str:
    """Where a run moves an object of its batch: accepted/ of that day, or quarantine/ where there is none.

    Folders below the model's own are kept, so that two files of one name stay two.

    >>> settled("incoming/iris/a/x.csv", "iris", "run-1", date(2026, 1, 2))
    'accepted/iris/dt=2026-01-02/run-1/a/x.csv'
    >>> settled("accepted/iris/dt=2026-01-02/run-1/a/x.csv", "iris", "run-1", None)
    'quarantine/iris/run-1/a/x.csv'
    """
    area, *parts = key.split("/")  # not as a path: S3 knows a//b and a/./b from a/b
    name = parts[{ACCEPTED: 3, QUARANTINE: 2}.get(area, 1) :]
    return f"{accepted(model, day) if day else quarantine(model)}{run}/{'/'.join(name)}"


def batch_of(key: str) -> str:
    """What the accepted objects of one batch have in common: their day and their run.

    >>> batch_of("accepted/iris/dt=2026-01-02/run-1/a/x.csv")
    'accepted/iris/dt=2026-01-02/run-1/'
    """
    return "/".join([*key.split("/")[:4], ""])


def run_key(run: str, name: str) -> str:
    """Key of one of a run's documents, such as `manifest.json` (artefact bucket)."""
    return f"runs/{run}/{name}"


def history_key(run: str, name: str) -> str:
    """Key under which a document of a run that had a challenger is kept for good (artefact bucket)."""
    return f"history/{run}/{name}"


def checkpoint_key(run: str, name: str) -> str:
    """Key of one of a run's checkpoints (artefact bucket)."""
    return f"checkpoints/{run}/{name}"


def version_key(model: str, version: int, name: str) -> str:
    """Key of one of a version's files, such as `model.joblib` (artefact bucket)."""
    return f"models/{model}/{version:06d}/{name}"


def delivery_key(model: str) -> str:
    """Key of the zip with a model's champion, for delivery pipelines (artefact bucket)."""
    return f"delivery/{model}/champion.zip"


MANIFEST, VALIDATION = "manifest.json", "validation.json"
PROFILE, SAMPLE = "profile.json", "sample.csv.gz"
REPORT, DETECTORS = "report.html", "detectors.json.gz"
DRIFT, DECISION, EVALUATION, JOB = "drift.json", "decision.json", "evaluation.json", "job.json"
MODEL, BASELINE, REFERENCE, HOLDOUT, LINEAGE = (
    "model.joblib",
    "baseline.json",
    "reference.csv.gz",
    "holdout.csv.gz",
    "lineage.json",
)
MODEL_FILE = "model.yaml"
CARD, CARD_PAGE = "card.json", "card.html"
PREDICTIONS, IMPORTANCES, SEARCH = "predictions.csv.gz", "importances.json", "search.json"
