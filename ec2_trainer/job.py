"""One training, from accepted data to a registered version."""

import json
import platform
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import scipy
import sklearn
from aws_lambda_powertools import Logger

from ec2_trainer.data import load_accepted
from perennial import layout
from perennial.artifacts import digest, dump
from perennial.assembly import Assembled
from perennial.aws.objects import Bucket
from perennial.aws.wiring import Services
from perennial.config import ModelConfig, load_model
from perennial.contracts import Artifact, Manifest, TrainingJob, TrainingResult
from perennial.dataset import frame_to_csv
from perennial.drift.concept import Rows, measure_importances
from perennial.drift.stored_answers import dump_answers
from perennial.holdout import dump_holdout
from perennial.lineage import VersionRecord
from perennial.metrics import ask
from perennial.profile import Profile
from perennial.training import MemoryCheckpoints, PlainRows, Trained, check_labelled, fit, score

REFERENCE_ROWS = 5_000

logger = Logger(service="perennial-trainer", child=True)


def work(job: TrainingJob, services: Services, instance_id: str) -> TrainingResult:
    """Train and store the job's version; registering it is the last step and makes it visible.

    Raises any PerennialError of reading and training.
    """
    started = time.perf_counter()
    config = load_model(job.model).model_copy(update={"seed": job.seed})
    with tempfile.TemporaryDirectory(prefix="perennial-") as scratch:
        assembled = load_accepted(services.data, config, _looked_at(job, services.artifacts), Path(scratch))
    logger.info("data loaded", extra={"rows": len(assembled), "objects": len(assembled.objects)})
    fitting = time.perf_counter()
    trained = _trained(assembled, config)
    logger.info(
        "trained", extra={"seconds": round(time.perf_counter() - fitting, 3), "metrics": trained.metrics}
    )
    record = _store(job, config, assembled, trained, services.artifacts)
    services.registry.register(record)
    logger.info("registered", extra={"version": job.version})
    return TrainingResult(
        version=job.version,
        instance_id=instance_id,
        rows_trained=len(trained.training),
        rows_held_out=len(trained.holdout),
        metrics=trained.metrics,
        seconds=round(time.perf_counter() - started, 3),
    )


def _looked_at(job: TrainingJob, bucket: Bucket) -> set[str]:
    """Keys of the run's batch, or of the window of accepted data that it compared."""
    manifest = Manifest.model_validate(bucket.get_json(layout.run_key(job.run, layout.MANIFEST)))
    return {item.key for item in manifest.objects}


def _trained(rows: Assembled, config: ModelConfig) -> Trained:
    check_labelled(rows, config)
    selected = PlainRows(rows.training, times=rows.times)
    fitted = fit(selected, config, checkpoints=MemoryCheckpoints(), progress=_log_progress)
    metrics = score(fitted.pipeline, rows.holdout, config)
    return Trained(fitted.pipeline, rows.training, rows.holdout, metrics)


def _log_progress(phase: str, share: float) -> None:
    logger.info("progress", extra={"phase": phase, "share": round(share, 3)})


def _store(
    job: TrainingJob, config: ModelConfig, assembled: Assembled, trained: Trained, bucket: Bucket
) -> VersionRecord:
    """Write the version's files. An attempt that is repeated writes new versions of the same keys."""

    def put(name: str, body: bytes) -> Artifact:
        return bucket.put_artifact(layout.version_key(job.model, job.version, name), body, digest(body))

    held_out = trained.holdout
    answers = ask(trained.pipeline, held_out, config) if len(held_out) else None
    importances = measure_importances(config, trained.pipeline, Rows(held_out, answers)) if answers else None
    profiled = trained.training[[*config.features, config.label]]
    record = VersionRecord(
        model=job.model,
        version=job.version,
        status="candidate",
        run=job.run,
        parent=job.champion,
        created_at=datetime.now(UTC),
        estimator=config.estimator.class_path,
        code_version=job.code_version,
        seed=job.seed,
        rows_trained=len(trained.training),
        rows_held_out=len(trained.holdout),
        metrics=trained.metrics,
        artifact=put(layout.MODEL, dump(trained.pipeline)),
        baseline=put(layout.BASELINE, Profile.of(profiled, schema=config.columns).dump()),
        holdout=put(layout.HOLDOUT, dump_holdout(held_out, assembled.held_recent)),
        reference=put(layout.REFERENCE, frame_to_csv(_reference(trained.training, config))),
        data=tuple(item.stored for item in assembled.objects),
        libraries=_libraries(),
        predictions=put(layout.PREDICTIONS, dump_answers(answers)) if answers else None,
        importances=(
            put(layout.IMPORTANCES, json.dumps(importances.to_dict()).encode()) if importances else None
        ),
    )
    bucket.put_json(
        layout.version_key(job.model, job.version, layout.LINEAGE), record.model_dump(mode="json")
    )
    return record


def _reference(training: pd.DataFrame, config: ModelConfig) -> pd.DataFrame:
    """A bounded sample of the rows trained on, in their order."""
    if len(training) <= REFERENCE_ROWS:
        return training
    return training.sample(REFERENCE_ROWS, random_state=config.seed).sort_index()


def _libraries() -> dict[str, str]:
    """What a pickled pipeline depends on."""
    modules = {"numpy": np, "pandas": pd, "scipy": scipy, "scikit-learn": sklearn, "joblib": joblib}
    return {"python": platform.python_version()} | {name: str(m.__version__) for name, m in modules.items()}
