"""What a long training tells its surroundings, and what it keeps for the attempt after it."""

from typing import Any, Protocol

from perennial.artifacts import digest, dump, load
from perennial.errors import SpotInterrupted


class Checkpoints(Protocol):
    """Where the steps of one training are kept, so that a repeated attempt goes on where the last one ended.

    They belong to one training: the attempts of a run, which have the same rows, model file and seed. `load`
    gives nothing that another left, or that is damaged, for bodies are pickles. `save` is atomic: a later
    `load` gives the whole of the last body, or of the one before. `interrupted` says that this attempt is
    to end soon, by a spot notice for one: whoever trains in steps then saves once more and ends.
    """

    def load(self, name: str) -> bytes | None:
        """The last body of that name; None where there is none."""
        ...

    def save(self, name: str, body: bytes) -> None:
        """Keep the body in place of the one before."""
        ...

    def interrupted(self) -> bool:
        """Whether this attempt must end. Cheap: asked between any two steps."""
        ...


class Progress(Protocol):
    """Told of every step: the phase, and the share of it that is done, from 0 to 1."""

    def __call__(self, phase: str, share: float) -> None: ...


class MemoryCheckpoints:
    """Checkpoints as long as the object lives, for a training that nobody will repeat.

    >>> kept = MemoryCheckpoints()
    >>> kept.save("step", b"3")
    >>> kept.load("step"), kept.load("other"), kept.interrupted()
    (b'3', None, False)
    """

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    def load(self, name: str) -> bytes | None:
        """The last body of that name; None where there is none."""
        return self.bodies.get(name)

    def save(self, name: str, body: bytes) -> None:
        """Keep the body in place of the one before."""
        self.bodies[name] = body

    def interrupted(self) -> bool:
        """Never."""
        return False


def silent(phase: str, share: float) -> None:
    """A Progress that tells nobody."""


class Kept:
    """Checkpoints that hold Python objects."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints

    def load(self, name: str) -> Any:
        """What was kept by that name; None where nothing was."""
        body = self._checkpoints.load(name)
        return None if body is None else load(body, digest(body))

    def save(self, name: str, content: Any) -> Any:
        """Keep it in place of what was there. Returns what `load` would: a training that goes on with this
        ends with the same bytes as one that was interrupted and loaded it."""
        self._checkpoints.save(name, body := dump(content))
        return load(body, digest(body))

    def stop_if_interrupted(self, done: str) -> None:
        """Raises SpotInterrupted, saying what was `done` and kept, where this attempt must end."""
        if self._checkpoints.interrupted():
            raise SpotInterrupted(f"training was interrupted after {done}: the next attempt goes on there")
