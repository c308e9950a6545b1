"""S3: the two buckets."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from perennial.aws.clients import error_code
from perennial.contracts.objects import Artifact, StoredObject
from perennial.errors import ServiceRefused


class Bucket:
    """One bucket, by key."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self.name = client, name

    def get(self, key: str, version_id: str | None = None) -> bytes:
        """The bytes of one object, of one of its versions where that is named."""
        body: bytes = self._client.get_object(Bucket=self.name, Key=key, **_version(version_id))[
            "Body"
        ].read()
        return body

    def get_json(self, key: str) -> Any:
        """One JSON document."""
        return json.loads(self.get(key))

    def put(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> StoredObject:
        """Store bytes and say which version they became."""
        answer = self._client.put_object(Bucket=self.name, Key=key, Body=body, ContentType=content_type)
        return StoredObject(
            key=key, version_id=answer.get("VersionId"), etag=answer["ETag"].strip('"'), size=len(body)
        )

    def put_file(self, key: str, path: Path, content_type: str) -> StoredObject:
        """Store a file of at most 5 GB and say which version it became."""
        with path.open("rb") as body:
            answer = self._client.put_object(Bucket=self.name, Key=key, Body=body, ContentType=content_type)
        return StoredObject(
            key=key,
            version_id=answer.get("VersionId"),
            etag=answer["ETag"].strip('"'),
            size=path.stat().st_size,
        )

    def put_json(self, key: str, document: Any) -> StoredObject:
        """Store one JSON document."""
        return self.put(key, json.dumps(document, indent=1).encode(), "application/json")

    def put_artifact(self, key: str, body: bytes, sha256: str) -> Artifact:
        """Store a file that is to be verified against its digest before it is ever loaded."""
        stored = self.put(key, body)
        return Artifact(key=key, version_id=stored.version_id, sha256=sha256, size=stored.size)

    def delete(self, key: str) -> None:
        """Remove an object; its earlier versions stay until the bucket's lifecycle ends them."""
        self._client.delete_object(Bucket=self.name, Key=key)

    def download(self, key: str, path: Path, version_id: str | None = None) -> None:
        """Copy one object to a file, in parts."""
        self._client.download_file(self.name, key, str(path), ExtraArgs=_version(version_id))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object under a prefix, in key order, without its version.

        The empty objects that S3's console makes for folders hold no data: they are left out.
        """
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            for item in page.get("Contents", []):
                if not is_folder(item["Key"]):
                    yield StoredObject(
                        key=item["Key"],
                        version_id=None,
                        etag=item["ETag"].strip('"'),
                        size=item["Size"],
                        stored_at=item["LastModified"],
                    )

    def head(self, key: str, version_id: str | None = None) -> StoredObject | None:
        """What is stored at a key now, with its version; None where there is nothing."""
        try:
            answer = self._client.head_object(Bucket=self.name, Key=key, **_version(version_id))
        except ClientError as error:
            if error_code(error) in {"404", "NoSuchKey", "NoSuchVersion", "NotFound"}:
                return None
            raise
        return StoredObject(
            key=key,
            version_id=answer.get("VersionId"),
            etag=answer["ETag"].strip('"'),
            size=answer["ContentLength"],
            stored_at=answer["LastModified"],
        )

    def move(self, source: StoredObject, key: str) -> StoredObject:
        """Move one version of an object and say where it is now; safe to repeat after a crash at any point.

        Only the version that was copied is deleted: a newer upload under the same key stays where it is.
        Raises ServiceRefused where the object is neither here nor there.
        """
        if source.key == key:
            return source
        if self.head(source.key, source.version_id) is None:
            return self._stored(key)
        copy_source = {"Bucket": self.name, "Key": source.key, **_version(source.version_id)}
        self._client.copy(copy_source, self.name, key)
        moved = self._stored(key)
        self._client.delete_object(Bucket=self.name, Key=source.key, **_version(source.version_id))
        return moved

    def _stored(self, key: str) -> StoredObject:
        found = self.head(key)
        if found is None:
            raise ServiceRefused(f"expected an object at s3://{self.name}/{key}: there is none")
        return found


def is_folder(key: str) -> bool:
    """Is it the key of a folder made in S3's console, which is an empty object?"""
    return key.endswith("/")


def _version(version_id: str | None) -> dict[str, str]:
    return {"VersionId": version_id} if version_id else {}
