"""JSON Schemas of what goes in and out of every function, written from the contracts.

    python -m local.schemas

writes <function>.input.json and <function>.output.json to statemachine/schemas/, and
launch_trainer.callback.json: what the instance answers for the state that launched it.
https://json-schema.org/draft/2020-12
"""

import json
from pathlib import Path
from typing import Any

from perennial import contracts as c

FOLDER = Path(__file__).resolve().parents[1] / "statemachine" / "schemas"

CONTRACTS: dict[str, tuple[type[c.Contract], type[c.Contract]]] = {
    "resolve_trigger": (c.ResolveTriggerInput, c.Request),
    "validate_data": (c.ValidateDataInput, c.DataSummary),
    "settle_batch": (c.SettleBatchInput, c.SettledBatch),
    "compute_drift": (c.ComputeDriftInput, c.DriftSummary),
    "decide": (c.DecideInput, c.Decision),
    "launch_trainer": (c.LaunchTrainerInput, c.LaunchedTrainer),
    "recall_version": (c.RecallVersionInput, c.Recalled),
    "evaluate_challenger": (c.EvaluateChallengerInput, c.Evaluation),
    "ask_approval": (c.AskApprovalInput, c.Approval),
    "try_canary": (c.TryCanaryInput, c.CanaryLook),
    "promote_challenger": (c.PromoteChallengerInput, c.Promotion),
    "roll_back": (c.RollBackInput, c.RolledBack),
    "write_report": (c.WriteReportInput, c.WrittenReport),
    "notify": (c.NotifyInput, c.Notified),
    "watch_runs": (c.WatchRunsInput, c.WatchedRuns),
    "watch_instances": (c.InstanceStateChange, c.LossReport),
    "sweep_instances": (c.SweepInstancesInput, c.SweptInstances),
    "close_run": (c.RunStatusChange, c.ClosedRun),
    "deliver_champion": (c.ChampionChanged, c.DeliveredChampion),
    "expire_versions": (c.ExpireVersionsInput, c.ExpiredVersions),
}


def schemas() -> dict[str, dict[str, Any]]:
    """Every schema by its file's name. Inputs are as they are read, outputs as they are written."""
    found: dict[str, dict[str, Any]] = {}
    for function, (given, left) in CONTRACTS.items():
        found[f"{function}.input.json"] = given.model_json_schema(mode="validation")
        found[f"{function}.output.json"] = left.model_json_schema(mode="serialization")
    found["launch_trainer.callback.json"] = c.TrainingResult.model_json_schema(mode="validation")
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
