"""What people are told of a run: every outcome, in words that fit an e-mail and an SMS."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial import errors
from perennial.contracts.outcome import NotifyInput
from perennial.contracts.words import Outcome
from perennial.notices import _REMEDIES, LONGEST_SMS, LONGEST_SUBJECT, Ended, Notice, of_orphans, of_outcome

GSM = set("@$_!\"#%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz \n")
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


def ended(outcome: Outcome, entry: dict[str, Any] | None = None, **changes: Any) -> Ended:
    """A run of iris that ended so; version 2 wanted the place of version 1."""
    run = {
        "run": "run-1",
        "model": "iris",
        "outcome": outcome,
        "reason": "for a reason",
        "champion": 1,
        "report": "s3://artifacts/runs/run-1/report.html",
        "batch_at": "accepted/iris/dt=2026-11-21/run-1/",
        "error": "TrainingFailed" if outcome == "failed" else None,
    }
    return Ended(
        NotifyInput.model_validate(run | changes),
        {"challenger": 2} if entry is None else entry,
        "perennial",
        "data",
    )


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_notice_says_what_happened_why_what_was_done_and_what_to_do(outcome: Outcome) -> None:
    notice = of_outcome(ended(outcome))
    lines = notice.message.splitlines()
    assert [line.partition(":")[0] for line in lines[:4]] == [
        "What happened",
        "Why",
        "What was done",
        "What to do",
    ]
    assert lines[1] == "Why: for a reason"
    assert "iris" in lines[0]
    assert "Champion now: version 1" in lines
    assert "The whole story: perennial explain run-1" in lines
    assert "Report: s3://artifacts/runs/run-1/report.html" in lines


@pytest.mark.parametrize(
    ("outcome", "subject", "command", "severity"),
    [
        ("promoted", "iris: version 2 was promoted", "perennial rollback --model iris --reason", "info"),
        ("rejected", "iris: version 2 was rejected", "perennial compare 1 2 --model iris", "info"),
        (
            "rolled_back",
            "iris: version 2 was rolled back, version 1 serves",
            "perennial run --model iris --force --reason",
            "urgent",
        ),
        (
            "quarantined",
            "iris: a batch was quarantined",
            "aws s3 mv s3://data/accepted/iris/dt=2026-11-21/run-1/ s3://data/incoming/iris/ --recursive",
            "warning",
        ),
        ("failed", "iris: a run failed (TrainingFailed)", "perennial run --model iris --reason", "urgent"),
        ("skipped", "iris needs a look", "perennial run --model iris --force --reason", "warning"),
    ],
)
def test_the_subject_names_it_and_the_command_is_whole(
    outcome: Outcome, subject: str, command: str, severity: str
) -> None:
    notice = of_outcome(ended(outcome))
    assert notice.subject == f"Perennial: {subject}"
    assert any(line.startswith(f"    {command}") for line in notice.message.splitlines())
    assert notice.severity == severity
    assert notice.sms.startswith(f"Perennial: {subject}.")


def test_commands_name_another_stack() -> None:
    usual = ended("promoted")
    staging = Ended(usual.run, usual.entry, "staging", "data")
    assert "perennial explain run-1 --stack staging\n" in of_outcome(staging).message
    assert '--reason "..." --stack staging\n' in of_outcome(staging).message
    assert "--stack" not in of_outcome(usual).message


@pytest.mark.parametrize("error", sorted(_REMEDIES))
def test_an_error_with_a_remedy_exists_and_its_notice_has_it(error: str) -> None:
    assert issubclass(getattr(errors, error), errors.PerennialError)
    notice = of_outcome(ended("failed", error=error))
    assert f"What to do: {_REMEDIES[error][0]}" in notice.message
    assert notice.kind == f"failed {error}", "another error is another kind of notice"


def test_where_nobody_serves_and_nothing_was_trained() -> None:
    failed = of_outcome(ended("failed", entry={}, champion=None, batch_at=None))
    assert "No version serves yet." in failed.message
    assert "What has arrived lies under incoming/iris/; nothing was deleted." in failed.message
    rolled_back = of_outcome(ended("rolled_back", champion=None))
    assert rolled_back.subject.endswith("version 2 was rolled back, no version serves")
    first = of_outcome(ended("promoted", entry={"challenger": 1, "champion_before": None}))
    assert "What to do: Nothing.\n\n" in first.message
    overtaken = of_outcome(ended("rejected", entry={"challenger": 1}))
    assert "perennial compare" not in overtaken.message
    recalled = of_outcome(ended("rejected", entry={"recalled": 3}))
    assert recalled.subject.endswith("version 3 was rejected")


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (1, 1, "Version 1 serves on."),
        (None, None, "No version serves yet."),
        (2, 1, "Version 1 serves now; when the run began it was version 2."),
        (2, None, "No version serves now; when the run began it was version 2."),
        (None, 1, "Version 1 serves now; when the run began it was no version."),
    ],
)
@pytest.mark.parametrize("outcome", ["rejected", "failed", "quarantined", "skipped"])
def test_a_change_by_hand_meanwhile_is_told(
    outcome: Outcome, before: int | None, now: int | None, said: str
) -> None:
    told = of_outcome(ended(outcome, {"challenger": 3, "champion_before": before}, champion=now))
    assert said in told.message


def test_a_promotion_that_was_taken_back_before_it_was_told_names_both() -> None:
    told = of_outcome(ended("promoted", {"challenger": 2, "champion_before": 1}, champion=1))
    assert "version 2 was promoted" in told.subject
    assert "It baked without an alarm; version 1 serves now." in told.message


def test_instances_that_had_to_be_ended_are_named() -> None:
    told = of_orphans(["i-1 of iris: its run has ended"])
    assert told.subject == "Perennial: 1 training instance(s) had to be ended"
    assert "    i-1 of iris: its run has ended\n" in told.message
    assert told.severity == "urgent"
    assert set(told.sms) <= GSM


def test_what_was_held_back_is_told() -> None:
    notice = of_outcome(ended("quarantined"))
    assert notice.held_back(0, "") == notice
    assert "1 more notice was held back since noon" in notice.held_back(1, "noon").message
    told = notice.held_back(12, "noon").message
    assert told.startswith(notice.message)
    assert "12 more notices were held back since noon" in told
    assert "perennial status --model iris" in told


@given(
    outcome=st.sampled_from(OUTCOMES),
    model=st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True),
    run=st.text("abcdefXYZ0189-_", min_size=1, max_size=80),
    reason=st.text(max_size=2000),
    error=st.none() | st.text(max_size=80),
    challenger=st.none() | st.integers(1, 10**6),
)
def test_every_notice_fits_its_channels(
    outcome: Outcome, model: str, run: str, reason: str, error: str | None, challenger: int | None
) -> None:
    notice: Notice = of_outcome(
        ended(outcome, {"challenger": challenger}, model=model, run=run, reason=reason, error=error)
    )
    assert len(notice.sms) <= LONGEST_SMS < 160
    assert set(notice.sms) <= GSM
    assert len(notice.subject) <= LONGEST_SUBJECT
    assert notice.subject.isascii()
    assert notice.subject.isprintable()
    assert reason in notice.message
    command = f"perennial explain {run}"
    assert command not in notice.sms or notice.sms.endswith(command), "a command is whole or not there"
