"""A version trained again from its manifest, on moto's S3 and DynamoDB."""

import io
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from ec2_trainer.job import work
from perennial import layout, reproduction
from perennial.artifacts import digest, verified
from perennial.aws.reproduction import read_manifest, reproduce
from perennial.aws.table import version_key
from perennial.aws.way import find_way
from perennial.aws.wiring import Services
from perennial.config import load_model, models_dir
from perennial.contracts.objects import Artifact, Manifest, StoredObject
from perennial.contracts.strategy import Strategy
from perennial.contracts.training import TrainingJob
from perennial.dataset import read_sample
from perennial.errors import InvalidRequest, VersionExpired, VersionNotFound
from perennial.strategy import full
from scenarios.iris import first_season, season
from tests.integration import moto_support

KNOWN = "accepted/iris/dt=2026-01-01/run-1/first.csv"
RECENT = "accepted/iris/dt=2026-01-02/run-2/second.parquet"


def train(services: Services, version: int, strategy: Strategy | None = None) -> None:
    """What the instance does for one run, on whatever is accepted then."""
    run = f"run-{version}"
    looked_at = StoredObject(key=RECENT, version_id=None, etag="", size=0)
    manifest = Manifest(run=run, model="iris", kind="incoming", objects=(looked_at,))
    services.artifacts.put_json(layout.run_key(run, layout.MANIFEST), manifest.model_dump(mode="json"))
    services.ledger.note(run, attempt=0)
    job = TrainingJob(
        run=run,
        model="iris",
        version=version,
        champion=version - 1 or None,
        attempt=0,
        token="token",
        seed=11,
        code_version="code:1",
        max_seconds=600,
        strategy=strategy or full("all accepted data"),
    )
    work(job, services, "i-1")


@pytest.fixture
def trained(services: Services) -> Services:
    """A stack with two files of data and a version trained on them."""
    services.data.put(KNOWN, first_season().to_csv(index=False).encode())
    parquet = io.BytesIO()
    season("second", rows=120, seed=2).to_parquet(parquet)
    services.data.put(RECENT, parquet.getvalue())
    train(services, 1)
    return services


def test_a_version_comes_out_again_byte_for_byte(trained: Services) -> None:
    found = reproduce(trained, "iris", 1)
    record = trained.registry.version("iris", 1)
    assert found.identical
    assert found.same_bytes
    assert found.surroundings == ()
    assert found.rows_trained == record.rows_trained


def test_the_manifest_names_all_that_it_was_trained_from(trained: Services) -> None:
    manifest = read_manifest(trained.artifacts, trained.registry.version("iris", 1))
    assert [(item.stored.key, item.recent) for item in manifest.objects] == [(KNOWN, False), (RECENT, True)]
    assert [item.rows_read for item in manifest.objects] == [150, 120]
    assert sum(item.rows_used for item in manifest.objects) == 270
    assert all(item.stored.version_id and item.stored.stored_at for item in manifest.objects)
    assert (manifest.seed, manifest.code_version, manifest.parent) == (11, "code:1", None)
    assert manifest.libraries.keys() >= {"python", "pyarrow", "scikit-learn"}
    text = trained.artifacts.get(manifest.model_file.key, manifest.model_file.version_id).decode()
    assert text == (models_dir() / "iris.yaml").read_text()


