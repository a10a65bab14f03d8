"""The states of a POP3 client, and the commands allowed in each (RFC 1939, section 3).

The inputs are commands sent and replies received. Only replies to commands that change the state
are inputs. Those commands are never pipelined, except QUIT, which comes last, and PASS right after
USER (state ``logging-in``), so the state is always known. ``SENT`` lists the commands of each
input. Rules that depend on more than the state are in client.py: what may be pipelined, and STLS,
which is allowed once. During AUTH (state ``authenticating``), Respond and CancelAuthentication
answer each challenge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..sasl.exchange import Authenticate
from ..transitions import Table
from .commands import Apop, Capa, Lang, Pass, Quit, StartTls, User, Utf8


class Dialogue(Protocol):
    """The inputs of a POP3 client."""

    def welcomed(self) -> None:
        """The server sent a +OK greeting."""

    def turned_away(self) -> None:
        """The server sent an -ERR greeting."""

    def assumed_authenticated(self) -> None:
        """The caller stated that the connection needs no login."""

    def question_sent(self) -> None:
        """The client sent CAPA or LANG."""

    def utf8_sent(self) -> None:
        """The client sent UTF8."""

    def start_tls_sent(self) -> None:
        """The client sent STLS."""

    def start_tls_granted(self) -> None:
        """The server replied +OK to STLS."""

    def start_tls_refused(self) -> None:
        """The server replied -ERR to STLS."""

    def tls_started(self) -> None:
        """The TLS handshake succeeded."""

    def user_sent(self) -> None:
        """The client sent USER."""

    def user_taken(self) -> None:
        """The server replied +OK to USER."""

    def user_refused(self) -> None:
        """The server replied -ERR to USER."""

    def password_sent(self) -> None:
        """The client sent PASS."""

    def login_sent(self) -> None:
        """The client sent APOP or AUTH."""

    def login_granted(self) -> None:
        """The server replied +OK to PASS, APOP or AUTH."""

    def login_refused(self) -> None:
        """The server replied -ERR to PASS, APOP or AUTH."""

    def maildrop_command_sent(self) -> None:
        """The client sent a command on the maildrop: STAT, LIST, RETR, DELE, ..."""

    def quit_sent(self) -> None:
        """The client sent QUIT."""

    def quit_answered(self) -> None:
        """The server replied to QUIT."""

    def closed(self) -> None:
        """The server closed the connection, and no reply was missing."""


table = Table(Dialogue)

greeting = table.state("greeting")
authorization = table.state("authorization")
tls_pending = table.state("tls-pending")
tls_handover = table.state("tls-handover")
naming = table.state("naming")
named = table.state("named")
logging_in = table.state("logging-in")
authenticating = table.state("authenticating")
transaction = table.state("transaction")
quitting = table.state("quitting")
leaving = table.state("leaving")
closed = table.state("closed")

table.move(greeting, Dialogue.welcomed, authorization)
table.move(greeting, Dialogue.turned_away, leaving)

table.move(authorization, Dialogue.assumed_authenticated, transaction)
table.move(authorization, Dialogue.question_sent, authorization)
table.move(authorization, Dialogue.utf8_sent, authorization)
table.move(authorization, Dialogue.start_tls_sent, tls_pending)
table.move(authorization, Dialogue.user_sent, naming)
table.move(authorization, Dialogue.login_sent, authenticating)
table.move(authorization, Dialogue.quit_sent, quitting)
table.move(authorization, Dialogue.closed, closed)

table.move(tls_pending, Dialogue.start_tls_granted, tls_handover)
table.move(tls_pending, Dialogue.start_tls_refused, authorization)

table.move(tls_handover, Dialogue.tls_started, authorization)
table.move(tls_handover, Dialogue.closed, closed)

table.move(naming, Dialogue.user_taken, named)
table.move(naming, Dialogue.user_refused, authorization)
table.move(naming, Dialogue.password_sent, logging_in)

# The reply to PASS follows in any case, and decides.
table.move(logging_in, Dialogue.user_taken, authenticating)
table.move(logging_in, Dialogue.user_refused, authenticating)

table.move(named, Dialogue.question_sent, named)
table.move(named, Dialogue.user_sent, naming)
table.move(named, Dialogue.password_sent, authenticating)
table.move(named, Dialogue.login_sent, authenticating)
table.move(named, Dialogue.quit_sent, quitting)
table.move(named, Dialogue.closed, closed)

table.move(authenticating, Dialogue.login_granted, transaction)
table.move(authenticating, Dialogue.login_refused, authorization)

table.move(transaction, Dialogue.question_sent, transaction)
table.move(transaction, Dialogue.maildrop_command_sent, transaction)
table.move(transaction, Dialogue.quit_sent, quitting)
table.move(transaction, Dialogue.closed, closed)

table.move(quitting, Dialogue.quit_answered, leaving)

# After the reply to QUIT and after an -ERR greeting, the server only closes.
table.move(leaving, Dialogue.closed, closed)

SENT: dict[type, Callable[[Dialogue], None]] = {
    **dict.fromkeys((Capa, Lang), Dialogue.question_sent),
    **dict.fromkeys((Apop, Authenticate), Dialogue.login_sent),
    Utf8: Dialogue.utf8_sent,
    StartTls: Dialogue.start_tls_sent,
    User: Dialogue.user_sent,
    Pass: Dialogue.password_sent,
    Quit: Dialogue.quit_sent,
}
"""The input for each command sent; for all others it is ``maildrop_command_sent``."""
