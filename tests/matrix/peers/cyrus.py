"""Cyrus: IMAP and POP3."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.real.servers.cyrus import Cyrus

from ..trials import HOME, PASSWORD, USERS, Trial, accounts
from .place import Place
from .versions import package_label


@contextmanager
def cyrus(place: Place) -> Generator[list[Trial]]:
    """Yield the trials. The mail of POP3 is filled by IMAP, for the store is Cyrus's own."""
    server = Cyrus(place.folder / "cyrus", place.certificates.good, USERS, PASSWORD)
    label = package_label("Cyrus", "cyrus", "cyrus-imapd")
    common = [*accounts(place.folder), *place.trust]
    imap = ["--mail", f"command:{filler(place.folder, server.imap_port)}"]
    with server.running():
        yield [
            Trial("cyrus-imap", label, "imap", [f"localhost:{server.imap_port}", *common]),
            Trial("cyrus-pop3", label, "pop3", [f"localhost:{server.pop3_port}", *common, *imap]),
        ]


def filler(folder: Path, port: int) -> str:
    """Return the command that fills a mailbox by IMAP."""
    script = HOME / "tests" / "matrix" / "mail_by_imap.py"
    return shlex.join([sys.executable, str(script), str(port), str(folder / "password")])
