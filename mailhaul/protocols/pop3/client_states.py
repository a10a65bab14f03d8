"""The dialogue of a POP3 client: which command is allowed when (RFC 1939, section 3).

Inputs are commands sent and replies heard. With PIPELINING replies arrive while we are further on
already; only those to commands that change the state move anything here, and nothing may be sent
ahead of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from automat import TypeMachineBuilder

from ..dialogue import assemble, move


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


@dataclass(slots=True)
class Facts:
    """Where the dialogue stands."""

    state: str = "greeting"


builder = TypeMachineBuilder(Dialogue, Facts)

greeting = builder.state("greeting")
authorization = builder.state("authorization")
tls_pending = builder.state("tls-pending")
tls_handover = builder.state("tls-handover")
naming = builder.state("naming")
named = builder.state("named")
authenticating = builder.state("authenticating")
transaction = builder.state("transaction")
quitting = builder.state("quitting")
leaving = builder.state("leaving")
closed = builder.state("closed")

move(greeting, Dialogue.welcomed, authorization)
move(greeting, Dialogue.turned_away, leaving)

move(authorization, Dialogue.vouched, transaction)
move(authorization, Dialogue.question_sent, authorization)
move(authorization, Dialogue.utf8_sent, authorization)
move(authorization, Dialogue.start_tls_sent, tls_pending)
move(authorization, Dialogue.user_sent, naming)
move(authorization, Dialogue.login_sent, authenticating)
move(authorization, Dialogue.quit_sent, quitting)
move(authorization, Dialogue.closed, closed)

move(tls_pending, Dialogue.start_tls_granted, tls_handover)
move(tls_pending, Dialogue.start_tls_refused, authorization)

move(tls_handover, Dialogue.tls_started, authorization)
move(tls_handover, Dialogue.closed, closed)

move(naming, Dialogue.user_taken, named)
move(naming, Dialogue.user_refused, authorization)

move(named, Dialogue.question_sent, named)
move(named, Dialogue.user_sent, naming)
move(named, Dialogue.password_sent, authenticating)
move(named, Dialogue.login_sent, authenticating)
move(named, Dialogue.quit_sent, quitting)
move(named, Dialogue.closed, closed)

move(authenticating, Dialogue.login_granted, transaction)
move(authenticating, Dialogue.login_refused, authorization)

move(transaction, Dialogue.question_sent, transaction)
move(transaction, Dialogue.maildrop_command_sent, transaction)
move(transaction, Dialogue.quit_sent, quitting)
move(transaction, Dialogue.closed, closed)

move(quitting, Dialogue.quit_answered, leaving)

# Behind the answer to QUIT, and behind a greeting that turns us away, only the end may come.
move(leaving, Dialogue.closed, closed)

new_dialogue = assemble(builder)
