"""What each state of the workflow is to do: one case for each way on. A new state or branch needs one here.

Errors, attempts and time limits need no case: test_states.py makes those from the definition; here
stands only where they lead, if not to Handle Failure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.sample_run import event

_DECIDE = event("decide")
_TOLD = {"decision": {"action": "retrain", "summary": "data drift"}, "reason": "data drift"}

ANSWERED = "2026-11-21T09:10:11.000Z"  # long ago

# What is assigned when a state is entered, unless its case says otherwise.
GIVEN: dict[str, Any] = {
    "run": "run-1",
    "model": "iris",
    "champion": 1,
    "trigger": _DECIDE["trigger"],
    "data": _DECIDE["data"],
    "drift": _DECIDE["drift"],
    **_TOLD,
    "strategy": event("launch_trainer")["strategy"],
    "batch": "incoming",
    "challenger": 2,
    "recalled": False,
    "training": {"version": 2, "seconds": 12.5},
    "evaluation": {
        "better": True,
        "batch_suspect": False,
        "reasons": ["worse"],
        "summary": "better",
        "metrics": {"gain": 0.1},
    },
    "approval": {"status": "waiting", "reason": "better", "wait_seconds": 60},
    "canary": None,
    "canaryVerdict": "trying",
    "serving": 2,
    "previous": 1,
    "checks": 3,
    "interval": 60,
    "alarms": [],
    "outcome": "promoted",
    "report": "s3://artifacts/runs/run-1/report.html",
    "waiting": False,
    "batchAt": None,
    "tell": False,
    "failure": {"Error": "TrainingFailed", "Cause": "no rows"},
    "failureReason": "TrainingFailed: no rows",
    "instances": [],
    "answeredAt": ANSWERED,
}


@dataclass(frozen=True)
class Case:
    """Where a state leads, given these variables and this input, when its task answers so.

    answer: what a function returns, or what a callback is answered; None for a call of another service, which
    is made as it is. error: a callback's error instead. assigned: variables afterwards, among others.
    """

    next: str
    given: Mapping[str, Any] = field(default_factory=dict)
    input: Any = field(default_factory=dict)
    answer: Mapping[str, Any] | None = None
    error: str = ""
    assigned: Mapping[str, Any] = field(default_factory=dict)

    def variables(self) -> dict[str, Any]:
        """All that is assigned when the state is entered."""
        return GIVEN | dict(self.given)


_REQUEST = {
    "run": "run-1",
    "model": "iris",
    "trigger": _DECIDE["trigger"],
    "runnable": True,
    "reason": "x.csv was uploaded",
    "champion": None,
    "batch": "incoming",
    "objects": 1,
    "wait_seconds": 0,
}
_RECALL = event("recall_version")["strategy"]
_SETTLED = {"disposition": "quarantine", "objects": 1, "prefix": "quarantine/iris/run-1/"}
_NOTIFIED = {"told": True, "held_back": 0}
_EVALUATION = {
    "better": True,
    "batch_suspect": False,
    "summary": "better",
    "reasons": [],
}

CASES: dict[str, tuple[Case, ...]] = {
    "Start Run": (
        Case("Resolve Trigger", assigned={"model": "unknown", "champion": None, "reason": "", "tell": False}),
        Case("Resolve Trigger", assigned={"answeredAt": None}),
    ),
    "Resolve Trigger": (
        Case(
            "Anything To Do?",
            answer=_REQUEST,
            assigned={"champion": None, "batch": "incoming", "reason": "x.csv was uploaded"},
        ),
    ),
    "Anything To Do?": (
        Case("Collect Uploads", input=_REQUEST | {"runnable": False, "wait_seconds": 30}),
        Case("Validate Data", input=_REQUEST),
        Case("Skip", input=_REQUEST | {"runnable": False}),
    ),
    "Collect Uploads": (Case("Resolve Trigger", input=_REQUEST | {"wait_seconds": 30}),),
    "Validate Data": (Case("Data Valid?", answer=_DECIDE["data"], assigned={"data": _DECIDE["data"]}),),
    "Data Valid?": (
        Case("Accept Batch", input={"valid": True}),
        Case("Quarantine", input={"valid": False}),
    ),
    "Quarantine": (
        Case(
            "Record Outcome",
            given={"data": {"valid": False, "reasons": ["no rows", "no label"]}},
            answer=_SETTLED,
            assigned={"outcome": "quarantined", "reason": "no rows; no label"},
        ),
    ),
    "Accept Batch": (
        Case("Compute Drift", answer=_SETTLED, assigned={"batchAt": "quarantine/iris/run-1/"}),
        Case("Compute Drift", answer=_SETTLED | {"objects": 0}, assigned={"batchAt": None}),
    ),
    "Compute Drift": (Case("Decide", answer=_DECIDE["drift"], assigned={"drift": _DECIDE["drift"]}),),
    "Decide": (
        Case(
            "Retrain?",
            answer={"action": "skip", "summary": "nothing changed", "strategy": None},
            assigned={"strategy": None, "reason": "nothing changed"},
        ),
    ),
    "Retrain?": (
        Case(
            "Recall Version",
            given={"decision": {"action": "retrain"}, "strategy": {"name": "recall"}},
        ),
        Case("Train On EC2", given={"decision": {"action": "retrain"}}),
        Case("Alert", given={"decision": {"action": "alert"}, "strategy": None}),
        Case("Skip", given={"decision": {"action": "skip"}, "strategy": None}),
    ),
    "Alert": (Case("Skip", assigned={"tell": True}),),
    "Skip": (Case("Record Outcome", assigned={"outcome": "skipped"}),),
    "Recall Version": (
        Case(
            "Version Recalled?",
            given={"strategy": _RECALL},
            answer={"version": 1, "evaluation": _EVALUATION, "summary": "version 1 fits again"},
            assigned={"recalled": True, "challenger": 1, "reason": "version 1 fits again"},
        ),
        Case(
            "Version Recalled?",
            given={"strategy": _RECALL},
            answer={"version": None, "evaluation": None, "summary": "none fits"},
            assigned={"recalled": False, "challenger": None, "strategy": _RECALL["fallback"]},
        ),
    ),
    "Version Recalled?": (
        Case("Ask For Approval", given={"recalled": True}),
        Case("Train On EC2", given={"recalled": False}),
    ),
    "Train On EC2": (
        Case(
            "Evaluate Challenger",
            answer={"version": 7, "seconds": 3.5},
            assigned={"challenger": 7, "training": {"version": 7, "seconds": 3.5}, "recalled": False},
        ),
        Case("Handle Failure", error="TrainingFailed"),
    ),
    "Evaluate Challenger": (
        Case(
            "Challenger Better?", answer=_EVALUATION, assigned={"evaluation": _EVALUATION, "reason": "better"}
        ),
    ),
    "Challenger Better?": (
        Case("Ask For Approval", given={"evaluation": {"better": True}}),
        Case("Reject Challenger", given={"evaluation": {"better": False}}),
    ),
    "Reject Challenger": (Case("Batch Suspect?", assigned={"outcome": "rejected"}),),
    "Batch Suspect?": (
        Case("Hold Batch", given={"evaluation": {"batch_suspect": True}}),
        Case("Record Outcome", given={"evaluation": {"batch_suspect": False}}),
    ),
    "Hold Batch": (Case("Record Outcome", answer=_SETTLED, assigned={"batchAt": "quarantine/iris/run-1/"}),),
    "Ask For Approval": (
        Case(
            "Approval Needed?",
            answer={"status": "approved", "reason": "better Approved by ada: checked", "wait_seconds": 1},
            assigned={"reason": "better Approved by ada: checked", "canary": None},
        ),
    ),
    "Approval Needed?": (
        Case("Try Canary", given={"approval": {"status": "not_needed"}}),
        Case("Try Canary", given={"approval": {"status": "approved"}}),
        Case("Await Approval", given={"approval": {"status": "waiting"}}),
        Case("Reject Challenger", given={"approval": {"status": "refused"}}),
        Case("Reject Challenger", given={"approval": {"status": "expired"}}),
    ),
    "Await Approval": (
        Case("Ask For Approval", answer={"by": "ada", "reason": "labels checked"}),
        Case("Ask For Approval", error="ApprovalRefused"),
        Case("Handle Failure", error="SomethingElse"),
    ),
    "Try Canary": (
        Case(
            "Canary Healthy?",
            answer={"verdict": "trying", "reason": "better", "canary": {"step": 0}, "wait_seconds": 30},
            assigned={"canary": {"step": 0}, "canaryVerdict": "trying", "interval": 30},
        ),
    ),
    "Canary Healthy?": (
        Case("Let Canary Serve", given={"canaryVerdict": "trying"}),
        Case("Promote Challenger", given={"canaryVerdict": "won"}),
        Case("Settle Canary", given={"canaryVerdict": "lost"}),
        Case("Reject Challenger", given={"canaryVerdict": "untested"}),
    ),
    "Let Canary Serve": (Case("Try Canary"),),
    "Settle Canary": (Case("Record Outcome", assigned={"outcome": "rolled_back"}),),
    "Promote Challenger": (
        Case(
            "Bake",
            answer={"champion": 2, "bake_checks": 4, "bake_interval_seconds": 30},
            assigned={"previous": 1, "champion": 2, "checks": 4, "interval": 30},
        ),
    ),
    "Bake": (Case("Read Alarms", assigned={"checks": 2}),),
    "Read Alarms": (
        Case("Champion Healthy?", assigned={"alarms": []}),
        Case("Champion Healthy?", given={"model": "sick"}, assigned={"alarms": ["lab/health/sick/errors"]}),
    ),
    "Champion Healthy?": (
        Case("Roll Back", given={"alarms": ["lab/health/sick/errors"]}),
        Case("Bake"),
        Case("Check Champion", given={"checks": 0}),
    ),
    "Check Champion": (
        Case("Still Champion?", given={"model": "nobody"}, assigned={"serving": None}),
        Case("Still Champion?", given={"model": "served"}, assigned={"serving": 7}),
    ),
    "Still Champion?": (
        Case("Settle Promotion", given={"champion": 2, "challenger": 2, "serving": 2}),
        Case("Settle Takeover", given={"champion": 2, "challenger": 2, "serving": 1}),
        Case("Settle Takeover", given={"champion": 2, "challenger": 2, "serving": None}),
        Case("Settle Overtaken", given={"champion": 1, "challenger": 2, "serving": 3}),
    ),
    "Settle Takeover": (
        Case(
            "Record Outcome",
            given={"serving": None},
            assigned={
                "outcome": "rolled_back",
                "champion": None,
                "reason": "version 2 was taken back by hand while it baked; no version serves",
            },
        ),
    ),
    "Settle Overtaken": (
        Case("Record Outcome", given={"serving": 3}, assigned={"outcome": "rejected", "champion": 3}),
    ),
    "Settle Promotion": (Case("Record Outcome", assigned={"outcome": "promoted"}),),
    "Roll Back": (
        Case(
            "Record Outcome",
            answer={"champion": 1, "summary": "errors rose"},
            assigned={"outcome": "rolled_back", "champion": 1, "reason": "errors rose"},
        ),
    ),
    "Record Outcome": (
        Case("Release Lock"),
        Case("Release Lock", given={"champion": None, "outcome": "skipped"}),
    ),
    "Release Lock": (
        Case("Look For More", given={"model": "held"}),
        Case("Count Outcome", given={"model": "taken"}),  # another run holds it
    ),
    "Look For More": (
        Case("More Waiting?", given={"model": "waiting"}, assigned={"waiting": 2}),
        Case("More Waiting?", given={"model": "nothing-there"}, assigned={"waiting": 0}),
    ),
    "More Waiting?": (
        Case("Start Next Run", given={"waiting": 2}),
        Case("Count Outcome", given={"waiting": 0}),
    ),
    "Start Next Run": (Case("Count Outcome"),),
    "Count Outcome": (Case("Write Report"),),
    "Write Report": (
        Case(
            "Worth Telling?",
            answer={"uri": "s3://a/b", "champion": 3},  # put in place by hand meanwhile
            assigned={"report": "s3://a/b", "champion": 3},
        ),
    ),
    "Worth Telling?": (
        Case("Succeed", given={"outcome": "skipped"}),
        Case("Notify", given={"outcome": "skipped", "tell": True}),
        Case("Notify", given={"outcome": "quarantined"}),
    ),
    "Notify": (Case("Trained?", answer=_NOTIFIED),),
    "Trained?": (
        Case("Look For Trainer"),
        Case("Succeed", given={"answeredAt": None}),
    ),
    "Look For Trainer": (
        Case("Trainer Gone?", given={"instances": ["i-1"]}, assigned={"instances": []}),
        Case("Trainer Gone?", given={"run": "run-with-trainer"}, assigned={"instances": ["${InstanceId}"]}),
    ),
    "Trainer Gone?": (
        Case("Succeed"),
        Case("End Trainer", given={"instances": ["i-1"]}),
        Case("Let Trainer Leave", given={"instances": ["i-1"], "answeredAt": "2100-01-01T00:00:00.000Z"}),
    ),
    "Let Trainer Leave": (Case("Look For Trainer"),),
    "End Trainer": (Case("Count Orphan", given={"instances": ["${InstanceToEnd}"]}),),
    "Count Orphan": (Case("Succeed", given={"instances": ["i-1"]}),),
    "Succeed": (Case("SUCCEEDED"),),
    "Handle Failure": (
        Case("Find Trainer", assigned={"failureReason": "TrainingFailed: no rows"}),
        Case(
            "Find Trainer",
            given={"failure": {"Error": "BadData", "Cause": '{"errorMessage": "too few", "errorType": "x"}'}},
            assigned={"failureReason": "BadData: too few"},
        ),
        Case(
            "Find Trainer",
            given={"failure": {"Error": "States.Timeout"}},
            assigned={"failureReason": "States.Timeout: "},
        ),
    ),
    "Find Trainer": (
        Case("Trainer Left?", assigned={"instances": []}),
        Case("Trainer Left?", given={"run": "run-with-trainer"}, assigned={"instances": ["${InstanceId}"]}),
    ),
    "Trainer Left?": (
        Case("Terminate Trainer", given={"instances": ["i-1"]}),
        Case("Find Champion", given={"instances": []}),
    ),
    "Terminate Trainer": (Case("Find Champion", given={"instances": ["${InstanceToEnd}"]}),),
    "Find Champion": (
        Case("Record Failure", given={"model": "nobody"}, assigned={"champion": None}),
        Case("Record Failure", given={"model": "served"}, assigned={"champion": 7}),
    ),
    "Record Failure": (
        Case("Release Lock After Failure"),
        Case("Release Lock After Failure", given={"champion": None}),
    ),
    "Release Lock After Failure": (
        Case("More Waiting After Failure?", given={"model": "held-too"}, assigned={"waiting": False}),
        Case("More Waiting After Failure?", given={"model": "wanted"}, assigned={"waiting": True}),
        Case("Count Failure", given={"model": "taken"}),
    ),
    "More Waiting After Failure?": (
        Case("Start Next Run After Failure", given={"waiting": True}),
        Case("Count Failure", given={"waiting": False}),
    ),
    "Start Next Run After Failure": (Case("Count Failure"),),
    "Count Failure": (Case("Write Failure Report"),),
    "Write Failure Report": (
        Case(
            "Notify Failure",
            answer={"uri": "s3://a/b", "champion": None},
            assigned={"report": "s3://a/b", "champion": None},
        ),
    ),
    "Notify Failure": (Case("Fail", answer=_NOTIFIED),),
    "Fail": (Case("FAILED"),),
}

# Where an error leads that is not retried, or no longer, if not to Handle Failure: there the outcome stands.
AFTER_ERROR: dict[str, str] = {
    "Release Lock": "Count Outcome",
    "Look For More": "Count Outcome",
    "Start Next Run": "Count Outcome",
    "Count Outcome": "Write Report",
    "Write Report": "Worth Telling?",
    "Notify": "Trained?",
    "Look For Trainer": "Succeed",
    "End Trainer": "Succeed",
    "Count Orphan": "Succeed",
    "Find Trainer": "Find Champion",
    "Terminate Trainer": "Find Champion",
    "Find Champion": "Record Failure",
    "Record Failure": "Release Lock After Failure",
    "Release Lock After Failure": "Count Failure",
    "Start Next Run After Failure": "Count Failure",
    "Count Failure": "Write Failure Report",
    "Write Failure Report": "Notify Failure",
    "Notify Failure": "Fail",
}
AFTER_TIMEOUT: dict[str, str] = AFTER_ERROR | {"Await Approval": "Ask For Approval"}
