"""What a long training tells its surroundings, and what it keeps for the attempt after it."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

from perennial.artifacts import digest, dump, load
from perennial.errors import ArtifactCorrupted, SpotInterrupted


class Checkpoints(Protocol):
    """Where the steps of one training are kept, so that a repeated attempt goes on where the last one ended.

    They belong to one run: its attempts train on the same rows with the same seed. `save` is atomic: a later
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
    """Checkpoints of one training in particular, which hold Python objects.

    A body begins with the training's `fingerprint` and its own digest. One of another training (more rows,
    another model file, other versions of libraries) or a damaged one is none, and is never unpickled.
    """

    def __init__(self, checkpoints: Checkpoints, fingerprint: Callable[[], str]) -> None:
        self._checkpoints, self._describe = checkpoints, fingerprint

    @cached_property
    def _fingerprint(self) -> bytes:
        """Of what may take seconds to look through, and is needed only by who trains in steps."""
        return digest(self._describe().encode()).encode()

    def load(self, name: str) -> Any:
        """What was kept by that name; None where nothing was."""
        body = self._checkpoints.load(name)
        if body is None or body[:64] != self._fingerprint:
            return None
        try:
            return load(body[128:], body[64:128].decode("ascii", "replace"))
        except ArtifactCorrupted:
            return None

    def save(self, name: str, content: Any) -> Any:
        """Keep it in place of what was there. Returns what `load` would: a training that goes on with this
        ends with the same bytes as one that was interrupted and loaded it."""
        body = dump(content)
        sha256 = digest(body)
        self._checkpoints.save(name, self._fingerprint + sha256.encode() + body)
        return load(body, sha256)

    def stop_if_interrupted(self, done: str) -> None:
        """Raises SpotInterrupted, saying what was `done` and kept, where this attempt must end."""
        if self._checkpoints.interrupted():
            raise SpotInterrupted(
                f"training was interrupted after {done}: the next attempt goes on from there"
            )
