"""Ask For Approval: ask a person where the model file says so, remind, and read the answer."""

import math
from datetime import UTC, datetime

from perennial.approval import occasions
from perennial.approval import question as in_words
from perennial.aws.approvals import Answer, Question
from perennial.aws.handler import task
from perennial.aws.wiring import Services
from perennial.config import load_model
from perennial.contracts.approval import Approval, AskApprovalInput
from perennial.cost import of_entry
from perennial.promotion_config import ApprovalPolicy


@task(AskApprovalInput)
def handler(request: AskApprovalInput, services: Services) -> Approval:
    """Called again after every wait: the answer on record counts, whatever ended the wait."""
    policy, now = load_model(request.model).approval, datetime.now(UTC)
    answer = services.approvals.answer(request.run)
    question = services.approvals.question(request.run)
    if answer is None and question is not None and now >= question.expires_at:
        silence = f"nobody answered by {question.expires_at:%Y-%m-%d %H:%M} UTC"
        answer = services.approvals.decide(
            request.run, Answer(verdict="expired", by="nobody", reason=silence, at=now)
        )
    if answer is not None:
        return _answered(request, answer)
    because = _occasions(request, policy) if question is None else question.because
    if not because:
        return Approval(status="not_needed", reason=request.reason)
    question = _ask(request, services, policy, question, because, now)
    due = min(question.asked_at + (question.reminders + 1) * policy.remind, question.expires_at)
    wait = max(1, math.ceil((due - now).total_seconds()))
    return Approval(status="waiting", reason=request.reason, wait_seconds=wait)


def _occasions(request: AskApprovalInput, policy: ApprovalPolicy) -> tuple[str, ...]:
    return occasions(
        policy,
        strategy=request.strategy,
        drift=request.drift,
        changed=request.metrics.get("changed"),
        first=request.champion is None,
    )


def _ask(
    request: AskApprovalInput,
    services: Services,
    policy: ApprovalPolicy,
    asked: Question | None,
    because: tuple[str, ...],
    now: datetime,
) -> Question:
    """Put the question, or put it again where that is due."""
    if asked is not None and now < asked.asked_at + (asked.reminders + 1) * policy.remind:
        return asked
    question = (
        Question(asked_at=now, expires_at=now + policy.expires, because=because)
        if asked is None
        else asked.model_copy(update={"reminders": int((now - asked.asked_at) / policy.remind)})
    )
    notice = in_words(
        request,
        because=because,
        cost=of_entry(services.ledger.run(request.run) or {}),
        expires=question.expires_at,
        reminder=asked is not None,
        stack=services.settings.stack,
    )
    services.approvals.ask(request.run, question, notice)
    return question


def _answered(request: AskApprovalInput, answer: Answer) -> Approval:
    said = f"{answer.by}: {answer.reason}"
    reason = {
        "approved": f"{request.reason} Approved by {said}",
        "refused": f"Not approved by {said}",
        "expired": f"Not approved: {answer.reason}",
    }[answer.verdict]
    return Approval(status=answer.verdict, reason=reason)
