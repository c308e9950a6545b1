"""`perennial approve` and `reject`: a person's word on a challenger that waits for it."""

import json
from datetime import UTC, datetime
from typing import Literal

from perennial.aws.approvals import Answer
from perennial.aws.clients import client
from perennial.aws.wiring import Services
from perennial.cli.shared import Reason, Run, Stack, console, services_of, who
from perennial.errors import ApprovalRefused, CallbackExpired


def approve(run: Run, reason: Reason, stack: Stack = "perennial") -> None:
    """Let the challenger of a waiting run serve."""
    _answer(services_of(stack), run, "approved", reason)
    console.print(f"run {run} goes on: its challenger is promoted")


def reject(run: Run, reason: Reason, stack: Stack = "perennial") -> None:
    """Keep the champion: the challenger of a waiting run is rejected."""
    _answer(services_of(stack), run, "refused", reason)
    console.print(f"run {run} goes on: its challenger is rejected")


def _answer(services: Services, run: str, verdict: Literal["approved", "refused"], reason: str) -> None:
    """Record the answer, then wake the run; it reads the record, so that no wake-up can be lost.

    Raises CallbackExpired where nothing is asked any more, or another answer was given.
    """
    now = datetime.now(UTC)
    question = services.approvals.question(run)
    if question is None or not services.workflow.alive(run):
        raise CallbackExpired(f"run {run} waits for nobody's approval")
    if now >= question.expires_at:
        raise CallbackExpired(
            f"run {run} waited until {question.expires_at:%Y-%m-%d %H:%M} UTC: its challenger is rejected"
        )
    identity = client("sts").get_caller_identity()["Arn"]
    answer = Answer(verdict=verdict, by=who(), reason=reason, at=now, identity=identity)
    counts = services.approvals.decide(run, answer)
    if (counts.verdict, counts.by) != (verdict, answer.by):
        raise CallbackExpired(f"run {run} was {counts.verdict} by {counts.by} already: {counts.reason}")
    _wake(services, run, counts)


def _wake(services: Services, run: str, answer: Answer) -> None:
    token = services.approvals.token(run)
    if token is None:  # the question is out, the run about to wait: it finds the answer when it looks
        return
    try:
        if answer.verdict == "approved":
            services.callback(token).succeed(json.dumps({"by": answer.by, "reason": answer.reason}))
        else:
            services.callback(token).fail(ApprovalRefused.__name__, f"{answer.reason} ({answer.by})")
    except CallbackExpired:
        if services.approvals.token(run) != token:  # it reminded just now, and waits again
            _wake(services, run, answer)
