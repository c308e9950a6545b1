"""Which rows the next training should learn from, by what was found: pure, with the reason in words.

`auto` goes from the strongest finding to the weakest:

    no champion             full
    the relation of features and label changed
        versions archived   recall: does one of them fit again? If none does, as below
        suddenly            replace, once enough batches in a row and enough rows show it; before, rehearsal
        gradually           window from where the change began, on the same terms; before, weighted by age
    very many rows known    incremental, if the model file sets the number and the estimator can
    other rows come         weighted towards the batch: old data stays
    other labels come       weighted by label
    else (asked for)        full

Source of the mapping from kinds of drift: J. Gama et al., A survey on concept drift adaptation, ACM Computing
Surveys 46 (2014); old rows are given up for a changed relation only: A. Storkey, When training and test sets
are different, in Dataset Shift in Machine Learning (2009).
"""

from dataclasses import dataclass
from datetime import datetime

from perennial.config import ModelConfig
from perennial.contracts.batch import DataSummary
from perennial.contracts.decision import Decision
from perennial.contracts.drift import ConceptChange, DriftSummary
from perennial.contracts.strategy import Strategy
from perennial.contracts.words import StrategyName, Weighting
from perennial.words import counted

# https://scikit-learn.org/stable/computing/scaling_strategies.html#incremental-learning
_GOES_ON = {
    *("SGDClassifier", "SGDRegressor", "Perceptron", "PassiveAggressiveClassifier"),
    *("PassiveAggressiveRegressor", "MLPClassifier", "MLPRegressor", "MultinomialNB", "BernoulliNB"),
    *("GaussianNB", "ComplementNB", "CategoricalNB"),
}


@dataclass(frozen=True)
class Known:
    """What is known of the champion, if there is one: how many rows it learnt from and when it was trained.

    `since`: rows before then were given up when it took its place. `archived`: how many earlier versions
    could be tried again.
    """

    champion: int | None
    rows: int = 0
    trained_at: datetime | None = None
    since: datetime | None = None
    archived: int = 0


@dataclass(frozen=True)
class Choice:
    """The strategy, and what was refused for it, in words."""

    strategy: Strategy
    refused: tuple[str, ...] = ()

    def told_in(self, decision: Decision) -> Decision:
        """The decision to retrain, with the strategy and the alternatives to it."""
        alternatives = (*decision.alternatives, *self.refused)
        return decision.model_copy(update={"strategy": self.strategy, "alternatives": alternatives})


def full(reason: str) -> Strategy:
    """All accepted rows, each with the same weight."""
    return Strategy(name="full", reason=reason)


def choose(drift: DriftSummary, data: DataSummary, known: Known, config: ModelConfig) -> Choice:
    """The strategy of a training that is decided on."""
    if config.strategy.name != "auto":
        return Choice(_named(config.strategy.name, drift, known))
    if known.champion is None:
        return Choice(full("there is no champion: all accepted data"))
    if drift.concept is not None:
        return _for_concept(drift.concept, data, known, config)
    return _for_rows(drift, known, config)


def _named(name: StrategyName, drift: DriftSummary, known: Known) -> Strategy:
    """What the model file names, with what it needs to know of what was found."""
    reason = f"the model file names {name}"
    if name == "full" or (known.champion is None and name in _AFTER_A_CHAMPION):
        return full(reason if name == "full" else f"{reason}, but there is no champion yet")
    changed_at = drift.concept.since if drift.concept else known.since
    strategy = Strategy(name=name, reason=reason, since=known.since, seen_until=known.trained_at)
    if name == "weighted":
        return strategy.model_copy(update={"weights": _weighting(drift) or "age"})
    if name == "replace":
        return strategy.model_copy(update={"since": changed_at})
    if name == "recall":
        fallback = Strategy(
            name="replace" if drift.concept else "full",
            reason=f"{reason}, and no archived version is better",
            since=changed_at,
            seen_until=known.trained_at,
        )
        return strategy.model_copy(update={"since": changed_at, "fallback": fallback})
    return strategy


