"""A state machine's definition (Amazon States Language) as states and transitions."""

import re
from dataclasses import dataclass
from typing import Any, Literal

TransitionKind = Literal["next", "choice", "default", "catch"]


@dataclass(frozen=True)
class Transition:
    """One way from a state to another; `label` is short and only on the ways out of a Choice."""

    source: str
    target: str
    kind: TransitionKind
    label: str = ""


@dataclass(frozen=True)
class Workflow:
    """States with their types and comments, in the definition's order, and all transitions."""

    start: str
    types: dict[str, str]
    comments: dict[str, str]
    transitions: tuple[Transition, ...]

    def reachable(self) -> list[str]:
        """States that a run can reach without an error being caught, in the order first met."""
        found, waiting = [self.start], [self.start]
        while waiting:
            name = waiting.pop(0)
            for step in self.transitions:
                if step.source == name and step.kind != "catch" and step.target not in found:
                    found.append(step.target)
                    waiting.append(step.target)
        return found


def read_workflow(definition: dict[str, Any]) -> Workflow:
    """Read a definition; states inside Map and Parallel states belong to those and are not listed.

    Raises ValueError where it is none.
    """
    states = definition.get("States")
    if not states or definition.get("StartAt") not in states:
        raise ValueError("expected a state machine definition: StartAt, and States among which it is")
    return Workflow(
        start=definition["StartAt"],
        types={name: state["Type"] for name, state in states.items()},
        comments={name: state.get("Comment", "") for name, state in states.items()},
        transitions=tuple(step for name, state in states.items() for step in _ways_out(name, state)),
    )


def _ways_out(name: str, state: dict[str, Any]) -> list[Transition]:
    rules = state.get("Choices", [])
    ways = [Transition(name, rule["Next"], "choice", rule_label(rule)) for rule in rules]
    if "Default" in state:
        ways.append(Transition(name, state["Default"], "default", _otherwise(rules)))
    if "Next" in state:
        ways.append(Transition(name, state["Next"], "next"))
    ways += [Transition(name, catch["Next"], "catch") for catch in state.get("Catch", [])]
    return ways


def rule_label(rule: dict[str, Any]) -> str:
    """A word or two for a Choice rule: its Comment, the text it compares with, or the variable it looks at.

    >>> rule_label({"Condition": "{% $decision.action = 'retrain' %}"})
    'retrain'
    >>> rule_label({"Condition": "{% $count($alarms) > 0 %}"})
    'alarms'
    >>> rule_label({"Condition": "{% $evaluation.batch_suspect %}"})
    'batch suspect'
    """
    condition = str(rule.get("Comment") or rule.get("Condition", ""))
    if "Comment" in rule:
        return condition[:24]
    text = re.search(r"'([^']+)'", condition)
    names = re.findall(r"[A-Za-z_]\w*", condition)
    found = text[1] if text else (names[-1] if names else "")
    return found.replace("_", " ")[:24]


def _otherwise(rules: list[dict[str, Any]]) -> str:
    if len(rules) == 1 and "'" not in str(rules[0].get("Condition", "'")) and "Comment" not in rules[0]:
        counted = ">" in str(rules[0]["Condition"])
        return f"{'no' if counted else 'not'} {rule_label(rules[0])}"
    return "else"
