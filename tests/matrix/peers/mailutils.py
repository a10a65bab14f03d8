"""GNU Mailutils: imap4d and pop3d, a process for each connection."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from contextlib import contextmanager

from tests.real.servers.mailutils import Mailutils

from ..trials import Trial, accounts
from .place import Place
from .versions import package_label


@contextmanager
def mailutils(place: Place) -> Generator[list[Trial]]:
    """Yield the trials of both servers."""
    server = Mailutils(place.folder / "mailutils")
    users = accounts(place.folder, server.new_user(), server.new_user())
    label = package_label("Mailutils", "mailutils-imap4d")
    mail = ["--mail", f"maildir:{place.folder}/mailutils/home/%n/INBOX"]
    imap, pop3 = (shlex.join(argv) for argv in (server.imap4d_argv, server.pop3d_argv))
    yield [
        Trial("mailutils-imap", label, "imap", ["--command", imap, *users]),
        Trial("mailutils-pop3", label, "pop3", ["--command", pop3, *users, *mail]),
    ]
