"""Champion against challenger: the gates in their order, and the verdict.

    enough      there are as many rows as any test needs; else no more is asked
    sane        its answers are finite, of known classes, and differ where labels do; else no more is asked
    latency, size, loads    within the bounds of the model file; what the caller checks beside
    better      the primary metric, by a one-sided paired test (or non_inferior, see the model file)
    guardrail   each further metric that is named, within its margin
    slices      no part of the rows is worse by more than the margin
    remembers   on rows known before this run's batch it loses no more than the margin

Where there is no champion, a naive answer takes its place.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from perennial.config import ModelConfig
from perennial.contracts.evaluation import Evaluation, Gate
from perennial.evaluation import gates, slices
from perennial.evaluation.changed import changed
from perennial.evaluation.match import Compared, Match
from perennial.evaluation.naive import naive
from perennial.evaluation.sampling import sample
from perennial.evaluation.sane import Asked, Clock, sane, try_to_ask
from perennial.evaluation.words import chance, count, sentence
from perennial.metrics import Answers, Mask, Values, all_scores, ask, labels_of
from perennial.pairs import rows_to_tell

_SINGLE_CALLS = 40


def evaluate(
    config: ModelConfig,
    champion: Any | None,
    challenger: Any,
    holdout: pd.DataFrame,
    recent: Mask,
    *,
    archived: Mapping[int, Callable[[], Any]] | None = None,
    checks: Sequence[Callable[[], Gate]] = (),
    clock: Clock | None = None,
) -> Evaluation:
    """Compare two fitted models on the labelled holdout (n rows), or a sample of it where it is large.

    `recent` (n,) says which rows came with this run's batch; the others were known before. `batch_suspect`
    is true where learning from the batch made it significantly worse on what was known before: then the batch
    is in doubt, not the model. `archived` versions are scored beside, by number; `checks` are gates of the
    caller's; `clock` in seconds, without which no latency is taken.
    """
    labels = labels_of(holdout, config)
    classes, policy = config.task == "classification", config.evaluation
    places = sample(labels, recent, policy.max_rows, classes=classes, seed=config.seed)
    whole = len(labels)
    if len(places) < whole:
        holdout, labels, recent = holdout.iloc[places], labels[places], recent[places]
    rows = {"rows": float(len(labels))}
    too_few = rows_to_tell(policy.level)
    if len(labels) < too_few:
        return _too_few(len(labels), too_few, policy.level)
    asked = try_to_ask(challenger, holdout, config, clock)
    first = sane(asked, labels, config)
    if asked.answers is None or not first.passed:
        return _verdict([first], rows, first.sentence, "worse")
    opponent = naive(labels, config) if champion is None else ask(champion, holdout, config)
    match = Match(
        config, labels, opponent, asked.answers, "a naive answer" if champion is None else "the champion"
    )
    known = None if champion is None or recent.all() else match.of(~recent)
    main = match.compared()
    passed_or_not = [
        first,
        *_operational(config, challenger, holdout, asked, clock),
        *(check() for check in checks),
        gates.primary(main),
        *(gates.guardrail(match, name, margin) for name, margin in policy.guardrails.items()),
        *([found] if (found := slices.gate(match, holdout)) else []),
        *([gates.remembers(known)] if known else []),
    ]
    verdict, missing = _judged(passed_or_not, main)
    notes = [*_precision(main, whole), *_others(archived or {}, match, holdout)]
    numbers = rows | {"p_value": main.p_above(), "gain": main.gain, "standard_error": main.error}
    numbers["changed"] = changed(opponent.predicted, asked.answers.predicted, labels)
    numbers |= _metrics(match, recent) | _archived_scores(notes)
    return _verdict(
        passed_or_not,
        numbers | _seconds(asked, len(labels)),
        _summary(main, passed_or_not, missing if verdict == "inconclusive" else None),
        verdict,
        missing=missing if verdict == "inconclusive" else 0,
        notes=[note for note, _ in notes],
        suspect=known is not None and gates.forgets(known),
    )


type _Note = tuple[str, dict[str, float]]


def _judged(found: list[Gate], main: Compared) -> tuple[Any, int]:
    """The verdict, and the rows missing."""
    failed = [gate.name for gate in found if not gate.passed]
    if not failed:
        return "better", 0
    rows = gates.missing(main) if failed in (["better"], ["non_inferior"]) else 0
    return ("inconclusive", rows) if rows else ("worse", 0)


def _too_few(rows: int, needed: int, level: float) -> Evaluation:
    said = (
        f"{count(rows)} cannot tell which version is better: at least {needed} are needed at level {level:g}"
    )
    gate = Gate(
        name="enough", passed=False, sentence=said, numbers={"rows": float(rows), "needed": float(needed)}
    )
    return _verdict([gate], {"rows": float(rows)}, said, "inconclusive", missing=needed - rows)


def _verdict(
    found: list[Gate],
    metrics: dict[str, float],
    summary: str,
    verdict: Any,
    *,
    missing: int = 0,
    notes: Sequence[str] = (),
    suspect: bool = False,
) -> Evaluation:
    told = tuple(gate.model_copy(update={"sentence": sentence(gate.sentence)}) for gate in found)
    return Evaluation(
        better=verdict == "better",
        verdict=verdict,
        rows_missing=missing,
        batch_suspect=suspect,
        summary=sentence(summary),
        reasons=(*(gate.sentence for gate in told), *map(sentence, notes)),
        gates=told,
        metrics={name: value for name, value in metrics.items() if math.isfinite(value)},
    )


def _operational(
    config: ModelConfig, challenger: Any, frame: pd.DataFrame, asked: Asked, clock: Clock | None
) -> list[Gate]:
    if clock is None or asked.seconds is None:
        return []

    def single() -> float:
        """Seconds of the call that 95 of 100 are not slower than."""
        took = []
        for place in np.linspace(0, len(frame) - 1, _SINGLE_CALLS).astype(int):
            before = clock()
            ask(challenger, frame.iloc[[place]], config)
            took.append(clock() - before)
        return float(np.quantile(took, 0.95))

    gate = gates.latency(config, 1000 * asked.seconds / len(frame), single)
    return [gate] if gate else []


def _seconds(asked: Asked, rows: int) -> dict[str, float]:
    return {} if asked.seconds is None else {"challenger_seconds_per_1000_rows": 1000 * asked.seconds / rows}


def _precision(main: Compared, whole: int) -> list[_Note]:
    """What sampling cost: standard errors go with the square root of the rows."""
    used = len(main.match.labels)
    if used == whole:
        return []
    before = main.error * math.sqrt(used / whole)
    said = (
        f"compared on {used:,} of {whole:,} holdout rows: the standard error of the difference is "
        f"{main.error:.2g}, of all rows it would be about {before:.2g}"
    )
    return [(said, {"rows_all": float(whole), "standard_error_all": before})]


def _others(archived: Mapping[int, Callable[[], Any]], match: Match, frame: pd.DataFrame) -> list[_Note]:
    """What versions that served before score on the same rows; one that cannot be asked is told."""
    notes: list[_Note] = []
    metric = match.compared().metric
    for version, load in archived.items():
        asked = _asked_archived(load, frame, match.config)
        if asked.answers is None:
            notes.append((f"archived version {version}: {asked.problem}", {}))
            continue
        score = metric.score(match.labels, asked.answers)
        better = metric.gain(score, match.compared().challenger) > 0
        said = f"archived version {version} has {metric.name} {score:.4g} on the same rows"
        found = _named(f"version-{version}", match.labels, asked.answers, match.config)
        notes.append((said + (", more than the challenger" if better else ""), found))
    return notes


def _asked_archived(load: Callable[[], Any], frame: pd.DataFrame, config: ModelConfig) -> Asked:
    try:
        model = load()
    except Exception as error:  # noqa: BLE001 - a file that cannot be loaded is no candidate
        return Asked(None, f"it could not be loaded: {type(error).__name__}: {error}")
    return try_to_ask(model, frame, config, None)


def _archived_scores(notes: list[_Note]) -> dict[str, float]:
    return {name: value for _, numbers in notes for name, value in numbers.items()}


def _named(who: str, labels: Values, answers: Answers, config: ModelConfig) -> dict[str, float]:
    return {f"{who}.{name}": value for name, value in all_scores(labels, answers, config).items()}


def _metrics(match: Match, recent: Mask) -> dict[str, float]:
    """Every metric of both on all, known and recent rows, and of the naive answer on all."""
    config, found = match.config, dict[str, float]()
    baseline = match.opponent == "a naive answer"
    parts = {"": match, "known.": match.of(~recent), "recent.": match.of(recent)}
    for part, of in parts.items():
        found[f"{part}rows"] = float(len(of.labels))
        same = len(of.labels) == len(match.labels) and part
        for name, answers in (
            ("baseline" if baseline else "champion", of.champion),
            ("challenger", of.challenger),
        ):
            if same:
                found |= {
                    f"{name}.{part}{metric}": found[f"{name}.{metric}"] for metric in _names(found, name)
                }
            else:
                scored = all_scores(of.labels, answers, config)
                found |= {f"{name}.{part}{metric}": value for metric, value in scored.items()}
    if not baseline:
        found |= _named("baseline", match.labels, naive(match.labels, config), config)
    return found


def _names(found: dict[str, float], who: str) -> list[str]:
    """Metrics of all rows that are already known."""
    return [key.removeprefix(f"{who}.") for key in found if key.startswith(f"{who}.") and key.count(".") == 1]


def _summary(main: Compared, found: list[Gate], missing: int | None) -> str:
    """The one sentence that decided: the last gate that failed (forgetting says most), else what was won."""
    failed = [gate for gate in found if not gate.passed]
    if not failed:
        return f"{main.sentence} (p {chance(main.p_above())})"
    if missing is None:
        return failed[-1].sentence
    margin = main.allowed(main.match.config.evaluation.margin)
    power = main.match.config.evaluation.power
    return (
        f"inconclusive: {failed[-1].sentence}; about {missing} more holdout rows would tell a difference of "
        f"{margin:.3g} with {power:.0%} power"
    )
