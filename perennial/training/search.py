"""The best of many settings, by successive halving over ever more rows.

All settings are scored on few rows, the best part of them on more, and so on; the last ones on all rows
(Jamieson & Talwalkar, AISTATS 2016; Li et al., Hyperband, JMLR 18(185), 2018). A score is the mean over the
folds of a cross-validation in the order of time, of the model file's primary metric. Every finished fold is
kept, so that a repeated attempt pays for none of them again.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import joblib
import numpy as np

from perennial.config import ModelConfig
from perennial.errors import InvalidModelFile, TrainingFailed
from perennial.estimator_config import Estimator, Search
from perennial.metrics import Answers, Values, labels_of, metric_of
from perennial.preprocessing import build_preprocessing
from perennial.training.checkpoints import Kept, Progress
from perennial.training.cores import one_thread_each
from perennial.training.estimators import build_pipeline, is_whole
from perennial.training.folds import Fold, make_folds
from perennial.training.rows import Rows, Weights
from perennial.training.rungs import Rung, nested_order, plan
from perennial.training.trials import draw
from perennial.training.weighting import fit_weighted, row_weights

Clock = Callable[[], float]

_NAME = "search"
_ROWS_PER_PART = 20  # and class, in the smallest rung

_Key = tuple[int, int, int]  # rung, trial, fold


@dataclass
class Trial:
    """One setting: per rung the score of each fold, and what went wrong if something did."""

    number: int
    estimator: Estimator
    folds: dict[int, list[float | None]] = field(default_factory=dict)
    error: str | None = None

    def score(self, rung: int) -> float | None:
        """The mean over the rung's folds, once all are there."""
        found = [score for score in self.folds.get(rung, [None]) if score is not None]
        return float(np.mean(found)) if found and len(found) == len(self.folds[rung]) else None


@dataclass(frozen=True)
class Result:
    """What a search found. `complete` is false where its time was used up before its end."""

    metric: str
    higher_is_better: bool
    rungs: tuple[Rung, ...]
    trials: tuple[Trial, ...]
    best: int
    complete: bool

    @property
    def winner(self) -> Estimator:
        """The best setting's estimator block."""
        return self.trials[self.best].estimator

    def to_dict(self) -> dict[str, Any]:
        """The table of trials, for JSON."""
        return {
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "complete": self.complete,
            "best": self.best,
            "rungs": [{"rows": rung.rows, "settings": rung.settings} for rung in self.rungs],
            "trials": [
                {
                    "number": trial.number,
                    "estimator": trial.estimator.name,
                    "params": trial.estimator.params,
                    "error": trial.error,
                    "scores": [
                        {"rows": self.rungs[rung].rows, "mean": trial.score(rung), "folds": folds}
                        for rung, folds in sorted(trial.folds.items())
                    ],
                }
                for trial in self.trials
            ],
        }


def search(
    rows: Rows, config: ModelConfig, kept: Kept, tell: Progress, cores: int | None, clock: Clock | None
) -> Result:
    """Try the declared settings; see the module.

    `cores`: as many processes try at once, -1 for all; None for what joblib's context says. `clock` in
    seconds: without it no time is too long.

    Raises InvalidModelFile where a setting is none of its class; TrainingFailed where none could be scored;
    SpotInterrupted, after what was finished was kept.
    """
    if config.search is None:
        raise InvalidModelFile(f"{config.name}: the search strategy needs a search block in the model file")
    return _Search(rows, config, config.search, kept, tell, clock).run(cores)


