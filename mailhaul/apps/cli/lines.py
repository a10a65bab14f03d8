"""Progress and errors in fetchmail's words, on fetchmail's streams."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TextIO, assert_never

from ...flows.account import Account
from ...flows.fate import Fate
from ...flows.outcome import ExitCode, Outcome
from ...flows.report import (
    Counted,
    Event,
    Handled,
    LimitReached,
    Reading,
    Returned,
    Said,
    Skipped,
)
from ...flows.source import Uid, in_words

WHAT_FOLLOWS = {
    Fate.KEEP: "the message stays on the server",
    Fate.RETURN: "a bounce is due",
    Fate.DISCARD: "the message is dropped as spam",
}
LONGEST = 512
"""Characters of a line that may come from outside."""
SHORTEST_HIDDEN = 4
"""Characters of a password from which on it is looked for in what is printed."""
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def escape(text: str) -> str:
    """Return text from outside as something that only ever prints: one line, no controls."""
    shown = [
        character if character.isprintable() and character not in BIDI else escaped(character)
        for character in text
    ]
    line = "".join(shown)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


def escaped(character: str) -> str:
    """Return a character as the escape that a programmer would write."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


class Lines:
    """Writes what happens. ``verbosity`` is 0 for silent, 1 as usual, 2 with the dialogue."""

    def __init__(
        self, verbosity: int, out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self.verbosity = verbosity
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        self._unfinished = False
        self._hidden: set[str] = set()

    def hide(self, secret: str) -> None:
        """Show ``*`` for this wherever a server's words are printed.

        Very short ones stay: they stand in every other word, and tell nobody anything.
        """
        if len(secret) >= SHORTEST_HIDDEN:
            self._hidden.add(secret)

    def say(self, text: str) -> None:
        """Print a line of progress, unless silent."""
        if self.verbosity:
            self._print(self.out, f"mailhaul: {text}")

    def detail(self, text: str) -> None:
        """Print a line for those who asked for more."""
        if self.verbosity > 1:
            self._print(self.out, f"mailhaul: {self.redacted(text)}")

    def complain(self, text: str) -> None:
        """Print an error, silent or not."""
        self._print(self.err, f"mailhaul: {self.redacted(text)}")

    def record(self, facts: Mapping[str, object]) -> None:
        """Note what became of a message, for programs; people have read it already."""

    def raw(self, text: str) -> None:
        """Print a line without prefix, unless silent."""
        if self.verbosity:
            self._print(self.out, text)

    def begin(self, text: str) -> None:
        """Print the first part of a line, unless silent."""
        if self.verbosity:
            self._finish()
            self._put(self.out, text)
            self._unfinished = True

    def end(self, begun: str, text: str) -> None:
        """Print the last part of a line that ``begun`` has begun."""
        del begun
        if self.verbosity and self._unfinished:
            self._put(self.out, text, end="\n")
            self._unfinished = False
        else:
            self.raw(text.strip())

    def redacted(self, text: str) -> str:
        """Return text without what is hidden."""
        for secret in self._hidden:
            text = text.replace(secret, "*")
        return text

    def _finish(self) -> None:
        if self._unfinished:
            write(self.out, "\n")
            self._unfinished = False

    def _print(self, stream: TextIO, text: str) -> None:
        self._finish()
        self._put(stream, text, end="\n")

    def _put(self, stream: TextIO, text: str, *, end: str = "") -> None:
        """Write a line or part of one: the one door, through which nothing goes unescaped."""
        write(stream, f"{escape(text)}{end}")


def write(stream: TextIO, text: str) -> None:
    """Write at once; a reader that has gone away (``| head``) is no reason to stop."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        pass
    except UnicodeEncodeError:
        stream.write(text.encode("ascii", "backslashreplace").decode("ascii"))
        stream.flush()


class AccountLines:
    """The lines of one account's poll: turns what a flow reports into words."""

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
        self._begun = ""

    def __call__(self, event: Event) -> None:
        """Print what a flow reports."""
        lines = self._lines
        match event:
            case Counted():
                self._mailbox = event.mailbox
                self._count(event)
            case Reading(number, total, header, size):
                # With POP3 fetchmail knows the size of the whole only.
                parts = f"({header} header octets) ({size} body octets)"
                octets = parts if self._in_parts else f"({header + size} octets)"
                self._begun = f"reading message {self._whose}:{number} of {total} {octets}"
                lines.begin(self._begun)
            case Handled(_, outcome, flushed, what_follows):
                lines.end(self._begun, " flushed" if flushed else " not flushed")
                lines.record(self._facts(event))
                if not outcome.accepted:
                    lines.complain(self._error(outcome, what_follows))
                if outcome.warning:
                    lines.complain(f"{self._sink} warning: {outcome.warning}")
            case Returned(number, told, in_place, flushed, uid):
                whom = ", ".join(f"<{one.decode('utf-8', 'replace')}>" for one in told)
                why = "the sender cannot be told; " if in_place else ""
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
            case Said(text, error):
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

    def _facts(self, handled: Handled) -> dict[str, object]:
        """Return what became of a message, in words of RFC 3501 and in octets."""
        outcome = handled.outcome
        return {
            "account": f"{self._account.user}@{self._account.pollname}",
            "folder": self._mailbox,
            "uid": in_words(handled.uid),
            "size": handled.size,
            "sink": self._sink,
            "outcome": outcome.verdict.value,
            "reason": outcome.reason,
            "recipients": [verdict.value for _, verdict in outcome.recipients],
            "deleted": handled.flushed,
        }

    def _returned(self, uid: Uid, flushed: bool) -> dict[str, object]:
        """Return that a refused message is over; who was told is nobody else's affair."""
        return {
            "account": f"{self._account.user}@{self._account.pollname}",
            "folder": self._mailbox,
            "uid": in_words(uid),
            "sink": self._sink,
            "outcome": "returned",
            "deleted": flushed,
        }

    def _error(self, outcome: Outcome, fate: Fate) -> str:
        return f"{self._sink} error: {outcome.reason}; {WHAT_FOLLOWS[fate]}"


def plural(count: int) -> str:
    """Return the ending of a noun after a number."""
    return "" if count == 1 else "s"


def status_line(code: ExitCode) -> str:
    """Return fetchmail's closing line for a poll that did not simply succeed."""
    name = "" if code is ExitCode.SERVBUSY else f" ({code.name})"
    return f"Query status={int(code)}{name}"
