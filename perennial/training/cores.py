"""How many cores a fit uses: all it is given, by joblib, and the same bits whatever their number.

An estimator that can share its work out (`n_jobs`) does, unless the model file says otherwise; the number is
no part of the model, which another machine will serve. The work is shared by threads: scikit-learn's compiled
parts let go of the interpreter, and what comes back from another process is pickled differently. Linear
algebra runs on one thread: with more, sums are taken in an order that depends on their number, and joblib's
workers would outnumber the cores. Or the work goes to a Dask cluster, by joblib's backend for it
(https://joblib.readthedocs.io/en/stable/auto_examples/parallel/distributed_backend_simple.html).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import joblib
from threadpoolctl import threadpool_limits

from perennial.errors import InvalidModelFile

_PATIENCE = 30  # seconds for a scheduler to answer


def one_thread_each() -> AbstractContextManager[object]:
    """Within, linear algebra runs on one thread."""
    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


def on_workers(cores: int, scheduler: str | None) -> AbstractContextManager[None]:
    """Within, joblib's work goes to the cluster of the `scheduler`, or to so many threads here."""
    return on_cluster(scheduler) if scheduler else on_threads(cores)


@contextmanager
def on_threads(cores: int) -> Iterator[None]:
    """Within, whatever can use several cores uses `cores`; -1 for all."""
    with one_thread_each(), joblib.parallel_config(backend="threading", n_jobs=cores):
        yield


@contextmanager
def on_cluster(scheduler: str) -> Iterator[None]:
    """Within, joblib's work goes to all cores of the Dask cluster of this scheduler.

    Raises InvalidModelFile where the cluster cannot be reached or `distributed` is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        raise InvalidModelFile(
            "training.dask_scheduler needs the package distributed, the extra `dask` of perennial"
        ) from error
    connect: Any = distributed.Client  # types are partly there
    try:
        client = connect(scheduler, timeout=_PATIENCE, set_as_default=False)
    except OSError as error:
        raise InvalidModelFile(f"no Dask scheduler answers at {scheduler}: {error}") from error
    with client, one_thread_each(), joblib.parallel_config(backend="dask", client=client, n_jobs=-1):
        yield
