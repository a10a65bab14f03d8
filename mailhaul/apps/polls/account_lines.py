"""The lines of one account's poll, made from what its flow reports, in fetchmail's words."""

from __future__ import annotations

from typing import assert_never

from ...flows.account import Account
from ...flows.fate import Fate
from ...flows.outcome import ExitCode, Outcome
from ...flows.report import (
    Counted,
    Event,
    Handled,
    LimitReached,
    Planned,
    Reading,
    Remark,
    Returned,
    Skipped,
)
from ...flows.source import Uid, format_uid
from .lines import Lines, plural

WHAT_FOLLOWS = {
    Fate.KEEP: "the message stays on the server",
    Fate.RETURN: "a bounce is due",
    Fate.DISCARD: "the message is dropped as spam",
}


class AccountLines:
    """The lines of one account's poll, made from what a flow reports."""

    def __init__(
        self,
        lines: Lines,
        account: Account,
        named_folders: bool,
        what: str,
        *,
        in_parts: bool = True,
    ) -> None:
        self._in_parts = in_parts
        self._lines = lines
        self._account = account
        self._named_folders = named_folders
        self._sink = what
        self._whose = f"{account.user}@{account.truename}"
        self._mailbox = ""
        self._begun: dict[tuple[int, Uid], str] = {}

    def __call__(self, event: Event) -> None:
        """Print what a flow reports."""
        lines = self._lines
        lines.note(event)
        match event:
            case Planned():
                pass
            case Counted():
                self._mailbox = event.mailbox
                self._begun.clear()
                self._count(event)
            case Reading():
                if lines.verbosity:
                    begun = self._beginning(event)
                    self._begun[event.number, event.uid] = begun
                    lines.begin(begun)
            case Handled(number, outcome, flushed, what_follows):
                if lines.verbosity:
                    begun = self._begun.pop((number, event.uid), "")
                    lines.end(begun, " flushed" if flushed else " not flushed")
                    lines.record(self._facts(event))
                if not outcome.accepted:
                    lines.complain(self._error(outcome, what_follows), code=ExitCode.SMTP.name)
                if outcome.warning:
                    lines.complain(f"{self._sink} warning: {outcome.warning}")
            case Returned(number, told, in_place, flushed, uid):
                whom = ", ".join(f"<{one.decode('utf-8', 'replace')}>" for one in told)
                why = "the sender cannot get a bounce; " if in_place else ""
                fate = "flushed" if flushed else "not flushed"
                lines.complain(
                    f"message {self._whose}:{number}: {why}a bounce was sent to {whom}, {fate}"
                )
                lines.record(self._returned(uid, flushed))
            case Skipped(number, size, reason, flushed):
                details = f" ({size} octets) ({reason})" if reason else ""
                fate = "flushed" if flushed else "not flushed"
                lines.raw(f"skipping message {self._whose}:{number}{details} {fate}")
            case LimitReached(limit, left):
                lines.say(
                    f"fetchlimit {limit} reached; {left} message{plural(left)} left on server "
                    f"{self._account.truename} account {self._account.user}"
                )
            case Remark(text, error):
                (lines.complain if error else lines.detail)(text)
            case _:
                assert_never(event)

    def _count(self, counted: Counted) -> None:
        account = self._account
        where = f"{account.user} at {account.pollname}"
        if self._named_folders:
            where += f" (folder {counted.mailbox})"
        if not counted.total:
            self._lines.say(f"No mail for {where}")
            return
        seen = f" ({counted.seen} seen)" if counted.seen else ""
        octets = "" if counted.octets is None else f" ({counted.octets} octets)"
        count = f"{counted.total} message{plural(counted.total)}"
        self._lines.raw(f"{count}{seen} for {where}{octets}.")

    def _beginning(self, reading: Reading) -> str:
        header, size = reading.header, reading.size
        # With POP3 fetchmail knows only the size of the whole message.
        parts = f"({header} header octets) ({size} body octets)"
        octets = parts if self._in_parts else f"({header + size} octets)"
        return f"reading message {self._whose}:{reading.number} of {reading.total} {octets}"

    def _facts(self, handled: Handled) -> dict[str, object]:
        """Return the record of a message. Names are as in RFC 3501, sizes in octets."""
        outcome = handled.outcome
        return {
            "folder": self._mailbox,
            "uid": format_uid(handled.uid),
            "size": handled.size,
            "sink": self._sink,
            "outcome": outcome.verdict.value,
            "code": (ExitCode.SUCCESS if outcome.accepted else ExitCode.SMTP).name,
            "reason": outcome.reason,
            "recipients": [verdict.value for _, verdict in outcome.recipients],
            "deleted": handled.flushed,
        }

    def _returned(self, uid: Uid, flushed: bool) -> dict[str, object]:
        """Return the record of a refused message that was returned. It names no recipient."""
        return {
            "folder": self._mailbox,
            "uid": format_uid(uid),
            "sink": self._sink,
            "outcome": "returned",
            "code": ExitCode.SMTP.name,
            "deleted": flushed,
        }

    def _error(self, outcome: Outcome, fate: Fate) -> str:
        return f"{self._sink} error: {outcome.reason}; {WHAT_FOLLOWS[fate]}"


def status_line(code: ExitCode) -> str:
    """Return fetchmail's closing line for a poll that did not simply succeed."""
    name = "" if code is ExitCode.SERVBUSY else f" ({code.name})"
    return f"Query status={int(code)}{name}"
