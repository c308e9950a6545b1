"""Which versions' files may go: those that nobody serves, goes back to, goes on from or may ask again."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from perennial.config import ModelConfig
from perennial.config_fields import in_days
from perennial.lineage import ChampionAlias, VersionRecord, archived, to_try

SERVED = frozenset({"champion", "archived", "rolled_back"})


def to_expire(
    records: Sequence[VersionRecord],
    alias: ChampionAlias | None,
    referred_to: Collection[int],
    used_at: Mapping[int, datetime],
    config: ModelConfig,
    now: datetime,
) -> dict[int, str]:
    """The versions whose files may go by the model's retention, oldest first, each with the reason in words.

    `referred_to`: versions that a run without an outcome names. `used_at`: when a version was last trained,
    served or tried. Doing it again after their files have gone finds no more.

    What stays: the champion, the version before and a canary; what a run refers to; the newest `keep` that
    served; whatever was of use within `min_age`; the archived versions that recall and evaluation would ask
    next; and the parent of each of these, without which it could not be trained again.
    """
    policy = config.retention
    if policy is None:
        return {}
    live = [record for record in records if record.expired is None]
    newest = sorted((r.version for r in live if r.status in SERVED), reverse=True)[: policy.keep]
    young = {r.version for r in live if now - used_at.get(r.version, r.created_at) < policy.min_age}
    stays = {*referred_to, *_serving(alias), *newest, *young, *_may_be_asked(live, alias, config)}
    stays |= {record.parent for record in live if record.version in stays}
    return {
        record.version: _reason(record, policy.keep, in_days(policy.min_age))
        for record in sorted(live, key=lambda record: record.version)
        if record.version not in stays
    }


def _serving(alias: ChampionAlias | None) -> set[int | None]:
    """The champion, the one that a rollback goes to, and a canary, even one that nobody looks after."""
    if alias is None:
        return set()
    return {alias.version, alias.previous, alias.canary.version if alias.canary else None}


def _may_be_asked(
    live: Sequence[VersionRecord], alias: ChampionAlias | None, config: ModelConfig
) -> set[int]:
    """The archived versions that the next run's recall would try and its evaluation would score."""
    before = archived(live)
    champion = next((record for record in live if alias and record.version == alias.version), None)
    tried = to_try(before, champion, config.strategy.recall_versions)[0] if champion else []
    scored = sorted(before, key=lambda record: -record.version)[: config.evaluation.archived]
    return {record.version for record in (*tried, *scored)}


def _reason(record: VersionRecord, keep: int, span: str) -> str:
    unused = f"of no use for {span} (retention.min_age)"
    if record.status in SERVED:
        return f"{unused}, and {keep} newer versions that served are kept (retention.keep)"
    return f"{record.status}, {unused}"
