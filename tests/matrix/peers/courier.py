"""Courier: IMAP and POP3."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.real.servers.courier import Courier

from ..trials import USERS, Trial, accounts
from .place import Place
from .versions import package_label


@contextmanager
def courier(place: Place) -> Generator[list[Trial]]:
    """Yield the trials."""
    server = Courier(place.folder / "courier", place.certificates.good, USERS)
    label = package_label("Courier", "courier", "courier-imap")
    common = [*accounts(place.folder), *place.trust]
    mail = ["--mail", f"maildir:{server.mail}/%u/Maildir"]
    with server.running():
        yield [
            Trial("courier-imap", label, "imap", [f"localhost:{server.imap_port}", *common]),
            Trial("courier-pop3", label, "pop3", [f"localhost:{server.pop3_port}", *common, *mail]),
        ]
