"""A decision with all that it was taken by: stored, shown, and taken again."""

from datetime import datetime
from typing import Any

from perennial.contracts.decision import Decision
from perennial.decision.deciding import decide
from perennial.decision.evidence import Evidence
from perennial.policy_config import RetrainPolicy


def record(decision: Decision, evidence: Evidence, policy: RetrainPolicy, now: datetime) -> dict[str, Any]:
    """Plain JSON values: the decision's own fields, and `evidence`, `policy` and `decided_at`."""
    return {
        **decision.model_dump(mode="json"),
        "evidence": evidence.model_dump(mode="json"),
        "policy": policy.model_dump(mode="json", by_alias=True),
        "decided_at": now.isoformat(),
    }


def replay(stored: dict[str, Any]) -> Decision:
    """The decision taken again by the evidence that it saw; not the strategy, which is chosen after it."""
    return decide(
        Evidence.model_validate(stored["evidence"]),
        RetrainPolicy.model_validate(stored["policy"]),
        datetime.fromisoformat(stored["decided_at"]),
    )
