"""Champion against challenger on the same holdout rows: gates, each with its verdict and its numbers.

A challenger is better only if every gate is passed:

    sane        its answers are finite, of known classes, and differ where labels do; else no more is asked
    better      the primary metric is higher on all holdout rows, by a one-sided paired test
    remembers   on rows known before this run's batch it loses no more than the margin

Where there is no champion, a naive answer takes its place: the most frequent class, or the mean label.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from perennial.config import ModelConfig
from perennial.contracts import Evaluation
from perennial.metrics import (
    HIGHER_IS_BETTER,
    Answers,
    Floats,
    Mask,
    Values,
    ask,
    contributions,
    labels_of,
    scores,
)
from perennial.pairs import p_value, rows_to_tell


@dataclass(frozen=True)
class Gate:
    """One condition of promotion: its name, whether it was met, and a sentence with the numbers."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class _Match:
    """What both models answered to the same labelled rows, and how the champion's seat is called."""

    config: ModelConfig
    labels: Values
    champion: Answers
    challenger: Answers
    opponent: str

    def of(self, rows: Mask) -> "_Match":
        return _Match(
            self.config, self.labels[rows], self.champion.of(rows), self.challenger.of(rows), self.opponent
        )

    def metric(self, answers: Answers) -> float:
        return scores(self.labels, answers, self.config.task)[self.config.metric]

    def gain(self) -> float:
        """By how much the challenger is better in the primary metric; below 0 where it is worse."""
        ahead = self.metric(self.challenger) - self.metric(self.champion)
        return ahead if HIGHER_IS_BETTER[self.config.metric] else -ahead

    def advantage(self) -> Floats:
        """Of each row: above 0 where the challenger did better."""
        metric = self.config.metric
        return contributions(metric, self.labels, self.challenger) - contributions(
            metric, self.labels, self.champion
        )

    def test(self, *, of_loss: bool = False) -> float:
        """One-sided p-value of the challenger being better, or worse."""
        advantage = self.advantage()
        return p_value(-advantage if of_loss else advantage, self.config.seed)


def evaluate(
    config: ModelConfig,
    champion: Any | None,
    challenger: Any,
    holdout: pd.DataFrame,
    recent: Mask,
) -> Evaluation:
    """Compare two fitted models on the labelled holdout.

    `recent` (n,) says which rows came with this run's batch; the others were known before. A challenger that
    is only no worse does not count as better. `batch_suspect` is true where learning from the batch made it
    significantly worse on what was known before: then the batch is in doubt, not the model.
    """
    labels = labels_of(holdout, config)
    too_few = rows_to_tell(config.evaluation.level)
    if len(labels) < too_few:
        sentence = (
            f"{_count(len(labels))} cannot tell which version is better: at least {too_few} are needed "
            f"at level {config.evaluation.level:g}"
        )
        return _verdict([Gate("enough", False, sentence)], {"rows": float(len(labels))}, sentence)
    match = _Match(
        config,
        labels,
        _naive(labels, config) if champion is None else ask(champion, holdout, config),
        ask(challenger, holdout, config),
        "a naive answer" if champion is None else "the champion",
    )
    sane = _sane(match, challenger)
    if not sane.passed:
        return _verdict([sane], {"rows": float(len(labels))}, sane.sentence)
    known = None if champion is None or recent.all() else match.of(~recent)
    gates = [sane, _better(match)] + ([_remembers(known)] if known else [])
    suspect = known is not None and _forgets(known) and known.test(of_loss=True) <= config.evaluation.level
    return _verdict(gates, _metrics(match, recent), _summary(match, gates), suspect=suspect)


def _verdict(
    gates: list[Gate], metrics: dict[str, float], summary: str, *, suspect: bool = False
) -> Evaluation:
    return Evaluation(
        better=all(gate.passed for gate in gates),
        batch_suspect=suspect,
        summary=_sentence(summary),
        reasons=tuple(_sentence(gate.sentence) for gate in gates),
        metrics={name: value for name, value in metrics.items() if math.isfinite(value)},
    )


