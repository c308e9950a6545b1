"""What is known of a version: where it came from, what it scored, what became of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any, Literal

from pydantic import Field

from perennial.contracts.base import Contract
from perennial.contracts.objects import Artifact, StoredObject
from perennial.contracts.strategy import Strategy
from perennial.estimator_config import Estimator

Status = Literal["candidate", "champion", "archived", "rejected", "rolled_back"]


class Chosen(Contract):
    """An estimator that a search chose; `declared` is a digest of what the model file said then."""

    estimator: Estimator
    declared: str


class Expiry(Contract):
    """When and why it was decided that a version's files go; `done`: they are all deleted."""

    since: datetime
    reason: str
    done: bool = False


class VersionRecord(Contract):
    """One immutable version in the registry; only `status`, who decided it and `expired` ever change.

    `data` are the data objects it was trained on, `metrics` those of its own holdout at training time,
    `predictions` its answers to these rows and `importances` of its features on them (None where none were),
    `strategy` how its rows were chosen and weighed,
    `manifest` what it can be trained again from. `params` of the estimator, as the model file or a search
    gave them; `chosen` where a search did, its table being `search`. `notes`: what the fit did otherwise.
    `card`: all of it for people, with the digests of the other files. `expired`: its files are gone or going,
    but for card, lineage and manifest.
    """

    model: str
    version: int
    status: Status
    run: str
    parent: int | None
    created_at: datetime
    estimator: str
    code_version: str
    seed: int
    rows_trained: int
    rows_held_out: int
    metrics: dict[str, float]
    artifact: Artifact
    baseline: Artifact
    holdout: Artifact
    reference: Artifact
    data: tuple[StoredObject, ...]
    libraries: dict[str, str]
    predictions: Artifact | None = None
    importances: Artifact | None = None
    strategy: Strategy | None = None
    manifest: Artifact | None = None
    params: dict[str, Any] = Field(default={})
    chosen: Chosen | None = None
    search: Artifact | None = None
    notes: tuple[str, ...] = ()
    card: Artifact | None = None
    expired: Expiry | None = None


class Canary(Contract):
    """A challenger that answers a share (per cent) of the requests while its run looks after it.

    After `until` nobody does any more, whatever became of the run: the champion answers all.
    """

    version: int
    share: int
    until: datetime
    run: str


class ChampionAlias(Contract):
    """Who serves, who served before, and since when; who is tried beside it."""

    model: str
    version: int | None
    previous: int | None
    changed_at: datetime
    run: str
    canary: Canary | None = None


class Comparison(Contract):
    """One thing in which two versions may differ, in words."""

    name: str
    one: str
    other: str


def compare(one: VersionRecord, other: VersionRecord) -> list[Comparison]:
    """What two versions of a model scored and were made of: every metric, and all else that differs."""
    metrics = sorted({*one.metrics, *other.metrics})
    rows = [Comparison(name=name, one=_score(one, name), other=_score(other, name)) for name in metrics]
    facts: list[tuple[str, Any, Any]] = [
        ("status", one.status, other.status),
        ("parent", one.parent, other.parent),
        ("rows trained", one.rows_trained, other.rows_trained),
        ("rows held out", one.rows_held_out, other.rows_held_out),
        ("estimator", one.estimator, other.estimator),
        ("seed", one.seed, other.seed),
        ("code", one.code_version, other.code_version),
        ("strategy", _strategy(one), _strategy(other)),
        ("holdout", one.holdout.sha256[:12], other.holdout.sha256[:12]),
    ]
    for field in ("params", "libraries"):
        of_one, of_other = getattr(one, field), getattr(other, field)
        names = sorted({*of_one, *of_other})
        facts += [(f"{field}.{name}", of_one.get(name), of_other.get(name)) for name in names]
    found = [Comparison(name=name, one=_said(a), other=_said(b)) for name, a, b in facts if a != b]
    return [*rows, *found, *_data(one, other)]


def _data(one: VersionRecord, other: VersionRecord) -> list[Comparison]:
    """The data objects that both learnt from, and those that one of them did alone."""
    of_one, of_other = ({(item.key, item.version_id) for item in record.data} for record in (one, other))
    shared = len(of_one & of_other)
    return [
        Comparison(
            name="data objects",
            one=f"{len(of_one)}, {shared} of them shared",
            other=f"{len(of_other)}, {shared} of them shared",
        )
    ]


def _score(record: VersionRecord, name: str) -> str:
    value = record.metrics.get(name)
    return "-" if value is None else f"{value:.4g}"


def _strategy(record: VersionRecord) -> str | None:
    return record.strategy.name if record.strategy else None


def _said(value: Any) -> str:
    return "-" if value is None else str(value)


def ancestors(records: Sequence[VersionRecord], version: int) -> list[int]:
    """The versions that a version descends from, its parent first. A gap in the registry ends it."""
    parents = {record.version: record.parent for record in records}
    found: list[int] = []
    parent = parents.get(version)
    while parent is not None and parent not in found:
        found.append(parent)
        parent = parents.get(parent)
    return found


def children(records: Sequence[VersionRecord], version: int) -> list[int]:
    """The versions that have a version as their parent, oldest first."""
    return [record.version for record in records if record.parent == version]


def archived(records: Sequence[VersionRecord]) -> list[VersionRecord]:
    """Those that served once, gave their place to a better one, and still have their files."""
    return [record for record in records if record.status == "archived" and record.expired is None]


def to_try(
    archived: Sequence[VersionRecord], champion: VersionRecord, most: int
) -> tuple[list[VersionRecord], list[str]]:
    """At most `most` archived versions that may fit again, and in words why others cannot be asked.

    Of every stretch of time with one concept the newest comes first, the latest stretches first.
    """
    usable, refused = [], []
    for record in sorted(archived, key=lambda record: -record.version):
        if record.libraries == champion.libraries:
            usable.append(record)
        else:
            refused.append(f"version {record.version} was made with other versions of the libraries")
    newest: dict[Any, int] = {}
    for record in usable:
        newest.setdefault(record.strategy.since if record.strategy else None, record.version)
    usable.sort(key=lambda record: (record.version not in newest.values(), -record.version))
    return usable[:most], refused


def gone(record: VersionRecord) -> str:
    """What to tell whoever asks for the files of an expired version."""
    if record.expired is None:
        return ""
    which, expired = f"version {record.version} of {record.model}", record.expired
    return f"the files of {which} are gone since {expired.since:%Y-%m-%d}: {expired.reason}"


def served(moves: Sequence[Mapping[str, Any]]) -> dict[int, list[tuple[datetime, datetime | None]]]:
    """When each version was the champion, by the audit of the alias, oldest first; no end is now."""
    found: dict[int, list[tuple[datetime, datetime | None]]] = {}
    for move, following in zip_longest(moves, moves[1:]):
        if move["version"] is None:
            continue
        spans = found.setdefault(int(move["version"]), [])
        since = datetime.fromisoformat(move["changed_at"])
        until = datetime.fromisoformat(following["changed_at"]) if following else None
        if spans and spans[-1][1] == since:  # a canary that ended beside it
            spans[-1] = spans[-1][0], until
        else:
            spans.append((since, until))
    return found
