"""The models of these tests: iris with a quick estimator, each changed in what its test is about."""

from typing import Any

import yaml

from local.engine import ROOT
from scenarios import crowd

MANY = 5  # models that train at the same time

_QUICK: dict[str, Any] = yaml.safe_load((ROOT / "models" / "iris.yaml").read_text(encoding="utf-8")) | {
    "estimator": {"class": "sklearn.tree.DecisionTreeClassifier"},
    "bake": {"duration": "1s", "check_every": "1s"},
    "watch": {"notify_every": "0s"},
}

# At work for minutes, on one core and in little memory.
_SLOW = {
    "class": "sklearn.neural_network.MLPClassifier",
    "params": {"hidden_layer_sizes": [4], "max_iter": 10_000_000, "n_iter_no_change": 10_000_000},
}

# Long enough to be interrupted.
_STEADY = {"class": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 1000}}

# What iris itself is served by.
_SEASONED = {
    "class": "sklearn.ensemble.RandomForestClassifier",
    "params": {"n_estimators": 60, "min_samples_leaf": 2},
}

# Grown in three steps, with a checkpoint after each.
_IN_STEPS = {
    "class": "sklearn.ensemble.RandomForestClassifier",
    "params": {"n_estimators": 90},
    "steps": 3,
}

_CANARY = {"canary": [50, 100], "step": "2m", "check_every": "1s", "duration": "1s"}

CANARIES: dict[str, dict[str, Any]] = {
    "steady-canary": {"bake": _CANARY | {"step": "8s"}},
    "failing-canary": {"bake": _CANARY},
    "overtaken-canary": {"bake": _CANARY},
    "stopped-canary": {"bake": _CANARY},
}

_DIFFERENCES: dict[str, dict[str, Any]] = {
    # test_bad_input: no run gets as far as to train
    "refusing": {},
    "pestering": {"watch": {}},
    "marked": {},
    "mixed": {},
    "barren": {},
    "unlabelled": {},
    # test_bad_input: training and what follows it
    "scarce": {
        "validation": {"min_rows": 1, "max_null_share": 0.1},
        "policy": {"cooldown": "0s", "min_labelled_rows": 1},
    },
    "raising": {  # made without complaint; fitting three species is too much for it
        "estimator": {"class": "sklearn.linear_model.LogisticRegression", "params": {"solver": "liblinear"}}
    },
    "misspelt": {
        "estimator": {"class": "sklearn.tree.DecisionTreeClassifier", "params": {"max_dept": 3}},
    },
    "foreign": {"estimator": {"class": "subprocess.Popen"}},
    "tampered": {},
    # test_faults
    "repeated": {},
    "crowded": {},
    "rushed": {},
    "throttled": {},
    "terminated": {"estimator": _STEADY},
    "killed": {"estimator": _STEADY},
    "stopped": {"estimator": _SLOW},
    "approved": {"approval": "always"},
    "unanswered": {"approval": {"on": "always", "remind": "2s", "expires": "4s"}},
    # test_canary
    **CANARIES,
    # test_rollback: it bakes long enough for a person to step in
    "taken-back": {"bake": {"duration": "12s", "check_every": "2s"}},
    # test_launching
    "demanding": {},
    "patient": {},
    "thrifty": {"training": {"max_duration": "10m", "max_dollars_per_month": 0.043}},
    "strained": {"estimator": _STEADY, "training": {"max_duration": "10m", "max_dollars": 0.043}},
    # test_instance_faults
    "interrupted": {"estimator": _IN_STEPS},
    "undisturbed": {"estimator": _IN_STEPS},
    "starved": {"estimator": _STEADY},
    "unheard": {},
    "overfull": {},
    "frozen": {},
    # test_concurrency
    "gathering": crowd.GATHERING,
    **{f"one-of-many-{number:02d}": crowd.GATHERING for number in range(MANY)},
    # test_strategies
    "planted": {"estimator": {"factory": "garden:build", "params": {"max_depth": 3}}},
    "searching": {
        "strategy": {"name": "search"},
        "search": {
            "candidates": [
                {"class": "sklearn.neighbors.KNeighborsClassifier", "space": {"n_neighbors": [1, 5]}}
            ],
            "trials": 2,
            "folds": 2,
            "min_rows": 50,
        },
    },
    "shifting": {"estimator": _SEASONED},
    "reversing": {"estimator": _SEASONED},
    "fading": {"estimator": _SEASONED},
    # test_orphans
    "unnoticed": {"estimator": _STEADY},
    # test_command
    "asked": {"estimator": {"class": "sklearn.tree.DecisionTreeClassifier", "params": {"max_dept": 3}}},
}

INVALID = ("foreign",)

# A module beside the model files, as a user writes one.
FACTORY = """
from sklearn.tree import DecisionTreeClassifier

def build(config):
    return DecisionTreeClassifier(min_samples_leaf=2, **config.estimator.params)
"""

MODELS = {name: _QUICK | {"name": name} | changes for name, changes in _DIFFERENCES.items()}
