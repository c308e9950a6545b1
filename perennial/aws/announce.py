"""Telling the world who the champion is: SSM parameter and event."""

import json
from typing import Any

from perennial.lineage import Canary


class Announcer:
    """Mirrors of the registry; the registry itself stays the truth."""

    def __init__(self, ssm: Any, events: Any, stack: str) -> None:
        self._ssm, self._events, self._stack = ssm, events, stack

    def champion(
        self,
        model: str,
        version: int | None,
        previous: int | None,
        run: str,
        change: str | None,
        canary: Canary | None = None,
    ) -> None:
        """Mirror the alias to its SSM parameter and put `change`, such as `Model Promoted`, on the bus.

        Without a change the mirror alone is renewed.
        """
        said: dict[str, Any] = {"model": model, "version": version, "previous": previous, "run": run}
        if canary:
            said["canary"] = canary.model_dump(mode="json")
        document = json.dumps(said)
        self._ssm.put_parameter(
            Name=f"/perennial/{self._stack}/{model}/champion", Value=document, Type="String", Overwrite=True
        )
        if change is None:
            return
        self._events.put_events(
            Entries=[
                {"Source": "perennial", "DetailType": change, "Detail": document, "Resources": [self._stack]}
            ]
        )
