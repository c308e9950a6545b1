"""What a reader of a card has to bear in mind, in sentences with their numbers."""

from collections.abc import Iterator, Mapping

from perennial.card.contract import EvaluationData, Measures, Scored, ScoredSlice, TrainingData
from perennial.card.slices import FEW_ROWS
from perennial.config import ModelConfig

_FEW_OF_A_CLASS, _FEW_HELD_OUT = 10, 100


def caveats(
    config: ModelConfig,
    data: TrainingData,
    held: EvaluationData,
    measures: Measures,
    overall: Mapping[str, Scored],
    slices: tuple[ScoredSlice, ...],
    confidence: float | None,
) -> Iterator[str]:
    """One by one, the most weighty first."""
    if not held.rows:
        yield "No row was held out: nothing is known of how good it is."
    elif held.rows < _FEW_HELD_OUT:
        yield f"Only {held.rows} rows were held out: the intervals are wide."
    yield from _classes(config, data.labels.classes)
    if confidence is not None and "accuracy" in overall:
        yield from _confidence(confidence, overall["accuracy"])
    worse = [part for part in slices if is_worse(part, overall, measures)]
    for part in worse:
        metric = _metric(part, measures)
        yield (
            f"It is worse where {part.column} is {part.name}: {metric.replace('_', ' ')} "
            f"{part.metrics[metric].value:.3g} on {part.rows} rows, {overall[metric].value:.3g} on all."
        )
    few = sum(part.rows < FEW_ROWS for part in slices)
    if few:
        yield f"{few} of {len(slices)} slices have fewer than {FEW_ROWS} rows: little is known of them."
    if slices:
        yield f"Of {len(slices)} intervals of slices one in twenty misses by chance."
    if data.strategy.since is not None:
        yield f"Rows from before {data.strategy.since:%Y-%m-%d %H:%M} count no more: it does not know them."


def _classes(config: ModelConfig, counted: Mapping[str, int]) -> Iterator[str]:
    if config.task != "classification":
        return
    levels = config.columns[config.label].levels or ()
    unseen = [level for level in levels if level not in counted]
    if unseen:
        yield f"It never saw {config.label} {', '.join(unseen)}, and will never answer so."
    few = [f"{level} ({rows})" for level, rows in counted.items() if rows < _FEW_OF_A_CLASS]
    if few:
        yield f"It learnt from few rows of {config.label} {', '.join(few)}."


def _confidence(mean: float, accuracy: Scored) -> Iterator[str]:
    if accuracy.low is not None and accuracy.high is not None and not accuracy.low <= mean <= accuracy.high:
        which = "too sure of itself" if mean > accuracy.value else "surer than it says"
        yield (
            f"It is {which}: the mean probability of its answers is {mean:.1%}, {accuracy.value:.1%} of them "
            f"are right ({accuracy.low:.1%} to {accuracy.high:.1%})."
        )


def _metric(part: ScoredSlice, measures: Measures) -> str:
    """The primary one; of a class of the label there is accuracy alone."""
    return measures.primary if measures.primary in part.metrics else "accuracy"


def is_worse(part: ScoredSlice, overall: Mapping[str, Scored], measures: Measures) -> bool:
    """It has some rows, and its whole interval is on the wrong side of the value on all rows."""
    metric = _metric(part, measures)
    here = part.metrics.get(metric)
    if part.rows < FEW_ROWS or here is None or here.low is None or here.high is None or metric not in overall:
        return False
    value = overall[metric].value
    higher_is_better = measures.higher_is_better or metric != measures.primary
    return here.high < value if higher_is_better else here.low > value
