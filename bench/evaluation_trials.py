"""How often the gates promote what they should: simulated pairs of models, all gates, written to the page.

Champion and challenger answer the same rows; by how much the one is truly better is known. Every trial is a
whole evaluation on a holdout of its own, a third of it recent, with two columns in which slices are looked
for. `python -m bench.evaluation_trials [trials]` writes the table of docs/evaluation.md.
"""

import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from perennial.config import ModelConfig
from perennial.contracts.evaluation import Evaluation
from perennial.evaluation import evaluate
from perennial.evaluation.gates import primary
from perennial.evaluation.match import Match
from perennial.metric_names import METRICS
from perennial.metrics import Answers

TRIALS, WHOLE = 2_000, 10  # of the primary gate; one in so many with all gates
PAGE = Path(__file__).resolve().parent.parent / "docs" / "evaluation.md"
BEGIN, END = "<!-- trials: begin -->", "<!-- trials: end -->"
RIGHT, DISAGREE, NOISE = 0.85, 0.10, 0.5  # of the champion; of both; what is not common of their errors

type Pair = tuple[np.ndarray[Any, Any], "Played", "Played"]


@dataclass(frozen=True)
class Played:
    """A fitted model whose answers are known beforehand, by the row's number."""

    answers: Any
    given: Any = None
    classes_: Any = field(default_factory=lambda: np.array(["no", "yes"], dtype=object))

    def predict(self, frame: pd.DataFrame) -> Any:
        """(n,)"""
        return self.answers[frame["row"].to_numpy(np.int64)]


@dataclass(frozen=True)
class Likely(Played):
    """One that gives probabilities too."""

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        """(n, 2)"""
        return self.given[frame["row"].to_numpy(np.int64)]


def classes(rows: int, better: float, random: np.random.Generator) -> Pair:
    """The champion is right on 85 %, the two disagree on 10 %; accuracies differ by `better`."""
    labels = random.choice(np.array(["no", "yes"], dtype=object), rows)
    other = np.where(labels == "yes", "no", "yes").astype(object)
    won, lost = (DISAGREE + better) / 2, (DISAGREE - better) / 2
    drawn = random.choice(4, rows, p=[RIGHT - lost, lost, won, 1 - RIGHT - won])
    champion, challenger = drawn <= 1, (drawn == 0) | (drawn == 2)
    return labels, Played(np.where(champion, labels, other)), Played(np.where(challenger, labels, other))


def numbers(rows: int, better: float, random: np.random.Generator) -> Pair:
    """Normal errors, most of them common to both; mean absolute errors differ by the share `better`."""
    labels, common = random.normal(size=(2, rows))
    first, second = common + NOISE * random.normal(size=(2, rows))
    return labels, Played(labels + first), Played(labels + (1 - better) * second)


def ranks(rows: int, better: float, random: np.random.Generator) -> Pair:
    """Two scores of two classes, the champion's ROC AUC is 0.86; areas differ by about `better`."""
    truth = random.random(rows) < 0.4
    labels = np.where(truth, "yes", "no").astype(object)
    common = random.normal(size=rows)

    def scored(apart: float) -> Likely:
        z = apart * (truth - 0.4) + 0.9 * common + 0.44 * random.normal(size=rows)
        p = 1 / (1 + np.exp(-z))
        return Likely(np.where(p > 0.5, "yes", "no").astype(object), np.column_stack([1 - p, p]))

    return labels, scored(1.53), scored(1.53 + 6.4 * better)


KINDS: dict[str, Callable[[int, float, np.random.Generator], Pair]] = {
    "accuracy": classes,
    "mae": numbers,
    "roc_auc": ranks,
}


def model(metric: str, **policy: Any) -> ModelConfig:
    """The model of a trial."""
    task = METRICS[metric].task
    label = {"type": "number"} if task == "regression" else {"type": "category", "levels": ["no", "yes"]}
    columns = {
        "row": {"type": "number"},
        "size": {"type": "number"},
        "kind": {"type": "category"},
        "y": label,
    }
    document: dict[str, Any] = {"name": "trial", "task": task, "label": "y", "columns": columns}
    document |= {
        "estimator": {"class": "sklearn.dummy.DummyClassifier"},
        "evaluation": {"metric": metric, **policy},
    }
    return ModelConfig.model_validate(document)


