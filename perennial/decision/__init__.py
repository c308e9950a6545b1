"""Would retraining pay? Pure: evidence, policy and the time in; skip, alert or retrain out, with reasons."""

from perennial.decision.causes import check_of
from perennial.decision.deciding import decide
from perennial.decision.evidence import Check, Costs, Evidence, Retrain
from perennial.decision.record import record, replay

__all__ = ["Check", "Costs", "Evidence", "Retrain", "check_of", "decide", "record", "replay"]