def test_what_came_later_does_not_matter(
    trained: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More data, newer objects under the same keys, and another model file."""
    trained.data.put(KNOWN, season("later", rows=50, seed=5).to_csv(index=False).encode())
    trained.data.put(f"{KNOWN}.csv", season("third", rows=80, seed=3).to_csv(index=False).encode())
    edited = yaml.safe_load((models_dir() / "iris.yaml").read_text())
    edited["estimator"]["params"] = {"n_estimators": 3}
    edited["holdout"] = 0.1
    (tmp_path / "iris.yaml").write_text(yaml.safe_dump(edited))
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))
    assert load_model("iris").holdout == 0.1
    assert reproduce(trained, "iris", 1).same_bytes


AGAIN = """
import sys
from perennial.artifacts import digest, dump
from perennial.assembly import Source, assemble
from perennial.config import load_model
from perennial.contracts.objects import StoredObject
from perennial.training import PlainRows, fit
from pathlib import Path
stored = StoredObject(key="accepted/iris/dt=2026-01-01/run-1/first.csv", version_id="1", etag="e", size=1)
config = load_model("iris")
rows = assemble([Source(Path(sys.argv[1]), stored, False)], config)
print(digest(dump(fit(PlainRows(rows.training), config).pipeline)))
"""


def test_another_process_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "first.csv"
    path.write_bytes(first_season().to_csv(index=False).encode())
    command = [sys.executable, "-c", AGAIN, str(path)]
    runs = [
        subprocess.run(command, check=True, capture_output=True, text=True, env={"PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]
    assert len({done.stdout for done in runs}) == 1


GOES_ON = {"class": "sklearn.linear_model.SGDClassifier", "params": {"loss": "log_loss"}}
SEARCH = {"candidates": [{"space": {"min_samples_leaf": [1, 9]}}], "trials": 2, "folds": 2}
CHANGED = datetime(2026, 2, 1, tzinfo=UTC)
EVERY_STRATEGY: dict[str, tuple[Strategy, dict[str, Any]]] = {
    "window": (Strategy(name="window", reason="the youngest"), {"strategy": {"window": {"rows": 100}}}),
    "age": (Strategy(name="weighted", reason="old rows fade", weights="age"), {}),
    "batch": (Strategy(name="weighted", reason="other rows come", weights="batch"), {}),
    "labels": (Strategy(name="weighted", reason="other labels come", weights="labels"), {}),
    "incremental": (Strategy(name="incremental", reason="new rows"), {"estimator": GOES_ON}),
    "rehearsal": (Strategy(name="rehearsal", reason="in doubt"), {}),
    "replace": (Strategy(name="replace", reason="it changed", since=CHANGED), {"strategy": {"min_rows": 50}}),
    "search": (Strategy(name="search", reason="another kind"), {"search": SEARCH}),
}


def timed(name: str, rows: int, seed: int, start: datetime) -> pd.DataFrame:
    """A season whose flowers were picked hour by hour."""
    return season(name, rows=rows, seed=seed).assign(picked=pd.date_range(start, periods=rows, freq="h"))


@pytest.mark.parametrize("name", EVERY_STRATEGY)
def test_every_strategy_comes_out_again(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Of two trainings the second, which has a parent and data that this did not know."""
    strategy, blocks = EVERY_STRATEGY[name]
    model = yaml.safe_load((models_dir() / "iris.yaml").read_text()) | blocks
    model |= {"time": "picked", "columns": model["columns"] | {"picked": {"type": "datetime"}}}
    (tmp_path / "iris.yaml").write_text(yaml.safe_dump(model))
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))
    old, new = timed("old", 150, 1, CHANGED - timedelta(days=20)), timed("new", 120, 2, CHANGED)
    services.data.put(KNOWN, old.to_csv(index=False).encode())
    train(services, 1, strategy if name == "incremental" else None)
    parquet = io.BytesIO()
    new.sample(frac=1, random_state=0).to_parquet(parquet)
    services.data.put(RECENT, parquet.getvalue())
    train(services, 2, strategy.model_copy(update={"seen_until": CHANGED - timedelta(seconds=1)}))

    record = services.registry.version("iris", 2)
    assert record.strategy
    assert record.strategy.name == strategy.name
    assert (record.rows_trained < 150) is (name in {"window", "incremental", "replace"})
    services.data.put(f"{RECENT}.csv", timed("later", 80, 3, CHANGED).to_csv(index=False).encode())
    found = reproduce(services, "iris", 2)
    assert (found.same_bytes, found.rows_trained) == (True, record.rows_trained)


