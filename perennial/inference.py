"""A first model file from data: what each column seems to be, written down for a person to correct.

What is inferred is a guess and says so in comments. Ranges are twice as wide as what was seen, so that they
refuse nonsense and leave drift to be measured; levels are listed only where they are few and each is common.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import ValidationError

from perennial.columns import Kind
from perennial.config import ModelConfig
from perennial.dataset.casting import cast_column
from perennial.errors import InvalidData, InvalidModelFile, MissingColumn

if TYPE_CHECKING:
    import pyarrow as pa

Task = Literal["classification", "regression"]

_FEW_LEVELS = 20
_MANY_LEVELS = 256
_CLASSES = 20
_WRONG = 0.05
_WORDS = (
    frozenset({"true", "false"}),
    frozenset({"yes", "no"}),
    frozenset({"t", "f"}),
    frozenset({"y", "n"}),
)
_LABELS = ("target", "label", "class", "y", "outcome", "response", "churn", "species")
_LABEL_WORDS = re.compile(
    r"(^|[_\W])(target|label|class|outcome|churn|fraud|default|quality|price|value)$", re.I
)
_KEY_WORDS = re.compile(r"(^|[_\W])(id|key|uuid|guid)$|[a-z]I[Dd]$", re.I)
_ESTIMATORS = {
    "classification": "sklearn.ensemble.RandomForestClassifier",
    "regression": "sklearn.ensemble.RandomForestRegressor",
}


@dataclass(frozen=True)
class _Guess:
    """What a column seems to be. `levels` ascending, `low` and `high` of numbers."""

    name: str
    kind: Kind
    rows: int
    nulls: int
    wrong: int
    distinct: int
    levels: tuple[str, ...] = ()
    rarest: int = 0
    low: float = 0.0
    high: float = 0.0

    @property
    def identifies(self) -> bool:
        """Whether every row has its own value."""
        return self.nulls == self.wrong == 0 and self.distinct == self.rows > 1


def infer_model(
    table: pa.Table, name: str, *, label: str | None = None, task: Task | None = None, source: str = "data"
) -> str:
    """A commented model file in YAML that `load_model` accepts, from rows as they were read.

    Raises MissingColumn where `label` is none of the columns, InvalidModelFile where `name` cannot be,
    InvalidData where there is nothing to learn from.
    """
    guesses = {column: _guess(column, table.column(column)) for column in table.column_names}
    if label is not None and label not in guesses:
        raise MissingColumn(f"the data has no column {label!r}: found {', '.join(guesses)}")
    guessed = label is None
    key = _key(guesses, label)
    label = label or _label(guesses, key)
    if label is None or not set(guesses) - {label, *key}:
        raise InvalidData(
            f"the data has too few columns: found {', '.join(guesses)}, need a label and a feature"
        )
    task = task or _task(guesses[label])
    if task == "classification":
        guesses[label] = _guess(label, table.column(label), kind="category")
    text = "\n".join(_lines(guesses, name, key, label, task, guessed, source)) + "\n"
    try:
        ModelConfig.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        raise InvalidModelFile(f"no model file can be made of this: {error}") from error
    return text


def model_name(source: str) -> str:
    """A name for a model from that of a file.

    >>> model_name("Telco Churn-2.csv.gz")
    'telco-churn-2'
    """
    stem = re.split(r"\.(?:csv|parquet|jsonl|ndjson|json)\b", source.rpartition("/")[2], flags=re.I)[0]
    words = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")
    return re.sub(r"^[^a-z]+", "", words)[:40].strip("-") or "model"


def _guess(name: str, values: pa.ChunkedArray, kind: Kind | None = None) -> _Guess:
    import pyarrow.compute as pc

    wrong = 0
    if kind is None:
        kind, cast, wrong = _kind(values)
    else:
        cast = cast_column(values, kind).values
    rows = len(values)
    counted = cast.drop_null().value_counts()
    times = counted.field(1).to_pylist()
    guess = _Guess(name, kind, rows, cast.null_count - wrong, wrong, len(times), rarest=min(times, default=0))
    if kind == "number":
        ends = pc.min_max(cast).as_py()
        return _with(guess, low=ends["min"] or 0.0, high=ends["max"] or 0.0)
    if kind == "category":
        return _with(guess, levels=tuple(sorted(map(str, counted.field(0).to_pylist()))))
    return guess


def _with(guess: _Guess, **values: Any) -> _Guess:
    return _Guess(**(vars(guess) | values))


def _kind(values: pa.ChunkedArray) -> tuple[Kind, pa.ChunkedArray, int]:
    """The first kind that nearly all values can be read as; the values cast; how many could not be."""
    if str(values.type) == "bool":
        return "boolean", values, 0
    text = cast_column(values, "category").values
    levels = text.drop_null().unique()
    if len(levels) == 2 and frozenset(str(level).strip().lower() for level in levels.to_pylist()) in _WORDS:
        return "boolean", cast_column(values, "boolean").values, 0
    present = len(text) - text.null_count
    tried: tuple[Kind, ...] = ("number", "datetime")
    for kind in tried:
        done = cast_column(values, kind)
        wrong = done.bad.rows if done.bad else 0
        if present and wrong <= _WRONG * present and done.values.null_count < len(values):
            return kind, done.values, wrong
    repeats = len(levels) <= max(1, present // 2) and len(levels) <= _MANY_LEVELS
    return ("category" if repeats else "text"), text, 0


def _key(guesses: dict[str, _Guess], label: str | None) -> tuple[str, ...]:
    """A column named like a key whose values identify the rows, else the first text that does."""
    found = [guess for guess in guesses.values() if guess.identifies and guess.name != label]
    named = [guess.name for guess in found if _KEY_WORDS.search(guess.name)]
    texts = [guess.name for guess in found if guess.kind == "text"]
    return tuple((named or texts)[:1])


def _label(guesses: dict[str, _Guess], key: tuple[str, ...]) -> str | None:
    """A column named like a label, else the last one."""
    names = [guess.name for guess in guesses.values() if guess.name not in key and guess.kind != "text"]
    for fits in (lambda name: name.lower() in _LABELS, _LABEL_WORDS.search):
        named = [name for name in names if fits(name)]
        if named:
            return named[-1]
    return names[-1] if names else None


def _task(label: _Guess) -> Task:
    return "regression" if label.kind == "number" and label.distinct > _CLASSES else "classification"


def _lines(
    guesses: dict[str, _Guess],
    name: str,
    key: tuple[str, ...],
    label: str,
    task: Task,
    guessed: bool,
    source: str,
) -> Iterator[str]:
    rows = next(iter(guesses.values())).rows
    yield f"# A first model file, inferred from {rows} rows of {json.dumps(source)[1:-1]}: check every line."
    yield f"name: {name}"
    yield "description: What does the model answer, and for whom?"
    yield f"task: {task}"
    yield f"label: {_scalar(label)}" + ("  # guessed: which column is to be predicted?" if guessed else "")
    if key:
        yield f"key: [{_scalar(key[0])}]  # every row has its own; it chooses the holdout and is no feature"
    else:
        yield "key: []  # no column identifies a row: repeated rows cannot be told"
    yield "columns:"
    for guess in guesses.values():
        yield from _column(guess, key)
    yield "estimator:"
    yield f"  class: {_ESTIMATORS[task]}"
    yield "  params: {n_estimators: 200, min_samples_leaf: 2}"
    yield from _validation(guesses, label, rows)
    chosen = guesses[label]
    if task == "classification" and chosen.rarest < rows / 5:
        share = f"{chosen.rarest / max(1, rows):.1%}"
        yield f"evaluation: {{metric: balanced_accuracy}}  # the rarest class is {share} of the rows"


def _column(guess: _Guess, key: tuple[str, ...]) -> Iterator[str]:
    kind = guess.kind
    rules = [f"type: {kind}"]
    notes = []
    if guess.name in key:
        rules[0] = f"type: {'text' if kind in {'text', 'category'} else kind}"
        rules.append("nullable: false")
    elif kind == "number":
        low, high = _range(guess)
        rules += [f"min: {low:.12g}", f"max: {high:.12g}"]
        notes.append(f"seen: {guess.low:.6g} to {guess.high:.6g}")
    elif guess.levels and len(guess.levels) <= _FEW_LEVELS and guess.rarest >= 5:
        rules.append(f"levels: [{', '.join(map(_scalar, guess.levels))}]")
    elif kind in {"category", "text"}:
        notes.append(f"{guess.distinct} different values")
    if guess.nulls:
        notes.append(f"{guess.nulls / guess.rows:.1%} missing")
    if guess.wrong:
        notes.append(f"{guess.wrong} values are no {guess.kind}")
    if guess.distinct <= 1:
        notes.append("constant here")
    if guess.identifies and guess.name not in key and kind in {"text", "category"}:
        notes.append("every row has its own: part of the key?")
    comment = f"  # {'; '.join(notes)}" if notes else ""
    yield f"  {_scalar(guess.name)}: {{{', '.join(rules)}}}{comment}"


def _validation(guesses: dict[str, _Guess], label: str, rows: int) -> Iterator[str]:
    share = max((guess.nulls / rows for guess in guesses.values() if guess.name != label), default=0.0)
    allowed = max(0.2, math.ceil(min(1.0, 1.5 * share) * 20) / 20)
    bad = max((guess.wrong / rows for guess in guesses.values()), default=0.0)
    rules = [f"min_rows: {max(1, min(20, rows))}", f"max_null_share: {allowed:g}"]
    if bad:
        rules.append(f"max_bad_share: {max(0.05, math.ceil(min(1.0, 1.5 * bad) * 20) / 20):g}")
    yield f"validation: {{{', '.join(rules)}}}"


def _range(guess: _Guess) -> tuple[float, float]:
    """Twice as wide as what was seen, in round numbers; what was never negative stays so."""
    margin = (guess.high - guess.low) / 2 or abs(guess.high) / 2 or 1.0
    step = 10.0 ** math.floor(math.log10(margin)) if math.isfinite(margin) else 1.0
    low = 0.0 if guess.low >= 0 else math.floor((guess.low - margin) / step) * step
    return low, math.ceil((guess.high + margin) / step) * step


def _scalar(text: str) -> str:
    """A string as YAML reads it back inside of brackets: quoted wherever it could be something else."""
    plain = re.fullmatch(r"[A-Za-z][\w-]*( [\w-]+)*", text)
    if plain and yaml.safe_load(text) == text:
        return text
    return yaml.safe_dump(text, default_style='"', width=math.inf).strip()
