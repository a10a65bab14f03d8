"""What a server is like for good, whatever else goes wrong: met in the wild, each of them.

A quirk is drawn for a scenario. ``hides`` says which texts can never arrive because of it; all
others have to, and none may be deleted unread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LIE = 7
"""Octets by which announced sizes differ from those of the texts."""
Words = Callable[[bytes], bytes]


def as_it_is(words: bytes) -> bytes:
    return words


def nothing(text: bytes) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Quirk:
    """One habit. ``says`` alters what the server says. ``refuses`` names commands that it does not
    take, and ``closes`` those at which it refuses and hangs up."""

    what: str
    says: Words = as_it_is
    refuses: frozenset[str] = frozenset()
    closes: frozenset[str] = frozenset()
    hides: Callable[[bytes], bool] = nothing


def speak_as(machine: Any, quirk: Quirk) -> None:
    """Let a server's machine say what it says in this way."""
    send = machine.data_to_send
    machine.data_to_send = lambda: [quirk.says(words) for words in send()]


def lie_about_sizes(words: bytes) -> bytes:
    """Announce more octets than there are (Exchange)."""
    return re.sub(rb"RFC822\.SIZE (\d+)", lambda m: b"RFC822.SIZE %d" % (int(m[1]) + LIE), words)


def pad_with_blanks(words: bytes) -> bytes:
    """Put blanks where one is enough (DavMail)."""
    return re.sub(rb"(?m)^\* (\d+) (EXISTS|EXPUNGE)", rb"*  \1  \2", words)


def tell_no_count(words: bytes) -> bytes:
    """Leave EXISTS out."""
    return re.sub(rb"(?m)^\* \d+ EXISTS\r\n", b"", words)


def put_empty_lines(words: bytes) -> bytes:
    """Put empty lines before tagged replies."""
    return re.sub(rb"(?m)^(A\d+ (?:OK|NO))", rb"\r\n\1", words)


def stuff_no_dots(words: bytes) -> bytes:
    """Send a line that is a dot as it is: the text seems to end there."""
    return words.replace(b"\r\n..\r\n", b"\r\n.\r\n")


def has_dot_line(text: bytes) -> bool:
    return b"\r\n.\r\n" in text


IMAP = {
    "sizes that lie": Quirk("RFC822.SIZE is not that of the text", lie_about_sizes),
    "blanks": Quirk("two blanks in untagged replies", pad_with_blanks),
    "no EXISTS": Quirk("SELECT tells no number of messages", tell_no_count),
    "empty lines": Quirk("an empty line before tagged replies", put_empty_lines),
    "no UID EXPUNGE": Quirk(
        "UIDPLUS is announced, and UID EXPUNGE refused", refuses=frozenset({"UidExpunge"})
    ),
    "no SEARCH": Quirk("SEARCH is refused", refuses=frozenset({"UidSearch"})),
}
POP3 = {
    "TOP cut": Quirk("TOP gives the header, whatever is asked for"),
    "dots not stuffed": Quirk("a dot line ends the text", stuff_no_dots, hides=has_dot_line),
    "EXPIRE 0": Quirk("what was asked for by RETR is gone with QUIT, and there is no TOP"),
    "no CAPA": Quirk("CAPA is refused, and the line closed", closes=frozenset({"Capa"})),
    "a number without id": Quirk("UIDL names no id for one message"),
}
"""Texts that no second line of these ends too early cannot be told from whole ones."""
QUIRKS = {"imap": IMAP, "pop3": POP3}
