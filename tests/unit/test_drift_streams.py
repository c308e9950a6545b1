"""Detectors on streams: against river's detections, in blocks as one by one, and what changes are called."""

import json
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from perennial.columns import Floats
from perennial.drift.adwin import Adwin, Cut
from perennial.drift.dependence import Dependence
from perennial.drift.error_stream import ErrorStream
from perennial.drift.exponential_histogram import ExponentialHistogram
from perennial.drift.page_hinkley import Alarm, PageHinkley


def streams() -> dict[str, Floats]:
    """The streams that river 0.26.1 was run on, drawn in this order from one generator."""
    r = np.random.default_rng(12345)
    ramp = np.interp(np.arange(6000), [0, 2000, 4000, 6000], [0.1, 0.1, 0.5, 0.5])
    drawn = {
        "sudden": np.concatenate([r.random(1000) < 0.1, r.random(1000) < 0.4]),
        "gradual": r.random(6000) < ramp,
        "none": r.random(20000) < 0.2,
        "recurring": np.concatenate([r.random(1500) < p for p in (0.1, 0.35, 0.1, 0.35, 0.1)]),
        "real": np.clip(np.concatenate([r.normal(0.5, 0.1, 2000), r.normal(0.56, 0.1, 2000)]), 0, 1),
        "down": np.concatenate([r.random(1000) < 0.6, r.random(1500) < 0.2]),
    }
    return {name: np.asarray(values, float) for name, values in drawn.items()}


STREAMS = streams()
RIVER_ADWIN = {  # river.drift.ADWIN()
    "sudden": [1056],
    "none": [],
    "recurring": [1568, 3136, 4640, 6176],
    "real": [2240],
    "down": [1056],
}
RIVER_BOTH = {  # river.drift.PageHinkley()
    "sudden": [1128],
    "gradual": [2703, 4010],
    "none": [10782],
    "recurring": [1699, 3224, 4797, 6066],
    "real": [3332],
    "down": [1088],
}
RIVER_UP = {  # river.drift.PageHinkley(threshold=10, delta=0.05, mode="up")
    "sudden": [1018],
    "gradual": [2523, 2911, 3121, 4010, 4960],
    "none": [3053, 8503, 15325, 19565],
    "recurring": [1534, 4673, 4867],
    "real": [],
    "down": [],
}


@pytest.mark.parametrize("name", RIVER_ADWIN)
def test_adwin_sees_what_river_sees_at_the_same_look_or_one_before(name: str) -> None:
    found = [cut.at for cut in Adwin().update(STREAMS[name])]
    assert len(found) == len(RIVER_ADWIN[name])
    assert all(0 <= theirs - ours <= 32 for ours, theirs in zip(found, RIVER_ADWIN[name], strict=True))


def test_adwin_sees_the_slope_that_river_sees() -> None:
    """river: 2624 and 4224."""
    found = [cut.at for cut in Adwin().update(STREAMS["gradual"])]
    assert found[0] <= 2624
    assert all(cut < 4400 for cut in found)


@pytest.mark.parametrize("name", STREAMS)
def test_page_hinkley_alarms_where_river_does(name: str) -> None:
    assert [alarm.at for alarm in PageHinkley().update(STREAMS[name])] == RIVER_BOTH[name]
    upwards = PageHinkley(threshold=10, delta=0.05, mode="up").update(STREAMS[name])
    assert [alarm.at for alarm in upwards] == RIVER_UP[name]


def test_page_hinkley_looks_one_way_only_where_it_is_told_to() -> None:
    assert {alarm.direction for alarm in PageHinkley(mode="down").update(STREAMS["recurring"])} == {"down"}
    with pytest.raises(ValueError, match="forgetting factor"):
        PageHinkley(forget=0.5)


def test_the_change_point_is_near_the_change() -> None:
    (cut,) = Adwin().update(STREAMS["sudden"])
    assert abs(cut.began - 1000) <= 32
    (alarm,) = PageHinkley(threshold=20, delta=0.1).update(STREAMS["sudden"])
    assert abs(alarm.began - 1000) <= 32


