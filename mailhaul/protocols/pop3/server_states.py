"""The dialogue of a POP3 server: which command is allowed when (RFC 1939, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from automat import TypeMachineBuilder

from ..dialogue import assemble, move


class Dialogue(Protocol):
    """What can happen to a POP3 server. Commands are heard one at a time."""

    def welcomed(self) -> None:
        """We greeted with +OK."""

    def turned_away(self) -> None:
        """We greeted with -ERR."""

    def question_heard(self) -> None:
        """The client sent CAPA or LANG."""

    def utf8_heard(self) -> None:
        """The client sent UTF8."""

    def start_tls_heard(self) -> None:
        """The client sent STLS."""

    def start_tls_granted(self) -> None:
        """We answered +OK to STLS."""

    def tls_started(self) -> None:
        """The handshake is over."""

    def user_heard(self) -> None:
        """The client sent USER."""

    def user_taken(self) -> None:
        """We answered +OK to USER."""

    def password_heard(self) -> None:
        """The client sent PASS."""

    def login_heard(self) -> None:
        """The client sent APOP or AUTH."""

    def login_granted(self) -> None:
        """We answered +OK to PASS, APOP or AUTH."""

    def login_refused(self) -> None:
        """We answered -ERR to PASS, APOP or AUTH."""

    def maildrop_command_heard(self) -> None:
        """The client sent a command on the maildrop."""

    def quit_heard(self) -> None:
        """The client sent QUIT."""


@dataclass(slots=True)
class Facts:
    """Where the dialogue stands."""

    state: str = "start"


builder = TypeMachineBuilder(Dialogue, Facts)

start = builder.state("start")
authorization = builder.state("authorization")
tls_handover = builder.state("tls-handover")
named = builder.state("named")
transaction = builder.state("transaction")
leaving = builder.state("leaving")

move(start, Dialogue.welcomed, authorization)
move(start, Dialogue.turned_away, leaving)

move(authorization, Dialogue.question_heard, authorization)
move(authorization, Dialogue.utf8_heard, authorization)
move(authorization, Dialogue.start_tls_heard, authorization)
move(authorization, Dialogue.start_tls_granted, tls_handover)
move(authorization, Dialogue.user_heard, authorization)
move(authorization, Dialogue.user_taken, named)
move(authorization, Dialogue.login_heard, authorization)
move(authorization, Dialogue.login_granted, transaction)
move(authorization, Dialogue.login_refused, authorization)
move(authorization, Dialogue.quit_heard, leaving)

move(tls_handover, Dialogue.tls_started, authorization)

move(named, Dialogue.question_heard, named)
move(named, Dialogue.utf8_heard, named)
# TLS forgets the name (RFC 2595, section 4).
move(named, Dialogue.start_tls_heard, named)
move(named, Dialogue.start_tls_granted, tls_handover)
move(named, Dialogue.user_heard, named)
move(named, Dialogue.user_taken, named)
move(named, Dialogue.password_heard, named)
move(named, Dialogue.login_heard, named)
move(named, Dialogue.login_granted, transaction)
# After a wrong password the name has to be given again.
move(named, Dialogue.login_refused, authorization)
move(named, Dialogue.quit_heard, leaving)

move(transaction, Dialogue.question_heard, transaction)
move(transaction, Dialogue.maildrop_command_heard, transaction)
move(transaction, Dialogue.quit_heard, leaving)

new_dialogue = assemble(builder)
