"""Parts go through ordered steps in their order in any number of threads; the earliest failure counts."""

import threading
from collections.abc import Iterator

import pytest

from perennial.in_line import in_line


def numbers(count: int, broken: int | None = None) -> Iterator[int]:
    for number in range(count):
        if number == broken:
            raise OSError("the disk")
        yield number


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_steps_take_parts_in_their_order_and_each_what_the_one_before_made(threads: int) -> None:
    first: list[int] = []
    second: list[int] = []
    last: set[int] = set()

    def doubled(part: int) -> int:
        first.append(part)
        return 2 * part

    def passed(part: int) -> int:
        second.append(part)
        return part + 1

    in_line(numbers(200), lambda part: part, [doubled, passed], last.add, threads)
    assert first == list(range(200))
    assert second == [2 * part for part in range(200)]
    assert last == {2 * part + 1 for part in range(200)}


@pytest.mark.parametrize("last", [False, True])
def test_while_one_part_is_at_the_first_or_last_step_the_next_comes_there_too(last: bool) -> None:
    together = threading.Barrier(2, timeout=30)  # broken, were the parts there one by one
    ends = [lambda part: part, lambda _: together.wait()]
    in_line(numbers(4), ends[not last], [], ends[last], 2)
    assert not together.broken


@pytest.mark.parametrize("threads", [1, 3])
def test_behind_a_part_that_failed_none_is_let_in(threads: int) -> None:
    seen: list[int] = []

    def step(part: int) -> int:
        if part == 3:
            raise ValueError("the third")
        seen.append(part)
        return part

    with pytest.raises(ValueError, match="the third"):
        in_line(numbers(50), lambda part: part, [step], lambda _: None, threads)
    assert seen == [0, 1, 2]


def test_the_earliest_part_that_failed_says_why() -> None:
    reached = threading.Event()

    def parts() -> Iterator[int]:
        yield 0
        reached.set()
        raise OSError("the disk")

    def step(part: int) -> int:
        assert reached.wait(30)
        raise ValueError(f"part {part}")

    with pytest.raises(ValueError, match="part 0"):
        in_line(parts(), lambda part: part, [step], lambda _: None, 2)
    with pytest.raises(OSError, match="the disk"):
        in_line(numbers(9, broken=5), lambda part: part, [], lambda _: None, 2)


def test_an_interrupt_stops_those_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Event()

    def interrupted(_: object) -> None:
        assert started.wait(30)
        raise KeyboardInterrupt

    def endless() -> Iterator[int]:
        while True:
            started.set()
            yield 0

    monkeypatch.setattr("concurrent.futures.Future.result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        in_line(endless(), lambda part: part, [], lambda _: None, 2)
