"""One training, from accepted data to a registered version."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pandas as pd
from aws_lambda_powertools import Logger

from ec2_trainer.checkpoints import StoredCheckpoints, fingerprint
from perennial import layout
from perennial.artifacts import digest, dump
from perennial.assembly import Assembled
from perennial.aws.accepted import assemble_pinned, pin_accepted
from perennial.aws.objects import Bucket
from perennial.aws.way import Way, find_way
from perennial.aws.wiring import Services
from perennial.card.making import make_card
from perennial.config import ModelConfig, model_text, parse_model
from perennial.contracts.objects import Artifact, Manifest
from perennial.contracts.training import TrainingJob, TrainingManifest, TrainingResult
from perennial.dataset import frame_to_csv
from perennial.drift.concept import Rows, measure_importances
from perennial.drift.stored_answers import dump_answers
from perennial.holdout import dump_holdout
from perennial.libraries import check
from perennial.lineage import VersionRecord
from perennial.metrics import ask
from perennial.profile import Profile
from perennial.reproduction import libraries
from perennial.selection import Selected, select
from perennial.training import Progress, Trained, check_labelled, fit, score, silent
from perennial.training.chosen import chosen

REFERENCE_ROWS = 5_000

logger = Logger(service="perennial-trainer", child=True)


def work(
    job: TrainingJob,
    services: Services,
    instance_id: str,
    *,
    interrupted: Callable[[], bool] = lambda: False,
    progress: Progress = silent,
) -> TrainingResult:
    """Train and store the job's version; registering it is the last step and makes it visible.

    Raises any PerennialError of reading and training, SpotInterrupted where it was `interrupted` after a
    checkpoint, and Conflict where a later attempt has taken over.
    """
    check(job.libraries, libraries())
    started = time.perf_counter()
    text = model_text(job.model)
    config = parse_model(text, job.model).model_copy(update={"seed": job.seed})
    progress("load", 0.0)
    pinned = pin_accepted(services.data, job.model, _looked_at(job, services.artifacts))
    assembled = assemble_pinned(services.data, pinned, config, partial(progress, "load"))
    logger.info("data loaded", extra={"rows": len(assembled), "objects": len(assembled.objects)})
    fitting = time.perf_counter()
    check_labelled(assembled, config)
    way = find_way(services, config, job.strategy, job.champion)
    config = way.config
    selected = select(assembled, way.strategy, config, config.seed)
    logger.info("rows selected", extra={"strategy": selected.applied.name, "reason": selected.applied.reason})
    mark = _mark(job, config, assembled, selected)
    checkpoints = StoredCheckpoints(services.artifacts, job.run, mark, interrupted)
    trained = _trained(selected, way, checkpoints, progress)
    logger.info(
        "trained", extra={"seconds": round(time.perf_counter() - fitting, 3), "metrics": trained.metrics}
    )
    progress("store", 0.0)
    record = _store(job, way, text, assembled, selected, trained, services.artifacts)
    services.registry.register(record, attempt=job.attempt)
    checkpoints.remove()
    logger.info("registered", extra={"version": job.version})
    return TrainingResult(
        version=job.version,
        instance_id=instance_id,
        rows_trained=record.rows_trained,
        rows_held_out=record.rows_held_out,
        metrics=trained.metrics,
        seconds=round(time.perf_counter() - started, 3),
    )


def _looked_at(job: TrainingJob, bucket: Bucket) -> set[str]:
    """Keys of the run's batch, or of the window of accepted data that it compared."""
    manifest = Manifest.model_validate(bucket.get_json(layout.run_key(job.run, layout.MANIFEST)))
    return {item.key for item in manifest.objects}


def _mark(job: TrainingJob, config: ModelConfig, assembled: Assembled, selected: Selected) -> str:
    """What decides which model comes out: a checkpoint of anything else is none of this training's.

    A run that is redriven may find another model file, code or library than those it began with.
    """
    of_attempt = {"token", "attempt", "max_seconds", "instance_reason"}
    return fingerprint(
        {
            "job": job.model_dump(mode="json", exclude=of_attempt),
            "config": config.model_dump(mode="json"),
            "strategy": selected.applied.model_dump(mode="json"),
            "data": [[item.stored.key, item.stored.version_id] for item in assembled.objects],
            "libraries": libraries(),
        }
    )


