"""The kinds of poll, in one table: protocol, ports, and whether a password is necessary."""

from __future__ import annotations

from typing import Final


class PollKind:
    """One kind of poll. ``family`` is the protocol on the connection: imap, pop3 or smtp.

    ``port`` and ``tls_port`` are the well-known ports, without TLS and with TLS from the first
    byte. ``collects`` means that mail is fetched; ETRN only asks the server to send it.
    ``needs_password`` means that the poll includes a login.
    """

    __slots__ = ("collects", "family", "needs_password", "port", "tls_port")

    def __init__(
        self,
        family: str,
        port: int,
        tls_port: int,
        *,
        collects: bool = True,
        needs_password: bool = True,
    ) -> None:
        self.family = family
        self.port = port
        self.tls_port = tls_port
        self.collects = collects
        self.needs_password = needs_password


IMAP: Final = PollKind("imap", 143, 993)
POP3: Final = PollKind("pop3", 110, 995)
ETRN: Final = PollKind("smtp", 25, 25, collects=False, needs_password=False)

KINDS: Final = {"imap": IMAP, "auto": IMAP, "etrn": ETRN}
"""The kind of poll for a value of ``protocol``. All other values are variants of POP3."""


def poll_kind(protocol: str) -> PollKind:
    """Return the kind of poll for a value of ``protocol``."""
    return KINDS.get(protocol, POP3)
