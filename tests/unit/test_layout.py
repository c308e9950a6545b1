"""Keys: where a batch goes, and that no two objects of a batch meet there."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial import layout

DAY = date(2026, 11, 21)
RUN = "upload-3f2a"
# whatever S3 takes: empty names, dots, and folders that are named like the run or an area
NAME = st.sampled_from(["", ".", "..", RUN, "incoming", "accepted"]) | st.text(
    st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8
)
FILE = st.lists(NAME, min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    ("key", "day", "goes_to"),
    [
        ("incoming/iris/x.csv", DAY, "accepted/iris/dt=2026-11-21/upload-3f2a/x.csv"),
        ("incoming/iris/a/b/x.csv", DAY, "accepted/iris/dt=2026-11-21/upload-3f2a/a/b/x.csv"),
        ("incoming/iris/x.csv", None, "quarantine/iris/upload-3f2a/x.csv"),
        ("accepted/iris/dt=2026-11-21/upload-3f2a/a/x.csv", None, "quarantine/iris/upload-3f2a/a/x.csv"),
    ],
)
def test_a_batch_goes_to_a_folder_of_its_run(key: str, day: date | None, goes_to: str) -> None:
    assert layout.settled(key, "iris", RUN, day) == goes_to


@given(FILE)
def test_settling_twice_is_settling_once(file: str) -> None:
    for day in (DAY, None):
        once = layout.settled(f"incoming/iris/{file}", "iris", RUN, day)
        assert layout.settled(once, "iris", RUN, day) == once


@given(FILE)
def test_a_batch_held_after_it_was_accepted_goes_where_it_would_have_gone_at_once(file: str) -> None:
    accepted = layout.settled(f"incoming/iris/{file}", "iris", RUN, DAY)
    assert layout.settled(accepted, "iris", RUN, None) == layout.settled(
        f"incoming/iris/{file}", "iris", RUN, None
    )


@given(st.lists(FILE, min_size=2, max_size=6, unique=True), st.sampled_from([DAY, None]))
def test_different_objects_stay_different(files: list[str], day: date | None) -> None:
    goes_to = {layout.settled(f"incoming/iris/{file}", "iris", RUN, day) for file in files}
    assert len(goes_to) == len(files)


def test_two_runs_never_write_to_one_place() -> None:
    first, second = (layout.settled("incoming/iris/x.csv", "iris", run, DAY) for run in ("run-1", "run-2"))
    assert first != second


def test_prefixes_end_at_the_model() -> None:
    """Or the prefix of `iris` would also be that of `iris-two`."""
    for prefix in (layout.incoming("iris"), layout.accepted("iris"), layout.quarantine("iris")):
        assert prefix.endswith("/iris/")
    assert layout.accepted("iris", DAY) == "accepted/iris/dt=2026-11-21/"


def test_versions_are_listed_in_their_order() -> None:
    keys = [layout.version_key("iris", version, layout.MODEL) for version in (1, 2, 10, 999_999)]
    assert keys == sorted(keys)
    assert keys[0] == "models/iris/000001/model.joblib"


def test_a_runs_documents_lie_together() -> None:
    assert layout.run_key(RUN, layout.MANIFEST) == "runs/upload-3f2a/manifest.json"
