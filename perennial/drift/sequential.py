"""Drift too slow for any one batch: an anytime-valid test over the life of a reference.

Each column is watched along directions: for numbers the mean of the reference's normal scores (location)
and of their scale scores, for categories the shares of their frequent levels. Batch t of m_t rows has the
mean difference d_t from the reference of n rows. Alternatives: since batch k the mean has been off by b
a_t, with a_t = 1 (a step) or a_t = t - k + 1 (a slope), b ~ Normal(0, tau^2). With M = sum m, A = sum m a,
B = sum m a^2,

    U = sum m a d - A / (n + M) sum m d,      I = B - A^2 / (n + M)
    log E = tau^2 U^2 / (2 s^2 (s^2 + tau^2 I)) - log(1 + tau^2 I / s^2) / 2

E is the likelihood ratio of all differences among the batches and the reference, the unknown mean
eliminated: the reference's own sampling error, which all batches share and which naive accumulation
mistakes for drift, is inside n + M. Under no drift E is a martingale of mean 1, so that by Ville's
inequality it ever reaches 1 / p with probability at most p. Steps and slopes start at batches 1, 5, 17, 65,
... with weights 1/2, 1/6, 1/12 ...; weights, columns and directions share `lifetime_alpha` by the union
bound, hence

    P(any false alarm, ever) <= lifetime_alpha

Assumptions: rows are independent and batches of one distribution while there is no drift; batch means of
the bounded scores are normal (nothing is judged below 100 rows, a level below 100 rows either way on both
sides); the scores' variance s^2 is that of the reference, taken 1 + 2 / sqrt(n) larger.

Sources: J. Ville, Etude critique de la notion de collectif (1939); H. Robbins, Statistical methods related
to the law of the iterated logarithm, Ann. Math. Statist. 41 (1970); A. Ramdas et al., Game-theoretic
statistics and safe anytime-valid inference, Stat. Sci. 38 (2023).
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import Any, Self

import numpy as np

from perennial.columns import Floats
from perennial.config import DriftPolicy
from perennial.drift.directions import Direction, directions
from perennial.drift.materiality import without_noise
from perennial.errors import ProfileMismatch
from perennial.profile import Profile

FORMAT = 1
_BASE = 4  # steps and slopes start after 0, 4, 16, 64 ... batches
_STEP_PRIOR, _SLOPE_PRIOR = 0.2, 0.03  # tau, in standard deviations (per batch)


@dataclass(frozen=True)
class Accumulated:
    """What batches since the reference have in common.

    `p_value` is anytime-valid: it may be looked at after every batch. `effect`: today's estimated change, in
    standard deviations of a normal shift. `columns`: those that are significant, the largest effect first.
    """

    significant: bool
    material: bool
    drifted: bool
    p_value: float
    effect: float
    columns: tuple[str, ...]
    batches: int
    reason: str


@dataclass(frozen=True)
class SequentialState:
    """The sums of one model's monitoring: per start a matrix (5, directions) of M, A, B, sum m d, sum m a d,
    and per direction the smallest p-value so far. Small plain JSON by `dump`.
    """

    reference: str
    batches: int = 0
    watched: tuple[str, ...] = ()
    sums: tuple[tuple[tuple[float, ...], ...], ...] = ()
    p_values: tuple[float, ...] = ()
    format: int = field(default=FORMAT)

    def dump(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def load(cls, stored: Mapping[str, Any], reference: str) -> Self:
        """What `dump` gave; a fresh state where `stored` is empty or belongs to another reference.

        Raises ProfileMismatch where it is something else.
        """
        if not stored or stored.get("reference") != reference or stored.get("format") != FORMAT:
            return cls(reference)
        try:
            sums = tuple(tuple(tuple(map(float, row)) for row in start) for start in stored["sums"])
            p_values = tuple(map(float, stored["p_values"]))
            return cls(reference, int(stored["batches"]), tuple(stored["watched"]), sums, p_values)
        except (KeyError, TypeError, ValueError) as error:
            raise ProfileMismatch(f"this is not a stored detector state: {error}") from error


def accumulate(
    reference: Profile,
    current: Profile,
    names: Iterable[str],
    policy: DriftPolicy,
    stored: Mapping[str, Any] | None,
    weights: Mapping[str, float],
) -> tuple[Accumulated | None, dict[str, Any] | None]:
    """Take in one batch: the verdict on all batches so far and the state to carry on; (None, None) without
    a state.
    """
    if stored is None:
        return None, None
    watched = directions(reference, current, names)
    state = advance(SequentialState.load(stored, _digest(reference, watched)), watched)
    return _verdict(state, watched, policy, weights), state.dump()


def advance(state: SequentialState, watched: list[Direction]) -> SequentialState:
    """The state after one more batch."""
    batch = state.batches + 1
    m = np.array([direction.rows for direction in watched], float)
    d = np.array([direction.difference for direction in watched], float)
    sums = [np.array(start).reshape(5, len(watched)) for start in state.sums]
    if batch == _begin(len(sums)):
        sums.append(np.zeros((5, len(watched))))
    for number, start in enumerate(sums):
        a = batch - _begin(number) + 1
        sums[number] = start + np.stack([m, m * a, m * a * a, m * d, m * a * d])
    p_now = np.min([_p_values(start, number, watched) for number, start in enumerate(sums)], axis=(0, 1))
    before = np.array(state.p_values) if state.p_values else np.ones(len(watched))
    return SequentialState(
        state.reference,
        batch,
        tuple(f"{direction.column}: {direction.name}" for direction in watched),
        tuple(tuple(tuple(float(f"{v:.8g}") for v in row) for row in start) for start in sums),
        tuple(float(f"{p:.6g}") for p in np.minimum(before, p_now)),
    )


def _begin(number: int) -> int:
    """First batch of a start.

    >>> [_begin(number) for number in range(4)]
    [1, 5, 17, 65]
    """
    return 1 + (_BASE**number if number else 0)


def _evidence(start: Floats, watched: list[Direction]) -> tuple[Floats, Floats, Floats]:
    """U / I, its standard error and log E for step and slope: (2, directions) each."""
    n = np.array([direction.reference_rows for direction in watched], float)
    variance = np.array([direction.variance for direction in watched], float)
    rows, first, second, plain, sloped = start
    u = np.stack([n / (n + rows) * plain, sloped - first / (n + rows) * plain])
    information = np.maximum(np.stack([n * rows / (n + rows), second - first * first / (n + rows)]), 1e-12)
    tau = np.array([[_STEP_PRIOR], [_SLOPE_PRIOR]]) ** 2 * variance
    ratio = tau * information / variance
    log_e = tau * u * u / (2 * variance * variance * (1 + ratio)) - np.log1p(ratio) / 2
    judged = rows >= np.array([direction.least_rows for direction in watched])
    return u / information, np.sqrt(variance / information), np.where(judged, log_e, 0.0)


def _p_values(start: Floats, number: int, watched: list[Direction]) -> Floats:
    """Anytime-valid p-values, corrected for start, form and direction: (2, directions)."""
    _, _, log_e = _evidence(start, watched)
    share = np.array([direction.share for direction in watched]) / (2 * (number + 1) * (number + 2))
    return np.minimum(np.exp(-np.minimum(log_e, 700)) / share, 1.0)


def _verdict(
    state: SequentialState, watched: list[Direction], policy: DriftPolicy, weights: Mapping[str, float]
) -> Accumulated:
    p = np.array(state.p_values)
    found = np.flatnonzero(p < policy.lifetime_alpha)
    sized = sorted(((_effect(state, watched, int(place)), int(place)) for place in found), reverse=True)
    weighted = [(size * weights.get(watched[place].column, 1.0), size, place) for size, place in sized]
    weighted.sort(reverse=True)
    material = bool(weighted) and weighted[0][0] >= policy.min_effect
    columns = tuple(dict.fromkeys(watched[place].column for _, _, place in weighted))
    reason = ""
    if weighted:
        _, size, place = weighted[0]
        more = f" and {len(columns) - 1} more" if len(columns) > 1 else ""
        reason = (
            f"{columns[0]}{more} drifted slowly: over {state.batches} batches {watched[place].name} moved by "
            f"about {size:.2f} sd"
        )
    return Accumulated(
        significant=bool(weighted),
        material=material,
        drifted=material,
        p_value=float(p.min()) if p.size else 1.0,
        effect=weighted[0][1] if weighted else 0.0,
        columns=columns,
        batches=state.batches,
        reason=reason,
    )


def _effect(state: SequentialState, watched: list[Direction], place: int) -> float:
    """Today's change by the start and form that explain the batches best."""
    best, effect = -np.inf, 0.0
    for number, stored in enumerate(state.sums):
        estimate, error, log_e = _evidence(np.array(stored), watched)
        for form, length in ((0, 1.0), (1, float(state.batches - _begin(number) + 1))):
            if log_e[form, place] > best:
                best = log_e[form, place]
                size = without_noise(estimate[form, place] * length, error[form, place] * length)
                effect = watched[place].in_deviations(float(size))
    return effect


def _digest(reference: Profile, watched: list[Direction]) -> str:
    known = [(d.column, d.name, d.reference_rows, f"{d.variance:.9g}") for d in watched]
    means = [f"{getattr(column, 'mean', 0.0):.12g}" for column in reference.columns.values()]
    return blake2b(repr((reference.rows, known, means)).encode(), digest_size=12).hexdigest()
