"""A thread beside the work that looks at something again and again."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Watch:
    """Calls `look` at once and then as many seconds later as it answers, until it answers None or the
    context is left."""

    def __init__(self, name: str, look: Callable[[], float | None]) -> None:
        self._look, self._stop = look, threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; `look` is not called any more when this returns."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while (pause := self._look()) is not None and not self._stop.wait(pause):
            pass