def test_data_that_is_gone_is_named(trained: Services) -> None:
    item = trained.data.head(RECENT)
    assert item
    trained.data._client.delete_object(Bucket=trained.data.name, Key=RECENT, VersionId=item.version_id)
    found = reproduce(trained, "iris", 1)
    assert not found.identical
    assert found.differing == (f"version {item.version_id} of {RECENT} is gone",)


def test_another_library_is_named_and_so_is_what_it_changed(
    trained: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model on record is replaced by one of fewer trees, as if an older library had grown it."""
    record = trained.registry.version("iris", 1)
    manifest = read_manifest(trained.artifacts, record)
    text = trained.artifacts.get(manifest.model_file.key, manifest.model_file.version_id)
    smaller = text.replace(b"n_estimators: 60", b"n_estimators: 2")
    assert smaller != text
    stored = trained.artifacts.put_artifact("x.yaml", smaller, digest(smaller))
    changed = manifest.model_copy(
        update={"model_file": stored, "libraries": manifest.libraries | {"scikit-learn": "1.0"}}
    )
    body = changed.model_dump_json().encode()
    put = trained.artifacts.put_artifact("manifest.json", body, digest(body))
    trained.registry.register(record.model_copy(update={"manifest": put}), attempt=0)

    found = reproduce(trained, "iris", 1)
    assert not found.identical
    assert "held-out rows are answered otherwise" in found.differing[0]
    assert found.surroundings == (f"scikit-learn was 1.0 and is {reproduction.libraries()['scikit-learn']}",)


def test_a_version_without_manifest_cannot_be_trained_again(services: Services) -> None:
    services.ledger.note("run-0", attempt=0)
    services.registry.register(moto_support.record(1), attempt=0)
    with pytest.raises(InvalidRequest, match="version 1 of iris has no manifest"):
        reproduce(services, "iris", 1)
    with pytest.raises(VersionNotFound):
        reproduce(services, "iris", 2)


def test_no_version_of_a_stack_saw_a_holdout_row(trained: Services) -> None:
    """Three trainings, each on more data, which repeats what was there: what one was judged by, none knew."""
    config = load_model("iris")
    for version in (2, 3):
        again = pd.concat([first_season().head(60), season(f"more {version}", rows=90, seed=version)])
        key = f"accepted/iris/dt=2026-01-0{version}/more-{version}/x.csv"
        trained.data.put(key, again.to_csv(index=False).encode())
        train(trained, version)

    def ids(artifact: Artifact) -> set[str]:
        body = verified(trained.artifacts.get(artifact.key, artifact.version_id), artifact.sha256)
        return set(read_sample(body, config)["flower_id"])

    records = trained.registry.versions("iris")
    judged = set().union(*(ids(record.holdout) for record in records))
    learnt = set().union(*(ids(record.reference) for record in records))
    assert len(records) == 3
    assert len(judged) > 80
    assert not judged & learnt


def expire(services: Services, version: int) -> None:
    """Its files go, as retention lets them."""
    record = services.registry.version("iris", version)
    services.artifacts.delete(record.artifact.key)
    services.table.update_item(
        Key=version_key("iris", version),
        UpdateExpression="SET expired = :expired",
        ExpressionAttributeValues={
            ":expired": {"since": "2026-11-21T06:00:00+00:00", "reason": "old", "done": True}
        },
    )


def test_a_version_whose_files_are_gone_is_compared_by_its_digest(trained: Services) -> None:
    expire(trained, 1)
    assert reproduce(trained, "iris", 1).same_bytes


def test_nothing_goes_on_from_a_version_without_files(trained: Services) -> None:
    """Neither a training nor one that is done again."""
    expire(trained, 1)
    goes_on = Strategy(name="incremental", reason="goes on")
    with pytest.raises(VersionExpired, match="version 1 of iris are gone since 2026-11-21: old; nothing can"):
        find_way(trained, load_model("iris"), goes_on, 1)
