"""The card of a version, from the trainer to the page and the command, on moto."""

import json
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ec2_trainer.__main__ import REPORTED, main
from perennial import layout
from perennial.artifacts import digest
from perennial.aws.cards import card_page, read_card, standing, write_card_page
from perennial.card.contract import ModelCard, Scored, ScoredSlice
from perennial.card.page import render
from perennial.cli import app
from perennial.contracts.trigger import Trigger
from perennial.errors import ArtifactCorrupted, VersionNotFound
from tests.integration.moto_support import NOW
from tests.integration.trainer_support import KNOWN, MODEL, RECENT, RUN, VERSION, Stack, with_data, with_job


@pytest.fixture
def trained(stack: Stack) -> Stack:
    """A stack with a version that was just trained."""
    assert main(with_data(with_job(stack))) == REPORTED
    return stack


def test_every_file_of_the_version_is_on_the_card_with_its_digest(trained: Stack) -> None:
    record = trained.registry.version(MODEL, VERSION)
    card = read_card(trained, record)
    folder = layout.version_key(MODEL, VERSION, "")
    stored = {item.key.removeprefix(folder) for item in trained.artifacts.list(folder)}
    assert stored == {*card.artifacts, layout.CARD, layout.LINEAGE}
    for file in card.artifacts.values():
        body = trained.artifacts.get(file.key, file.version_id)
        assert (digest(body), len(body)) == (file.sha256, file.size)
    assert card.artifacts[layout.MODEL] == record.artifact


def test_the_card_agrees_with_the_record(trained: Stack) -> None:
    record = trained.registry.version(MODEL, VERSION)
    card = read_card(trained, record)
    overall = card.quantitative_analyses.overall
    assert {name: score.value for name, score in overall.items()} == pytest.approx(record.metrics)
    assert card.training_data.rows == record.rows_trained
    assert sum(card.training_data.labels.classes.values()) == record.rows_trained
    assert [each.stored.key for each in card.training_data.objects] == [KNOWN, RECENT]
    assert (card.lineage.run, card.lineage.parent) == (RUN, 6)
    assert "species" in card.factors
    assert any("slices have fewer than" in each for each in card.caveats_and_recommendations)


def test_a_card_that_was_changed_is_not_shown(trained: Stack) -> None:
    record = trained.registry.version(MODEL, VERSION)
    assert record.card
    wrong = record.model_copy(update={"card": record.card.model_copy(update={"sha256": "0" * 64})})
    with pytest.raises(ArtifactCorrupted):
        read_card(trained, wrong)
    with pytest.raises(VersionNotFound, match="before there were cards"):
        card_page(trained, record.model_copy(update={"card": None}))


def test_parts_of_two_columns_may_have_one_name(trained: Stack) -> None:
    """A label and a feature, both with a level of that name; the class has accuracy alone."""
    record = trained.registry.version(MODEL, VERSION)
    card = read_card(trained, record)
    metrics = {"accuracy": Scored(value=0.123), "f1_macro": Scored(value=0.987)}
    parts = tuple(
        ScoredSlice(column=column, name="yes", rows=30, metrics=of)
        for column, of in (("label", {"accuracy": metrics["accuracy"]}), ("feature", metrics))
    )
    analyses = card.quantitative_analyses.model_copy(update={"slices": parts})
    measures = card.metrics.model_copy(update={"primary": "f1_macro"})
    changed = card.model_copy(update={"quantitative_analyses": analyses, "metrics": measures})
    page = render(changed, standing(trained, record))
    assert "0.123" in page
    assert "0.987" in page


def test_the_page_lies_beside_that_of_the_run(trained: Stack) -> None:
    trained.ledger.open(RUN, MODEL, Trigger(kind="upload", reason="x", at=NOW), 6)
    assert write_card_page(trained, RUN, MODEL) is None  # nothing was trained as yet
    trained.ledger.note(RUN, challenger=VERSION)
    uri = write_card_page(trained, RUN, MODEL)
    assert uri == f"s3://{trained.artifacts.name}/runs/{RUN}/card.html"
    page = trained.artifacts.get(layout.run_key(RUN, layout.CARD_PAGE)).decode()
    for said in ("Performance on held-out rows", "not stated in the model file", "jackknife", "candidate"):
        assert said in page, said
    record = trained.registry.version(MODEL, VERSION)
    assert record.artifact.sha256 in page


def test_the_command_shows_and_writes_it(
    trained: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("perennial.cli.card"), "services_of", lambda _stack: trained)
    asked = ["card", str(VERSION), "--model", MODEL]
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0, shown.output
    for name in ("html", "json"):
        assert CliRunner().invoke(app, [*asked, "--out", str(tmp_path / f"card.{name}")]).exit_code == 0
    record = trained.registry.version(MODEL, VERSION)
    written = json.loads((tmp_path / "card.json").read_text())
    assert ModelCard.model_validate(written) == read_card(trained, record)
    assert (tmp_path / "card.html").read_text() == card_page(trained, record)
