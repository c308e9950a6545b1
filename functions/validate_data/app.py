"""Validate Data: read the batch once; leave its profile and a bounded sample."""

from pathlib import Path
from tempfile import TemporaryDirectory

from perennial import layout
from perennial.artifacts import verified
from perennial.aws.handler import measure, task
from perennial.aws.wiring import Services
from perennial.config import ModelConfig, load_model
from perennial.contracts import DataSummary, Manifest, ValidateDataInput
from perennial.dataset import combine_tables, read_table, write_sample
from perennial.errors import InvalidData
from perennial.profile import Profile
from perennial.validation import Validation, validate

SAMPLE_ROWS = 5000


@task(ValidateDataInput)
def handler(request: ValidateDataInput, services: Services) -> DataSummary:
    """Data that cannot be used is an answer, not an error: the run goes on to quarantine with the reasons."""
    config = load_model(request.model)
    manifest = Manifest.model_validate(
        services.artifacts.get_json(layout.run_key(request.run, layout.MANIFEST))
    )
    try:
        found = _read(manifest, config, services)
    except InvalidData as error:
        return DataSummary(
            valid=False, rows=0, labelled_rows=0, reasons=(f"{type(error).__name__}: {error}",)
        )
    if found.valid:
        profile = Profile.of(found.table, like=_baseline(request, services), schema=config.columns)
        services.artifacts.put(layout.run_key(request.run, layout.PROFILE), profile.dump())
        services.artifacts.put(
            layout.run_key(request.run, layout.SAMPLE), write_sample(found.table, config.seed, SAMPLE_ROWS)
        )
    measure("BatchRows", found.rows)
    measure("BatchLabelledRows", found.labelled_rows)
    return DataSummary(
        valid=found.valid,
        rows=found.rows,
        labelled_rows=found.labelled_rows,
        reasons=tuple(found.reasons),
    )


def _read(manifest: Manifest, config: ModelConfig, services: Services) -> Validation:
    tables = []
    with TemporaryDirectory() as folder:
        for number, item in enumerate(manifest.objects):
            path = Path(folder) / str(number)
            services.data.download(item.key, path, item.version_id)
            tables.append(read_table(path, item.key))
            path.unlink()
        return validate(combine_tables(tables), config)


def _baseline(request: ValidateDataInput, services: Services) -> Profile | None:
    """The champion's own bins: counted into these, the batch can be compared without its rows."""
    if request.champion is None:
        return None
    baseline = services.registry.version(request.model, request.champion).baseline
    return Profile.load(verified(services.artifacts.get(baseline.key, baseline.version_id), baseline.sha256))
