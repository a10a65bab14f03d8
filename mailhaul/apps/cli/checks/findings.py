"""What a check found: each finding has a severity, a place, a cause and a next step."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from ....adapters.config.errors import ConfigWarning
from ....adapters.config.errors import Finding as ConfigFinding
from ....flows.outcome import ExitCode, PollFailed
from ....protocols.record import Record


class Severity(IntEnum):
    """How serious a finding is."""

    OK = 0
    """What was looked at is as it should be."""
    NOTE = 1
    """Good to know."""
    WARNING = 2
    """Mail is hauled, but perhaps not as the user thinks."""
    ERROR = 3
    """A poll would fail."""


class Finding(Record):
    """One thing that was looked at.

    ``name`` is its stable name for programs, ``subject`` the one for people. ``account`` is "" for
    what concerns all accounts. ``place`` is where the user can change it: FILE:LINE:COLUMN, or a
    path. ``cause`` is a sentence about its state. ``code`` is the exit code with which a poll would
    fail.
    """

    severity: Severity
    name: str
    subject: str
    cause: str
    place: str = ""
    next_step: str = ""
    account: str = ""
    code: ExitCode = ExitCode.SUCCESS


def ok(name: str, subject: str, cause: str, place: str = "") -> Finding:
    """Return the finding for what is as it should be."""
    return Finding(Severity.OK, name, subject, cause, place)


def note(name: str, subject: str, cause: str, place: str = "", next_step: str = "") -> Finding:
    """Return a note."""
    return Finding(Severity.NOTE, name, subject, cause, place, next_step)


def warning(name: str, subject: str, cause: str, place: str, next_step: str) -> Finding:
    """Return a warning."""
    return Finding(Severity.WARNING, name, subject, cause, place, next_step)


def error(
    name: str, subject: str, cause: str, place: str, next_step: str, code: ExitCode
) -> Finding:
    """Return an error."""
    return Finding(Severity.ERROR, name, subject, cause, place, next_step, code=code)


def from_config(found: ConfigFinding) -> Finding:
    """Return the finding for an error or a warning about the configuration."""
    is_warning = isinstance(found, ConfigWarning)
    return Finding(
        Severity.WARNING if is_warning else Severity.ERROR,
        "configuration",
        "configuration",
        found.problem,
        str(found.place),
        found.hint or "correct it there",
        code=ExitCode.SUCCESS if is_warning else ExitCode.SYNTAX,
    )


def from_failure(
    failure: PollFailed, name: str, subject: str, place: str, next_step: str
) -> Finding:
    """Return the finding for what would end a poll."""
    return error(
        name, subject, str(failure).removeprefix(f"{place}: "), place, next_step, failure.code
    )


def exit_code(findings: Sequence[Finding]) -> ExitCode:
    """Return the exit code: that of the first error, 1 for warnings only, otherwise 0.

    An error of the configuration comes first: nothing is polled with it.
    """
    codes = [one.code for one in findings if one.severity is Severity.ERROR]
    if ExitCode.SYNTAX in codes:
        return ExitCode.SYNTAX
    if codes:
        return codes[0]
    warned = any(one.severity is Severity.WARNING for one in findings)
    return ExitCode.NOMAIL if warned else ExitCode.SUCCESS
