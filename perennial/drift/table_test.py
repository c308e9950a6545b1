"""What a test of a table found."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TableTest:
    """A test of more than one column or batch: all locations together, the correlations, a domain classifier,
    or the last batches taken together (which names `columns`).
    """

    name: Literal["many small shifts", "correlations", "domain classifier", "recent batches"]
    p_value: float
    adjusted_p_value: float
    significant: bool
    material: bool
    effect: float
    reason: str
    columns: tuple[str, ...] = ()

    @property
    def drifted(self) -> bool:
        """Both significant and material."""
        return self.significant and self.material
