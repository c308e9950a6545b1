"""The gates of metrics: better or not worse, guardrails, forgetting; and those of time and size."""

import math
from collections.abc import Callable
from datetime import timedelta

from perennial.config import ModelConfig
from perennial.contracts.evaluation import Gate
from perennial.evaluation.match import Compared, Match
from perennial.evaluation.words import chance, count
from perennial.metric_names import in_words
from perennial.pairs import rows_for, rows_to_tell


def primary(found: Compared) -> Gate:
    """Better by a one-sided paired test; or, where the model file asks no more, not worse by the margin."""
    policy = found.match.config.evaluation
    if policy.require == "non_inferior":
        margin = found.allowed(policy.margin)
        p = found.p_above(-margin)
        word = "not" if p <= policy.level else "perhaps"
        sentence = f"{found.sentence}: {word} worse by more than {margin:.3g}"
        sentence += f" (p {chance(p)}, level {policy.level:g})"
        return _gate("non_inferior", p <= policy.level, sentence, found, p)
    p = found.p_above()
    passed = found.gain > 0 and p <= policy.level
    sentence = f"{found.sentence} (p {chance(p)}, level {policy.level:g})"
    if not passed and found.gain > 0:
        few = rows_to_tell(policy.level)
        sentence += (
            f": the two differ on {count(found.differ)}, at least {few} are needed to tell"
            if found.differ < few
            else f": too little to tell from chance on the {count(found.differ)} where the two differ"
        )
    return _gate("better", passed, sentence, found, p)


def missing(found: Compared) -> int:
    """How many more rows a test would need that finds a difference of the margin with the wanted power.

    0 where there are enough, and where the challenger is significantly worse.
    """
    policy, rows = found.match.config.evaluation, len(found.match.labels)
    margin, error = found.allowed(policy.margin), found.error
    if not math.isfinite(error) or margin == 0 or found.p_below() <= policy.level:
        return 0
    needed = max(rows_for(error, rows, margin, policy.level, policy.power), rows_to_tell(policy.level))
    return max(0, needed - rows)


def guardrail(match: Match, metric: str, margin: float) -> Gate:
    """This metric is no worse than its margin allows."""
    found = match.compared(metric)
    name = f"guardrail {metric}"
    if not math.isfinite(found.gain):
        sentence = f"{in_words(metric)} is not known of both versions"
        return Gate(name=name, passed=False, sentence=sentence)
    allowed = found.allowed(margin)
    return _within(name, found, found.sentence, allowed)


def remembers(known: Match) -> Gate:
    """On rows known before this run's batch it loses no more than the margin."""
    found = known.compared()
    allowed = found.allowed(known.config.evaluation.margin)
    return _within("remembers", found, f"of what was known before, {found.sentence}", allowed)


def forgets(known: Match) -> bool:
    """It lost more than that, and not by chance."""
    found, policy = known.compared(), known.config.evaluation
    return found.gain < -found.allowed(policy.margin) and found.p_below() <= policy.level


def size(of: int, most: int) -> Gate:
    """The model's file is not too large."""
    sentence = f"the challenger's file has {of:,} bytes, allowed are {most:,}"
    return Gate(
        name="size", passed=of <= most, sentence=sentence, numbers={"bytes": float(of), "allowed": most}
    )


def latency(config: ModelConfig, thousand: float, single: Callable[[], float]) -> Gate | None:
    """Seconds for 1,000 rows at once, and of one row alone, which is taken where it is bounded; None where
    nothing is."""
    bounds = config.evaluation.max_latency
    told: list[tuple[str, float, timedelta]] = []
    if bounds.thousand_rows is not None:
        told.append(("1,000 rows", thousand, bounds.thousand_rows))
    if bounds.single_row is not None:
        told.append(("a single row (95 of 100 calls)", single(), bounds.single_row))
    if not told:
        return None
    late = [item for item in told if item[1] > item[2].total_seconds()]
    parts = [
        f"{what} in {1000 * took:.3g} ms, allowed are {1000 * most.total_seconds():g}"
        for what, took, most in late or told
    ]
    return Gate(
        name="latency",
        passed=not late,
        sentence=f"the challenger answers {'; '.join(parts)}",
        numbers={"thousand_rows" if "1,000" in what else "single_row": took for what, took, _ in told},
    )


def _within(name: str, found: Compared, said: str, allowed: float) -> Gate:
    if found.gain < -allowed:
        p = found.p_below()
        sentence = f"{said}: it lost {-found.gain:.3f}, allowed is {allowed:.3g} (p {chance(p)})"
        return _gate(name, False, sentence, found, p)
    return Gate(
        name=name,
        passed=True,
        sentence=f"{said}: within the margin of {allowed:.3g}",
        numbers=_numbers(found),
    )


def _gate(name: str, passed: bool, sentence: str, found: Compared, p: float) -> Gate:
    numbers = _numbers(found) | {"p_value": p, "standard_error": found.error}
    finite = {key: value for key, value in numbers.items() if math.isfinite(value)}
    return Gate(name=name, passed=passed, sentence=sentence, numbers=finite)


def _numbers(found: Compared) -> dict[str, float]:
    return {
        "challenger": found.challenger,
        "opponent": found.opponent,
        "gain": found.gain,
        "rows": float(len(found.match.labels)),
    }
