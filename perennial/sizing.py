"""Which instance types a training asks for, by the size of its data and what its model file declares."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from perennial.errors import InvalidModelFile
from perennial.prices import InstanceType, Prices
from perennial.training_config import Training

GIB = 1024**3
SYSTEM = 1.5  # GiB of the operating system, Python and the libraries, with some to spare
COPIES = 4  # of the matrix at once: two while it is assembled, one preprocessed, one of the estimator's own
# How much larger a table is in memory (eight bytes a number) than as a file: numbers take 4 to 10 characters
# of text, gzip and zstd make text 3 to 5 times smaller, Parquet's encodings and its compression as much.
GROWTH = {"text": 2.0, "compressed": 8.0, "parquet": 5.0}
CHOICES = 6  # types that are asked for at once: the more, the likelier one has spare capacity
DEARER = 2.0  # a type that costs more than so many times the cheapest that would do is left out


@dataclass(frozen=True)
class StoredSize:
    """What a data set takes in S3: `bytes` by kind of file, one of GROWTH's."""

    bytes: dict[str, int]

    @classmethod
    def of(cls, objects: Iterable[tuple[str, int]]) -> "StoredSize":
        """Of (key, size) of every object.

        >>> StoredSize.of([("a.csv", 10), ("b.csv.gz", 5), ("c.parquet", 7)]).bytes
        {'text': 10, 'compressed': 5, 'parquet': 7}
        """
        found: dict[str, int] = {}
        for key, size in objects:
            kind = kind_of(key)
            found[kind] = found.get(kind, 0) + size
        return cls(found)

    @property
    def total(self) -> int:
        """Bytes as they are stored."""
        return sum(self.bytes.values())

    @property
    def in_memory(self) -> float:
        """Bytes of the table in memory, estimated."""
        return sum(size * GROWTH[kind] for kind, size in self.bytes.items())


@dataclass(frozen=True)
class Sizing:
    """`types` in the order of preference; `price`: on-demand dollars an hour of the dearest of them, the most
    that an hour can cost; None where one of them has no price. `reason` for people."""

    types: tuple[str, ...]
    price: float | None
    reason: str


def kind_of(key: str) -> str:
    """Which of GROWTH's kinds a file is, by its name."""
    if re.search(r"\.(gz|zst|zstd|bz2|xz)$", key, re.IGNORECASE):
        return "compressed"
    return "parquet" if re.search(r"\.(parquet|pq)$", key, re.IGNORECASE) else "text"


def memory_needed(size: StoredSize) -> float:
    """GiB that a training on this data may take.

    >>> memory_needed(StoredSize({"parquet": GIB}))
    21.5
    """
    return SYSTEM + COPIES * size.in_memory / GIB


def choose(size: StoredSize, training: Training, prices: Prices, region: str) -> Sizing:
    """The smallest type of every family that holds the data, the cheapest first.

    Types that the model file names are taken as they are. A type without a price in this region comes only
    where none has one. Raises InvalidModelFile where the declared need exceeds every type.
    """
    if training.instance_types:
        return _named(training.instance_types, prices, region)
    need = training.memory if training.memory is not None else memory_needed(size)
    because = _because(size, training, need)
    known = list(prices.types(region))
    priced = [kind for kind in known if kind.price is not None] or known
    fitting = [kind for kind in priced if kind.memory >= need and kind.vcpus >= training.cpus]
    if not fitting:
        fitting, because = _largest(priced, training, because)
    chosen = _cheapest(_smallest_of_each_family(fitting))
    sizing = _sizing(tuple(kind.name for kind in chosen), prices, region)
    return Sizing(sizing.types, sizing.price, f"{because}: {', '.join(sizing.types)}")


def _named(names: tuple[str, ...], prices: Prices, region: str) -> Sizing:
    sizing = _sizing(names, prices, region)
    return Sizing(names, sizing.price, f"the model file names its types: {', '.join(names)}")


def _sizing(names: tuple[str, ...], prices: Prices, region: str) -> Sizing:
    costs = [prices.price(name, region) for name in names]
    known = [cost for cost in costs if cost is not None]
    return Sizing(names, max(known) if len(known) == len(costs) else None, "")


def _because(size: StoredSize, training: Training, need: float) -> str:
    cpus = f"at least {training.cpus} vCPUs" if training.cpus > 1 else ""
    if training.memory is not None:
        said = f"the model file declares {need:g} GiB"
    else:
        said = f"{_size(size.total)} of accepted data may take {need:.1f} GiB to train on"
    return f"{said} and {cpus}" if cpus else said


def _size(amount: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.3g} {unit}"
        amount /= 1024
    return f"{amount:.3g} GiB"


def _largest(kinds: list[InstanceType], training: Training, because: str) -> tuple[list[InstanceType], str]:
    """What is taken where nothing fits. An estimate errs on the large side, so it stops nobody."""
    most = max(kind.memory for kind in kinds)
    fitting = [kind for kind in kinds if kind.memory == most and kind.vcpus >= training.cpus]
    if training.memory is not None or not fitting:
        raise InvalidModelFile(
            f"{because}: no listed type has both; the largest have {most:g} GiB and "
            f"{max(kind.vcpus for kind in kinds)} vCPUs. Name larger ones under training.instance_types"
        )
    return fitting, f"{because}, more than any listed type has, so the largest are taken"


def _smallest_of_each_family(kinds: list[InstanceType]) -> list[InstanceType]:
    smallest: dict[str, InstanceType] = {}
    for kind in sorted(kinds, key=lambda kind: kind.vcpus):
        smallest.setdefault(kind.name.partition(".")[0], kind)
    return list(smallest.values())


def _cheapest(kinds: list[InstanceType]) -> list[InstanceType]:
    def cost(kind: InstanceType) -> tuple[float, float, str]:
        return (kind.price or 0.0, kind.memory, kind.name)

    ordered = sorted(kinds, key=cost)
    bound = DEARER * (ordered[0].price or 0.0)
    return [kind for kind in ordered if kind.price is None or kind.price <= bound][:CHOICES]
