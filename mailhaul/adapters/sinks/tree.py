"""Where a mailbox is stored if a sink keeps the tree of folders (``keep-tree``).

A Maildir has its folders beside each other, as Maildir++ has them: ``Lists/Python`` is stored in
``.Lists.Python``. On another IMAP server the levels are those of that server. Names of mailboxes
come from the server, so no name may lead to another place, and no two may lead to the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from ... import imap
from ...flows.channel import Channel
from .imap_find import execute

INBOX = b"INBOX"
MAX_NAME = 200
"""Octets of the name of a folder; a file name has 255 at most."""
EMPTY = rb"\00"
"""Stands for a level without a name."""


def escape(level: bytes, unsafe: Callable[[int], bool]) -> bytes:
    """Return a level in which unsafe octets and backslashes are written as ``\\2e``."""
    pieces = [
        rb"\%02x" % octet if octet == 0x5C or unsafe(octet) else bytes([octet]) for octet in level
    ]
    return b"".join(pieces) or EMPTY


def folder_in_maildir(maildir: str, levels: tuple[bytes, ...]) -> str:
    """Return the folder of a mailbox; INBOX is the Maildir itself.

    Names stay in modified UTF-7, as mail readers expect them. A dot in a level would begin another
    level, so it is escaped, as are slashes and everything that is not printable ASCII.
    """
    if levels == (INBOX,):
        return maildir
    safe = [
        escape(level, lambda octet: not 0x20 <= octet < 0x7F or octet in b"./") for level in levels
    ]
    name = b"." + b".".join(safe)
    if len(name) > MAX_NAME:
        from hashlib import blake2b  # names are seldom so long

        digest = blake2b(name, digest_size=12).hexdigest().encode("ascii")
        # In a name that is not shortened, two hexadecimal digits follow each backslash.
        name = name[:MAX_NAME].rstrip(b"\\") + rb"\z" + digest
    return os.path.join(maildir, name.decode("ascii"))


async def mailbox_below(
    channel: Channel[imap.Client], timeout: float, mailbox: bytes, levels: tuple[bytes, ...]
) -> bytes:
    """Return the mailbox for these levels: INBOX is ``mailbox``, others are below it.

    If ``mailbox`` is INBOX, they are beside it. The server is asked how it separates levels.
    """
    if levels == (INBOX,):
        return mailbox
    delimiter = b""

    def collect(event: imap.Event) -> None:
        nonlocal delimiter
        if isinstance(event, imap.Listed):
            delimiter = event.delimiter or b""

    await execute(channel, imap.ListMailboxes(b"", (b"",)), timeout, collect)
    # Where names have no levels, one has to stand for them.
    separator = delimiter or b"/"
    safe = [
        escape(level, lambda octet: octet in separator or octet < 0x20 or octet == 0x7F)
        for level in levels
    ]
    above = [] if mailbox.upper() == INBOX else [mailbox]
    return separator.join([*above, *safe])
