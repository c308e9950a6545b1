"""The registry: versions are kept, the alias has one winner, and every move is on record."""

from datetime import timedelta
from typing import Any

import pytest

from perennial.aws.registry import Registry
from perennial.errors import AliasMoved, Conflict, VersionNotFound
from tests.integration.moto_support import NOW, record


@pytest.fixture
def registry(table: Any) -> Registry:
    """Three candidates, no champion."""
    registry = Registry(table)
    for version in (1, 2, 3):
        registry.register(record(version, run=f"run-{version}"))
    return registry


def move(registry: Registry, to: int | None, *, expected: int | None, minutes: int = 0, **given: Any) -> bool:
    """A promotion by a run of its own, unless told otherwise."""
    wanted: dict[str, Any] = {
        "previous": expected,
        "left_as": "archived",
        "run": f"run-{to}",
        "reason": "better",
        "now": NOW + timedelta(minutes=minutes),
    }
    return registry.move_champion("iris", expected=expected, to=to, **(wanted | given))


def served(registry: Registry) -> tuple[int | None, int | None]:
    alias = registry.champion("iris")
    assert alias
    return alias.version, alias.previous


def statuses(registry: Registry) -> list[str]:
    return [version.status for version in registry.versions("iris")]


def test_version_numbers_are_given_out_once_for_each_model(table: Any) -> None:
    registry = Registry(table)
    assert [registry.next_version("iris") for _ in range(3)] == [1, 2, 3]
    assert registry.next_version("housing") == 1


def test_a_version_is_kept_as_it_was_registered_but_for_its_data(registry: Registry) -> None:
    """The data objects are in the lineage file: thousands of them would outgrow an item."""
    assert registry.version("iris", 2) == record(2, run="run-2").model_copy(update={"data": ()})


def test_a_version_that_is_not_there_is_named(registry: Registry) -> None:
    with pytest.raises(VersionNotFound, match="model iris has no version 9"):
        registry.version("iris", 9)
    with pytest.raises(VersionNotFound, match="model housing has no version 1"):
        registry.version("housing", 1)


def test_versions_come_oldest_first_and_by_model(registry: Registry) -> None:
    for version in (10, 100):
        registry.register(record(version))
    registry.register(record(4, model="iris-two"))
    assert [version.version for version in registry.versions("iris")] == [1, 2, 3, 10, 100]


def test_more_versions_than_fit_a_page_are_all_listed(registry: Registry) -> None:
    """A page holds 1 MB: at 90 kB for each version, that is eleven."""
    libraries = {f"library-{number}": "1" * 1000 for number in range(90)}
    for version in range(4, 34):
        registry.register(record(version, libraries=libraries))
    assert [version.version for version in registry.versions("iris")] == list(range(1, 34))


def test_a_second_attempt_replaces_the_first(registry: Registry) -> None:
    registry.register(record(2, metrics={"accuracy": 0.5}))
    assert registry.version("iris", 2).metrics == {"accuracy": 0.5}


@pytest.mark.parametrize("status", ["champion", "archived"])
def test_an_instance_that_was_given_up_changes_no_version_that_served(
    registry: Registry, status: str
) -> None:
    move(registry, 1, expected=None)
    if status == "archived":
        move(registry, 2, expected=1)
    before = registry.version("iris", 1)
    with pytest.raises(Conflict, match="version 1 of iris is no candidate any more"):
        registry.register(record(1, metrics={"accuracy": 0.1}))
    assert registry.version("iris", 1) == before
    assert before.status == status


def test_before_the_first_promotion_nobody_serves(registry: Registry) -> None:
    assert registry.champion("iris") is None
    assert registry.audit("iris") == []


def test_a_promotion_moves_the_alias_the_statuses_and_the_record(registry: Registry) -> None:
    move(registry, 1, expected=None)
    move(registry, 2, expected=1, minutes=1)
    alias = registry.champion("iris")
    assert alias
    assert (alias.version, alias.previous, alias.run) == (2, 1, "run-2")
    assert alias.changed_at == NOW + timedelta(minutes=1)
    assert statuses(registry) == ["archived", "champion", "candidate"]
    assert [(entry["from"], entry["version"], entry["reason"]) for entry in registry.audit("iris")] == [
        (None, 1, "better"),
        (1, 2, "better"),
    ]


def test_of_two_promotions_with_one_expectation_one_wins(registry: Registry) -> None:
    move(registry, 1, expected=None)
    move(registry, 2, expected=1)
    before = (served(registry), statuses(registry), registry.audit("iris"))
    with pytest.raises(AliasMoved, match="the champion of iris is version 2: expected 1, nothing was chang"):
        move(registry, 3, expected=1)
    assert (served(registry), statuses(registry), registry.audit("iris")) == before


