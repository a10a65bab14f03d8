"""Progress and errors in fetchmail's words, on fetchmail's streams."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from ...flows.fate import Fate
from ...flows.outcome import PollCounts
from ...flows.report import Handled

if TYPE_CHECKING:
    from ...flows.report import Event

PROGRAM = "mailhaul"
"""The beginning of lines, unless the program was called by another name."""
GONE = "the reader is gone"
MAX_OCTETS = 512
"""Characters of text from outside in one line."""
MAX_BEGUN = 100
"""Lines that were begun and have not ended, of which the first part is kept."""
SHORTEST_HIDDEN = 4
"""Characters of the shortest password that is looked for in printed lines."""
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def escape(text: str) -> str:
    """Return text from outside in printable form: one line, no control characters."""
    line = text
    if not (text.isprintable() and BIDI.isdisjoint(text)):
        shown = [
            character if character.isprintable() and character not in BIDI else escaped(character)
            for character in text
        ]
        line = "".join(shown)
    return line if len(line) <= MAX_OCTETS else f"{line[:MAX_OCTETS]}..."


def escaped(character: str) -> str:
    """Return a character as an escape of Python's."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


class Lines:
    """Writes progress and errors. ``verbosity`` is 0 for silent, 1 as usual, 2 with the dialogue.

    A failed write does not stop mail: a full disk or a closed pipe is no reason to leave mail on a
    server. ``program`` is the name that lines begin with.
    """

    is_log = False
    """Whether each line is written when it is made, with a prefix that tells them apart."""
    shows_messages = True
    """Whether there is a line for each message that is read without trouble."""

    def __init__(
        self,
        verbosity: int,
        out: TextIO | None = None,
        err: TextIO | None = None,
        program: str = PROGRAM,
    ) -> None:
        self.verbosity = verbosity
        self.program = program
        self.names_accounts = False
        """Whether errors of several accounts may come here, so that each has to name its own."""
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        self.trouble = ""
        """Why the last line could not be written; "" if it was written."""
        self._patient = True
        self._unfinished = ""
        """The first part of the line that is being written; "" if there is none."""
        self._later: dict[str, str] = {}
        """Lines that were begun meanwhile, by their first parts, and their signs of progress."""
        self._newest = ""
        self._hidden: tuple[str, ...] = ()

    def hide(self, secret: str) -> None:
        """Print ``*`` for this secret wherever text from a server contains it.

        Very short secrets are not replaced: they are part of many words.
        """
        if len(secret) >= SHORTEST_HIDDEN and secret not in self._hidden:
            self._hidden = (*self._hidden, secret)

    def of(self, account: str) -> LinesOfPoll:
        """Return the lines of one poll, which has secrets of its own."""
        return LinesOfPoll(self, account)

    def never_wait(self) -> None:
        """Lose a line rather than wait for a reader that does not read."""
        self._patient = False

    def say(self, text: str, account: str = "", code: str = "") -> None:
        """Print a line of progress, unless silent.

        Only a log for programs has the name of the ``account`` in each line, and the ``code`` of
        its poll.
        """
        if self.verbosity:
            self._print(self.out, f"{self.program}: {text}")

    def detail(self, text: str, account: str = "") -> None:
        """Print a line if the user asked for details."""
        if self.verbosity > 1:
            self._print(self.out, f"{self.program}: {self.redacted(text)}")

    def complain(self, text: str, account: str = "", code: str = "") -> None:
        """Print an error, silent or not."""
        if self.names_accounts:
            text = named(text, account)
        self._print(self.err, f"{self.program}: {self.redacted(text)}")

    def warn(self, text: str) -> None:
        """Print a warning about something that several accounts may share, such as a file."""
        self.complain(text)

    def explain(self, text: str) -> None:
        """Print a text of several lines, such as a usage text, after an error."""
        for line in text.splitlines():
            self.complain(line)

    def record(self, facts: Mapping[str, object]) -> None:
        """Write a record for programs, of a message or a poll; the lines above are for people."""

    def note(self, event: Event, account: str = "") -> None:
        """Take note of what a flow reports, before lines about it are written."""

    def counter(self, account: str) -> Callable[[int], None] | None:
        """Return what is called with the octets of messages that arrive, if anything is."""

    def closing(self, counts: PollCounts, account: str = "") -> str:
        """Return a line about a poll that is over; "" for none."""
        return ""

    def raw(self, text: str, account: str = "") -> None:
        """Print a line without prefix, unless silent."""
        if self.verbosity:
            self._print(self.out, text)

    def begin(self, text: str) -> None:
        """Print the first part of a line, unless silent.

        While another line is unfinished, the new one is printed as a whole when it ends: a sink may
        take several messages together.
        """
        if not (self.verbosity and self.shows_messages):
            return
        self._newest = text
        # A message that was given up had no end.
        self._later.pop(text, None)
        if not self._unfinished:
            self._put(self.out, text)
            self._unfinished = text
            return
        self._later[text] = ""
        if len(self._later) > MAX_BEGUN:
            del self._later[next(iter(self._later))]

    def progress(self, signs: str) -> None:
        """Print signs of progress in the line that was begun last. They are not shortened."""
        if self._newest in self._later:
            self._later[self._newest] += signs
        elif self._unfinished and self._unfinished == self._newest:
            self._write(self.out, signs)

    def end(self, begun: str, text: str, account: str = "") -> None:
        """Print the last part of a line; ``begun`` is its first part."""
        if not (self.verbosity and self.shows_messages):
            return
        if begun in self._later or begun not in {self._unfinished, self._newest}:
            # Others were begun meanwhile: the whole line says which one this is.
            self._finish()
            self._put(self.out, begun)
            self._write(self.out, self._later.pop(begun, ""))
            self._newest = ""
        elif not begun or begun != self._unfinished:
            # Another line has interrupted it.
            self.raw(text.strip())
            return
        self._put(self.out, text, end="\n")
        self._unfinished = ""

    def pass_on(self, stream: TextIO, text: str) -> None:
        """Write finished lines of another object to one of the two streams."""
        if text:
            self._write(stream, text)

    def redacted(self, text: str) -> str:
        """Return text with all secrets replaced."""
        for secret in self._hidden:
            text = text.replace(secret, "*")
        return text

    def _finish(self) -> None:
        if self._unfinished:
            self._write(self.out, "\n")
            self._unfinished = ""

    def _print(self, stream: TextIO, text: str) -> None:
        self._finish()
        self._put(stream, text, end="\n")

    def _put(self, stream: TextIO, text: str, *, end: str = "") -> None:
        """Write a line or part of one, escaped. All text from outside passes here."""
        self._write(stream, f"{escape(text)}{end}")

    def _write(self, stream: TextIO, text: str) -> None:
        """Write, or note why that failed: output must never stop mail.

        The first lost line is reported on the other stream, and in this one as soon as it can be
        written again.
        """
        trouble, self.trouble = self.trouble, written(stream, text, wait=self._patient)
        if trouble and not self.trouble:
            written(stream, self._about_loss(f"lines were lost here: {trouble}"), wait=False)
        other = self.err if stream is self.out else self.out
        if self.trouble not in ("", trouble, GONE) and other is not stream:
            written(other, self._about_loss(f"lines are lost: {self.trouble}"), wait=False)

    def _about_loss(self, text: str) -> str:
        """Return the line that reports lost lines."""
        return f"{self.program}: {text}\n"


