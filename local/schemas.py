"""JSON Schemas of what goes in and out of every function, written from the contracts.

    python -m local.schemas

writes <function>.input.json and <function>.output.json to statemachine/schemas/, and
launch_trainer.callback.json: what the instance answers for the state that launched it.
https://json-schema.org/draft/2020-12
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from perennial.contracts.approval import Approval, AskApprovalInput
from perennial.contracts.base import Contract
from perennial.contracts.batch import DataSummary, SettleBatchInput, SettledBatch, ValidateDataInput
from perennial.contracts.canary import CanaryLook, TryCanaryInput
from perennial.contracts.decision import DecideInput, Decision
from perennial.contracts.drift import ComputeDriftInput, DriftSummary
from perennial.contracts.evaluation import EvaluateChallengerInput, Evaluation, Recalled, RecallVersionInput
from perennial.contracts.outcome import (
    ClosedRun,
    Notified,
    NotifyInput,
    RunStatusChange,
    WriteReportInput,
    WrittenReport,
)
from perennial.contracts.promotion import (
    ChampionChanged,
    DeliveredChampion,
    PromoteChallengerInput,
    Promotion,
    RollBackInput,
    RolledBack,
)
from perennial.contracts.training import LaunchedTrainer, LaunchTrainerInput, TrainingResult
from perennial.contracts.trigger import Request, ResolveTriggerInput
from perennial.contracts.watching import (
    ExpiredVersions,
    ExpireVersionsInput,
    InstanceStateChange,
    LossReport,
    SweepInstancesInput,
    SweptInstances,
    WatchedRuns,
    WatchRunsInput,
)

FOLDER = Path(__file__).resolve().parents[1] / "statemachine" / "schemas"

CONTRACTS: dict[str, tuple[type[Contract], type[Contract]]] = {
    "resolve_trigger": (ResolveTriggerInput, Request),
    "validate_data": (ValidateDataInput, DataSummary),
    "settle_batch": (SettleBatchInput, SettledBatch),
    "compute_drift": (ComputeDriftInput, DriftSummary),
    "decide": (DecideInput, Decision),
    "launch_trainer": (LaunchTrainerInput, LaunchedTrainer),
    "recall_version": (RecallVersionInput, Recalled),
    "evaluate_challenger": (EvaluateChallengerInput, Evaluation),
    "ask_approval": (AskApprovalInput, Approval),
    "try_canary": (TryCanaryInput, CanaryLook),
    "promote_challenger": (PromoteChallengerInput, Promotion),
    "roll_back": (RollBackInput, RolledBack),
    "write_report": (WriteReportInput, WrittenReport),
    "notify": (NotifyInput, Notified),
    "watch_runs": (WatchRunsInput, WatchedRuns),
    "watch_instances": (InstanceStateChange, LossReport),
    "sweep_instances": (SweepInstancesInput, SweptInstances),
    "close_run": (RunStatusChange, ClosedRun),
    "deliver_champion": (ChampionChanged, DeliveredChampion),
    "expire_versions": (ExpireVersionsInput, ExpiredVersions),
}


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Every schema by its file's name. Inputs are as they are read, outputs as they are written."""
    found: dict[str, dict[str, Any]] = {}
    for function, (given, left) in CONTRACTS.items():
        found[f"{function}.input.json"] = given.model_json_schema(mode="validation")
        found[f"{function}.output.json"] = left.model_json_schema(mode="serialization")
    found["launch_trainer.callback.json"] = TrainingResult.model_json_schema(mode="validation")
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {name: dialect | schema for name, schema in found.items()}


def text(schema: dict[str, Any]) -> str:
    """A schema as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write them all, and remove what belongs to no function."""
    FOLDER.mkdir(exist_ok=True)
    current = schemas()
    for path in FOLDER.glob("*.json"):
        if path.name not in current:
            path.unlink()
    for name, schema in current.items():
        (FOLDER / name).write_text(text(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
