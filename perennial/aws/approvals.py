"""The question to a person and its one answer: on the run's entry in the ledger, told through the topic.

The entry is the truth, whoever ends the waiting task: `approval` is the question, `approval_answer` the
answer, written once. The task token only wakes the run.
"""

from datetime import datetime
from typing import Any, Literal

from botocore.exceptions import ClientError
from pydantic import Field

from perennial.aws.ledger import Ledger
from perennial.aws.notices import Notices
from perennial.aws.table import refused, run_key
from perennial.contracts.base import Contract
from perennial.notices import Notice

Verdict = Literal["approved", "refused", "expired"]


class Question(Contract):
    """What a run has asked and until when; how often it reminded."""

    asked_at: datetime
    expires_at: datetime
    because: tuple[str, ...]
    reminders: int = Field(default=0, ge=0)


class Answer(Contract):
    """Who decided, when and why. `identity`: the AWS principal behind the name."""

    verdict: Verdict
    by: str
    reason: str
    at: datetime
    identity: str = ""


class Approvals:
    """Questions and answers of runs."""

    def __init__(self, table: Any, ledger: Ledger, notices: Notices) -> None:
        self._table, self._ledger, self._notices = table, ledger, notices

    def question(self, run: str) -> Question | None:
        """What a run has asked; None where it has not."""
        return _read(Question, self._entry(run).get("approval"))

    def answer(self, run: str) -> Answer | None:
        """What was decided; None where nobody has."""
        return _read(Answer, self._entry(run).get("approval_answer"))

    def token(self, run: str) -> str | None:
        """The token of the waiting task; each wait has another."""
        token = self._entry(run).get("approval_token")
        return None if token is None else str(token)

    def ask(self, run: str, question: Question, notice: Notice) -> None:
        """Tell people and keep the question, or how often it was put; a repetition may tell twice."""
        self._notices.publish(notice)  # never held back: the run waits for them
        self._ledger.note(run, approval=question.model_dump(mode="json"))

    def decide(self, run: str, answer: Answer) -> Answer:
        """Record an answer unless there is one; the answer that counts."""
        try:
            self._table.update_item(
                Key=run_key(run),
                UpdateExpression="SET approval_answer = :answer",
                ConditionExpression="attribute_exists(approval) AND attribute_not_exists(approval_answer)",
                ExpressionAttributeValues={":answer": answer.model_dump(mode="json")},
            )
        except ClientError as error:
            if not refused(error):
                raise
            return self.answer(run) or answer
        return answer

    def _entry(self, run: str) -> dict[str, Any]:
        return self._ledger.run(run) or {}


def _read[C: Contract](contract: type[C], item: Any) -> C | None:
    return None if item is None else contract.model_validate(item)
