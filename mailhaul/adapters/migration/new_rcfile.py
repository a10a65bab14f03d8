"""The text of an rc file that is made from the configuration of another program.

Each translator returns a Translation: entries, and notes on what could not be translated, with file
and line. An entry that would deliver elsewhere than the other program did is written as ``skip``,
so that it is not polled before somebody has completed it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence

from ...protocols.record import Record
from ...protocols.secret import Secret
from ..config.errors import printable
from ..config.sanity import fault_of_path
from ..config.writer import quote
from ..ledger.names import is_loopback

CLEAR, STARTTLS, WRAPPED = "clear", "starttls", "wrapped"
"""How the other program encrypted the connection."""
MAX_NUMBER = 2**31 - 1
MAX_PORT = 65535
WAS_CLEAR = (
    "the connection was not encrypted; now STARTTLS is used if the server offers it, and the "
    "server's certificate must be valid"
)
UNVERIFIED = (
    "the server's certificate was not verified; now it is (sslcertfile names other authorities)"
)


class Untranslatable(Exception):
    """The file cannot be read as the configuration of that program. ``str()`` has file and line."""

    def __init__(self, path: str, line: int, problem: str) -> None:
        super().__init__(f"{path}:{line}: {problem}")


class Note(Record):
    """Something that was not translated, or means something else from now on."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return printable(f"{self.path}:{self.line}: {self.text}")


class NewEntry:
    """One entry of the new file: a server and a user.

    ``first`` is the line of the other file where the account begins.
    """

    def __init__(self, host: str, protocol: str, first: int) -> None:
        self.host = host
        self.protocol = protocol
        self.first = first
        self.server: list[str] = []
        self.user: list[str] = []
        self.name = ""
        self.password: Secret | None = None
        self.password_line = 0
        self.sink = ""
        self.recipient = ""
        self.skipped = False

    def set_tls(self, how: str) -> bool:
        """Write how the connection is encrypted; return whether it may now be, and was not."""
        if how == WRAPPED:
            self.user.append("ssl")
        elif how == STARTTLS:
            self.user.append('sslmode "starttls=must"')
        elif is_loopback(self.host):
            self.user.append('sslmode "none"')
        else:
            self.user.append('sslmode "starttls=may"')
            return True
        return False

    def lines(self, *, with_password: bool) -> Iterable[str]:
        """Yield the lines of the entry."""
        begin = "poll" if self.sink and self.name and not self.skipped else "skip"
        yield " ".join([begin, quote(self.host), "protocol", self.protocol, *self.server])
        to = f" to {self.recipient}" if self.recipient else ""
        if self.name:
            yield f"    user {quote(self.name)}{to}"
        if self.password is not None and with_password:
            text = self.password.reveal().decode("utf-8", "surrogateescape")
            yield f"    password {quote(text)}"
        yield from (f"    {option}" for option in self.user)
        if self.sink:
            yield f"    {self.sink}"


class Translation:
    """The entries and the notes that are made of one file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.globals: list[str] = []
        self.entries: list[NewEntry] = []
        self.notes: list[Note] = []

    def note(self, line: int, text: str) -> None:
        """Add a note, once."""
        note = Note(self.path, line, text)
        if note not in self.notes:
            self.notes.append(note)

    def fail(self, line: int, problem: str) -> Untranslatable:
        """Return the exception for a line that is wrong in the other program as well."""
        return Untranslatable(self.path, line, problem)

    def close(self) -> None:
        """Check that each entry has all that it needs, and put the notes in order."""
        for entry in self.entries:
            if not entry.name:
                self.note(
                    entry.first,
                    f'{entry.host}: there is no user: the entry is written as "skip"; add the user '
                    'and write "poll"',
                )
            if not entry.sink:
                self.note(
                    entry.first,
                    f"{entry.host}: where mail goes is not translated: the entry is written as "
                    '"skip"; add a sink and write "poll"',
                )
        self.notes.sort(key=lambda note: note.line)


def rcfile_text(
    translations: Sequence[Translation], program: str, *, with_passwords: bool
) -> tuple[str, Sequence[Note]]:
    """Return the text of the new rc file, and all notes, which are in it as comments too.

    Without passwords there is a note for each one that is left out.
    """
    lines = [f"# Made by: mailhaul import rc {program}"]
    notes: list[Note] = []
    for made in translations:
        left_out = [
            Note(made.path, one.password_line, "the password is not copied to standard output")
            for one in made.entries
            if one.password is not None and not with_passwords
        ]
        # Several entries may be for one account.
        notes += [
            *made.notes,
            *(note for at, note in enumerate(left_out) if note not in left_out[:at]),
        ]
    if notes:
        lines += ["# Not translated, or different from now on:", *(f"#   {note}" for note in notes)]
    for line in dict.fromkeys(line for made in translations for line in made.globals):
        lines += ["", line]
    for made in translations:
        for entry in made.entries:
            lines += ["", f"# {printable(made.path)}:{entry.first}"]
            lines += entry.lines(with_password=with_passwords)
    return "\n".join(lines) + "\n", notes


def whole_number(text: str, most: int = MAX_NUMBER) -> int | None:
    """Return a number that an rc file may have, or None."""
    valid = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    return int(text) if valid and int(text) <= most else None


def decoded(data: bytes, path: str) -> str:
    """Return the text of a file of another program. Raises Untranslatable for a NUL."""
    if (nul := data.find(b"\0")) >= 0:
        raise Untranslatable(path, data.count(b"\n", 0, nul) + 1, "the file contains a NUL")
    return data.decode("utf-8", "surrogateescape")


def command_line(words: Sequence[str], placeholders: Mapping[str, str] | None = None) -> str:
    """Return a command for a shell. ``placeholders`` map texts of the other program to ours.

    A word that is nothing but a placeholder becomes ours without quotes: mailhaul quotes the value.
    """
    known = placeholders or {}
    return " ".join(known[word] if word in known else shlex.quote(word) for word in words)


def in_home(path: str, home: str) -> str:
    """Return a path with ``~`` replaced: a word that options for other files do not know."""
    if path == "~" or path.startswith("~/"):
        return os.path.join(home, path[2:])
    return os.path.expanduser(path)


def folder_sink(word: str, path: str, home: str) -> str:
    """Return the sink for a Maildir or a mailbox file; "" for a path that is not allowed here."""
    path = path if path.startswith("~/") else in_home(path, home)
    return "" if fault_of_path(in_home(path, home)) else f"{word} {quote(path)}"
