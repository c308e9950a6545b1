"""Downloads that a failed assembly leaves behind, on moto's S3."""

import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from perennial.aws.accepted import assemble_pinned, by_arrival, pin_accepted
from perennial.config import load_model
from perennial.contracts.objects import PinnedObject, StoredObject
from perennial.errors import UnreadableFile
from tests.integration.trainer_support import RECENT, Stack, with_data


def test_no_download_goes_on_after_a_file_that_cannot_be_read(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others write to the scratch folder while the first file is refused: it must be removable."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    data = with_data(stack).data
    data.put("accepted/iris/dt=2026-01-01/run-0/a.parquet", b"no parquet")
    for number in range(30):
        data.put(f"accepted/iris/dt=2026-01-02/run-1/{number:02d}.csv", b"x")
    refused, fetched, download = threading.Event(), [], data.download

    def slow(key: str, path: Path, version_id: str | None = None) -> None:
        if not key.endswith(".parquet"):
            refused.wait(0.2)  # until the parquet file was looked at, or nearly so
        download(key, path, version_id)
        fetched.append(key)

    monkeypatch.setattr(data, "download", slow)
    with pytest.raises(UnreadableFile):
        assemble_pinned(data, pin_accepted(data, "iris", set()), load_model("iris"))
    assert list(tmp_path.iterdir()) == []
    assert len(fetched) <= 16  # those that were under way; the others were called off


def test_the_share_of_bytes_that_is_read_is_told(stack: Stack) -> None:
    data = with_data(stack).data
    pinned = pin_accepted(data, "iris", {RECENT})
    told: list[float] = []
    found = assemble_pinned(data, pinned, load_model("iris"), told.append)
    assert len(found) == 270
    first, second = (item.stored.size for item in pinned)
    assert told == [first / (first + second), 1.0]


def _pinned(key: str, second: int, recent: bool = False) -> PinnedObject:
    at = datetime(2026, 1, 2, 3, 4, second, tzinfo=UTC)
    stored = StoredObject(key=f"accepted/iris/{key}", version_id="1", etag="e", size=1, stored_at=at)
    return PinnedObject(stored=stored, recent=recent)


def test_batches_come_in_the_order_of_their_arrival_whatever_their_runs_are_called() -> None:
    """The files of one batch are stored in any order; what the run looks at comes last all the same."""
    wanted = [
        _pinned("dt=2026-01-01/run-c/a.csv", 9),
        _pinned("dt=2026-01-01/run-c/b.csv", 5),
        _pinned("dt=2026-01-02/run-b/x.csv", 7),
        _pinned("dt=2026-01-02/run-a/x.csv", 8),
        _pinned("dt=2026-01-02/run-d/x.csv", 6, recent=True),
    ]
    assert by_arrival(wanted[::-1]) == wanted
    assert by_arrival(sorted(wanted, key=lambda item: item.stored.key)) == wanted
