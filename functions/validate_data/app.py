"""Validate Data: read the batch once; leave the verdict, its profile and a bounded sample."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from perennial import layout
from perennial.artifacts import verified
from perennial.aws.handler import measure, task
from perennial.aws.wiring import Services
from perennial.config import load_model
from perennial.contracts.batch import DataSummary, ValidateDataInput
from perennial.contracts.objects import Manifest
from perennial.dataset import write_sample
from perennial.errors import InvalidData
from perennial.health import data_age, null_rate
from perennial.profile import Profile
from perennial.validation import validate_files

SAMPLE_ROWS = 5000
MAX_REASONS = 20


@task(ValidateDataInput)
def handler(request: ValidateDataInput, services: Services) -> DataSummary:
    """Data that cannot be used is an answer, not an error: the run goes on to quarantine with the reasons."""
    config, now = load_model(request.model), datetime.now(UTC)
    manifest = Manifest.model_validate(
        services.artifacts.get_json(layout.run_key(request.run, layout.MANIFEST))
    )
    baseline = _baseline(request, services)
    try:
        with TemporaryDirectory() as folder:
            found = validate_files(
                _downloaded(manifest, Path(folder), services),
                config,
                like=baseline,
                now=now,
                sample_rows=SAMPLE_ROWS,
            )
    except InvalidData as error:
        reasons = [f"{type(error).__name__}: {error}"]
        problem = {"rule": type(error).__name__, "column": None, "rows": 0, "message": str(error)}
        _leave(request, {"valid": False, "reasons": reasons, "problems": [problem]}, services)
        return DataSummary(valid=False, rows=0, labelled_rows=0, reasons=tuple(reasons))
    _leave(request, found.to_dict(), services)
    if found.valid and found.profile is not None:
        services.artifacts.put(layout.run_key(request.run, layout.PROFILE), found.profile.save())
        services.artifacts.put(
            layout.run_key(request.run, layout.SAMPLE), write_sample(found.sample, config.seed, SAMPLE_ROWS)
        )
    measure("BatchRows", found.rows)
    measure("BatchLabelledRows", found.labelled_rows)
    if found.profile is not None:
        measure("NullRate", null_rate(found.profile, config.features), MetricUnit.Percent)
    age = data_age(found.profile, config.time, (item.stored_at for item in manifest.objects), now)
    if age is not None:
        measure("DataAge", age, MetricUnit.Seconds)
    return DataSummary(
        valid=found.valid,
        rows=found.rows,
        labelled_rows=found.labelled_rows,
        reasons=_some(found.reasons),
    )


def _some(reasons: list[str]) -> tuple[str, ...]:
    """The state carries no more than a person reads; all of them are in validation.json."""
    more = len(reasons) - MAX_REASONS
    return (*reasons[:MAX_REASONS], *([f"and {more} more, in {layout.VALIDATION}"] if more > 0 else []))


def _leave(request: ValidateDataInput, verdict: dict[str, Any], services: Services) -> None:
    services.artifacts.put_json(layout.run_key(request.run, layout.VALIDATION), verdict)


def _downloaded(manifest: Manifest, folder: Path, services: Services) -> Iterator[tuple[Path, str]]:
    """Each object's file in turn, gone when the next is asked for."""
    for number, item in enumerate(manifest.objects):
        path = folder / str(number)
        services.data.download(item.key, path, item.version_id)
        yield path, item.key
        path.unlink()


def _baseline(request: ValidateDataInput, services: Services) -> Profile | None:
    """The champion's own bins: counted into these, the batch can be compared without its rows."""
    if request.champion is None:
        return None
    baseline = services.registry.version(request.model, request.champion).baseline
    return Profile.load(verified(services.artifacts.get(baseline.key, baseline.version_id), baseline.sha256))
