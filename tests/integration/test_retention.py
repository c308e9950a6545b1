"""Files of old versions go, those that may be needed stay, and what is gone cannot come to serve."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from perennial import layout
from perennial.aws.retention import Retention
from perennial.aws.wiring import Services
from perennial.config import ModelConfig, load_model, models_dir
from perennial.contracts.objects import Artifact
from perennial.contracts.trigger import Trigger
from perennial.errors import AliasMoved, VersionExpired
from perennial.lineage import Canary, archived
from tests.integration.function_support import invoke
from tests.integration.moto_support import NOW, record

LATER = NOW + timedelta(days=400)
FILES = {
    "artifact": layout.MODEL,
    "baseline": layout.BASELINE,
    "holdout": layout.HOLDOUT,
    "reference": layout.REFERENCE,
    "predictions": layout.PREDICTIONS,
    "importances": layout.IMPORTANCES,
    "search": layout.SEARCH,
}
STAY = ("card", layout.CARD), ("manifest", layout.MANIFEST)


def config(**retention: Any) -> ModelConfig:
    tuned = {"strategy": {"recall_versions": 0}, "evaluation": {"archived": 0}}
    document = load_model("iris").model_dump(by_alias=True)
    return ModelConfig.model_validate({**document, **tuned, "retention": retention or {"keep": 1}})


def register(services: Services, version: int) -> None:
    """A version with all of its files."""

    def put(name: str) -> Artifact:
        return services.artifacts.put_artifact(layout.version_key("iris", version, name), b"x", "0" * 64)

    files: dict[str, Any] = {field: put(name) for field, name in (*FILES.items(), *STAY)}
    put(layout.LINEAGE)
    services.registry.register(record(version, run=f"run-{version}", parent=None, **files))


def promote(services: Services, version: int, expected: int | None, run: str = "") -> None:
    services.registry.move_champion(
        "iris",
        expected=expected,
        to=version,
        previous=expected,
        left_as="archived",
        run=run or f"run-{version}",
        reason="better",
        now=NOW,
    )


def names(services: Services, version: int) -> set[str]:
    prefix = layout.version_key("iris", version, "")
    return {item.key.removeprefix(prefix) for item in services.artifacts.list(prefix)}


ALL = {*FILES.values(), *(name for _, name in STAY), layout.LINEAGE}
LEFT = ALL - set(FILES.values())


@pytest.fixture
def line(services: Services) -> Services:
    """Versions 1 to 4 served one after the other; 4 serves, 5 is a candidate whose run ended."""
    for version in range(1, 6):
        register(services, version)
    for version in range(1, 5):
        promote(services, version, version - 1 or None)
    return services


def test_old_files_go_and_records_stay(line: Services) -> None:
    assert line.retention.apply(config(), LATER) == [1, 2, 5]
    assert [names(line, version) for version in range(1, 6)] == [LEFT, LEFT, ALL, ALL, LEFT]
    first = line.registry.version("iris", 1)
    assert first.status == "archived"
    assert first.expired
    assert (first.expired.since, first.expired.done) == (LATER, True)
    assert "retention.min_age" in first.expired.reason
    assert line.registry.version("iris", 4).expired is None
    assert [version.version for version in archived(line.registry.versions("iris"))] == [3]


def test_what_s3_keeps_can_be_read_by_its_version(line: Services) -> None:
    """The grace in which a file can be brought back; the record pins the version."""
    line.retention.apply(config(), LATER)
    file = line.registry.version("iris", 1).artifact
    assert line.artifacts.head(file.key) is None
    assert line.artifacts.get(file.key, file.version_id) == b"x"


def test_a_second_time_changes_nothing(line: Services) -> None:
    line.retention.apply(config(), LATER)
    before = line.registry.versions("iris")
    assert line.retention.apply(config(), LATER + timedelta(days=1)) == []
    assert line.registry.versions("iris") == before


def test_without_the_block_nothing_goes(line: Services) -> None:
    assert line.retention.apply(load_model("iris"), LATER) == []
    assert names(line, 1) == ALL


def test_nothing_begins_while_a_run_holds_the_model(line: Services) -> None:
    line.lock.acquire("iris", "run-9", NOW)
    assert line.retention.apply(config(), LATER) == []
    assert names(line, 1) == ALL


def test_what_a_run_without_outcome_refers_to_stays(line: Services) -> None:
    line.ledger.open("run-9", "iris", Trigger(kind="upload", reason="x", at=NOW), 2)
    line.ledger.note("run-9", challenger=5)
    assert line.retention.apply(config(), LATER) == [1]


def test_a_version_whose_files_are_gone_cannot_serve(line: Services) -> None:
    line.retention.apply(config(), LATER)
    alias = line.registry.champion("iris")
    with pytest.raises(VersionExpired, match="the files of version 1 of iris are gone since 2027-12-26"):
        line.succession.roll_back(load_model("iris"), champion=4, to=1, run="by-hand", reason="x", now=LATER)
    with pytest.raises(VersionExpired, match="version 5 of iris"):
        line.registry.set_canary(
            "iris", expected=4, canary=Canary(version=5, share=5, until=LATER, run="run-5")
        )
    assert line.registry.champion("iris") == alias


class Between:
    """A registry on which something happens between what retention reads and what it marks."""

    def __init__(self, services: Services, meanwhile: Any) -> None:
        self._registry, self._meanwhile = services.registry, meanwhile

    def audit(self, model: str) -> Any:
        self._meanwhile()
        return self._registry.audit(model)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)


def racing(services: Services, meanwhile: Any) -> Retention:
    registry: Any = Between(services, meanwhile)
    return Retention(services.table, registry, services.ledger, services.lock, services.artifacts)


def test_a_rollback_in_between_wins(line: Services) -> None:
    def back() -> None:
        line.succession.roll_back(load_model("iris"), champion=4, to=1, run="by-hand", reason="x", now=NOW)

    racing(line, back).apply(config(), LATER)
    alias = line.registry.champion("iris")
    assert alias
    assert alias.version == 1
    assert line.registry.version("iris", 1).expired is None
    assert names(line, 1) == ALL


def test_a_canary_in_between_stays(line: Services) -> None:
    canary = Canary(version=5, share=5, until=LATER, run="run-5")
    racing(line, lambda: line.registry.set_canary("iris", expected=4, canary=canary)).apply(config(), LATER)
    assert names(line, 5) == ALL


def test_a_run_in_between_keeps_everything(line: Services) -> None:
    racing(line, lambda: line.lock.acquire("iris", "run-9", NOW)).apply(config(), LATER)
    assert [names(line, version) for version in range(1, 6)] == [ALL] * 5


class Dying:
    """A bucket that goes away after some deletions."""

    def __init__(self, bucket: Any, after: int) -> None:
        self._bucket, self._left = bucket, after

    def delete(self, key: str) -> None:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        self._bucket.delete(key)


@pytest.mark.parametrize("after", [0, 3, 7, 10])
def test_who_was_killed_is_finished_by_the_next(line: Services, after: int) -> None:
    dying: Any = Dying(line.artifacts, after)
    killed = Retention(line.table, line.registry, line.ledger, line.lock, dying)
    with pytest.raises(KeyboardInterrupt):
        killed.apply(config(), LATER)
    line.lock.acquire("iris", "run-9", NOW)  # what was begun is finished even so
    line.retention.apply(config(), LATER)
    assert [names(line, version) for version in (1, 2, 5)] == [LEFT] * 3
    records = [line.registry.version("iris", version) for version in (1, 2, 5)]
    assert all(found.expired and found.expired.done for found in records)


def test_two_at_once_agree(line: Services) -> None:
    found = []
    racing(line, lambda: found.extend(line.retention.apply(config(), LATER))).apply(config(), LATER)
    assert found == [1, 2, 5]
    assert [names(line, version) for version in range(1, 6)] == [LEFT, LEFT, ALL, ALL, LEFT]


def test_a_promotion_that_lost_its_champion_is_told_so_first(line: Services) -> None:
    line.retention.apply(config(), LATER)
    with pytest.raises(AliasMoved):
        promote(line, 1, 2, run="late")


def test_the_function_looks_at_every_model(
    line: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (models_dir() / "iris.yaml").read_text("utf-8")
    (tmp_path / "iris.yaml").write_text(f"{text}\nretention: {{keep: 1, min_age: 0s}}\n", "utf-8")
    (tmp_path / "broken.yaml").write_text("name: [", "utf-8")
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))
    answer = invoke("expire_versions")
    assert set(answer["versions"]) == {"iris"}
    assert names(line, 4) == names(line, 3) == ALL
    gone = [v.version for v in line.registry.versions("iris") if v.expired]
    assert gone == answer["versions"]["iris"]
    assert all(v.expired.since <= datetime.now(UTC) for v in line.registry.versions("iris") if v.expired)


def test_a_refusal_of_another_kind_is_not_swallowed(line: Services) -> None:
    line.table.delete()
    with pytest.raises(ClientError, match="ResourceNotFound"):
        line.retention.apply(config(), LATER)
