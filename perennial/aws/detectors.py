"""What detectors carry from run to run, by model, in DynamoDB.

One item per model holds their states, opaque JSON by name, and the states before its last run: a run that is
tried again starts from those, so that no row is counted twice and the answer is the same. A write is refused
if another run wrote in between; then it is done again on top of that.

States of many hundreds of columns are more than an item holds: they lie among the run's documents, and the
item points there. Those expire (`ArtifactRetentionDays`): a model fed nothing for so long begins anew.
"""

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from perennial import layout
from perennial.aws.clients import error_code
from perennial.aws.objects import Bucket
from perennial.aws.table import model_key, refused
from perennial.errors import ServiceUnavailable

type States = Mapping[str, Any]

_SORT = "detector"
_ATTEMPTS = 5
_REMEMBERED = 50  # runs
_MOST = 300_000  # bytes in the item; DynamoDB takes 400 KB in all


class Detectors:
    """The states of a model's detectors."""

    def __init__(self, table: Any, artifacts: Bucket) -> None:
        self._table, self._artifacts = table, artifacts

    def read(self, model: str) -> States:
        """The states as the last run left them; none before the first."""
        return _unpacked(self._packed(self._item(model)).get("states"))

    def update[T](self, model: str, run: str, feed: Callable[[States], tuple[States, T]]) -> T:
        """Let `feed` make new states of the present ones, store them, and return what else it found.

        `feed` may be called more than once, each time with the states of before this run. A run that is
        not the last one any more, but fed its rows once, is answered and nothing is stored.
        Raises ServiceUnavailable where other runs were always quicker.
        """
        for _ in range(_ATTEMPTS):
            item = self._item(model)
            runs = list(item.get("runs", []))
            again = bool(runs) and runs[-1] == run
            before = _unpacked(self._packed(item).get("before" if again else "states"))
            after, found = feed(before)
            if not again and run in runs:
                return found
            runs = runs if again else [*runs, run][-_REMEMBERED:]
            if self._put(model, int(item.get("revision", 0)), runs, before, after):
                return found
        raise ServiceUnavailable(f"the detectors of {model} were moved by other runs {_ATTEMPTS} times")

    def _item(self, model: str) -> dict[str, Any]:
        found = self._table.get_item(Key=model_key(model, _SORT), ConsistentRead=True).get("Item")
        return found or {}

    def _packed(self, item: dict[str, Any]) -> dict[str, Any]:
        """Where `before` and `states` are: in the item, or where it points to."""
        if "kept" not in item:
            return item
        try:
            kept = self._artifacts.get(item["kept"])
        except ClientError as error:
            if error_code(error) == "NoSuchKey":
                return {}
            raise
        both = _unpacked(kept)
        return {name: _pack(both[name]) for name in ("before", "states")}

    def _place(self, run: str, before: States, after: States) -> dict[str, Any]:
        """Attributes of the item that hold the states or say where they lie."""
        packed = {"before": _pack(before), "states": _pack(after)}
        if sum(map(len, packed.values())) <= _MOST:
            return packed
        both = _pack({"before": before, "states": after})
        stored = self._artifacts.put(layout.run_key(run, layout.DETECTORS), both, "application/gzip")
        return {"kept": stored.key}

    def _put(self, model: str, revision: int, runs: list[str], before: States, after: States) -> bool:
        try:
            self._table.put_item(
                Item={
                    **model_key(model, _SORT),
                    "revision": revision + 1,
                    "runs": runs,
                    **self._place(runs[-1], before, after),
                },
                ConditionExpression="attribute_not_exists(pk) OR revision = :revision",
                ExpressionAttributeValues={":revision": revision},
            )
        except ClientError as error:
            if refused(error):
                return False
            raise
        return True


def _pack(states: States) -> bytes:
    return gzip.compress(json.dumps(states, separators=(",", ":"), allow_nan=False).encode(), mtime=0)


def _unpacked(stored: Any) -> dict[str, Any]:
    states: dict[str, Any] = json.loads(gzip.decompress(bytes(stored))) if stored is not None else {}
    return states
