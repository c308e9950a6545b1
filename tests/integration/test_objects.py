"""The buckets: what is put is got, and a move neither loses nor doubles an object wherever it is cut off."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from perennial.aws.objects import Bucket
from perennial.contracts.objects import StoredObject
from perennial.errors import ServiceRefused

FROM, TO = "incoming/iris/x.csv", "accepted/iris/dt=2026-11-21/run-1/x.csv"


@pytest.fixture
def client(aws: None) -> Any:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="data")
    s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
    return s3


@pytest.fixture
def bucket(client: Any) -> Bucket:
    return Bucket(client, "data")


def keys(bucket: Bucket, prefix: str = "") -> list[str]:
    return [item.key for item in bucket.list(prefix)]


class Cut:
    """A client that dies in one call."""

    def __init__(self, client: Any, call: str) -> None:
        self._client, self._call = client, call

    def __getattr__(self, name: str) -> Any:
        if name == self._call:
            raise KeyboardInterrupt
        return getattr(self._client, name)


def as_put(bucket: Bucket, key: str, version_id: str | None = None) -> StoredObject:
    """An object as it is known when it is put: S3 tells the time of that only afterwards."""
    item = bucket.head(key, version_id)
    assert item is not None
    assert item.stored_at is not None
    return item.model_copy(update={"stored_at": None})


def test_what_is_put_is_got(bucket: Bucket) -> None:
    stored = bucket.put("a/x.csv", b"1,2\n", "text/csv")
    assert bucket.get("a/x.csv") == b"1,2\n"
    assert stored == as_put(bucket, "a/x.csv")
    assert (stored.size, '"' in stored.etag) == (4, False)


def test_an_older_version_can_still_be_got(bucket: Bucket, tmp_path: Path) -> None:
    old = bucket.put("x.csv", b"old")
    new = bucket.put("x.csv", b"new")
    assert old.version_id != new.version_id
    assert bucket.get("x.csv", old.version_id) == b"old"
    assert as_put(bucket, "x.csv", old.version_id) == old
    bucket.download("x.csv", tmp_path / "old", old.version_id)
    bucket.download("x.csv", tmp_path / "new")
    assert ((tmp_path / "old").read_bytes(), (tmp_path / "new").read_bytes()) == (b"old", b"new")


def test_json_documents_keep_their_text(bucket: Bucket) -> None:
    bucket.put_json("runs/r/x.json", {"reasons": ("grün", None), "n": 1.5})
    assert bucket.get_json("runs/r/x.json") == {"reasons": ["grün", None], "n": 1.5}


def test_an_artifact_carries_the_digest_it_was_given(bucket: Bucket) -> None:
    artifact = bucket.put_artifact("models/iris/000001/model.joblib", b"model", "ab" * 32)
    assert (artifact.sha256, artifact.size) == ("ab" * 32, 5)
    assert bucket.get(artifact.key, artifact.version_id) == b"model"


def test_where_nothing_is_head_says_so_and_get_fails(bucket: Bucket) -> None:
    assert bucket.head("none") is None
    stored = bucket.put("x", b"")
    assert bucket.head("x", "never-a-version") is None
    assert as_put(bucket, "x") == stored
    with pytest.raises(ClientError, match="NoSuchKey"):
        bucket.get("none")


def test_lists_are_complete_in_order_and_without_folders(bucket: Bucket, client: Any) -> None:
    for number in range(1005):
        client.put_object(Bucket="data", Key=f"incoming/iris/{number:04d}.csv", Body=b"x")
    bucket.put("incoming/iris/", b"")
    bucket.put("incoming/iris/a/", b"")
    bucket.put("incoming/iris-two/x.csv", b"x")
    found = keys(bucket, "incoming/iris/")
    assert found == sorted(found)
    assert len(found) == 1005


def test_a_move_takes_the_object_from_one_place_to_the_other(bucket: Bucket) -> None:
    source = bucket.put(FROM, b"data")
    moved = bucket.move(source, TO)
    assert keys(bucket) == [TO]
    assert bucket.get(TO, moved.version_id) == b"data"
    assert bucket.head(TO) == moved


def test_a_move_made_twice_is_made_once(bucket: Bucket, client: Any) -> None:
    source = bucket.put(FROM, b"data")
    first = bucket.move(source, TO)
    assert bucket.move(source, TO) == first
    versions = client.list_object_versions(Bucket="data")
    assert [item["Key"] for item in versions["Versions"]] == [TO]


def test_a_move_to_where_it_is_changes_nothing(bucket: Bucket) -> None:
    source = bucket.put(TO, b"data")
    assert bucket.move(source, TO) == source
    assert bucket.get(TO, source.version_id) == b"data"


@pytest.mark.parametrize("call", ["copy", "delete_object"])
def test_a_move_that_was_cut_off_can_be_made_again(bucket: Bucket, client: Any, call: str) -> None:
    source = bucket.put(FROM, b"data")
    with pytest.raises(KeyboardInterrupt):
        Bucket(Cut(client, call), "data").move(source, TO)
    assert bucket.get(FROM) == b"data"
    moved = bucket.move(source, TO)
    assert keys(bucket) == [TO]
    assert bucket.get(TO, moved.version_id) == b"data"


def test_a_newer_upload_under_the_same_key_stays(bucket: Bucket) -> None:
    source = bucket.put(FROM, b"first")
    newer = bucket.put(FROM, b"second")
    bucket.move(source, TO)
    assert bucket.get(TO) == b"first"
    assert as_put(bucket, FROM) == newer
    assert bucket.get(FROM) == b"second"


def test_a_newer_upload_during_a_cut_off_move_stays_too(bucket: Bucket, client: Any) -> None:
    source = bucket.put(FROM, b"first")
    with pytest.raises(KeyboardInterrupt):
        Bucket(Cut(client, "delete_object"), "data").move(source, TO)
    bucket.put(FROM, b"second")
    bucket.move(source, TO)
    assert (bucket.get(TO), bucket.get(FROM)) == (b"first", b"second")


def test_what_is_nowhere_cannot_be_moved(bucket: Bucket) -> None:
    gone = StoredObject(key=FROM, version_id="gone", etag="e", size=1)
    with pytest.raises(ServiceRefused, match=r"s3://data/accepted/.*there is none"):
        bucket.move(gone, TO)