class _Search:
    def __init__(
        self,
        rows: Rows,
        config: ModelConfig,
        wanted: Search,
        kept: Kept,
        tell: Progress,
        clock: Clock | None,
    ) -> None:
        settings = draw(config, wanted)
        for setting in settings:
            build_pipeline(_with(config, setting))
        self._rows, self._config, self._wanted = rows, config, wanted
        self._kept, self._tell, self._clock = kept, tell, clock
        self._labels = labels_of(rows.frame, config)
        self._trials = [Trial(number, setting) for number, setting in enumerate(settings)]
        self._rungs = plan(len(settings), len(self._labels), self._min_rows(), wanted.reduction)
        self._order = nested_order(self._labels, config)
        self._done: dict[_Key, float | str] = {}
        self._spent = 0.0

    def run(self, cores: int | None) -> Result:
        self._done, self._spent = self._kept.load(_NAME) or ({}, 0.0)
        finished, alive = -1, self._trials
        with joblib.Parallel(n_jobs=cores, return_as="generator_unordered") as parallel:
            for rung in range(len(self._rungs)):
                alive = alive[: self._rungs[rung].settings]
                if not self._run_rung(rung, alive, parallel):
                    break
                finished = rung
                alive = [trial for trial in self._ranked(alive, rung) if trial.score(rung) is not None]
                if not alive:
                    break
        complete = finished == len(self._rungs) - 1
        best = self._best(max(finished, 0))
        return Result(
            self._config.metric,
            self._config.higher_is_better,
            self._rungs,
            tuple(self._trials),
            best,
            complete,
        )

    def _run_rung(self, rung: int, alive: list[Trial], parallel: joblib.Parallel) -> bool:
        """Whether all of it was done within the time."""
        folds = self._prepared(rung)
        keys = [(rung, trial.number, fold) for trial in alive for fold in range(len(folds))]
        for key in keys:
            self._trials[key[1]].folds.setdefault(rung, [None] * len(folds))
        for key in keys:
            self._note(key, self._done.get(key))
        tasks = (
            joblib.delayed(_try)(key, _with(self._config, self._trials[key[1]].estimator), folds[key[2]])
            for key in keys
            if key not in self._done
        )
        started, before = self._now(), self._spent
        if self._late():
            return all(key in self._done for key in keys)
        for key, outcome in parallel(tasks):
            self._done[key] = outcome
            self._note(key, outcome)
            self._spent = before + self._now() - started
            self._kept.save(_NAME, (self._done, self._spent))
            share = sum(k in self._done for k in keys) / len(keys)
            self._tell("search", (rung + share) / len(self._rungs))
            self._kept.stop_if_interrupted(f"{len(self._done)} folds of the search")
            if self._late():
                break
        return all(key in self._done for key in keys)

    def _note(self, key: _Key, outcome: float | str | None) -> None:
        rung, number, fold = key
        if isinstance(outcome, str):
            self._trials[number].error = outcome
        elif outcome is not None:
            self._trials[number].folds[rung][fold] = outcome

    def _ranked(self, trials: list[Trial], rung: int) -> list[Trial]:
        """Best first; the earlier of equals."""
        sign = -1 if self._config.higher_is_better else 1

        def rank(trial: Trial) -> tuple[bool, float, int]:
            score = trial.score(rung)
            return score is None, 0.0 if score is None else sign * score, trial.number

        return sorted(trials, key=rank)

    def _best(self, rung: int) -> int:
        first = self._ranked([trial for trial in self._trials if rung in trial.folds], rung)
        if first and first[0].score(rung) is not None:
            return first[0].number
        errors = sorted({trial.error for trial in self._trials if trial.error})
        if errors:
            raise TrainingFailed(f"no setting of the search could be scored: {'; '.join(errors[:3])}")
        return 0  # not one was finished in time: the model file's own

    def _prepared(self, rung: int) -> list["_Part"]:
        """Per fold what to learn from and what to ask; the preprocessing is the same for all settings."""
        chosen = np.sort(self._order[: self._rungs[rung].rows])
        times = None if self._rows.times is None else self._rows.times[chosen]
        labels = self._labels[chosen]
        frame = self._rows.frame[self._config.features].iloc[chosen]
        weights = None if self._rows.weights is None else self._rows.weights[chosen]
        task, seed = self._config.task, self._config.seed
        return [
            _part(fold, frame, labels, weights, self._config)
            for fold in make_folds(labels, times, self._wanted.folds, seed, task)
        ]

    def _min_rows(self) -> int:
        if self._wanted.min_rows is not None:
            return self._wanted.min_rows
        classes = len(np.unique(self._labels)) if self._config.task == "classification" else 1
        return _ROWS_PER_PART * (self._wanted.folds + 1) * classes

    def _now(self) -> float:
        return self._clock() if self._clock else 0.0

    def _late(self) -> bool:
        allowed = self._wanted.max_duration
        if allowed is None:
            allowed = self._config.training.max_duration / 2
        return self._spent >= allowed.total_seconds()


@dataclass(frozen=True)
class _Part:
    """A fold: numbers (and for whole pipelines, raw rows) to learn from and to ask about."""

    learn: Any
    labels: Values
    weights: Weights | None
    asked: Any
    truth: Values
    raw: tuple[Any, Any] | None


def _part(fold: Fold, frame: Any, labels: Values, weights: Weights | None, config: ModelConfig) -> _Part:
    learn, asked = (frame.iloc[rows] for rows in fold)
    of_learn = labels[fold[0]]
    preprocessing = build_preprocessing(config)
    return _Part(
        learn=preprocessing.fit_transform(learn, of_learn),
        labels=of_learn,
        weights=row_weights(of_learn, None if weights is None else weights[fold[0]], config),
        asked=preprocessing.transform(asked),
        truth=labels[fold[1]],
        raw=(learn, asked) if config.estimator.factory else None,
    )


def _with(config: ModelConfig, setting: Estimator) -> ModelConfig:
    """The model file with this setting; calibration is left to the winner, it does not change the order."""
    return config.model_copy(update={"estimator": setting.model_copy(update={"calibration": None})})


def _try(key: _Key, config: ModelConfig, part: _Part) -> tuple[_Key, float | str]:
    """The score of one setting on one fold, or what the estimator said."""
    pipeline, learn, asked = build_pipeline(config), part.learn, part.asked
    metric = metric_of(config)
    if not is_whole(pipeline):
        pipeline = pipeline[-1:]
    elif part.raw is not None:
        learn, asked = part.raw
    try:
        with one_thread_each():
            fit_weighted(pipeline, learn, part.labels, part.weights, config.seed)
            answers = Answers(np.asarray(pipeline.predict(asked)))
            if hasattr(pipeline, "predict_proba"):
                given, classes = pipeline.predict_proba(asked), pipeline.classes_
                answers = replace(answers, probabilities=given, classes=classes)
            score = metric.score(part.truth, answers)
    except Exception as error:  # noqa: BLE001 - a setting that fails loses; the others are still tried
        return key, f"{config.estimator.name}: {type(error).__name__}: {error}"
    if math.isnan(score):
        return key, f"{config.estimator.name}: {config.metric} has no value on {len(part.truth)} rows"
    return key, score
