"""When a user is told that an entry fails, and when that it works again.

There is one way of telling for every kind of trouble: after some failures in a row, once, and once
when a poll succeeds again. Alerts are in the ledger, so a restart of the daemon changes
nothing, and runs from cron tell no more often than a daemon.

This module decides; it has no clock, and neither sends nor stores anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum

from ..protocols.record import Record
from .outcome import GOOD, NEUTRAL, ExitCode


class Change(Enum):
    """What the user is told."""

    FAILURE = "failure"
    RECOVERY = "recovery"


class Alert(Record):
    """What the user knows: an ``entry`` fails since this Unix ``time``, and has not recovered.

    Entries that fail for the same reason share a ``topic``, such as a token or a password; the
    others have one of their own. ``code`` is that of the failure.
    """

    topic: str
    entry: str
    time: int
    code: ExitCode | None


class State(Record):
    """How the polls of an entry went, up to the last one, which ended with ``code``.

    ``failures`` are those in a row. ``topic`` is what its failure is about; ``login`` is the topic
    of its password.
    """

    entry: str
    code: ExitCode
    failures: int
    topic: str
    login: str


def change_of(
    state: State, after: int, told: Iterable[Alert], fails: Callable[[str], bool]
) -> Change | None:
    """Return what the user has to be told now, if anything.

    ``after`` is the number of failures in a row; 0 means that nothing is told. ``fails`` says
    whether an entry still fails: one that is no longer polled must not silence the others.
    """
    if state.code in NEUTRAL:
        return None
    if state.code in GOOD:
        return Change.RECOVERY if ended_by(state, told) else None
    if not after or state.failures < after:
        return None
    for alert in told:
        same = alert.topic == state.topic and fails(alert.entry)
        if alert.entry == state.entry or same:
            return None
    return Change.FAILURE


def ended_by(state: State, told: Iterable[Alert]) -> list[Alert]:
    """Return the alerts that a successful poll of this entry ends."""
    # A login that is accepted is accepted for every entry that uses it.
    return [one for one in told if one.entry == state.entry or one.topic == state.login]


def topic_of(entry: str, login: str, code: ExitCode, token: str) -> str:
    """Return what a failure is about: a token (its label), a login, or the entry alone."""
    if token:
        return f"token {token}"
    return login if code is ExitCode.AUTHFAIL else f"entry {entry}"


def login_topic(user: str, host: str) -> str:
    """Return the topic of the password of a user at a server."""
    return f"login {user}@{host}"
