"""The dialogue of an IMAP client: which command is allowed when (RFC 3501, section 3).

Inputs are commands sent and replies heard. An input that has no transition from the present
state is not allowed there. Responses that carry data (EXISTS, FETCH, ...) may come at any time
and are no business of this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from automat import TypeMachineBuilder


class Dialogue(Protocol):
    """What can happen to an IMAP client."""

    def greeted(self) -> None:
        """The server greeted us with OK."""

    def preauthenticated(self) -> None:
        """The server greeted us with PREAUTH."""

    def vouched(self) -> None:
        """Our caller knows that the connection is logged in, whatever the greeting said."""

    def bye(self) -> None:
        """The server said BYE."""

    def question_sent(self) -> None:
        """We sent CAPABILITY or NOOP."""

    def start_tls_sent(self) -> None:
        """We sent STARTTLS."""

    def start_tls_granted(self) -> None:
        """The server answered OK to STARTTLS."""

    def start_tls_refused(self) -> None:
        """The server answered NO or BAD to STARTTLS."""

    def tls_started(self) -> None:
        """The handshake is over."""

    def login_sent(self) -> None:
        """We sent LOGIN."""

    def login_granted(self) -> None:
        """The server answered OK to LOGIN."""

    def login_refused(self) -> None:
        """The server answered NO or BAD to LOGIN."""

    def select_sent(self) -> None:
        """We sent SELECT or EXAMINE."""

    def select_granted(self) -> None:
        """The server answered OK to SELECT or EXAMINE."""

    def select_refused(self) -> None:
        """The server answered NO or BAD to SELECT or EXAMINE."""

    def message_command_sent(self) -> None:
        """We sent a command on messages: SEARCH, FETCH, STORE or EXPUNGE."""

    def close_sent(self) -> None:
        """We sent CLOSE."""

    def close_granted(self) -> None:
        """The server answered OK to CLOSE."""

    def close_refused(self) -> None:
        """The server answered NO or BAD to CLOSE."""

    def logout_sent(self) -> None:
        """We sent LOGOUT."""

    def logout_answered(self) -> None:
        """The server answered LOGOUT."""

    def closed(self) -> None:
        """The server closed the connection in good order."""


@dataclass(slots=True)
class Facts:
    """Where the dialogue stands."""

    state: str = "greeting"


builder = TypeMachineBuilder(Dialogue, Facts)

greeting = builder.state("greeting")
not_authenticated = builder.state("not-authenticated")
tls_pending = builder.state("tls-pending")
tls_handover = builder.state("tls-handover")
authenticating = builder.state("authenticating")
authenticated = builder.state("authenticated")
selecting = builder.state("selecting")
selected = builder.state("selected")
closing = builder.state("closing")
logout = builder.state("logout")
logged_out = builder.state("logged-out")
leaving = builder.state("leaving")
closed = builder.state("closed")


def move(origin: Any, upon: Callable[..., None], target: Any) -> None:
    """Let an input lead from one state to another."""

    @origin.upon(upon).to(target)  # type: ignore[untyped-decorator]  # one row for any state
    def enter(inputs: Dialogue, facts: Facts) -> None:
        facts.state = target.name


move(greeting, Dialogue.greeted, not_authenticated)
move(greeting, Dialogue.preauthenticated, authenticated)
move(greeting, Dialogue.bye, leaving)

move(not_authenticated, Dialogue.question_sent, not_authenticated)
move(not_authenticated, Dialogue.start_tls_sent, tls_pending)
move(not_authenticated, Dialogue.login_sent, authenticating)
move(not_authenticated, Dialogue.vouched, authenticated)
move(not_authenticated, Dialogue.logout_sent, logout)
move(not_authenticated, Dialogue.bye, leaving)
move(not_authenticated, Dialogue.closed, closed)

move(tls_pending, Dialogue.start_tls_granted, tls_handover)
move(tls_pending, Dialogue.start_tls_refused, not_authenticated)
move(tls_pending, Dialogue.bye, leaving)

move(tls_handover, Dialogue.tls_started, not_authenticated)
move(tls_handover, Dialogue.closed, closed)

move(authenticating, Dialogue.login_granted, authenticated)
move(authenticating, Dialogue.login_refused, not_authenticated)
move(authenticating, Dialogue.bye, leaving)

move(authenticated, Dialogue.question_sent, authenticated)
move(authenticated, Dialogue.select_sent, selecting)
move(authenticated, Dialogue.logout_sent, logout)
move(authenticated, Dialogue.bye, leaving)
move(authenticated, Dialogue.closed, closed)

move(selecting, Dialogue.select_granted, selected)
# A failed SELECT leaves no mailbox selected (6.3.1).
move(selecting, Dialogue.select_refused, authenticated)
move(selecting, Dialogue.bye, leaving)

move(selected, Dialogue.question_sent, selected)
move(selected, Dialogue.message_command_sent, selected)
move(selected, Dialogue.select_sent, selecting)
move(selected, Dialogue.close_sent, closing)
move(selected, Dialogue.logout_sent, logout)
move(selected, Dialogue.bye, leaving)
move(selected, Dialogue.closed, closed)

move(closing, Dialogue.close_granted, authenticated)
move(closing, Dialogue.close_refused, selected)
move(closing, Dialogue.bye, leaving)

move(logout, Dialogue.bye, logout)
move(logout, Dialogue.logout_answered, logged_out)
move(logout, Dialogue.closed, closed)

# Behind the answer to LOGOUT nothing may come but the end.
move(logged_out, Dialogue.closed, closed)

move(leaving, Dialogue.bye, leaving)
move(leaving, Dialogue.closed, closed)

new_dialogue = builder.build()