@pytest.mark.parametrize("detector", [Adwin, PageHinkley])
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_blocks_stored_in_between_change_nothing(
    detector: type[Adwin] | type[PageHinkley], block: int
) -> None:
    values = STREAMS["recurring"][:4000]
    whole, parts = detector(), detector()
    expected = whole.update(values)
    found: list[Cut | Alarm] = []
    for start in range(0, values.size, block):
        found += parts.update(values[start : start + block])
        if start % 500 == 0:
            parts = type(parts).load(json.loads(json.dumps(parts.dump())))
    assert [(item.at, item.began) for item in found] == [(item.at, item.began) for item in expected]
    ours, theirs = parts.dump(), whole.dump()
    assert ours["seen"] == theirs["seen"]


def test_memory_grows_with_the_logarithm_of_the_stream() -> None:
    histogram = ExponentialHistogram(per_size=5)
    histogram.insert([1.0] * 100_000)
    assert len(histogram) == 100_000
    assert len(histogram.buckets()[0]) <= 5 * 17


def test_a_histogram_keeps_mean_and_variance() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    histogram = ExponentialHistogram(per_size=5)
    for value in values.tolist():
        histogram.insert([value])
    sizes, sums, squares = histogram.buckets()
    between = np.square(sums / sizes - values.mean()) @ sizes
    assert sums.sum() == pytest.approx(values.sum())
    assert squares.sum() + between == pytest.approx(values.var() * values.size)


def drawn(shape: Callable[[Floats], Floats], rows: int, seed: int) -> Floats:
    r = np.random.default_rng(seed)
    return np.asarray(r.random(rows) < shape(np.arange(rows, dtype=float)), float)


def names(shape: Callable[[Floats], Floats], rows: int, trials: int = 12) -> Counter[tuple[str, ...]]:
    """What the changes of a stream are called, over several draws."""
    found: Counter[tuple[str, ...]] = Counter()
    for seed in range(trials):
        stream = ErrorStream()
        values = drawn(shape, rows, seed)
        for start in range(0, rows, 500):
            stream.update(values[start : start + 500])
        found[tuple(change.kind for change in stream.changes)] += 1
    return found


def test_a_step_is_sudden() -> None:
    assert names(lambda t: np.where(t < 2000, 0.1, 0.3), 4000) == {("sudden",): 12}


def test_a_slope_is_one_gradual_change() -> None:
    assert names(lambda t: np.interp(t, [2000, 4000], [0.1, 0.4]), 6000)[("gradual",)] >= 11


def test_a_level_that_comes_back_is_recurring() -> None:
    assert names(lambda t: np.where((t < 1500) | (t >= 3000), 0.1, 0.35), 4500) == {
        ("sudden", "recurring"): 12
    }


def test_a_level_that_comes_back_with_other_data_is_not_the_same_concept() -> None:
    stream = ErrorStream()
    for number, (rate, shift) in enumerate([(0.1, 0.0), (0.4, 2.0), (0.1, -2.0)]):
        stream.update(drawn(lambda t, rate=rate: rate + 0 * t, 1500, number), {"x": shift})  # type: ignore[misc]
    assert [change.kind for change in stream.changes] == ["sudden", "sudden"]


def test_no_change_is_silent() -> None:
    assert names(lambda t: 0.15 + 0 * t, 10_000) == {(): 12}


def test_a_gradual_change_tells_where_it_began_and_ended() -> None:
    stream = ErrorStream()
    stream.update(STREAMS["gradual"])
    (change,) = stream.changes
    assert change.kind == "gradual"
    assert abs(change.began - 2000) < 500
    assert abs(change.ended - 4000) < 500
    assert (change.worse, change.seconded) == (True, True)
    assert change.words.startswith("the error rose gradually, 0.09")


