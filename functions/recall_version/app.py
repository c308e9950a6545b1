"""Recall Version: does a version that served before fit the data again, and better than the champion?"""

from collections.abc import Callable
from typing import Any

from perennial import layout
from perennial.artifacts import load, verified
from perennial.aws.ancestry import learnt_keys
from perennial.aws.handler import task
from perennial.aws.wiring import Services
from perennial.config import ModelConfig, load_model
from perennial.contracts.evaluation import Evaluation, Recalled, RecallVersionInput
from perennial.contracts.objects import Artifact, Manifest
from perennial.dataset import read_sample
from perennial.errors import ArtifactCorrupted
from perennial.holdout import read_holdout
from perennial.lineage import VersionRecord, archived, to_try
from perennial.recall import Trial, attempt, best, compare, honest

type HonestRows = Callable[..., Any]


@task(RecallVersionInput)
def handler(request: RecallVersionInput, services: Services) -> Recalled:
    """Only documents of the run are written; promoting is left to the states that follow."""
    config = load_model(request.model)
    versions = services.registry.versions(request.model)
    champion = next((record for record in versions if record.version == request.champion), None)
    if champion is None:
        return Recalled(version=None, tried=(), summary="there is no champion to compare with")
    records, left_out = to_try(archived(versions), champion, config.strategy.recall_versions)
    rows = _honest_rows(request, config, services)
    trials = [_tried(record, rows(record), config, services) for record in records]
    chosen = best(trials, config)
    found = _evaluated(request, config, champion, chosen, rows, services) if chosen else None
    better = chosen.version if chosen and found and found.better else None
    if better is not None:
        services.ledger.note(request.run, recalled=better)
    words = [*(trial.sentence for trial in trials), *left_out, *([found.summary] if found else [])]
    return Recalled(
        version=better,
        tried=tuple(trial.version for trial in trials),
        summary="; ".join(words) or "no archived version is left to try",
        evaluation=found,
    )


def _honest_rows(request: RecallVersionInput, config: ModelConfig, services: Services) -> HonestRows:
    """Gives the rows of the run's sample on which all of these versions may be judged."""
    document = services.artifacts.get_json(layout.run_key(request.run, layout.MANIFEST))
    batch = {item.key for item in Manifest.model_validate(document).objects}
    sample = read_sample(services.artifacts.get(layout.run_key(request.run, layout.SAMPLE)), config)

    def rows(*records: VersionRecord) -> Any:
        known = (learnt_keys(services.artifacts, request.model, record.version) for record in records)
        return honest(sample, config, learnt=any(batch & keys for keys in known))

    return rows


def _tried(record: VersionRecord, rows: Any, config: ModelConfig, services: Services) -> Trial:
    """A file that is not the registered one is told and left out: a version can be trained instead."""
    try:
        model = _loaded(record.artifact, services)
    except ArtifactCorrupted as error:
        return Trial(record, None, None, fits=False, sentence=f"version {record.version}: {error}")
    return attempt(record, model, rows, config)


def _evaluated(
    request: RecallVersionInput,
    config: ModelConfig,
    champion: VersionRecord,
    chosen: Trial,
    rows: HonestRows,
    services: Services,
) -> Evaluation:
    """By the gates that every challenger has to pass. The champion's holdout counts where no change is known
    that made its rows void."""
    known = None
    if request.strategy.since is None:
        stored = champion.holdout
        body = services.artifacts.get(stored.key, stored.version_id)
        known, _ = read_holdout(verified(body, stored.sha256), config)
    serving = _loaded(champion.artifact, services)
    found = compare(config, serving, chosen.model, rows(champion, chosen.record), known)
    key = layout.run_key(request.run, layout.EVALUATION)
    services.artifacts.put_json(key, found.model_dump(mode="json"))
    return found


def _loaded(artifact: Artifact, services: Services) -> Any:
    return load(services.artifacts.get(artifact.key, artifact.version_id), artifact.sha256)
