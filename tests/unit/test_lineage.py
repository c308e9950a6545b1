"""Lineage both ways, and what two versions differ in."""

from datetime import UTC, datetime
from typing import Any

from perennial.contracts.objects import StoredObject
from perennial.lineage import VersionRecord, ancestors, children, compare, served
from tests.integration.moto_support import record


def data(*names: str) -> tuple[StoredObject, ...]:
    return tuple(StoredObject(key=name, version_id="1", etag="e", size=1) for name in names)


def rows(one: VersionRecord, other: VersionRecord) -> dict[str, tuple[str, str]]:
    return {row.name: (row.one, row.other) for row in compare(one, other)}


def family(**parents: int | None) -> list[VersionRecord]:
    return [record(int(name[1:]), parent=parent) for name, parent in parents.items()]


def test_equal_versions_show_their_metrics_and_data_alone() -> None:
    assert rows(record(1), record(1)) == {
        "accuracy": ("0.9", "0.9"),
        "data objects": ("1, 1 of them shared", "1, 1 of them shared"),
    }


def test_what_differs_is_shown_by_name() -> None:
    changes: dict[str, Any] = {
        "metrics": {"accuracy": 0.8, "f1": 0.7},
        "params": {"depth": 3},
        "libraries": {"scikit-learn": "1.8.0", "numpy": "2.3"},
        "data": data("accepted/iris/x.csv", "accepted/iris/y.csv"),
        "rows_trained": 180,
    }
    found = rows(record(1), record(1, **changes))
    assert found["accuracy"] == ("0.9", "0.8")
    assert found["f1"] == ("-", "0.7")
    assert found["params.depth"] == ("-", "3")
    assert found["libraries.numpy"] == ("-", "2.3")
    assert "libraries.scikit-learn" not in found
    assert found["rows trained"] == ("90", "180")
    assert found["data objects"] == ("1, 1 of them shared", "2, 1 of them shared")


def test_lineage_leads_up_and_down() -> None:
    records = family(v1=None, v2=1, v3=2, v4=2, v5=None)
    assert ancestors(records, 3) == [2, 1]
    assert ancestors(records, 5) == []
    assert children(records, 2) == [3, 4]


def test_a_gap_ends_the_line() -> None:
    assert ancestors(family(v3=2), 3) == [2]


def move(hour: int, version: int | None) -> dict[str, Any]:
    return {"version": version, "changed_at": f"2026-11-21T{hour:02d}:00:00+00:00"}


def at(hour: int) -> datetime:
    return datetime(2026, 11, 21, hour, tzinfo=UTC)


def test_a_version_may_serve_several_times() -> None:
    found = served([move(1, 1), move(2, 2), move(3, 1)])
    assert found == {1: [(at(1), at(2)), (at(3), None)], 2: [(at(2), at(3))]}


def test_a_canary_that_ended_beside_the_champion_parts_nothing() -> None:
    assert served([move(1, 1), move(2, 1), move(3, 2)]) == {1: [(at(1), at(3))], 2: [(at(3), None)]}


def test_where_nobody_serves_nobody_is_named() -> None:
    assert served([move(1, 1), move(2, None)]) == {1: [(at(1), at(2))]}
    assert served([]) == {}