def _trained(selected: Selected, way: Way, checkpoints: StoredCheckpoints, progress: Progress) -> Trained:
    fitted = fit(
        selected,
        way.config,
        strategy=way.fit_as(selected.applied),
        parent=way.parent_for(selected.applied),
        checkpoints=checkpoints,
        progress=progress,
        cores=os.cpu_count() or 1,
        clock=time.monotonic,
    )
    progress("score", 0.0)
    metrics = score(fitted.pipeline, selected.holdout, way.config)
    return Trained(fitted.pipeline, selected.known, selected.holdout, metrics, fitted)


def _store(
    job: TrainingJob,
    way: Way,
    text: str,
    assembled: Assembled,
    selected: Selected,
    trained: Trained,
    bucket: Bucket,
) -> VersionRecord:
    """Write the version's files. An attempt that is repeated writes new versions of the same keys."""

    files: dict[str, Artifact] = {}

    def put(name: str, body: bytes) -> Artifact:
        files[name] = bucket.put_artifact(
            layout.version_key(job.model, job.version, name), body, digest(body)
        )
        return files[name]

    config, table = way.config, trained.fitted.search
    held_out = trained.holdout
    answers = ask(trained.pipeline, held_out, config) if len(held_out) else None
    importances = measure_importances(config, trained.pipeline, Rows(held_out, answers)) if answers else None
    profiled = trained.training[[*config.features, config.label]]
    manifest = TrainingManifest(
        model=job.model,
        version=job.version,
        run=job.run,
        parent=job.champion,
        strategy=job.strategy,
        seed=job.seed,
        code_version=job.code_version,
        libraries=libraries(),
        model_file=put(layout.MODEL_FILE, text.encode()),
        objects=assembled.objects,
    )
    record = VersionRecord(
        model=job.model,
        version=job.version,
        status="candidate",
        run=job.run,
        parent=job.champion,
        created_at=datetime.now(UTC),
        estimator=trained.fitted.estimator,
        params=trained.fitted.params,
        notes=trained.fitted.notes,
        chosen=chosen(config, table.winner) if table else way.chosen,
        search=put(layout.SEARCH, json.dumps(table.to_dict()).encode()) if table else None,
        code_version=job.code_version,
        seed=job.seed,
        rows_trained=len(selected.frame),
        rows_held_out=len(trained.holdout),
        metrics=trained.metrics,
        artifact=put(layout.MODEL, dump(trained.pipeline)),
        baseline=put(layout.BASELINE, Profile.of(profiled, schema=config.columns).save()),
        holdout=put(layout.HOLDOUT, dump_holdout(held_out, selected.held_recent)),
        reference=put(layout.REFERENCE, frame_to_csv(_reference(trained.training, config))),
        data=tuple(item.stored for item in assembled.objects),
        libraries=manifest.libraries,
        strategy=selected.applied,
        manifest=put(layout.MANIFEST, manifest.model_dump_json(indent=1).encode()),
        predictions=put(layout.PREDICTIONS, dump_answers(answers)) if answers else None,
        importances=(
            put(layout.IMPORTANCES, json.dumps(importances.to_dict()).encode()) if importances else None
        ),
    )
    card = make_card(
        job,
        config,
        record,
        selected,
        assembled.objects,
        answers=answers,
        importances=importances.weights() if importances else {},
        artifacts=files,
    )
    record = record.model_copy(update={"card": put(layout.CARD, card.model_dump_json(indent=1).encode())})
    bucket.put_json(
        layout.version_key(job.model, job.version, layout.LINEAGE), record.model_dump(mode="json")
    )
    return record


def _reference(training: pd.DataFrame, config: ModelConfig) -> pd.DataFrame:
    """A bounded sample of the rows trained on, in their order."""
    if len(training) <= REFERENCE_ROWS:
        return training
    return training.sample(REFERENCE_ROWS, random_state=config.seed).sort_index()
