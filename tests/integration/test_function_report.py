"""Write Report on moto: the page of every kind of run, where it lies, and what it rests on."""

from datetime import datetime, timedelta

import pytest

from perennial import layout
from perennial.aws.explanation import facts_of
from perennial.aws.pages import found_page
from perennial.aws.wiring import Services
from perennial.config import load_model
from perennial.contracts.objects import Manifest
from perennial.contracts.trigger import Trigger
from perennial.errors import InvalidRequest
from perennial.explaining import tell
from scenarios.iris import season
from tests.integration.function_support import invoke
from tests.integration.moto_support import NOW, Executions, record, serve
from tests.sample_run import arrive, csv, first_champion, train


def begin(services: Services, executions: Executions, run: str, day: int, champion: int | None = 1) -> None:
    """A run that is under way."""
    executions.start(run)
    trigger = Trigger(kind="upload", reason=f"{run} was uploaded", at=NOW + timedelta(days=day))
    services.ledger.open(run, "iris", trigger, champion)


def end(services: Services, run: str, outcome: str, reason: str, champion: int | None = 1) -> None:
    """What the workflow records."""
    services.ledger.note(run, outcome=outcome, reason=reason, champion_after=champion)


def check(services: Services, run: str, body: bytes) -> None:
    """Validate and compare a batch."""
    stored = arrive(services, body, f"incoming/iris/{run}.csv")
    manifest = Manifest(run=run, model="iris", kind="incoming", objects=(stored,))
    services.artifacts.put_json(layout.run_key(run, layout.MANIFEST), manifest.model_dump(mode="json"))
    if invoke("validate_data", run=run, champion=1)["valid"]:
        invoke("compute_drift", run=run)


def page(services: Services, run: str) -> str:
    """What Write Report leaves."""
    answer = invoke("write_report", run=run)
    assert answer["uri"] == f"s3://{services.artifacts.name}/runs/{run}/report.html"
    assert (services.ledger.run(run) or {})["report"] == answer["uri"]
    return services.artifacts.get(layout.run_key(run, layout.REPORT)).decode()


def test_a_run_with_drift_shows_what_was_found(services: Services, executions: Executions) -> None:
    first_champion(services)
    for day, run in enumerate(("calm", "again")):
        begin(services, executions, run, day)
        check(services, run, csv(season(run, rows=150, seed=day)))
        end(services, run, "skipped", f"no drift in {run}")
    begin(services, executions, "moved", 2)
    check(services, "moved", csv(season("moved", rows=150, seed=9, scale=1.35).assign(colour="blue")))
    end(services, "moved", "skipped", "within the cooldown")
    text = page(services, "moved")
    for said in (
        "Within the cooldown",
        "Reasons, the likeliest impact on the model first",
        "domain classifier",
        "measured by labels",
        "Batch by batch, since version 1 began",
        "Slow drift: evidence that accumulates",
        "What the model leans on",
        "column colour is not in the model file: it was left out",
        "no drift in calm".capitalize(),
        "no drift in again".capitalize(),
    ):
        assert said in text, said
    assert "flower_id was added" not in text  # a key is nothing to compare
    assert "no drift in again".capitalize() not in page(services, "calm")  # that was later


def test_a_refused_batch_shows_its_problems(services: Services, executions: Executions) -> None:
    first_champion(services)
    begin(services, executions, "broken", 0)
    check(services, "broken", csv(season("b", rows=60, seed=1).drop(columns="sepal_width")))
    end(services, "broken", "quarantined", "column sepal_width is missing")
    text = page(services, "broken")
    assert "quarantined" in text
    assert "column sepal_width is missing: it was expected, found" in text


@pytest.mark.parametrize("outcome", ["failed", "rejected", "rolled_back", "promoted"])
def test_every_outcome_has_its_page(services: Services, executions: Executions, outcome: str) -> None:
    begin(services, executions, "any", 0, champion=None)
    end(services, "any", outcome, "so it is", champion=None)
    assert "So it is" in page(services, "any")


