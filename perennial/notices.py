"""What people are told of a run, in words: what happened, why, what was done, what to do. Pure.

One wording for every channel: an e-mail with its subject, and a text message that fits one SMS.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from perennial.contracts.outcome import NotifyInput
from perennial.triggers import EVERY_MODEL

Severity = Literal["info", "warning", "urgent"]

LONGEST_SUBJECT = 99  # of SNS: less than 100 ASCII characters
LONGEST_SMS = 140  # of the 160 that one SMS in GSM 03.38 holds; the rest is the sender's name
_NOT_GSM = re.compile(r"[^A-Za-z0-9 .,:;!?()/+%&'\"=<>_@#*\n-]")  # and all of these count once

_DEPLOY = "make deploy"
_AGAIN = 'perennial run --model {model} --reason "again, after a failure"'
_TRY_AGAIN = ("The next run takes the data up again. To start one now:", _AGAIN)
# What to do where an error has a remedy of its own; the command may name {model}.
_REMEDIES = {
    "InvalidModelFile": ("Correct the model file as the reason says, and deploy it.", _DEPLOY),
    "UnknownModel": ("Describe the model in models/, or upload to the folder of one that is.", _DEPLOY),
    "UnreadableTrigger": ("Send one of the events that events/README.md describes.", ""),
    "BudgetExceeded": (
        "Raise the limit in the model file's training block, or wait a month.",
        _DEPLOY,
    ),
    "VersionMismatch": ("Deploy again, so that functions and instance get the same layers.", _DEPLOY),
    "ServiceRefused": ("Give the permission or quota that the reason names, then start it again.", _AGAIN),
    "ArtifactCorrupted": (
        "Find out who wrote the file; an earlier version can serve meanwhile.",
        'perennial rollback --model {model} --reason "a stored file is not the registered one"',
    ),
}


@dataclass(frozen=True)
class Notice:
    """One message to people. Of the same `kind` for the same model not every one is sent."""

    model: str
    kind: str
    severity: Severity
    subject: str
    message: str
    sms: str

    def held_back(self, count: int, since: str) -> "Notice":
        """The same with a word on those of its kind that were not sent since a moment."""
        if not count:
            return self
        were = f"{count} more notice{' was' if count == 1 else 's were'}"
        told = (
            f"{were} held back since {since}, of the same kind and for the same model. "
            f"All runs are in the ledger: perennial status --model {self.model}"
        )
        return Notice(
            self.model, self.kind, self.severity, self.subject, f"{self.message}\n{told}\n", self.sms
        )


def as_typed(command: str, stack: str) -> str:
    """A command as a person has to type it for this stack.

    >>> as_typed("perennial explain run-1", "staging")
    'perennial explain run-1 --stack staging'
    """
    ours = command.startswith("perennial ") and stack != "perennial"
    return f"{command} --stack {stack}" if ours else command


def notice(
    *, model: str, kind: str, severity: Severity, subject: str, message: str, sms: str, command: str = ""
) -> Notice:
    """A notice as SNS takes it. The command is in the text message only where it fits."""
    short = _NOT_GSM.sub("?", f"Perennial: {sms}")
    longer = f"{short} {command}" if command else short
    return Notice(
        model=model,
        kind=kind,
        severity=severity,
        subject=re.sub(r"[^ -~]", "?", f"Perennial: {subject}")[:LONGEST_SUBJECT],
        message=message,
        sms=longer if len(longer) <= LONGEST_SMS else short[:LONGEST_SMS],
    )


@dataclass(frozen=True)
class Ended:
    """A run that has its outcome: what the workflow knows of it, its entry in the ledger, and its stack."""

    run: NotifyInput
    entry: Mapping[str, Any]
    stack: str
    data_bucket: str

    @property
    def challenger(self) -> str:
        """Who wanted the champion's place."""
        return _version(self.entry.get("challenger", self.entry.get("recalled")))

    @property
    def serves_on(self) -> str:
        """Who serves now: as before, or put in place while the run was under way."""
        now = self.run.champion
        before = self.entry.get("champion_before", now)
        if now == before:
            return "No version serves yet." if now is None else f"{_capital(_version(now))} serves on."
        return f"{_capital(_version(now))} serves now; when the run began it was {_version(before)}."

    @property
    def batch(self) -> str:
        """Where the data is."""
        if self.run.batch_at:
            return f"The batch lies under {self.run.batch_at}; nothing was deleted."
        return f"What has arrived lies under incoming/{self.run.model}/; nothing was deleted."


def of_outcome(ended: Ended) -> Notice:
    """What is told of the run. An outcome of `skipped` is only told where it needs a look."""
    write = {
        "promoted": _promoted,
        "rejected": _rejected,
        "rolled_back": _rolled_back,
        "quarantined": _quarantined,
        "failed": _failed,
        "skipped": _needs_a_look,
    }[ended.run.outcome]
    return write(ended)