class LinesOfPoll(Lines):
    """The lines of one poll, written by other lines. They also count what the poll does.

    Its secrets are known here only: they are forgotten with the poll, and the lines of other polls
    are not searched for them.
    """

    def __init__(self, lines: Lines, account: str) -> None:
        super().__init__(lines.verbosity, lines.out, lines.err, lines.program)
        self.counts = PollCounts()
        self.words = ""
        """The last error, without secrets."""
        self._lines = lines
        self._account = account

    def of(self, account: str) -> LinesOfPoll:
        """Return the lines of one poll."""
        return self._lines.of(account)

    def take(self) -> tuple[str, PollCounts]:
        """Return the last error and the counts, and begin again, for the next poll."""
        taken = self.words, self.counts
        self.words, self.counts = "", PollCounts()
        return taken

    def say(self, text: str, account: str = "", code: str = "") -> None:
        """Print a line of progress, unless silent."""
        self._lines.say(text, account or self._account, code)

    def detail(self, text: str, account: str = "") -> None:
        """Print a line if the user asked for details."""
        if self.verbosity > 1:
            self._lines.detail(self.redacted(text), account or self._account)

    def complain(self, text: str, account: str = "", code: str = "") -> None:
        """Print an error, silent or not."""
        self.words = self.redacted(text)
        self._lines.complain(self.words, account or self._account, code)

    def warn(self, text: str) -> None:
        """Print a warning about something that several accounts may share, such as a file."""
        self._lines.complain(self.redacted(text))

    def record(self, facts: Mapping[str, object]) -> None:
        """Write a record of a message or a poll, with the name of the entry."""
        safe = {
            name: self.redacted(value) if isinstance(value, str) else value
            for name, value in facts.items()
        }
        self._lines.record({**safe, "account": self._account})

    def note(self, event: Event, account: str = "") -> None:
        """Count a message that was read; let the other lines take note of what a flow reports."""
        if isinstance(event, Handled):
            self.counts.add(event.size, event.outcome.verdict, spam=event.fate is Fate.DISCARD)
        self._lines.note(event, account or self._account)

    def counter(self, account: str) -> Callable[[int], None] | None:
        """Return what is called with the octets of messages that arrive, if anything is."""
        return self._lines.counter(account or self._account)

    def closing(self, counts: PollCounts, account: str = "") -> str:
        """Return a line about a poll that is over; "" for none."""
        return self._lines.closing(counts, account or self._account)

    def raw(self, text: str, account: str = "") -> None:
        """Print a line without prefix, unless silent."""
        self._lines.raw(text, account or self._account)

    def begin(self, text: str) -> None:
        """Print the first part of a line, unless silent."""
        self._lines.begin(text)

    def progress(self, signs: str) -> None:
        """Print some signs in a line that was begun."""
        self._lines.progress(signs)

    def end(self, begun: str, text: str, account: str = "") -> None:
        """Print the last part of a line."""
        self._lines.end(begun, text, account or self._account)


