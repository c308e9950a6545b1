"""What a newcomer reads of a file that cannot be used: what came, what was expected, what to try."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from perennial.config import ModelConfig
from perennial.errors import InvalidData
from perennial.validation import validate_files

CONFIG = ModelConfig.model_validate(
    {
        "name": "m",
        "task": "classification",
        "label": "bought",
        "columns": {
            "size": {"type": "number"},
            "colour": {"type": "category"},
            "bought": {"type": "category"},
        },
        "estimator": {"class": "sklearn.tree.DecisionTreeClassifier"},
        "validation": {"min_rows": 1},
    }
)
ROWS = "".join(f"{i}.5,red,yes\n" for i in range(30))

type Told = Callable[[str, bytes], list[str]]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """The reasons and warnings, or the error, of one file."""

    def judge(name: str, body: bytes) -> list[str]:
        path = tmp_path / "0"
        path.write_bytes(body)
        try:
            found = validate_files([(path, name)], CONFIG)
        except InvalidData as error:
            return [str(error)]
        return [*found.reasons, *found.warnings]

    return judge


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("a.csv", f"Size,colour,bought\n{ROWS}", "'Size' is near, but names count to the letter"),
        ("a.csv", f"size, colour,bought\n{ROWS}", "' colour' is near, but names count to the letter"),
        ("a.csv", ROWS, "is the first line of the file its header?"),
        (
            "a.csv",
            "size;colour;bought\n" + "1,5;red;yes\n" * 30,
            "(first: '1,5'; a decimal point was expected)",
        ),
        (
            "a.csv.gz",
            f"size,colour,bought\n{ROWS}",
            "a.csv.gz is not CSV compressed by gzip, as its name says",
        ),
        (
            "a.csv",
            "size,colour,bought\n" + "-inf,red,yes\n" * 30,
            "not numbers (first: -inf; a finite one was expected)",
        ),
        (
            "a.jsonl",
            '{"size": "Infinity", "colour": "red", "bought": "yes"}\n' * 30,
            "not numbers (first: 'Infinity'; a finite one was expected)",
        ),
        ("a.csv", "x,y\n1,2\n", "MissingColumn: column size is missing"),
        (
            "a.csv",
            "PK\x03\x04\0\0",
            "a.csv is a zip archive or an Excel workbook by its first bytes, and CSV by its",
        ),
    ],
)
def test_what_is_said(told: Told, name: str, body: str, words: str) -> None:
    said = told(name, body.encode())
    assert any(words in each for each in said), said


def test_a_row_too_long_to_be_read_is_placed(told: Told) -> None:
    said = told("a.csv", f"size,colour,bought\n{ROWS}1,{'x' * 40_000_000},yes\n".encode())
    assert said == [
        "a.csv cannot be read as CSV: a row behind #31 is too long to be read: expected rows that end"
    ]


def test_a_gzip_file_says_when_its_name_lies_or_its_end_is_missing(told: Told) -> None:
    packed = gzip.compress(f"size,colour,bought\n{ROWS * 50}".encode())
    assert told("a.csv", packed) == ["a.csv is gzip by its first bytes, and CSV by its name"]
    (said,) = told("a.csv.gz", packed[:-40])
    assert "the gzip stream ends too early; was the upload broken off?" in said


def test_thousands_of_columns_that_nobody_declared_are_one_warning(told: Told) -> None:
    names = ",".join(f"c{i}" for i in range(3000))
    body = f"size,colour,bought,{names}\n" + (f"1,red,yes{',1' * 3000}\n") + f"2,red,yes{',1' * 3000}\n"
    (said,) = told("a.csv", body.encode())
    assert said.startswith("3000 columns are not in the model file, they were left out: c0, c1, ")
    assert said.endswith(" and 2992 more")


def test_what_refuses_a_batch_is_not_said_again_as_a_warning(told: Told) -> None:
    body = "size,colour,bought\n" + "".join(f"many,red{i},yes\n" for i in range(30))
    (said,) = told("a.csv", body.encode())
    assert "30 of 30 values are not numbers" in said
