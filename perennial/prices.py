"""What an instance type has and what it costs on demand, read from a dated file."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field

FILE = Path(__file__).with_name("instance_types.yaml")


class InstanceType(BaseModel):
    """One type in one region: memory in GiB, on-demand dollars per hour (None where the file has none)."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str
    vcpus: int
    memory: float
    price: float | None


class Prices(BaseModel):
    """The file: prices of `.large` by region and family; larger sizes cost in proportion to their vCPUs."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    as_of: date
    source: str
    vcpus: dict[str, int] = Field(min_length=1)
    gib_per_vcpu: dict[str, float] = Field(min_length=1)
    dollars_per_hour: dict[str, dict[str, float]]

    @classmethod
    def read(cls, path: Path = FILE) -> Self:
        """Read a price file.

        >>> Prices.read().price("c7i.2xlarge", "us-east-1")
        0.357
        """
        return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))

    def price(self, name: str, region: str) -> float | None:
        """On-demand dollars per hour of a type in a region; None where the file does not say."""
        family, _, size = name.partition(".")
        large = self.dollars_per_hour.get(region, {}).get(family)
        if large is None or size not in self.vcpus:
            return None
        return round(large * self.vcpus[size] / self.vcpus["large"], 6)

    def types(self, region: str) -> Iterator[InstanceType]:
        """Every type that the file describes, with its price in this region."""
        for family, gib in self.gib_per_vcpu.items():
            for size, vcpus in self.vcpus.items():
                name = f"{family}.{size}"
                yield InstanceType(name=name, vcpus=vcpus, memory=vcpus * gib, price=self.price(name, region))