def _for_concept(change: ConceptChange, data: DataSummary, known: Known, config: ModelConfig) -> Choice:
    """The old relation of features and label no longer holds."""
    when = f"{change.since:%Y-%m-%d %H:%M} UTC"
    found = f"what the features say of {config.label} changed {_HOW[change.kind]} at {when}"
    doubts = _doubts(change, data, config)
    giving_up: StrategyName = "window" if change.kind == "gradual" else "replace"
    keeping: StrategyName = "weighted" if change.kind == "gradual" else "rehearsal"
    name = keeping if doubts else giving_up
    refused = [f"full: rows from before {when} teach what is no longer true"]
    if doubts:
        refused.append(f"{giving_up}: {doubts}")
    else:
        refused.append(f"{keeping}: {change.batches} batches and {change.rows} rows show the new relation")
    strategy = Strategy(
        name=name,
        reason=found + (f", but {doubts}: old rows stay" if doubts else ": only rows since then count"),
        since=known.since if doubts else change.since,
        seen_until=known.trained_at,
        weights="age" if name == "weighted" else None,
    )
    if not (known.archived and config.strategy.recall_versions):
        return Choice(strategy, tuple(refused))
    archived = counted(known.archived, "archived version")
    recall = strategy.model_copy(
        update={
            "name": "recall",
            "fallback": strategy,
            "weights": None,
            "since": change.since,
            "reason": f"{found}: it may have been so before, and trying {archived} costs no instance; "
            f"if none is better, {name}",
        }
    )
    return Choice(recall, tuple(refused))


def _doubts(change: ConceptChange, data: DataSummary, config: ModelConfig) -> str:
    """Why the rows before a change are not given up yet, if so."""
    policy = config.strategy
    if change.batches < policy.confirmations:
        word = "batch shows" if change.batches == 1 else "batches in a row show"
        return f"{change.batches} {word} it, {policy.confirmations} have to: one may merely have wrong labels"
    rows = max(change.rows, data.labelled_rows)
    if rows * (1 - config.holdout) < policy.min_rows:
        return f"{rows} labelled rows are since then, {policy.min_rows} are needed to train on"
    return ""


def _for_rows(drift: DriftSummary, known: Known, config: ModelConfig) -> Choice:
    """What the features say of the label still holds."""
    kept = {"since": known.since, "seen_until": known.trained_at}
    many, least = known.rows, config.strategy.incremental_rows
    if least is not None and many >= least and _goes_on(config):
        reason = f"the champion learnt from {many} rows, {least} or more go on from it"
        strategy = Strategy(name="incremental", reason=reason, **kept)
        return Choice(strategy, (f"full: {many} rows would be learnt anew",))
    weights = _weighting(drift)
    if weights is None:
        reason = "no drift of the data speaks for less: all accepted data"
        if known.since is not None:
            reason = f"all accepted data since {known.since:%Y-%m-%d %H:%M} UTC, when the concept changed"
        return Choice(full(reason).model_copy(update=kept))
    what, towards = _WEIGHED[weights]
    reason = f"{what}, while what the features say of {config.label} still holds: old data stays, {towards}"
    refused = (
        "replace: nothing shows that old rows are wrong",
        "full: rows like those of the batch would count too little",
    )
    return Choice(Strategy(name="weighted", reason=reason, weights=weights, **kept), refused)


def _weighting(drift: DriftSummary) -> Weighting | None:
    if "data" in drift.kinds:
        return "batch"
    return "labels" if "label" in drift.kinds else None


def _goes_on(config: ModelConfig) -> bool:
    """Can the estimator learn from new rows alone, going on from its parent?"""
    return config.estimator.name.rpartition(".")[2] in _GOES_ON


_HOW = {"sudden": "suddenly", "gradual": "gradually", "recurring": "back to what it was"}
_WEIGHED = {
    "batch": ("other rows come", "weighted towards the batch"),
    "labels": ("labels come in other shares", "weighted towards the batch's shares"),
}
_AFTER_A_CHAMPION = {"incremental", "rehearsal", "replace", "recall"}