def named(text: str, account: str) -> str:
    """Return an error with the name of its account, unless it has that already."""
    if not account or account in text:
        return text
    # The name of its server is part of that of the account.
    server = account.rpartition("@")[2].partition(" ")[0]
    return f"{account}: {text.removeprefix(f'{server}: ')}"


def written(stream: TextIO, text: str, *, wait: bool = True) -> str:
    """Write at once; return why that failed, or "".

    Without ``wait`` nothing is written to a pipe that is full.
    """
    try:
        if not (wait or has_room(stream)):
            return "the reader does not read"
        try:
            stream.write(text)
        except UnicodeEncodeError:
            stream.write(text.encode("ascii", "backslashreplace").decode("ascii"))
        stream.flush()
    except BrokenPipeError:
        # A reader that has read enough (``| head``) is no error.
        return GONE
    except OSError as error:
        return error.strerror or str(error)
    except ValueError:
        return "it is closed"
    return ""


def write(stream: TextIO, text: str) -> None:
    """Write at once what the user asked for; a failure is ignored."""
    written(stream, text)


def has_room(stream: TextIO) -> bool:
    """Whether the next write does not have to wait for a reader."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError, AttributeError):
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


def program_name(argv: Sequence[str]) -> str:
    """Return the name that the program was called by: all lines begin with it, as in fetchmail.

    Programs that look for "fetchmail: ..." find it if mailhaul is called by a link of that name.
    """
    name = os.path.basename(argv[0]) if argv else ""
    return PROGRAM if name in {"", "-c", "-m", "__main__.py"} else name


def plural(count: int) -> str:
    """Return the plural ending of a noun after a number."""
    return "" if count == 1 else "s"
