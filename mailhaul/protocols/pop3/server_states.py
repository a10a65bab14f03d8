"""The dialogue of a POP3 server: which command is allowed when (RFC 1939, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..sasl.exchange import Authenticate
from ..transitions import Table
from .commands import Apop, Capa, Lang, Pass, Quit, StartTls, User, Utf8


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


table = Table(Dialogue)

start = table.state("start")
authorization = table.state("authorization")
tls_handover = table.state("tls-handover")
named = table.state("named")
transaction = table.state("transaction")
leaving = table.state("leaving")

table.move(start, Dialogue.welcomed, authorization)
table.move(start, Dialogue.turned_away, leaving)

table.move(authorization, Dialogue.question_heard, authorization)
table.move(authorization, Dialogue.utf8_heard, authorization)
table.move(authorization, Dialogue.start_tls_heard, authorization)
table.move(authorization, Dialogue.start_tls_granted, tls_handover)
table.move(authorization, Dialogue.user_heard, authorization)
table.move(authorization, Dialogue.user_taken, named)
table.move(authorization, Dialogue.login_heard, authorization)
table.move(authorization, Dialogue.login_granted, transaction)
table.move(authorization, Dialogue.login_refused, authorization)
table.move(authorization, Dialogue.quit_heard, leaving)

table.move(tls_handover, Dialogue.tls_started, authorization)

table.move(named, Dialogue.question_heard, named)
table.move(named, Dialogue.utf8_heard, named)
# TLS forgets the name (RFC 2595, section 4).
table.move(named, Dialogue.start_tls_heard, named)
table.move(named, Dialogue.start_tls_granted, tls_handover)
table.move(named, Dialogue.user_heard, named)
table.move(named, Dialogue.user_taken, named)
table.move(named, Dialogue.password_heard, named)
table.move(named, Dialogue.login_heard, named)
table.move(named, Dialogue.login_granted, transaction)
# After a wrong password the name has to be given again.
table.move(named, Dialogue.login_refused, authorization)
table.move(named, Dialogue.quit_heard, leaving)

table.move(transaction, Dialogue.question_heard, transaction)
table.move(transaction, Dialogue.maildrop_command_heard, transaction)
table.move(transaction, Dialogue.quit_heard, leaving)

HEARD: dict[type, Callable[[Dialogue], None]] = {
    **dict.fromkeys((Capa, Lang), Dialogue.question_heard),
    **dict.fromkeys((Apop, Authenticate), Dialogue.login_heard),
    Utf8: Dialogue.utf8_heard,
    StartTls: Dialogue.start_tls_heard,
    User: Dialogue.user_heard,
    Pass: Dialogue.password_heard,
    Quit: Dialogue.quit_heard,
}
"""The input that hearing each command is; all others are ``maildrop_command_heard``."""
