"""The states of an SMTP or LMTP client, and what may be sent in each (RFC 5321, 4.1.4).

The states describe what was sent. With pipelining, replies arrive when the client has already sent
more, so most replies do not change the state; client.py matches them to their commands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..sasl.exchange import Authenticate
from ..transitions import Table
from .commands import (
    Bdat,
    Data,
    Ehlo,
    EndOfData,
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
    """The inputs of an SMTP client."""

    def welcomed(self) -> None:
        """The server sent a 220 greeting."""

    def turned_away(self) -> None:
        """The server sent any other greeting."""

    def introduction_sent(self) -> None:
        """The client sent EHLO, LHLO or HELO."""

    def introduced(self) -> None:
        """The server accepted EHLO, LHLO or HELO."""

    def not_introduced(self) -> None:
        """The server refused EHLO, LHLO or HELO."""

    def start_tls_sent(self) -> None:
        """The client sent STARTTLS."""

    def tls_granted(self) -> None:
        """The server replied 220 to STARTTLS."""

    def tls_refused(self) -> None:
        """The server refused STARTTLS."""

    def tls_started(self) -> None:
        """The TLS handshake succeeded."""

    def auth_sent(self) -> None:
        """The client sent AUTH."""

    def auth_over(self) -> None:
        """The server accepted or refused the authentication."""

    def etrn_sent(self) -> None:
        """The client sent ETRN."""

    def mail_sent(self) -> None:
        """The client sent MAIL."""

    def mail_refused(self) -> None:
        """The server refused the MAIL of the current transaction."""

    def rcpt_sent(self) -> None:
        """The client sent RCPT."""

    def data_sent(self) -> None:
        """The client sent DATA."""

    def envelope_sent(self) -> None:
        """The client sent MAIL, RCPT and DATA in one group."""

    def text_granted(self) -> None:
        """The server replied 354 to DATA, and accepted at least one recipient."""

    def empty_text_granted(self) -> None:
        """354, although the sender or every recipient was refused (RFC 2920, 3.1)."""

    def data_refused(self) -> None:
        """The server refused DATA; the transaction is still open."""

    def all_refused(self) -> None:
        """The server refused both MAIL and DATA, so there is no transaction."""

    def bdat_sent(self) -> None:
        """The client sent BDAT."""

    def chunk_over(self) -> None:
        """All octets of a chunk were sent, and it is not the last one."""

    def last_chunk_over(self) -> None:
        """All octets of the last chunk were sent."""

    def dot_sent(self) -> None:
        """The client sent the final dot."""

    def lone_dot_answered(self) -> None:
        """The server replied to the final dot of an empty text."""

    def text_cut_short(self) -> None:
        """The server refused the message before the final dot was sent."""

    def rset_sent(self) -> None:
        """The client sent RSET."""

    def noop_sent(self) -> None:
        """The client sent NOOP, VRFY, EXPN or HELP."""

    def quit_sent(self) -> None:
        """The client sent QUIT."""

    def quit_answered(self) -> None:
        """The server replied to QUIT."""

    def going_away(self) -> None:
        """The server sent 421: it is about to close the connection (RFC 5321, 3.8)."""

    def ended(self) -> None:
        """The server closed the connection."""


table = Table(Dialogue)

greeting = table.state("greeting")
start = table.state("start")
introducing = table.state("introducing")
ready = table.state("ready")
tls_pending = table.state("tls-pending")
tls_handover = table.state("tls-handover")
authenticating = table.state("authenticating")
envelope = table.state("envelope")
chunk = table.state("chunk")
chunking = table.state("chunking")
data_pending = table.state("data-pending")
body = table.state("body")
lone_dot = table.state("lone-dot")
lone_dot_pending = table.state("lone-dot-pending")
cut_short = table.state("cut-short")
parting = table.state("parting")
quitting = table.state("quitting")
done = table.state("done")
closed = table.state("closed")

table.move(greeting, Dialogue.welcomed, start)
table.move(greeting, Dialogue.turned_away, parting)

table.move(start, Dialogue.introduction_sent, introducing)
table.move(start, Dialogue.quit_sent, quitting)
table.move(introducing, Dialogue.introduced, ready)
table.move(introducing, Dialogue.not_introduced, start)

table.move(ready, Dialogue.introduction_sent, introducing)
table.move(ready, Dialogue.start_tls_sent, tls_pending)
table.move(ready, Dialogue.auth_sent, authenticating)
table.move(ready, Dialogue.etrn_sent, ready)
table.move(ready, Dialogue.mail_sent, envelope)
table.move(ready, Dialogue.envelope_sent, data_pending)
table.move(ready, Dialogue.rset_sent, ready)
table.move(ready, Dialogue.noop_sent, ready)
table.move(ready, Dialogue.quit_sent, quitting)

table.move(tls_pending, Dialogue.tls_granted, tls_handover)
table.move(tls_pending, Dialogue.tls_refused, ready)

# Everything known from before TLS is discarded (RFC 3207, section 4.2).
table.move(tls_handover, Dialogue.tls_started, start)

table.move(authenticating, Dialogue.auth_over, ready)

table.move(envelope, Dialogue.rcpt_sent, envelope)
table.move(envelope, Dialogue.bdat_sent, chunk)
table.move(envelope, Dialogue.data_sent, data_pending)
table.move(envelope, Dialogue.mail_refused, ready)
table.move(envelope, Dialogue.rset_sent, ready)
table.move(envelope, Dialogue.noop_sent, envelope)
table.move(envelope, Dialogue.quit_sent, quitting)

# The announced octets must be sent, even if a reply arrives meanwhile.
table.move(chunk, Dialogue.chunk_over, chunking)
table.move(chunk, Dialogue.last_chunk_over, ready)
table.move(chunking, Dialogue.bdat_sent, chunk)
table.move(chunking, Dialogue.rset_sent, ready)
table.move(chunking, Dialogue.noop_sent, chunking)
table.move(chunking, Dialogue.quit_sent, quitting)

table.move(data_pending, Dialogue.mail_refused, data_pending)
table.move(data_pending, Dialogue.text_granted, body)
table.move(data_pending, Dialogue.empty_text_granted, lone_dot)
table.move(data_pending, Dialogue.data_refused, envelope)
table.move(data_pending, Dialogue.all_refused, ready)

table.move(body, Dialogue.dot_sent, ready)
table.move(body, Dialogue.text_cut_short, cut_short)
table.move(lone_dot, Dialogue.dot_sent, lone_dot_pending)
table.move(lone_dot, Dialogue.text_cut_short, cut_short)
table.move(lone_dot_pending, Dialogue.lone_dot_answered, ready)

for place in (start, ready, authenticating, envelope, chunking, data_pending, parting):
    table.move(place, Dialogue.going_away, parting)
table.move(parting, Dialogue.auth_over, parting)
table.move(parting, Dialogue.mail_refused, parting)
table.move(parting, Dialogue.data_refused, parting)
table.move(parting, Dialogue.all_refused, parting)
table.move(parting, Dialogue.quit_sent, quitting)
table.move(quitting, Dialogue.going_away, quitting)
table.move(quitting, Dialogue.quit_answered, done)
table.move(done, Dialogue.going_away, done)

for place in (start, ready, cut_short, parting, done):
    table.move(place, Dialogue.ended, closed)

SENT: dict[type, Callable[[Dialogue], None]] = {
    **dict.fromkeys((Ehlo, Helo), Dialogue.introduction_sent),
    StartTls: Dialogue.start_tls_sent,
    Authenticate: Dialogue.auth_sent,
    Mail: Dialogue.mail_sent,
    Rcpt: Dialogue.rcpt_sent,
    Data: Dialogue.data_sent,
    EndOfData: Dialogue.dot_sent,
    Bdat: Dialogue.bdat_sent,
    Etrn: Dialogue.etrn_sent,
    Rset: Dialogue.rset_sent,
    **dict.fromkeys((Noop, Vrfy, Expn, Help), Dialogue.noop_sent),
    Quit: Dialogue.quit_sent,
}
"""The input for each command sent."""
