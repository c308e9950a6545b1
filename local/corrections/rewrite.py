"""Changing code of the engine by its text, loudly: text not found exactly once stops the engine's start."""

import functools
import inspect
import sys
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any

type AnyCall = Callable[..., Any]

_rewritten: dict[tuple[Any, str], str] = {}


class CorrectionError(RuntimeError):
    """The engine is not the one that a correction was written for; nothing was served."""


def edit(text: str, *changes: tuple[str, str], where: str) -> str:
    """`text` with each (old, new) replaced; each old text must stand in it exactly once.

    `first[...]last` stands for everything from `first` to the `last` that follows.
    """
    for old, new in changes:
        first, more, last = old.partition("[...]")
        if (found := text.count(first)) != 1:
            raise CorrectionError(f"{where}: expected once, found {found} times: {first.strip()!r}")
        start = text.index(first)
        end = text.find(last, start + len(first)) + len(last) if more else start + len(first)
        if more and last not in text[start:]:
            raise CorrectionError(f"{where}: not found: {last.strip()!r}")
        text = text[:start] + new + text[end:]
    return text


def rewrite(owner: Any, name: str, *changes: tuple[str, str], **names: object) -> None:
    """Compile the function `owner.name` anew with the changes of `edit`, in its module, with `names` added.

    `owner` is a module or a class; later rewrites of the same function see the earlier ones.
    """
    module = owner if isinstance(owner, ModuleType) else sys.modules[owner.__module__]
    where = f"{owner.__name__}.{name}"
    source = _rewritten.get((owner, name)) or textwrap.dedent(inspect.getsource(getattr(owner, name)))
    source = edit(source, *changes, where=where)
    vars(module).update(names)
    scope: dict[str, Any] = {}
    exec(compile(source, f"<corrected {where}>", "exec"), vars(module), scope)  # noqa: S102 (the engine's own text)
    setattr(owner, name, scope[name])
    _rewritten[owner, name] = source


def replace(
    owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]], takes: str
) -> None:
    """Put `make(original)` in the place of the function `owner.name`, whose parameters must read `takes`."""
    original = getattr(owner, name)
    parameters = ", ".join(inspect.signature(original).parameters)
    if parameters != takes:
        raise CorrectionError(f"{owner.__name__}.{name}: expected ({takes}), found ({parameters})")
    setattr(owner, name, functools.wraps(original)(make(original)))
