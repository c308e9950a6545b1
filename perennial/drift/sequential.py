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
... with weights 1/2, 1/6, 1/12 ...; the weighted mean of their E, and that over all directions, are
martingales of mean 1 again (those that have not started count as 1), hence

    P(any false alarm, ever) <= lifetime_alpha

for the table; a column is named when its share of the mean alone would do. How far things are *today*, and
whether that matters, is read off the last batches (see `recent`).

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
from perennial.drift.correlation import Structure
from perennial.drift.directions import Direction, directions
from perennial.drift.family import RECENT, adjust
from perennial.drift.recent import Bucket, Today, add_batch, combined_p, look_back, matters_today
from perennial.drift.table_test import TableTest
from perennial.errors import ProfileMismatch
from perennial.profile import Profile

FORMAT = 2
_BASE = 4  # steps and slopes start after 0, 4, 16, 64 ... batches
_STEP_PRIOR, _SLOPE_PRIOR = 0.2, 0.03  # tau, in standard deviations (per batch)
_PARTS = ("rows", "sums", "effects")
_ROWS = 5  # of a start's matrix


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
    """The sums of one model's monitoring: per start a matrix (5, directions) of M, A, B, sum m d, sum m a d;
    per direction, and of all together, the smallest p-value so far; the last batches. Small plain JSON by
    `dump`.
    """

    reference: str
    batches: int = 0
    watched: tuple[str, ...] = ()
    sums: tuple[tuple[tuple[float, ...], ...], ...] = ()
    p_values: tuple[float, ...] = ()
    p_value: float = 1.0
    recent: tuple[Bucket, ...] = ()
    format: int = field(default=FORMAT)

    def dump(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def load(cls, stored: Mapping[str, Any], reference: str) -> Self:
        """What `dump` gave; a fresh state where `stored` is empty or belongs to another reference.

        Raises ProfileMismatch where it is something else.
        """
        if stored and "reference" not in stored:
            found = ", ".join(map(str, stored))
            raise ProfileMismatch(f"this is not a stored detector state: it has no 'reference', but {found}")
        if not stored or stored.get("reference") != reference or stored.get("format") != FORMAT:
            return cls(reference)
        try:
            state = cls(
                reference,
                int(stored["batches"]),
                tuple(stored["watched"]),
                tuple(tuple(tuple(map(float, row)) for row in start) for start in stored["sums"]),
                tuple(map(float, stored["p_values"])),
                float(stored["p_value"]),
                tuple(
                    Bucket(int(b["batches"]), *(tuple(map(float, b[part])) for part in _PARTS))
                    for b in stored["recent"]
                ),
            )
            state._need_whole()
        except (KeyError, TypeError, ValueError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else error
            raise ProfileMismatch(f"this is not a stored detector state: {why}") from error
        return state

    def _need_whole(self) -> None:
        """Raise ValueError where parts are missing: a number for every direction, a start for every batch
        that began one.
        """
        parts = [row for start in self.sums for row in start]
        parts += [getattr(bucket, part) for bucket in self.recent for part in _PARTS]
        if any(len(part) != len(self.watched) for part in (*parts, self.p_values)):
            raise ValueError(f"expected {len(self.watched)} numbers in every row")
        begun = bool(self.sums) and begin(len(self.sums) - 1) <= self.batches < begin(len(self.sums))
        if not begun or any(len(start) != _ROWS for start in self.sums):
            raise ValueError(f"expected {_ROWS} rows of sums for every start in {self.batches} batches")


def accumulate(
    reference: Profile,
    current: Profile,
    names: Iterable[str],
    policy: DriftPolicy,
    stored: Mapping[str, Any] | None,
    weights: Mapping[str, float],
    pair: Structure | None = None,
) -> tuple[Accumulated | None, TableTest | None, dict[str, Any] | None]:
    """Take in one batch: the verdict on all batches so far, the test of the last ones together (None at the
    first; `pair`: the columns' correlations) and the state to carry on; all None without a state.
    """
    if stored is None:
        return None, None, None
    watched = directions(reference, current, names)
    state = advance(SequentialState.load(stored, _digest(reference, watched)), watched)
    today = look_back(state.recent, watched)
    matters = matters_today(
        today, watched, policy, [weights.get(direction.column, 1.0) for direction in watched]
    )
    told = _verdict(state, watched, policy, today, matters)
    return told, _recent(state, watched, policy, today, matters, pair), state.dump()


def advance(state: SequentialState, watched: list[Direction]) -> SequentialState:
    """The state after one more batch."""
    batch = state.batches + 1
    m = np.array([direction.rows for direction in watched], float)
    d = np.array([direction.difference for direction in watched], float)
    sums = [np.array(start).reshape(_ROWS, len(watched)) for start in state.sums]
    if batch == begin(len(sums)):
        sums.append(np.zeros((_ROWS, len(watched))))
    for number, start in enumerate(sums):
        a = batch - begin(number) + 1
        sums[number] = start + np.stack([m, m * a, m * a * a, m * d, m * a * d])
    logs = log_evidence(sums, watched)
    share = np.array([direction.share for direction in watched])
    before = np.array(state.p_values) if state.p_values else np.ones(len(watched))
    p_now = np.minimum(np.exp(-logs) / np.maximum(share, 1e-300), 1.0)
    together = max(float((share * np.exp(logs)).sum()) + max(1 - float(share.sum()), 0.0), 1e-300)
    return SequentialState(
        state.reference,
        batch,
        tuple(f"{direction.column}: {direction.name}" for direction in watched),
        tuple(tuple(tuple(_short(v) for v in row) for row in start) for start in sums),
        tuple(float(f"{p:.6g}") for p in np.minimum(before, p_now)),
        float(f"{min(state.p_value, 1 / together):.6g}"),
        tuple(_shortened(bucket) for bucket in add_batch(state.recent, watched)),
    )


def _short(value: float, digits: int = 8) -> float:
    return float(f"{value:.{digits}g}")


def _shortened(bucket: Bucket) -> Bucket:
    parts = (getattr(bucket, part) for part in _PARTS)
    return Bucket(bucket.batches, *(tuple(_short(v, 5) for v in part) for part in parts))


def begin(number: int) -> int:
    """First batch of a start.

    >>> [begin(number) for number in range(4)]
    [1, 5, 17, 65]
    """
    return 1 + (_BASE**number if number else 0)


def log_evidence(sums: list[Floats], watched: list[Direction]) -> Floats:
    """log E of each direction, mixed over starts and forms: (directions,), at most 600."""
    n = np.array([direction.reference_rows for direction in watched], float)
    variance = np.array([direction.variance for direction in watched], float)
    least = np.array([direction.least_rows for direction in watched])
    tau = np.array([[_STEP_PRIOR], [_SLOPE_PRIOR]]) ** 2 * variance
    mixed = np.full(n.size, 1 / (len(sums) + 1))  # the starts that are to come
    for number, (rows, first, second, plain, sloped) in enumerate(sums):
        u = np.stack([n / (n + rows) * plain, sloped - first / (n + rows) * plain])
        information = np.stack([n * rows / (n + rows), second - first * first / (n + rows)])
        ratio = tau * np.maximum(information, 1e-12) / variance
        log_e = tau * u * u / (2 * variance * variance * (1 + ratio)) - np.log1p(ratio) / 2
        evidence = np.exp(np.minimum(np.where(rows >= least, log_e, 0.0), 600.0))
        mixed = mixed + evidence.sum(axis=0) / (2 * (number + 1) * (number + 2))
    return np.log(mixed)


def _verdict(
    state: SequentialState, watched: list[Direction], policy: DriftPolicy, today: Today, matters: Any
) -> Accumulated:
    p = np.array(state.p_values)
    named = p < policy.lifetime_alpha
    significant = state.p_value < policy.lifetime_alpha or bool(named.any())
    if significant and not named.any():
        named = p == p.min()
    found = _ranked(np.flatnonzero(named & significant), today, matters)
    columns = tuple(dict.fromkeys(watched[place].column for place in found))
    effect = float(today.effects[found[0]]) if columns else 0.0
    material = bool(columns) and bool(matters[found[0]])
    when = f"over {state.batches} batches"
    return Accumulated(
        significant=significant,
        material=material,
        drifted=material,
        p_value=min(state.p_value, float(p.min()) if p.size else 1.0),
        effect=effect,
        columns=columns,
        batches=state.batches,
        reason=_words(columns, watched[found[0]], effect, when) if columns else "",
    )


def _recent(
    state: SequentialState,
    watched: list[Direction],
    policy: DriftPolicy,
    today: Today,
    matters: Any,
    pair: Structure | None,
) -> TableTest | None:
    if len(state.recent) < 2 or not watched:
        return None
    p = combined_p(today, watched, pair)
    adjusted = adjust(p, RECENT)
    significant = adjusted < policy.alpha
    alone = today.p_values.min(axis=0) / np.array([direction.share for direction in watched])
    named = alone < policy.alpha * RECENT
    if not named.any():  # it is together that they show
        named = matters if matters.any() else alone == alone.min()
    found = _ranked(np.flatnonzero(named), today, matters)
    columns = tuple(dict.fromkeys(watched[place].column for place in found))
    effect = float(today.effects[found[0]])
    when = f"over the last {sum(bucket.batches for bucket in state.recent)} batches"
    return TableTest(
        "recent batches",
        p,
        adjusted,
        significant,
        significant and bool(matters[found[0]]),
        effect,
        _words(columns, watched[found[0]], effect, when),
        columns,
    )


def _ranked(places: Any, today: Today, matters: Any) -> list[int]:
    """Those that matter first, by size."""
    return sorted(map(int, places), key=lambda place: (not matters[place], -today.effects[place]))


def _words(columns: tuple[str, ...], most: Direction, effect: float, when: str) -> str:
    more = f" and {len(columns) - 1} more" if len(columns) > 1 else ""
    return f"{columns[0]}{more} drifted slowly: {when} {most.name} moved by about {effect:.2f} sd"


def _digest(reference: Profile, watched: list[Direction]) -> str:
    known = [(d.column, d.name, d.reference_rows, f"{d.variance:.9g}") for d in watched]
    means = [f"{getattr(column, 'mean', 0.0):.12g}" for column in reference.columns.values()]
    return blake2b(repr((reference.rows, known, means)).encode(), digest_size=12).hexdigest()