def trial(config: ModelConfig, rows: int, better: float, seed: int) -> Evaluation:
    """One evaluation of a pair, with all gates."""
    random = np.random.default_rng([seed, rows])
    labels, champion, challenger = KINDS[config.metric](rows, better, random)
    frame = pd.DataFrame(
        {
            "row": np.arange(float(rows)),
            "size": random.normal(size=rows),
            "kind": random.choice(np.array(list("abcd"), dtype=object), rows),
            "y": labels,
        }
    )
    config = config.model_copy(update={"seed": seed})
    return evaluate(config, champion, challenger, frame, np.arange(rows) >= 2 * rows // 3)


def passes(config: ModelConfig, rows: int, better: float, seed: int) -> bool:
    """Whether a pair passes the gate of the primary metric."""
    labels, *pair = KINDS[config.metric](rows, better, np.random.default_rng([seed, rows]))
    champion, challenger = (
        Answers(model.answers, model.given, None if model.given is None else model.classes_) for model in pair
    )
    match = Match(config.model_copy(update={"seed": seed}), labels, champion, challenger, "the champion")
    return primary(match.compared()).passed


def trials(config: ModelConfig, rows: int, better: float, count: int) -> Counter[str]:
    """How often each verdict was given."""
    return Counter(trial(config, rows, better, seed).verdict for seed in range(count))


SCENES: list[tuple[str, str, int, float, str]] = [
    # metric, require, rows, how much better, what has to hold
    ("accuracy", "better", 1_800, 0.0, "≤ 5 %"),
    ("accuracy", "better", 1_800, -0.005, "≤ 5 %"),
    ("accuracy", "better", 1_800, 0.02, "≥ 80 %"),
    ("accuracy", "better", 300, 0.0, "≤ 5 %"),
    ("accuracy", "non_inferior", 1_800, -0.02, "≤ 5 %"),
    ("accuracy", "non_inferior", 1_800, 0.0, "≥ 80 %"),
    ("mae", "better", 8_000, 0.0, "≤ 5 %"),
    ("mae", "better", 8_000, 0.02, "≥ 80 %"),
    ("roc_auc", "better", 1_200, 0.0, "≤ 5 %"),
    ("roc_auc", "better", 1_200, 0.02, "≥ 80 %"),
]


def scene(at: int, count: int) -> str:
    """One line of the table."""
    metric, require, rows, better, wanted = SCENES[at]
    config, whole = model(metric, require=require), max(10, count // WHOLE)
    passed = sum(passes(config, rows, better, seed) for seed in range(count))
    found = trials(config, rows, better, whole)
    share = f"{100 * better:g} %" if metric == "mae" else f"{better:g}"
    shares = (passed / count, found["better"] / whole, found["inconclusive"] / whole)
    cells = (f"`{metric}`", require, f"{rows:,}", share, wanted, *(f"{100 * part:.1f} %" for part in shares))
    return f"| {' | '.join(cells)} |"


def table(count: int) -> str:
    """All scenes, in Markdown, on all cores."""
    whole = f"all gates ({max(10, count // WHOLE)} trials)"
    heads = ["metric", "required", "rows", "truly better by", "has to be promoted", "primary gate", whole]
    heads.append("inconclusive")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    with ProcessPoolExecutor(initializer=_one_thread) as pool:
        for line in pool.map(partial(scene, count=count), range(len(SCENES))):
            print(line, flush=True)
            lines.append(line)
    return "\n".join(lines)


def _one_thread() -> None:
    threadpool_limits(1)


def main(arguments: list[str]) -> None:
    """Run the trials and write the page's table."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    found = table(int(arguments[0]) if arguments else TRIALS)
    PAGE.write_text(f"{before}{BEGIN}\n{found}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
