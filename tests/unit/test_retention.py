"""Which files of versions may go: never those that somebody may still need."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from perennial.config import ModelConfig, load_model
from perennial.contracts.objects import Artifact
from perennial.lineage import Canary, ChampionAlias, Expiry, VersionRecord, to_try
from perennial.retention import SERVED, to_expire

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
FILE = Artifact(key="models/iris/x", version_id=None, sha256="0" * 64, size=1)


def record(version: int, status: str = "archived", **changes: Any) -> VersionRecord:
    given: dict[str, Any] = {
        "model": "iris",
        "version": version,
        "status": status,
        "run": f"run-{version}",
        "parent": None,
        "created_at": NOW - timedelta(days=1000),
        "estimator": "sklearn.dummy.DummyClassifier",
        "code_version": "code:1",
        "seed": 7,
        "rows_trained": 90,
        "rows_held_out": 30,
        "metrics": {},
        "data": (),
        "libraries": {"scikit-learn": "1.8.0"},
        **dict.fromkeys(("artifact", "baseline", "holdout", "reference"), FILE),
    }
    return VersionRecord.model_validate(given | changes)


def config(**retention: Any) -> ModelConfig:
    document = load_model("iris").model_dump(by_alias=True)
    tuned = {"strategy": {"recall_versions": 0}, "evaluation": {"archived": 0}}
    return ModelConfig.model_validate({**document, **tuned, "retention": retention or None})


def alias(version: int | None, previous: int | None = None, canary: int | None = None) -> ChampionAlias:
    tried = (
        None
        if canary is None
        else Canary(version=canary, share=5, until=NOW - timedelta(days=9), run="run-5")
    )
    return ChampionAlias(
        model="iris", version=version, previous=previous, changed_at=NOW, run="run-0", canary=tried
    )


def test_without_the_block_nothing_goes() -> None:
    assert to_expire([record(n) for n in range(1, 50)], alias(49), (), {}, config(), NOW) == {}


def test_old_versions_go_with_the_reason() -> None:
    versions = [*(record(n) for n in (1, 2)), record(3, "rejected"), record(4), record(5, "champion")]
    found = to_expire(versions, alias(5, 4), (), {}, config(keep=2, min_age="30d"), NOW)
    unused = "of no use for 30 days (retention.min_age)"
    served = f"{unused}, and 2 newer versions that served are kept (retention.keep)"
    assert found == {1: served, 2: served, 3: f"rejected, {unused}"}


def test_a_version_counts_as_old_from_its_last_use_on() -> None:
    """It was trained long ago and served until yesterday."""
    versions = [record(1), record(2), record(3, "champion")]
    used = {1: NOW - timedelta(days=1), 2: NOW - timedelta(days=31)}
    assert list(to_expire(versions, alias(3), (), used, config(keep=1, min_age="30d"), NOW)) == [2]


def test_what_recall_would_ask_stays() -> None:
    versions = [*(record(n) for n in range(1, 9)), record(9, "champion")]
    asked = config(keep=1).model_copy(update={"strategy": load_model("iris").strategy})
    kept = {r.version for r in to_try(versions[:-1], versions[-1], asked.strategy.recall_versions)[0]}
    assert kept == {6, 7, 8}
    found = to_expire(versions, alias(9, 8), (), {}, asked, NOW)
    assert set(found) == set(range(1, 9)) - kept


NUMBERS = st.integers(1, 12)


@st.composite
def registries(
    draw: st.DrawFn,
) -> tuple[list[VersionRecord], ChampionAlias | None, set[int], dict[int, datetime]]:
    """Versions of any status and age, of which some are gone; an alias, and what runs refer to."""
    count = draw(st.integers(0, 12))
    ages = st.integers(0, 60).map(lambda days: NOW - timedelta(days=days))
    versions = []
    for number in range(1, count + 1):
        status = draw(st.sampled_from(["candidate", "archived", "rejected", "rolled_back"]))
        gone = draw(st.sampled_from([None, None, None, Expiry(since=NOW, reason="old")]))
        parent = draw(st.none() | st.integers(1, number))
        libraries = {"scikit-learn": draw(st.sampled_from(["1.8.0", "1.7.0"]))}
        versions.append(record(number, status, parent=parent, expired=gone, libraries=libraries))
    serving = draw(
        st.none() | st.builds(alias, st.none() | NUMBERS, st.none() | NUMBERS, st.none() | NUMBERS)
    )
    return versions, serving, draw(st.sets(NUMBERS, max_size=3)), draw(st.dictionaries(NUMBERS, ages))


POLICIES = st.builds(
    lambda keep, days: config(keep=keep, min_age=f"{days}d"), st.integers(1, 6), st.integers(0, 60)
)


@given(registries(), POLICIES, st.integers(0, 3), st.integers(0, 3))
def test_nothing_goes_that_somebody_may_need(
    found: Any, policy: ModelConfig, asked: int, scored: int
) -> None:
    versions, serving, referred, used = found
    policy = policy.model_copy(
        update={
            "strategy": policy.strategy.model_copy(update={"recall_versions": asked}),
            "evaluation": policy.evaluation.model_copy(update={"archived": scored}),
        }
    )
    assert policy.retention
    go = to_expire(versions, serving, referred, used, policy, NOW)
    live = {r.version: r for r in versions if r.expired is None}
    assert set(go) <= set(live)
    stay = set(live) - set(go)
    if serving:
        assert not set(go) & {serving.version, serving.previous, serving.canary and serving.canary.version}
    assert not set(go) & referred
    assert all(NOW - used.get(n, live[n].created_at) >= policy.retention.min_age for n in go)
    served = sorted((n for n in live if live[n].status in SERVED), reverse=True)
    assert not set(go) & set(served[: policy.retention.keep])
    archived = [live[n] for n in sorted(live) if live[n].status == "archived"]
    assert not set(go) & {r.version for r in archived[::-1][:scored]}
    if serving and serving.version in live:
        tried, _ = to_try(archived, live[serving.version], asked)
        assert not set(go) & {r.version for r in tried}
    again = [
        r.model_copy(update={"expired": Expiry(since=NOW, reason="x")}) if r.version in go else r
        for r in versions
    ]
    assert to_expire(again, serving, referred, used, policy, NOW) == {}
    for number in (referred | set(served[:1])) & stay:
        assert live[number].parent not in go


@given(registries(), POLICIES)
def test_a_later_day_lets_no_less_go(found: Any, policy: ModelConfig) -> None:
    versions, serving, referred, used = found
    today = set(to_expire(versions, serving, referred, used, policy, NOW))
    assert today <= set(to_expire(versions, serving, referred, used, policy, NOW + timedelta(days=20)))
