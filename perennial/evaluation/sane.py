"""Are the answers ones that a working model can give?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from perennial.config import ModelConfig
from perennial.contracts.evaluation import Gate
from perennial.evaluation.words import count
from perennial.metrics import Answers, Values, ask, metric_of

type Clock = Callable[[], float]


@dataclass(frozen=True)
class Asked:
    """What a model answered, or why it could not (`problem`); in so many seconds, where taken."""

    answers: Answers | None
    problem: str = ""
    seconds: float | None = None


def try_to_ask(model: Any, frame: pd.DataFrame, config: ModelConfig, clock: Clock | None) -> Asked:
    """Let a model answer every row; what it raises is an answer too."""
    started = clock() if clock else 0.0
    try:
        answers = ask(model, frame, config)
    except Exception as error:  # noqa: BLE001 - whatever a candidate raises is a reason to refuse it
        return Asked(None, f"it could not answer {count(len(frame))}: {type(error).__name__}: {error}")
    return Asked(answers, seconds=clock() - started if clock else None)


def sane(asked: Asked, labels: Values, config: ModelConfig) -> Gate:
    """Not constant where labels are not, right classes, right shape, finite."""
    problem = asked.problem if asked.answers is None else _problem(asked.answers, labels, config)
    if problem or asked.answers is None:
        return Gate(name="sane", passed=False, sentence=f"the challenger is not sane: {problem}")
    distinct = len(pd.unique(asked.answers.predicted))
    return Gate(
        name="sane",
        passed=True,
        sentence=f"the challenger's answers to {count(len(labels))} are of {distinct} values, all sane",
        numbers={"values": float(distinct)},
    )


def _problem(answers: Answers, labels: Values, config: ModelConfig) -> str:
    predicted = answers.predicted
    if config.task == "regression":
        wild = int(np.sum(~np.isfinite(predicted.astype(np.float64))))
        if wild:
            return f"{wild} of {count(len(labels))} got no finite answer"
    else:
        levels = config.columns[config.label].levels
        known = set(levels) if levels else set(np.unique(labels).tolist()) | _own(answers)
        strange = sorted(set(pd.unique(predicted).tolist()) - known, key=str)
        if strange:
            return f"it answers with unknown classes {strange}"
        if answers.probabilities is not None and answers.classes is not None:
            problem = _improbable(answers.probabilities, len(answers.classes))
            if problem:
                return problem
        if metric_of(config).needs_probabilities and answers.probabilities is None:
            return f"it gives no probabilities, {config.metric} needs them"
    distinct, expected = len(pd.unique(predicted)), len(pd.unique(labels))
    if distinct == 1 < expected:
        return f"it answers {predicted[0]} to every one of {count(len(labels))} with {expected} labels"
    return ""


def _own(answers: Answers) -> set[Any]:
    return set() if answers.classes is None else set(answers.classes.tolist())


def _improbable(probabilities: Any, classes: int) -> str:
    if probabilities.ndim != 2 or probabilities.shape[1] != classes:
        return f"it gives probabilities of shape {probabilities.shape} for {classes} classes"
    wild = ~np.isfinite(probabilities).all(axis=1)
    wild |= (probabilities < 0).any(axis=1) | (np.abs(probabilities.sum(axis=1) - 1) > 1e-3)
    if wild.any():
        return f"the probabilities of {count(int(wild.sum()))} are none: between 0 and 1, summing to 1"
    return ""
