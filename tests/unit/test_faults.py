"""The fault file: what it may say, whom it means, and when it is read."""

import os
from pathlib import Path

import pytest

from local import faults
from local.faults import KINDS, Fault, FaultFile, FaultFileError, parse

TAGS = {"perennial:model": "iris", "perennial:run": "run-1", "perennial:attempt": "1"}


@pytest.mark.parametrize(
    ("fault", "fits"),
    [
        (Fault("kill"), True),
        (Fault("kill", model="iris", run="run-1", attempt=1), True),
        (Fault("kill", model="housing"), False),
        (Fault("kill", run="run-2"), False),
        (Fault("kill", attempt=0), False),
    ],
)
def test_what_is_left_out_fits_all(fault: Fault, fits: bool) -> None:
    assert fault.fits(TAGS) is fits


def test_capacity_is_no_matter_of_an_instance() -> None:
    plan = parse('{"faults": [{"kind": "capacity"}, {"kind": "kill"}]}')
    assert [fault.kind for fault in plan.for_instance(TAGS)] == ["kill"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"faults": [{"kind": "flood"}]}',
        '{"faults": [{"kind": "kill", "agt": 1}]}',
        '{"faults": [1]}',
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(FaultFileError):
        parse(text)


def test_every_kind_is_described() -> None:
    assert faults.__doc__
    rows = {line.split("|")[1].strip() for line in faults.__doc__.splitlines() if line.startswith("| ")}
    assert rows - {"kind"} == set(KINDS)


def test_a_changed_file_is_read_again_and_a_broken_one_said_once(tmp_path: Path) -> None:
    file = FaultFile(tmp_path / faults.FILE)
    assert file.plan().faults == ()
    file.path.write_text('{"faults": [{"kind": "kill"}]}')
    assert file.plan().faults == (Fault("kill"),)
    file.path.write_text("{")
    os.utime(file.path, (1, 1))
    with pytest.raises(FaultFileError):
        file.plan()
    assert file.plan().faults == (Fault("kill"),)
    file.path.unlink()
    assert file.plan().faults == ()
