"""The states of a POP3 server, and the commands allowed in each (RFC 1939, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..sasl.exchange import Authenticate
from ..transitions import Table
from .commands import Apop, Capa, Lang, Pass, Quit, StartTls, User, Utf8


class Dialogue(Protocol):
    """The inputs of a POP3 server."""

    def welcomed(self) -> None:
        """The server sent a +OK greeting."""

    def turned_away(self) -> None:
        """The server sent an -ERR greeting."""

    def question_heard(self) -> None:
        """The client sent CAPA or LANG."""

    def utf8_heard(self) -> None:
        """The client sent UTF8."""

    def start_tls_heard(self) -> None:
        """The client sent STLS."""

    def start_tls_granted(self) -> None:
        """The server replied +OK to STLS."""

    def tls_started(self) -> None:
        """The TLS handshake succeeded."""

    def user_heard(self) -> None:
        """The client sent USER."""

    def user_taken(self) -> None:
        """The server replied +OK to USER."""

    def password_heard(self) -> None:
        """The client sent PASS."""

    def login_heard(self) -> None:
        """The client sent APOP or AUTH."""

    def login_granted(self) -> None:
        """The server replied +OK to PASS, APOP or AUTH."""

    def login_refused(self) -> None:
        """The server replied -ERR to PASS, APOP or AUTH."""

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
# Starting TLS discards the user name (RFC 2595, section 4).
table.move(named, Dialogue.start_tls_heard, named)
table.move(named, Dialogue.start_tls_granted, tls_handover)
table.move(named, Dialogue.user_heard, named)
table.move(named, Dialogue.user_taken, named)
table.move(named, Dialogue.password_heard, named)
table.move(named, Dialogue.login_heard, named)
table.move(named, Dialogue.login_granted, transaction)
# After a wrong password, USER must be sent again.
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
"""The input for each command received; for all others it is ``maildrop_command_heard``."""