def test_one_block_is_named_as_many_are() -> None:
    one, many = ErrorStream(), ErrorStream()
    values = STREAMS["recurring"]
    one.update(values)
    for start in range(0, values.size, 512):
        many.update(values[start : start + 512])
        many = ErrorStream.load(json.loads(json.dumps(many.dump())))
    assert one.changes == many.changes
    assert len(json.dumps(one.dump())) < 20_000


def following(rates: list[tuple[int, float]], stays: float, seed: int) -> Floats:
    """Errors at these rates, so many rows each, of which each is that of the row before with chance `stays`:
    their correlation.
    """
    r = np.random.default_rng(seed)
    fresh = np.concatenate([r.random(rows) < rate for rows, rate in rates])
    drawn = np.maximum.accumulate(np.where(r.random(fresh.size) >= stays, np.arange(fresh.size), 0))
    return np.asarray(fresh[drawn], float)


def watched(values: Floats) -> ErrorStream:
    """As a week of half-hours a batch."""
    stream = ErrorStream()
    for start in range(0, values.size, 336):
        stream.update(values[start : start + 336])
    return stream


@pytest.mark.parametrize("stays", [0.3, 0.6, 0.8])
def test_errors_that_follow_each_other_are_no_change(stays: float) -> None:
    streams = [following([(10_000, 0.2)], stays, seed) for seed in range(10)]
    assert sum(len(watched(values).changes) for values in streams) == 0
    assert stays < 0.5 or sum(len(Adwin().update(values)) for values in streams) > 50


def test_a_change_of_errors_that_follow_each_other_is_seen() -> None:
    for seed in range(10):
        (change,) = watched(following([(3_000, 0.2), (3_000, 0.6)], 0.6, seed)).changes
        assert abs(change.began - 3_000) < 300
        assert change.at < 4_000


@pytest.mark.parametrize("stays", [0.0, 0.3, 0.6, 0.8])
def test_the_inflation_is_that_of_the_variance_of_means(stays: float) -> None:
    found = []
    for seed in range(20):
        dependence = Dependence()
        dependence.update(following([(10_000, 0.2)], stays, seed))
        found.append(dependence.inflation)
    true = (1 + stays) / (1 - stays)
    assert 0.7 * true < np.mean(found) < 1.3 * true


def test_a_change_of_level_is_no_dependence() -> None:
    for name in ("sudden", "recurring", "gradual", "down"):
        dependence = Dependence()
        dependence.update(STREAMS[name])
        assert dependence.inflation < 2, name
    flips = [(1_500, rate) for rate in (0.1, 0.35)] * 8
    assert len(watched(following(flips, 0.0, 0)).changes) == 15


def test_independent_errors_lose_nothing() -> None:
    found, plain = [], []
    for seed in range(20):
        values = following([(2_000, 0.1), (2_000, 0.2)], 0.0, seed)
        found.append(watched(values).changes[0].at)
        plain.append(Adwin().update(values)[0].at)
    assert np.mean(found) - 2_000 < 1.1 * (np.mean(plain) - 2_000)


def test_dependence_goes_on_from_where_it_was() -> None:
    values = following([(4_000, 0.3)], 0.5, 0)
    whole, parts = Dependence(), Dependence()
    for start in range(0, values.size, 500):
        whole.update(values[start : start + 500])
        parts.update(values[start : start + 500])
        parts = Dependence.load(json.loads(json.dumps(parts.dump())))
    assert parts.inflation == pytest.approx(whole.inflation)
    one = Dependence()
    for value in values:
        one.update([value])
    assert one.inflation == pytest.approx(whole.inflation, rel=0.05)
    assert Dependence().inflation == 1.0


def test_a_state_without_dependence_is_gone_on_from() -> None:
    state = watched(STREAMS["none"][:5_000]).dump()
    del state["dependence"]
    assert ErrorStream.load(state).update(STREAMS["none"][5_000:6_000]) == []


@pytest.mark.parametrize("errors", [[0.5, float("nan")], [2.0], [-0.1]])
def test_what_is_no_error_is_refused(errors: list[float]) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        ErrorStream().update(errors)


def test_nothing_is_no_change() -> None:
    assert ErrorStream().update([]) == []