def of_orphans(instances: Sequence[str]) -> Notice:
    """Of training instances that nobody waited for; each with its model and the reason."""
    happened = f"{len(instances)} training instance(s) had to be ended"
    lines = [
        f"What happened: {happened}.",
        "Why: nobody waited for them any more, and they had not ended themselves.",
        *(f"    {one}" for one in instances),
        "What was done: They were terminated, and their cost settled.",
        "What to do: Look in the log group of the trainer why they went on; each has a stream of its name.",
    ]
    return notice(
        model=EVERY_MODEL,
        kind="instances ended",
        severity="urgent",
        subject=happened,
        message="\n".join(lines) + "\n",
        sms=f"{happened}.",
    )


def _promoted(ended: Ended) -> Notice:
    model = ended.run.model
    first = ended.entry.get("champion_before", 0) is None  # there is nothing to go back to
    return _written(
        ended,
        kind="promoted",
        severity="info",
        happened=f"{model}: {ended.challenger} was promoted",
        done=f"It baked without an alarm; {_version(ended.run.champion)} serves now.",
        to_do="Nothing." if first else "Nothing. To take it back:",
        command="" if first else f'perennial rollback --model {model} --reason "..."',
    )


def _rejected(ended: Ended) -> Notice:
    model, champion, challenger = ended.run.model, ended.run.champion, ended.entry.get("challenger")
    compare = champion is not None and challenger is not None and champion != challenger
    return _written(
        ended,
        kind="rejected",
        severity="info",
        happened=f"{model}: {ended.challenger} was rejected",
        done=f"{ended.serves_on} {ended.batch}",
        to_do="Nothing, if you agree." + (" To see how the two differ:" if compare else ""),
        command=f"perennial compare {champion} {challenger} --model {model}" if compare else "",
    )


def _rolled_back(ended: Ended) -> Notice:
    model, serves = ended.run.model, _version(ended.run.champion)
    return _written(
        ended,
        kind="rolled back",
        severity="urgent",
        happened=f"{model}: {ended.challenger} was rolled back, {serves} serves",
        done=f"{_capital(serves)} serves. The cooldown after a rollback holds back trainings.",
        to_do="Look at what the alarm or the person saw. If the model was not at fault, train at once:",
        command=f'perennial run --model {model} --force --reason "..."',
    )


def _quarantined(ended: Ended) -> Notice:
    model = ended.run.model
    place = f"s3://{ended.data_bucket}/{ended.run.batch_at or f'quarantine/{model}/'}"
    return _written(
        ended,
        kind="quarantined",
        severity="warning",
        happened=f"{model}: a batch was quarantined",
        done=f"Nothing was trained on it. {ended.batch} {ended.serves_on}",
        to_do="Correct the files and upload them again. If the rules are wrong, correct the model file, "
        "deploy, and move the files back:",
        command=f"aws s3 mv {place} s3://{ended.data_bucket}/incoming/{model}/ --recursive "
        "--exclude '*reasons.json'",
    )


def _failed(ended: Ended) -> Notice:
    error = ended.run.error or "an error without a name"
    to_do, command = _REMEDIES.get(error, _TRY_AGAIN)
    return _written(
        ended,
        kind=f"failed {error}",
        severity="urgent",
        happened=f"{ended.run.model}: a run failed ({error})",
        done="An instance that was still there was ended, and the model's lock given back. "
        f"{ended.batch} {ended.serves_on}",
        to_do=to_do,
        command=command.format(model=ended.run.model),
    )


def _needs_a_look(ended: Ended) -> Notice:
    return _written(
        ended,
        kind="needs a look",
        severity="warning",
        happened=f"{ended.run.model} needs a look",
        done=f"No training was started. {ended.batch} {ended.serves_on}",
        to_do="Judge by the reason whether a training is wanted after all; if so:",
        command=f'perennial run --model {ended.run.model} --force --reason "..."',
    )


def _written(
    ended: Ended, *, kind: str, severity: Severity, happened: str, done: str, to_do: str, command: str
) -> Notice:
    run, explain = ended.run, as_typed(f"perennial explain {ended.run.run}", ended.stack)
    lines = [
        f"What happened: {happened}.",
        f"Why: {run.reason}",
        f"What was done: {done}",
        f"What to do: {to_do}",
        *([f"    {as_typed(command, ended.stack)}"] if command else []),
        "",
        f"Champion now: {_version(run.champion)}",
        f"Run: {run.run}",
        f"The whole story: {explain}",
        f"Report: {run.report}",
    ]
    return notice(
        model=run.model,
        kind=kind,
        severity=severity,
        subject=happened,
        message="\n".join(lines) + "\n",
        sms=f"{happened}.",
        command=explain,
    )


def _version(number: Any) -> str:
    return f"version {number}" if number is not None else "no version"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
