"""What is common to programs that keep two sides equal: mbsync and OfflineIMAP.

mailhaul collects and sends nothing back. So an entry is written as ``poll`` only where the other
program did no more than that, and stored the mail at the same place. Neither of them marks what it
reads, and both decide by lists of their own what is new, hence ``leave-unread``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ..config.writer import quote
from .new_rcfile import NewEntry, Translation

INBOX: Final = "INBOX"
METHODS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("*", "plain", "login"), ""),
    "cram-md5": "cram-md5",
    "external": "external",
    "xoauth2": "xoauth2",
    "oauthbearer": "oauthbearer",
}
"""Methods of login by their names in SASL: "" if the best one is chosen here too."""
SIMPLE_COMMAND: Final = re.compile(r"[\w@+=:,./ -]+", re.ASCII)
"""A command that means the same without a shell."""


def has_wildcard(name: str) -> bool:
    """Whether a name stands for several mailboxes, here or there."""
    return "*" in name or "%" in name or name.startswith("\\")


def note_state(made: Translation, program: str) -> None:
    """Note what is different for all entries. The state of the other program is not read."""
    made.note(
        1,
        f"what {program} has fetched is not taken over: in the first poll, mail that is read on "
        "the server counts as fetched, and mail that is unread there is fetched again",
    )
    made.note(
        1,
        f"do not let {program} use these Maildirs any more: it would store what mailhaul delivers "
        "on the server",
    )


def set_aside(entry: NewEntry, made: Translation, line: int, why: str) -> None:
    """Write an entry as ``skip``, since a poll would do something else than the other program."""
    entry.skipped = True
    made.note(line, f'{why}: the entry is written as "skip"; write "poll" if you want that')


def set_method(entry: NewEntry, made: Translation, line: int, methods: Sequence[str]) -> None:
    """Write the method of login. Of several the best one is chosen, as always."""
    known = {METHODS.get(method.lower()) for method in methods}
    if None in known or len(known) > 1:
        names = ", ".join(methods)
        made.note(line, f"the methods of login ({names}) are not translated: the best is chosen")
    elif method := "".join(filter(None, known)):
        entry.server.append(f"auth {method}")


def set_command(entry: NewEntry, made: Translation, line: int, command: str) -> None:
    """Write the command that connects to the server."""
    if SIMPLE_COMMAND.fullmatch(command):
        entry.server.append(f"plugin {quote(command)}")
    else:
        set_aside(entry, made, line, "a command for a shell is no plugin; put it into a script")


def set_folders(entry: NewEntry, folders: Sequence[str]) -> None:
    """Write the mailboxes, unless it is INBOX alone."""
    if [one.upper() for one in folders] != [INBOX]:
        entry.user.append(f"folder {' '.join(map(quote, folders))}")