def _sane(match: _Match, challenger: Any) -> Gate:
    """Are the answers ones that a working model can give?"""
    predicted, labels = match.challenger.predicted, match.labels
    if match.config.task == "regression":
        wild = int(np.sum(~np.isfinite(predicted.astype(np.float64))))
        problem = f"{wild} of {_count(len(labels))} got no finite answer" if wild else ""
    else:
        strange = sorted(set(np.unique(predicted).tolist()) - _classes(match, challenger))
        problem = f"it answers with unknown classes {strange}" if strange else ""
    distinct, expected = len(np.unique(predicted)), len(np.unique(labels))
    if not problem and distinct == 1 < expected:
        problem = f"it answers {predicted[0]} to every one of {_count(len(labels))} with {expected} labels"
    sentence = (
        problem or f"the challenger's answers to {_count(len(labels))} are of {distinct} values, all sane"
    )
    return Gate("sane", not problem, f"the challenger is not sane: {problem}" if problem else sentence)


def _classes(match: _Match, challenger: Any) -> set[Any]:
    levels = match.config.columns[match.config.label].levels
    return set(levels) if levels else set(getattr(challenger, "classes_", match.labels).tolist())


def _better(match: _Match) -> Gate:
    level, p = match.config.evaluation.level, match.test()
    passed = match.gain() > 0 and p <= level
    differ = int(np.sum(match.advantage() != 0))
    too_few = rows_to_tell(level)
    sentence = f"{_compare(match)} (p {_p(p)}, level {level:g})"
    if not passed and match.gain() > 0:
        sentence += (
            f": the two differ on {_count(differ)}, at least {too_few} are needed to tell"
            if differ < too_few
            else f": too little to tell from chance on the {_count(differ)} where the two differ"
        )
    return Gate("better", passed, sentence)


def _forgets(known: _Match) -> bool:
    return known.gain() < -known.config.evaluation.margin


def _remembers(known: _Match) -> Gate:
    margin = known.config.evaluation.margin
    loss, forgets = -known.gain(), _forgets(known)
    said = f"of what was known before, {_compare(known)}"
    if forgets:
        p = known.test(of_loss=True)
        return Gate("remembers", False, f"{said}: it lost {loss:.3f}, allowed is {margin:g} (p {_p(p)})")
    return Gate("remembers", True, f"{said}: within the margin of {margin:g}")


def _naive(labels: Values, config: ModelConfig) -> Answers:
    """The best answer without looking at the features."""
    if config.task == "regression":
        return Answers(np.full(len(labels), labels.mean()))
    levels, counts = np.unique(labels, return_counts=True)
    return Answers(np.full(len(labels), levels[counts.argmax()]))


def _metrics(match: _Match, recent: Mask) -> dict[str, float]:
    found = {"rows": float(len(match.labels)), "p_value": match.test(), "gain": match.gain()}
    baseline = "baseline" if match.opponent == "a naive answer" else "champion"
    for part, rows in (("", np.ones_like(recent)), ("known.", ~recent), ("recent.", recent)):
        of = match.of(rows)
        found[f"{part}rows"] = float(len(of.labels))
        for name, answers in ((baseline, of.champion), ("challenger", of.challenger)):
            scored = scores(of.labels, answers, match.config.task)
            found |= {f"{name}.{part}{metric}": value for metric, value in scored.items()}
    return found


def _summary(match: _Match, gates: list[Gate]) -> str:
    """The one sentence that decided: the last gate that failed (forgetting says most), else what was won."""
    failed = [gate for gate in gates if not gate.passed]
    return failed[-1].sentence if failed else f"{_compare(match)} (p {_p(match.test())})"


def _compare(match: _Match) -> str:
    rows, metric = _count(len(match.labels)), match.config.metric
    challenger, champion = match.metric(match.challenger), match.metric(match.champion)
    if metric == "accuracy":
        return f"the challenger is right on {challenger:.1%} of {rows}, {match.opponent} on {champion:.1%}"
    name = {"balanced_accuracy": "balanced accuracy", "r2": "R²", "mae": "mean absolute error"}[metric]
    return f"the challenger has {name} {challenger:.4g} on {rows}, {match.opponent} {champion:.4g}"


def _count(rows: int) -> str:
    return f"{rows} holdout row{'' if rows == 1 else 's'}"


def _p(p: float) -> str:
    return f"= {p:.2g}" if p >= 0.0001 else "< 0.0001"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
