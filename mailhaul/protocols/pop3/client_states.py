"""The dialogue of a POP3 client: which command is allowed when (RFC 1939, section 3).

Inputs are commands sent and replies heard. With PIPELINING replies arrive while we are further on
already; only those to commands that change the state move anything here, and nothing may be sent
ahead of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..sasl.exchange import Authenticate
from ..transitions import Table
from .commands import Apop, Capa, Lang, Pass, Quit, StartTls, User, Utf8


class Dialogue(Protocol):
    """What can happen to a POP3 client."""

    def welcomed(self) -> None:
        """The server greeted us with +OK."""

    def turned_away(self) -> None:
        """The server greeted us with -ERR."""

    def vouched(self) -> None:
        """Our caller knows that the connection is logged in, whatever the greeting said."""

    def question_sent(self) -> None:
        """We sent CAPA or LANG."""

    def utf8_sent(self) -> None:
        """We sent UTF8."""

    def start_tls_sent(self) -> None:
        """We sent STLS."""

    def start_tls_granted(self) -> None:
        """The server answered +OK to STLS."""

    def start_tls_refused(self) -> None:
        """The server answered -ERR to STLS."""

    def tls_started(self) -> None:
        """The handshake is over."""

    def user_sent(self) -> None:
        """We sent USER."""

    def user_taken(self) -> None:
        """The server answered +OK to USER."""

    def user_refused(self) -> None:
        """The server answered -ERR to USER."""

    def password_sent(self) -> None:
        """We sent PASS."""

    def login_sent(self) -> None:
        """We sent APOP or AUTH."""

    def login_granted(self) -> None:
        """The server answered +OK to PASS, APOP or AUTH."""

    def login_refused(self) -> None:
        """The server answered -ERR to PASS, APOP or AUTH."""

    def maildrop_command_sent(self) -> None:
        """We sent a command on the maildrop: STAT, LIST, RETR, DELE, ..."""

    def quit_sent(self) -> None:
        """We sent QUIT."""

    def quit_answered(self) -> None:
        """The server answered QUIT."""

    def closed(self) -> None:
        """The server closed the connection in good order."""


table = Table(Dialogue)

greeting = table.state("greeting")
authorization = table.state("authorization")
tls_pending = table.state("tls-pending")
tls_handover = table.state("tls-handover")
naming = table.state("naming")
named = table.state("named")
authenticating = table.state("authenticating")
transaction = table.state("transaction")
quitting = table.state("quitting")
leaving = table.state("leaving")
closed = table.state("closed")

table.move(greeting, Dialogue.welcomed, authorization)
table.move(greeting, Dialogue.turned_away, leaving)

table.move(authorization, Dialogue.vouched, transaction)
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

# Behind the answer to QUIT, and behind a greeting that turns us away, only the end may come.
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
"""The input that sending each command is; all others are ``maildrop_command_sent``."""
