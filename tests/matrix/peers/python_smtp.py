"""aiosmtpd: SMTP with STARTTLS and AUTH, and LMTP."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.conformance.smtp_server import TRACE
from tests.real.servers.maildir import Maildir
from tests.real.servers.process import free_ports

from ..trials import PASSWORD, USERS, Trial, accounts, addresses
from .place import Place
from .versions import python_label


class Scheduler:
    """What aiosmtpd calls: it delivers to a Maildir for each user, and knows no others.

    The library leaves the trace fields to its handler.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse recipients that are unknown."""
        if address.partition("@")[0].lower() not in (*USERS, "postmaster"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Deliver a message."""
        assert isinstance(envelope.content, bytes)
        trace = TRACE.replace(b"%b", (envelope.mail_from or "").encode())
        for address in envelope.rcpt_tos:
            box = Maildir(self._folder / address.partition("@")[0].lower())
            box.deliver(trace + envelope.content)
        return "\r\n".join("250 2.0.0 kept" for _ in envelope.rcpt_tos[: self._replies(server)])

    def _replies(self, server: SMTP) -> int:
        return 1 if not isinstance(server, LMTP) else 1_000


def log_in(server: SMTP, session: Session, envelope: Envelope, how: str, data: Any) -> AuthResult:
    """Accept the first user."""
    known = (USERS[0].encode(), PASSWORD.encode())
    good = isinstance(data, LoginPassword) and (data.login, data.password) == known
    return AuthResult(success=good, handled=False)


class LmtpController(Controller):
    """A controller for LMTP."""

    def factory(self) -> SMTP:
        """Return the server of one connection."""
        return LMTP(self.handler, **self.SMTP_kwargs)


@contextmanager
def aiosmtpd(place: Place) -> Generator[list[Trial]]:
    """Yield the trials."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    good = place.certificates.good
    context.load_cert_chain(good.chain, good.key)
    folder = place.folder / "aiosmtpd"
    smtp_port, lmtp_port = free_ports(2)
    options: dict[str, Any] = {"hostname": "127.0.0.1", "tls_context": context}
    smtp = Controller(
        *(Scheduler(folder),),
        port=smtp_port,
        authenticator=log_in,
        auth_require_tls=False,
        enable_SMTPUTF8=True,
        **options,
    )
    lmtp = LmtpController(Scheduler(folder), port=lmtp_port, **options)
    label = python_label("aiosmtpd", "aiosmtpd")
    common = [*accounts(place.folder), *addresses(), *place.trust]
    common += ["--mail", f"maildir:{folder}/%n"]
    # It reports what the cases do to it.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
    smtp.start()
    lmtp.start()
    try:
        yield [
            Trial("aiosmtpd", label, "smtp", [f"localhost:{smtp_port}", *common]),
            Trial("aiosmtpd-lmtp", label, "lmtp", [f"localhost:{lmtp_port}", *common]),
        ]
    finally:
        smtp.stop()
        lmtp.stop()
