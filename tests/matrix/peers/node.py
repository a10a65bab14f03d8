"""Servers for Node.js: Nodemailer's smtp-server, and Hoodiecrow."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.real.servers.node import Hoodiecrow, SmtpServer, version_of

from ..trials import PASSWORD, Trial, accounts, addresses
from .place import Place


@contextmanager
def smtp_server(place: Place) -> Generator[list[Trial]]:
    """Yield the trials of SMTP and LMTP."""
    good = place.certificates.good
    label = f"smtp-server {version_of('smtp-server')}"
    common = [*accounts(place.folder), *addresses(), *place.trust]
    smtp = SmtpServer(place.folder / "smtp", good, PASSWORD)
    lmtp = SmtpServer(place.folder / "lmtp", good, PASSWORD, lmtp=True)
    with smtp.running(), lmtp.running():
        yield [
            Trial(
                *(name, label, suite),
                [f"localhost:{one.port}", *common, "--mail", f"maildir:{one.folder}/mail/%n"],
            )
            for name, suite, one in (
                ("smtp-server", "smtp", smtp),
                ("smtp-server-lmtp", "lmtp", lmtp),
            )
        ]


@contextmanager
def hoodiecrow(place: Place) -> Generator[list[Trial]]:
    """Yield the trial."""
    server = Hoodiecrow(place.folder / "hoodiecrow", PASSWORD)
    label = f"Hoodiecrow {version_of('hoodiecrow-imap')}"
    words = [f"localhost:{server.port}", *accounts(place.folder), "--no-verify"]
    with server.running():
        yield [Trial("hoodiecrow", label, "imap", words)]
