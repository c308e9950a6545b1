"""Iris, season after season: the batches of the story, made of scikit-learn's bundled data set.

The first batch is the data set itself. Every later one is drawn from it anew: flowers like these, measured
in another season, with a small measuring error.
"""

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris

MEASUREMENTS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
SPECIES = ("setosa", "versicolor", "virginica")
MEASURING_ERROR = 0.05  # centimetres, standard deviation


def first_season() -> pd.DataFrame:
    """The 150 flowers of the data set."""
    bunch = load_iris(as_frame=True)
    flowers: pd.DataFrame = bunch.data.set_axis(MEASUREMENTS, axis="columns")
    flowers.insert(0, "flower_id", [f"first-{number:04d}" for number in range(len(flowers))])
    return flowers.assign(species=[SPECIES[code] for code in bunch.target])


def season(name: str, *, rows: int, seed: int, scale: float = 1.0) -> pd.DataFrame:
    """Flowers like the first season's, every measurement `scale` times as long."""
    drawn = first_season().sample(rows, replace=True, random_state=seed, ignore_index=True)
    error = np.random.default_rng(seed).normal(scale=MEASURING_ERROR, size=(rows, len(MEASUREMENTS)))
    drawn[MEASUREMENTS] = (drawn[MEASUREMENTS] * scale + error).clip(lower=0.1).round(2)
    return drawn.assign(flower_id=[f"{name}-{number:04d}" for number in range(rows)])


def mislabelled(flowers: pd.DataFrame) -> pd.DataFrame:
    """Every species called by the next one's name."""
    following = dict(zip(SPECIES, (*SPECIES[1:], SPECIES[0]), strict=True))
    return flowers.assign(species=flowers["species"].map(following))


def broken(flowers: pd.DataFrame) -> pd.DataFrame:
    """Half of the petal lengths gone, petal widths that are words, no sepal widths at all."""
    half = flowers.index % 2 == 0
    return flowers.assign(petal_length=flowers["petal_length"].mask(half), petal_width="about two").drop(
        columns="sepal_width"
    )
