"""Which assembled rows a training learns from, and what each of them counts. Pure; the order stays.

    full         every row that still counts
    window       the youngest: so many rows, or those of so many days back from the youngest
    weighted     every row, by its age, by how often its like comes in the batch, or by its label
    incremental  what the parent has not seen; the estimator goes on from the parent
    rehearsal    what the parent has not seen, and a sample of what it knew, each label by its share
    replace      only rows since the change point
    search       every row; what is searched for is a matter of the fit

Rows before `since` count no more, whatever the strategy: neither for learning nor for comparing. Where that
would leave too few, or not every label, they count again, and replace becomes rehearsal.

Sources: windows against drift: G. Widmer and M. Kubat, Learning in the presence of concept drift and hidden
contexts, Machine Learning 23 (1996); rehearsal against forgetting: A. Robins, Catastrophic forgetting,
rehearsal and pseudorehearsal, Connection Science 7 (1995); weights: `perennial.weighting`.
"""

from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from perennial.columns import Floats
from perennial.config import ModelConfig
from perennial.contracts.strategy import Strategy
from perennial.contracts.words import StrategyName
from perennial.weighting import Mask, Times, by_age, by_batch, by_label, effective_rows, strata_of

if TYPE_CHECKING:
    import pandas as pd

_BEGINNING = np.datetime64("0001-01-01", "us")


class Rows(Protocol):
    """n rows to learn from and m held out; see `perennial.assembly.Assembled`."""

    @property
    def training(self) -> "pd.DataFrame": ...
    @property
    def holdout(self) -> "pd.DataFrame": ...
    @property
    def times(self) -> Times: ...
    @property
    def recent(self) -> Mask: ...
    @property
    def held_times(self) -> Times: ...
    @property
    def held_recent(self) -> Mask: ...


@dataclass(frozen=True)
class Selected:
    """`frame` (k rows) to fit on, with their `times` (k,) and `weights` (k,), None where all count alike.

    `known`: all rows that still count, which the version's baseline describes. `holdout` with `held_recent`:
    those held out that still count. `applied`: the strategy as it was carried out, its reason with what it
    came to.
    """

    frame: "pd.DataFrame"
    times: Times
    weights: Floats | None
    known: "pd.DataFrame"
    holdout: "pd.DataFrame"
    held_recent: Mask
    applied: Strategy

    @property
    def effective_rows(self) -> float:
        """As how many rows of equal weight they count."""
        return float(len(self.frame)) if self.weights is None else effective_rows(self.weights)


def select(rows: Rows, strategy: Strategy, config: ModelConfig, seed: int) -> Selected:
    """Choose and weigh; the same rows, strategy and seed give the same answer."""
    applied, oldest = _limited(rows, strategy, config)
    counts, held = rows.times >= oldest, rows.held_times >= oldest
    if applied.name == "window" and config.strategy.window and config.strategy.window.rows:
        counts &= youngest(rows.times, config.strategy.window.rows)
    chosen = counts
    if applied.name in {"incremental", "rehearsal"}:
        new = counts & _unseen(rows, applied)
        if new.any() and not (counts & ~new).any():
            applied = _turned(applied, "full", "nothing was known before")
        elif not new.any():
            applied = _turned(applied, "full", "nothing is new")
        elif applied.name == "incremental":
            chosen = new
        else:
            strata = strata_of(rows.training[config.label], config.task)
            chosen = new | rehearsed(strata, counts & ~new, _old_rows(new, config), seed)
    weights = _weights(rows, chosen, applied, config, seed) if applied.name == "weighted" else None
    if applied.name == "weighted" and weights is None:
        applied = _turned(applied, "full", "there is nothing to weigh the rows by")
    selected = Selected(
        frame=_of(rows.training, chosen),
        times=rows.times[chosen],
        weights=weights,
        known=_of(rows.training, counts),
        holdout=_of(rows.holdout, held),
        held_recent=rows.held_recent[held],
        applied=applied,
    )
    return _told(selected, len(rows.training))


def youngest(times: Times, most: int) -> Mask:
    """The youngest `most` of n rows, of equal times the later ones; of shape (n,).

    >>> youngest(np.array(["2026-01-02", "2026-01-01", "2026-01-02"], "datetime64[us]"), 1).tolist()
    [False, False, True]
    """
    mask = np.zeros(len(times), bool)
    mask[np.argsort(times, kind="stable")[-most:]] = True
    return mask


