"""Parts of a stream through several steps at the same time, in several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Condition, Lock
from typing import Any

Step = Callable[[Any], Any]


def in_line(parts: Iterator[Any], first: Step, ordered: Sequence[Step], last: Step, threads: int) -> None:
    """Take parts through `first`, which takes any at any time, through the `ordered` steps, of which each
    takes one part at a time in their order, and through `last`, which again takes any at any time. A step is
    given what the step before returned.

    A thread takes a part all the way: what it has just read lies in its processor's cache, and while it is at
    one step others are at other ones. Raises what the earliest part that failed raised.
    """
    line = _Line(parts, first, ordered, last)
    with ThreadPoolExecutor(threads) as pool:
        working = [pool.submit(line.work) for _ in range(threads)]
        try:
            for worker in working:
                worker.result()
        except BaseException as error:  # an interrupt: those at work stop at their next part
            line.fail(-1, error)
            raise
    if line.failed:
        raise line.failed[min(line.failed)]


class _Overtaken(Exception):
    """A part before this one failed."""


class _Line:
    def __init__(self, parts: Iterator[Any], first: Step, ordered: Sequence[Step], last: Step) -> None:
        self._parts, self._first, self._ordered, self._last = parts, first, ordered, last
        self._reading, self._moved = Lock(), Condition()
        self._read = 0
        self._turns = [0] * len(ordered)  # by step: the number of the part that is next
        self.failed: dict[int, BaseException] = {}

    def work(self) -> None:
        """Until there are no more parts."""
        while (following := self._next()) is not None:
            number, part = following
            try:
                part = self._first(part)
                for step in range(len(self._ordered)):
                    part = self._in_turn(step, number, part)
                self._last(part)
            except _Overtaken:
                return
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
                self.fail(number, error)
                return

    def _next(self) -> tuple[int, Any] | None:
        with self._reading:
            if self.failed:
                return None
            try:
                part = next(self._parts)
            except StopIteration:
                return None
            except BaseException as error:  # noqa: BLE001 - parts read before may have failed earlier
                self.fail(self._read, error)
                return None
            self._read += 1
            return self._read - 1, part

    def _in_turn(self, step: int, number: int, part: Any) -> Any:
        with self._moved:
            self._moved.wait_for(
                lambda: self._turns[step] == number or number > min(self.failed, default=number)
            )
            if self._turns[step] != number:
                raise _Overtaken
        result = self._ordered[step](part)
        with self._moved:
            self._turns[step] += 1
            self._moved.notify_all()
        return result

    def fail(self, number: int, error: BaseException) -> None:
        """Parts behind this one are not let in any more."""
        with self._moved:
            self.failed[number] = error
            self._moved.notify_all()


def one_ahead[Part](parts: Iterator[Part]) -> Iterator[Part]:
    """The parts, each read while the one before is looked at."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = pool.submit(next, parts, None)
            yield part
