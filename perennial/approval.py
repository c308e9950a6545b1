"""Approval: when a person is asked whether a challenger may serve, and what the person is told."""

from collections.abc import Collection
from datetime import datetime

from perennial.contracts.approval import AskApprovalInput
from perennial.contracts.strategy import Strategy
from perennial.contracts.words import DriftKind
from perennial.notices import Notice, as_typed, notice
from perennial.promotion_config import ApprovalPolicy


def occasions(
    policy: ApprovalPolicy,
    *,
    strategy: Strategy,
    drift: Collection[DriftKind],
    changed: float | None,
    first: bool,
) -> tuple[str, ...]:
    """Why a person has to be asked, in words; none where nobody has. `first`: there is no champion."""
    if policy.on == "always":
        return ("the model file asks for approval always",)
    if policy.on == "never":
        return ()
    large = not first and changed is not None and changed > policy.large_change
    found = {
        strategy.name: f"the strategy was {strategy.name}: {strategy.reason}",
        "large_change": f"{changed:.0%} of the holdout's answers are others than the champion's"
        if large
        else None,
        "schema": "the schema of the data drifted" if "schema" in drift else None,
    }
    return tuple(words for occasion in policy.on if (words := found.get(occasion)))


def question(
    request: AskApprovalInput,
    *,
    because: Collection[str],
    cost: str,
    expires: datetime,
    reminder: bool,
    stack: str,
) -> Notice:
    """What the person is told: what was found, what it cost, how to answer and until when."""
    asked = f"may version {request.challenger} of {request.model} serve?"
    champion = (
        "no version serves" if request.champion is None else f"version {request.champion} serves until then"
    )
    lines = [
        f"Version {request.challenger} of {request.model} is better and waits for your word; {champion}.",
        "",
        request.reason,
        f"Asked because {'; '.join(because)}.",
        "",
        "Gates:",
        *(f"- {gate}" for gate in request.gates),
        "",
        f"Gain: {request.metrics['gain']:+.4g}" if "gain" in request.metrics else "Gain: not measured",
        f"Trained: {request.strategy.name} ({request.strategy.reason}); cost: {cost}",
        "",
        f"Yes:  {as_typed(f'perennial approve {request.run} --reason "..."', stack)}",
        f"No:   {as_typed(f'perennial reject {request.run} --reason "..."', stack)}",
        "",
        f"Without an answer by {expires:%Y-%m-%d %H:%M} UTC the version is rejected.",
    ]
    return notice(
        model=request.model,
        kind="approval",
        severity="urgent",
        subject=f"reminder: {asked}" if reminder else asked,
        message="\n".join(lines) + "\n",
        sms=asked,
        command=as_typed(f"perennial explain {request.run}", stack),
    )
