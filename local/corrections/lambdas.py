"""What a Lambda invocation reports: its exception, and all that it logged."""

import queue
import time
from collections.abc import Callable
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local.corrections.rewrite import edit, replace, rewrite

_END_OF_LOG = "\x1eend of invocation"
_LOG_DEADLINE = 5.0  # seconds; a worker that lives always ends its log

# https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
_IMPORT_ERROR = "Runtime.ImportModuleError"
_INIT_ERRORS = {"ImportError": _IMPORT_ERROR, "ModuleNotFoundError": _IMPORT_ERROR}


def exceptions() -> None:
    """The class of a function's exception reaches Retry and Catch, and the worker lives on.

    The engine answered `Runtime.HandlerError` to every exception and ended the worker, so that the next call
    was cold. The payload is the one that AWS returns: errorMessage, errorType, requestId, stackTrace.
    """
    script = "lambda_runtime._PYTHON_WORKER_SCRIPT"
    lambda_runtime._PYTHON_WORKER_SCRIPT = edit(
        lambda_runtime._PYTHON_WORKER_SCRIPT,
        (
            """json.dumps({"status": "error", "error": str(e), "trace": traceback.format_exc()})""",
            """json.dumps({"status": "ok", "failure": {
                "errorMessage": str(e), "errorType": type(e).__name__, "requestId": context.aws_request_id,
                "stackTrace": traceback.format_tb(e.__traceback__.tb_next)}})""",
        ),
        (
            """        except Exception as e:\n            _real_stdout""",
            """        except Exception as e:\n            traceback.print_exc()\n            _real_stdout""",
        ),
        (
            """        _real_stdout.write(json.dumps({"status": "error", "error": str(e)}) + "\\n")""",
            """        traceback.print_exc()
        _real_stdout.write(json.dumps(
            {"status": "error", "error": str(e), "errorType": type(e).__name__}) + "\\n")""",
        ),
        where=script,
    )
    rewrite(
        lambda_svc,
        "_execute_function_warm",
        (
            """        if result.get("status") == "ok":\n""",
            """        if "failure" in result:
            return {"body": result["failure"], "error": True, "log": result.get("log", "")}
        if result.get("status") == "ok":\n""",
        ),
        (
            """{"errorMessage": str(e), "errorType": type(e).__name__}""",
            """{"errorMessage": str(e), "errorType": getattr(e, "error_type", type(e).__name__)}""",
        ),
    )
    rewrite(
        lambda_runtime.Worker,
        "_spawn",
        (
            """raise RuntimeError(f"Worker init failed: {response.get('error')}")""",
            """raise init_error(response, self.config)""",
        ),
        init_error=_init_error,
    )


def _init_error(response: dict[str, str], config: dict[str, str]) -> RuntimeError:
    """The error of a handler that could not be loaded, with the errorType and message that AWS gives it."""
    message = response.get("error", "")
    kind = _INIT_ERRORS.get(response.get("errorType", ""), response.get("errorType", "Runtime.Unknown"))
    if kind == _IMPORT_ERROR:
        message = f"Unable to import module '{config['Handler'].rsplit('.', 1)[0]}': {message}"
    error = RuntimeError(message)
    error.error_type = kind  # type: ignore[attr-defined] # read by the corrected _execute_function_warm
    return error


def logs() -> None:
    """Every line of a log belongs to its invocation, and an invocation without a log does not wait for one.

    The engine gathered lines for 5 to 250 ms after the result and gave the rest to the next invocation, where
    EMF metrics came late or never; the worker now marks the end.
    """
    lambda_runtime._PYTHON_WORKER_SCRIPT = edit(
        lambda_runtime._PYTHON_WORKER_SCRIPT,
        (
            "_real_stdout.flush()\n\nrun()",
            f"_real_stdout.flush()\n        print({_END_OF_LOG!r}, file=sys.stderr, flush=True)\n\nrun()",
        ),
        where="lambda_runtime._PYTHON_WORKER_SCRIPT",
    )

    def make(original: Callable[..., str]) -> Callable[..., str]:
        def drain(worker: Any, *args: float, **kwargs: float) -> str:
            if worker._proc is None or not worker.config.get("Runtime", "").startswith("python"):
                return original(worker, *args, **kwargs)
            return "\n".join(_until_end(worker._stderr_queue))

        return drain

    takes = "self, first_line_wait, idle_confirm, hard_cap"
    replace(lambda_runtime.Worker, "_drain_stderr_bounded", make, takes)


def _until_end(lines: "queue.Queue[str]") -> list[str]:
    """The lines up to the mark, which may follow a last line without a line end."""
    read: list[str] = []
    deadline = time.monotonic() + _LOG_DEADLINE
    while (left := deadline - time.monotonic()) > 0:
        try:
            line = lines.get(timeout=left)
        except queue.Empty:
            break
        if line.endswith(_END_OF_LOG):
            last = line.removesuffix(_END_OF_LOG)
            return [*read, last] if last else read
        read.append(line)
    return read


def endpoint() -> None:
    """An empty AWS_ENDPOINT_URL among a function's variables means the engine, not the real AWS.

    `sam local invoke` passes only the variables that a template declares, so the template declares it, empty.
    """
    rewrite(
        lambda_runtime.Worker,
        "_spawn",
        (
            "if key not in _RESERVED_RUNTIME_ENV_VARS\n",
            'if key not in _RESERVED_RUNTIME_ENV_VARS and (key != "AWS_ENDPOINT_URL" or value)\n',
        ),
    )


CORRECTIONS: dict[str, Callable[[], None]] = {"exceptions": exceptions, "logs": logs, "endpoint": endpoint}
