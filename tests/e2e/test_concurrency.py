"""Everything at once: one training for each model, the right champion, and no file lost."""

from functools import partial

from scenarios import crowd, iris
from tests.e2e.models import MANY
from tests.e2e.support import Deployment, until

UPLOADS = 24  # cold starts at once; test_crowd.py has the hundred without any
PATIENCE = 300.0  # seconds


def test_uploads_at_once_are_one_batch_and_one_training(stack: Deployment) -> None:
    model = stack.model("gathering")
    files = crowd.files("gathering", UPLOADS, rows=8)

    crowd.at_once([partial(model.upload, f"{number}.csv", body) for number, body in enumerate(files)])
    until(lambda: len(model.runs()) >= UPLOADS, "a run for each upload", PATIENCE)
    until(lambda: crowd.at_rest(model), "all runs have ended", PATIENCE)
    found = crowd.found(model, files)

    assert found.right, found
    assert found.outcomes["promoted"] == 1
    assert found.coalesced > 0
    (worked,) = [run for run in model.runs() if "Accept Batch" in model.path(run)]
    assert "Collect Uploads" in model.path(worked)
    entry = model.services.ledger.run(worked) or {}
    assert entry["outcome"] == "promoted"


def test_models_train_at_the_same_time(stack: Deployment) -> None:
    models = [stack.model(f"one-of-many-{number:02d}") for number in range(MANY)]
    batch = iris.first_season().to_csv(index=False).encode()

    crowd.at_once([partial(model.upload, "first.csv", batch) for model in models])
    for model in models:
        until(model.runs, f"a run of {model.model}", PATIENCE)
    until(lambda: crowd.at_rest(models[0]), "all runs have ended", PATIENCE)

    for model in models:
        found = crowd.found(model, [batch])
        assert found.right, found