def rehearsed(strata: npt.NDArray[np.intp], old: Mask, most: int, seed: int) -> Mask:
    """At most `most` of the `old` rows, drawn from each stratum by its share of them, from each at least one.

    >>> strata, old = np.array([0] * 90 + [1] * 10), np.ones(100, bool)
    >>> np.bincount(strata[rehearsed(strata, old, 20, seed=0)]).tolist()
    [18, 2]
    """
    random, drawn = np.random.default_rng(seed), np.zeros(len(old), bool)
    sizes = np.bincount(strata[old])
    share = min(1.0, most / max(1, int(sizes.sum())))
    for stratum in np.flatnonzero(sizes):
        places = np.flatnonzero(old & (strata == stratum))
        take = max(1, round(share * len(places)))
        drawn[random.choice(places, take, replace=False)] = True
    return drawn


def _limited(rows: Rows, strategy: Strategy, config: ModelConfig) -> tuple[Strategy, np.datetime64]:
    """The strategy that can be carried out, and the time before which rows count no more."""
    if strategy.name == "recall":
        strategy = strategy.fallback or _turned(strategy, "full", "no archived version was better")
    oldest = _BEGINNING
    if strategy.since is not None:
        since = np.datetime64(strategy.since.astimezone(UTC).replace(tzinfo=None), "us")
        lacking = _lacking(rows, rows.times >= since, config)
        if not lacking:
            oldest = since
        elif strategy.name in {"replace", "window"}:
            strategy = _turned(strategy, "rehearsal", lacking).model_copy(update={"since": None})
        else:
            strategy = strategy.model_copy(
                update={"since": None, "reason": f"{strategy.reason}; {lacking}: older rows count, too"}
            )
    window = config.strategy.window
    if strategy.name == "window" and window is not None and len(rows.times):
        cut = (
            rows.times[youngest(rows.times, window.rows)].min()
            if window.rows
            else rows.times.max() - np.timedelta64(round((window.days or 0) * 86_400), "s")
        )
        oldest = max(oldest, cut)
    return strategy, oldest


def _lacking(rows: Rows, mask: Mask, config: ModelConfig) -> str:
    """Why these rows alone cannot be trained on, if they cannot."""
    came, least = int(mask.sum()), config.strategy.min_rows
    if came < least:
        return f"only {came} training rows are since the change, {least} are needed"
    if config.task == "classification":
        labels = rows.training[config.label]
        missing = sorted({str(label) for label in labels.unique()} - {str(x) for x in labels[mask].unique()})
        if missing:
            return f"since the change no training row is labelled {', '.join(missing)}"
    return ""


def _unseen(rows: Rows, strategy: Strategy) -> Mask:
    """Rows that the parent did not learn from: of the run's batch, or later than what it has seen."""
    if strategy.seen_until is None:
        return rows.recent
    until = np.datetime64(strategy.seen_until.astimezone(UTC).replace(tzinfo=None), "us")
    return rows.recent | (rows.times > until)


def _old_rows(new: Mask, config: ModelConfig) -> int:
    """How many old rows make up their share beside the new ones."""
    share = config.strategy.old_share
    return max(1, round(float(new.sum()) * share / (1 - share)))


def _weights(rows: Rows, chosen: Mask, strategy: Strategy, config: ModelConfig, seed: int) -> Floats | None:
    policy, recent = config.strategy, rows.recent[chosen]
    if not chosen.any():
        return None
    if strategy.weights == "batch":
        return by_batch(_of(rows.training, chosen), recent, config, policy.max_weight, seed)
    if strategy.weights == "labels":
        strata = strata_of(rows.training[config.label][chosen], config.task)
        return by_label(strata, recent, policy.max_weight)
    return by_age(rows.times[chosen], np.timedelta64(policy.half_life))


def _turned(strategy: Strategy, name: StrategyName, why: str) -> Strategy:
    return strategy.model_copy(update={"name": name, "reason": f"{strategy.reason}; {why}: {name}"})


def _told(selected: Selected, came: int) -> Selected:
    """With what it came to in the reason."""
    words = f"{len(selected.frame)} of {came} training rows"
    if selected.weights is not None:
        words += f", in effect {selected.effective_rows:.0f}"
    applied = selected.applied
    return replace(selected, applied=applied.model_copy(update={"reason": f"{applied.reason} ({words})"}))


def _of(frame: "pd.DataFrame", mask: Mask) -> "pd.DataFrame":
    """Some of the rows; the very frame where it is all of them, which may be large."""
    return frame if mask.all() else frame[mask].reset_index(drop=True)
