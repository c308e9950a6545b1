"""What all contracts have in common."""

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """A frozen record; an unknown field is an error, so that a misspelt one cannot pass.

    A validator is built when it is first needed: importing all of them is part of every cold start.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class OfRun(Contract):
    """Every task after the first speaks of one run of one model."""

    run: str
    model: str