def test_a_change_by_hand_while_a_challenger_is_rejected_goes_on_record(
    services: Services, executions: Executions
) -> None:
    for version in (1, 2):
        services.registry.register(record(version))
    serve(services, 1)
    serve(services, 2, previous=1)
    begin(services, executions, "tried", 0, champion=2)
    roll_back(services, 2, 1, NOW + timedelta(seconds=9))
    end(services, "tried", "rejected", "no better than version 2", champion=2)
    services.ledger.note("tried", ended_at=(NOW + timedelta(seconds=30)).isoformat())
    assert invoke("write_report", run="tried")["champion"] == 1
    entry = services.ledger.run("tried") or {}
    assert (entry["outcome"], entry["champion_before"], entry["champion_after"]) == ("rejected", 2, 1)
    said = "version 1 serves, before version 2: the till stood still (run by-hand)"
    assert said in services.artifacts.get(layout.run_key("tried", layout.REPORT)).decode()
    told = {part.title: part.lines for part in tell(facts_of(services, "tried"))}
    assert any(said in line for line in told["Who served"])
    assert "version 1 serves" in told["Outcome"]


def test_an_outcome_that_is_not_on_record_gets_no_champion(
    services: Services, executions: Executions
) -> None:
    begin(services, executions, "going", 0)
    with pytest.raises(InvalidRequest, match="no outcome on record"):
        invoke("write_report", run="going")
    with pytest.raises(InvalidRequest, match="no outcome on record"):
        invoke("write_report", run="never-begun")
    assert "champion_after" not in (services.ledger.run("going") or {})
    assert services.ledger.run("never-begun") is None


def roll_back(services: Services, champion: int, to: int, at: datetime) -> None:
    """What a person does by `perennial rollback`."""
    services.succession.roll_back(
        load_model("iris"), champion=champion, to=to, run="by-hand", reason="the till stood still", now=at
    )


def test_a_run_of_an_unknown_model_has_its_page(services: Services, executions: Executions) -> None:
    executions.start("lost")
    services.ledger.open("lost", "unknown", Trigger(kind="on_demand", reason="tulips", at=NOW), None)
    end(services, "lost", "failed", "UnknownModel: no model is named tulips", champion=None)
    assert invoke("write_report", run="lost", model="unknown")["uri"].endswith("runs/lost/report.html")


def test_what_a_version_serves_for_outlives_the_documents_of_its_run(
    services: Services, executions: Executions
) -> None:
    first_champion(services)
    begin(services, executions, "moved", 0)
    check(services, "moved", csv(season("moved", rows=150, seed=9, scale=1.35)))
    decision = {"action": "retrain", "reasons": ["data drift"], "alternatives": ["skip: the champion fell"]}
    services.artifacts.put_json(layout.run_key("moved", layout.DECISION), decision)
    evaluation = {"summary": "Right on 97 of 100.", "reasons": ["Right on 97 of 100."], "metrics": {}}
    services.artifacts.put_json(layout.run_key("moved", layout.EVALUATION), evaluation)
    train(services, 2, "moved", champion=1)
    services.ledger.note("moved", challenger=2)
    invoke("promote_challenger", run="moved", challenger=2, champion=1)
    end(services, "moved", "promoted", "better", champion=2)
    before = tell(facts_of(services, "moved"))
    expire(services)
    assert tell(facts_of(services, "moved")) == before
    told = [line for part in before for line in part.lines]
    for said in ("Right on 97 of 100.", "  skip: the champion fell", "retrain, because:"):
        assert said in told, said


def test_the_page_of_a_run_with_a_challenger_is_kept(services: Services, executions: Executions) -> None:
    for run in ("tried", "quiet"):
        begin(services, executions, run, 0, champion=None)
        end(services, run, "rejected", "so it is", champion=None)
        if run == "tried":
            services.ledger.note(run, challenger=2)
        page(services, run)
    expire(services)
    executions.forget()
    assert "So it is" in found_page(services, "tried", "iris", NOW)
    with pytest.raises(InvalidRequest, match="perennial explain quiet"):
        found_page(services, "quiet", "iris", NOW)


def expire(services: Services) -> None:
    """What the bucket's lifecycle does in time."""
    for item in list(services.artifacts.list("runs/")):
        services.artifacts.delete(item.key)
