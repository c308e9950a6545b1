"""The card of a version, with what only became known after its training."""

from perennial import layout
from perennial.artifacts import verified
from perennial.aws.wiring import Services
from perennial.card.contract import ModelCard
from perennial.card.page import Standing, render
from perennial.cost import NOTHING, Attempt, in_words
from perennial.errors import VersionNotFound
from perennial.lineage import VersionRecord
from perennial.words import counted


def read_card(services: Services, record: VersionRecord) -> ModelCard:
    """The card, its digest checked. Raises VersionNotFound where the version has none."""
    if record.card is None:
        raise VersionNotFound(
            f"version {record.version} of {record.model} was trained before there were cards"
        )
    body = services.artifacts.get(record.card.key, record.card.version_id)
    return ModelCard.model_validate_json(verified(body, record.card.sha256))


def standing(services: Services, record: VersionRecord) -> Standing:
    """Its status and what all attempts at its training cost."""
    attempts = services.attempts.of_run(record.model, record.run)
    return Standing(status=record.status, cost=_cost(attempts))


def card_page(services: Services, record: VersionRecord) -> str:
    """The card as HTML."""
    return render(read_card(services, record), standing(services, record))


def write_card_page(services: Services, run: str, model: str) -> str | None:
    """Store the page about the version that a run trained or recalled beside the run's own; its URI, or None
    where the run has no version with a card. It lies with the run: only the trainer writes below models/."""
    entry = services.ledger.run(run) or {}
    number = entry.get("challenger", entry.get("recalled"))
    if number is None:
        return None
    try:
        record = services.registry.version(model, int(number))
    except VersionNotFound:  # its training failed
        return None
    if record.card is None:
        return None
    key = layout.run_key(run, layout.CARD_PAGE)
    services.artifacts.put(key, card_page(services, record).encode(), "text/html; charset=utf-8")
    return f"s3://{services.artifacts.name}/{key}"


def _cost(attempts: list[Attempt]) -> str:
    if not attempts:
        return "not on record"
    total = sum((attempt.amount for attempt in attempts), NOTHING)
    open_ = any(attempt.ended_at is None for attempt in attempts)
    most = ", at most: an instance has not ended" if open_ else ""
    return (
        f"{in_words(total.dollars)}, {total.minutes:.1f} minutes in {counted(len(attempts), 'attempt')}{most}"
    )