def test_of_two_first_promotions_one_wins(registry: Registry) -> None:
    move(registry, 1, expected=None)
    with pytest.raises(AliasMoved, match="is version 1: expected None"):
        move(registry, 2, expected=None)
    assert served(registry) == (1, None)


def test_a_promotion_that_is_made_again_by_its_run_changes_nothing(registry: Registry) -> None:
    move(registry, 1, expected=None)
    move(registry, 2, expected=1)
    before = (registry.champion("iris"), statuses(registry), registry.audit("iris"))
    move(registry, 2, expected=1, minutes=5)
    assert (registry.champion("iris"), statuses(registry), registry.audit("iris")) == before


@pytest.mark.parametrize("to", [1, 3])
def test_a_promotion_that_is_tried_again_takes_no_rollback_back(registry: Registry, to: int) -> None:
    """The answer to the first call was lost; a person moved the champion before the second."""
    move(registry, 1, expected=None)
    move(registry, 2, expected=1)
    move(registry, to, expected=2, run="by-hand-1", left_as="rolled_back")
    before = (registry.champion("iris"), statuses(registry), registry.audit("iris"))
    assert not move(registry, 2, expected=1)
    assert (registry.champion("iris"), statuses(registry), registry.audit("iris")) == before
    move(registry, 2, expected=to, run="by-hand-2")  # a decision of its own
    assert served(registry)[0] == 2


def test_what_another_run_has_done_is_not_ours(registry: Registry) -> None:
    move(registry, 1, expected=None)
    move(registry, 2, expected=1, run="by-hand")
    with pytest.raises(AliasMoved):
        move(registry, 2, expected=1, run="run-2")


class Slow:
    """A table on which another call gets in between this one's look and its write."""

    def __init__(self, table: Any, meanwhile: Any) -> None:
        self._table, self._meanwhile = table, meanwhile
        self.name, self.meta = table.name, self

    @property
    def client(self) -> Any:
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()
        return self._table.meta.client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


def test_a_promotion_between_look_and_write_is_noticed(registry: Registry, table: Any) -> None:
    move(registry, 1, expected=None)
    slow = Registry(Slow(table, lambda: move(registry, 2, expected=1)))
    with pytest.raises(AliasMoved, match="is version 2: expected 1"):
        move(slow, 3, expected=1)
    assert served(registry) == (2, 1)


def test_the_same_call_twice_at_once_succeeds_twice(registry: Registry, table: Any) -> None:
    move(registry, 1, expected=None)
    slow = Registry(Slow(table, lambda: move(registry, 2, expected=1)))
    move(slow, 2, expected=1)
    assert served(registry) == (2, 1)
    assert len(registry.audit("iris")) == 2


def test_a_version_that_was_never_registered_cannot_serve(registry: Registry) -> None:
    move(registry, 1, expected=None)
    with pytest.raises(VersionNotFound, match="no version 9"):
        move(registry, 9, expected=1)
    assert served(registry) == (1, None)
    assert statuses(registry) == ["champion", "candidate", "candidate"]
    assert len(registry.audit("iris")) == 1


def test_a_rollback_gives_the_place_back(registry: Registry) -> None:
    move(registry, 1, expected=None)
    move(registry, 2, expected=1, minutes=1)
    move(registry, 1, expected=2, minutes=2, previous=None, left_as="rolled_back", run="run-2")
    assert served(registry) == (1, None)
    assert statuses(registry) == ["champion", "rolled_back", "candidate"]
    assert [entry["version"] for entry in registry.audit("iris")] == [1, 2, 1]


def test_a_first_champion_is_rolled_back_to_nobody_and_the_next_may_come(registry: Registry) -> None:
    move(registry, 1, expected=None)
    move(registry, None, expected=1, minutes=1, previous=None, left_as="rolled_back", run="run-1")
    assert served(registry) == (None, None)
    with pytest.raises(AliasMoved, match="is version None: expected 1"):
        move(registry, 2, expected=1)
    move(registry, 2, expected=None, minutes=2)
    assert served(registry) == (2, None)
    assert statuses(registry) == ["rolled_back", "champion", "candidate"]


def test_models_do_not_touch_each_other(registry: Registry) -> None:
    registry.register(record(1, model="housing"))
    move(registry, 1, expected=None)
    assert registry.champion("housing") is None
    assert registry.version("housing", 1).status == "candidate"
