"""How many cores a fit uses: all it is given, by joblib, and the same bits whatever their number.

An estimator that can share its work out (`n_jobs`) does, unless the model file says otherwise; the number is
taken back before the model is stored, since another machine serves it. Linear algebra runs on one thread:
with more, sums are taken in an order that depends on their number, and joblib's workers would outnumber the
cores. Or the work goes to a Dask cluster, by joblib's backend for it
(https://joblib.readthedocs.io/en/stable/auto_examples/parallel/distributed_backend_simple.html).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import joblib
from threadpoolctl import threadpool_limits

from perennial.errors import InvalidModelFile

_IGNORES_JOBS = ("LogisticRegression",)  # scikit-learn warns when its n_jobs is given


@contextmanager
def spread(estimator: Any, cores: int) -> Iterator[None]:
    """Within, the outermost parts of the estimator that can use several cores use `cores`; -1 for all."""
    jobs = _unset_jobs(estimator)
    estimator.set_params(**dict.fromkeys(jobs, cores))
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        estimator.set_params(**dict.fromkeys(jobs))


@contextmanager
def on_cluster(scheduler: str | None) -> Iterator[None]:
    """Within, joblib's work goes to the Dask cluster of this scheduler, if one is named.

    Raises InvalidModelFile where the cluster cannot be reached or `distributed` is not installed.
    """
    if scheduler is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise InvalidModelFile(
            "training.dask_scheduler needs the package distributed, the extra `dask` of perennial"
        ) from error
    try:
        client = Client(scheduler, timeout=_PATIENCE, set_as_default=False)
    except OSError as error:
        raise InvalidModelFile(f"no Dask scheduler answers at {scheduler}: {error}") from error
    with client, joblib.parallel_config(backend="dask", client=client):
        yield


_PATIENCE = 30  # seconds for the scheduler to answer


def _unset_jobs(estimator: Any) -> list[str]:
    """Names of the parameters `n_jobs` that say nothing, none below another."""
    params = estimator.get_params()
    found: list[str] = []
    for name in sorted((n for n in params if n.rpartition("__")[2] == "n_jobs"), key=lambda n: n.count("__")):
        owner = name.rpartition("__")[0]
        inside = any(owner.startswith(outer.rpartition("__")[0]) for outer in found)
        kind = type(params[owner] if owner else estimator).__name__
        if params[name] is None and not inside and not kind.startswith(_IGNORES_JOBS):
            found.append(name)
    return found
