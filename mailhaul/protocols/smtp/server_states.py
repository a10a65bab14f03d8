"""The states of an SMTP or LMTP server, and the commands allowed in each (RFC 5321, 4.1.4).

The inputs are commands received and replies sent. A command without a transition in the current
state is refused with 503.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..sasl.exchange import Authenticate
from ..transitions import Table
from .commands import (
    Data,
    Ehlo,
    Etrn,
    Expn,
    Helo,
    Help,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Vrfy,
)


class Dialogue(Protocol):
    """The inputs of an SMTP server."""

    def welcomed(self) -> None:
        """The server sent a 220 greeting."""

    def turned_away(self) -> None:
        """The server sent any other greeting."""

    def introduction_heard(self) -> None:
        """The client sent EHLO, LHLO or HELO."""

    def introduced(self) -> None:
        """The server accepted EHLO, LHLO or HELO."""

    def start_tls_heard(self) -> None:
        """The client sent STARTTLS."""

    def tls_granted(self) -> None:
        """The server replied 220 to STARTTLS."""

    def tls_started(self) -> None:
        """The TLS handshake succeeded."""

    def mail_heard(self) -> None:
        """The client sent MAIL."""

    def mail_taken(self) -> None:
        """The server accepted the sender."""

    def rcpt_heard(self) -> None:
        """The client sent RCPT."""

    def rcpt_taken(self) -> None:
        """The server accepted a recipient."""

    def data_heard(self) -> None:
        """The client sent DATA."""

    def data_granted(self) -> None:
        """The server replied 354 to DATA."""

    def text_over(self) -> None:
        """The client sent the final dot or the last chunk."""

    def bdat_heard(self) -> None:
        """The client sent BDAT."""

    def chunk_refused(self) -> None:
        """The server refused a chunk other than the last one, so the message is lost."""

    def auth_heard(self) -> None:
        """The client sent AUTH."""

    def rset_heard(self) -> None:
        """The client sent RSET."""

    def noop_heard(self) -> None:
        """The client sent NOOP, VRFY, EXPN, HELP or ETRN."""

    def quit_heard(self) -> None:
        """The client sent QUIT."""


table = Table(Dialogue)

greeting = table.state("greeting")
start = table.state("start")
ready = table.state("ready")
tls_handover = table.state("tls-handover")
sender = table.state("sender")
recipients = table.state("recipients")
body = table.state("body")
chunking = table.state("chunking")
parting = table.state("parting")

table.move(greeting, Dialogue.welcomed, start)
table.move(greeting, Dialogue.turned_away, parting)

# EHLO in any state restarts the session and aborts the transaction (4.1.4).
for place in (start, ready, sender, recipients, chunking):
    table.move(place, Dialogue.introduction_heard, start)
    table.move(place, Dialogue.noop_heard, place)
    table.move(place, Dialogue.quit_heard, parting)
table.move(start, Dialogue.introduced, ready)
table.move(start, Dialogue.rset_heard, start)
for place in (ready, sender, recipients, chunking):
    table.move(place, Dialogue.rset_heard, ready)

for place in (start, ready):
    table.move(place, Dialogue.start_tls_heard, place)
    table.move(place, Dialogue.tls_granted, tls_handover)
table.move(tls_handover, Dialogue.tls_started, start)

table.move(ready, Dialogue.auth_heard, ready)
table.move(ready, Dialogue.mail_heard, ready)
table.move(ready, Dialogue.mail_taken, sender)
for place in (sender, recipients):
    table.move(place, Dialogue.rcpt_heard, place)
    table.move(place, Dialogue.rcpt_taken, recipients)
table.move(recipients, Dialogue.data_heard, recipients)
table.move(recipients, Dialogue.data_granted, body)
table.move(body, Dialogue.text_over, ready)
# After the first chunk, only more chunks can continue the transaction (RFC 3030, section 2).
for place in (recipients, chunking):
    table.move(place, Dialogue.bdat_heard, chunking)
table.move(chunking, Dialogue.text_over, ready)
table.move(chunking, Dialogue.chunk_refused, ready)

# After a greeting of 554 every command but QUIT gets 503 (3.1).
table.move(parting, Dialogue.quit_heard, parting)

HEARD: dict[type, Callable[[Dialogue], None]] = {
    **dict.fromkeys((Ehlo, Helo), Dialogue.introduction_heard),
    StartTls: Dialogue.start_tls_heard,
    Authenticate: Dialogue.auth_heard,
    Mail: Dialogue.mail_heard,
    Rcpt: Dialogue.rcpt_heard,
    Data: Dialogue.data_heard,
    Rset: Dialogue.rset_heard,
    **dict.fromkeys((Noop, Etrn, Vrfy, Expn, Help), Dialogue.noop_heard),
    Quit: Dialogue.quit_heard,
}
"""The input for each command received. For BDAT it is ``bdat_heard``, before its octets."""
TAKEN: dict[type, Callable[[Dialogue], None]] = {
    Mail: Dialogue.mail_taken,
    Rcpt: Dialogue.rcpt_taken,
}
"""The input for a 2xx reply to each of these commands."""
