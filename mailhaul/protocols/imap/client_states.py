"""The dialogue of an IMAP client: which command is allowed when (RFC 3501, section 3).

Inputs are commands sent and replies heard. An input that has no transition from the present
state is not allowed there. Responses that carry data (EXISTS, FETCH, ...) may come at any time
and are no business of this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from automat import TypeMachineBuilder

from ..dialogue import assemble, move


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
        """We sent CAPABILITY, NOOP or ID."""

    def start_tls_sent(self) -> None:
        """We sent STARTTLS."""

    def start_tls_granted(self) -> None:
        """The server answered OK to STARTTLS."""

    def start_tls_refused(self) -> None:
        """The server answered NO or BAD to STARTTLS."""

    def tls_started(self) -> None:
        """The handshake is over."""

    def login_sent(self) -> None:
        """We sent LOGIN or AUTHENTICATE."""

    def login_granted(self) -> None:
        """The server answered OK to LOGIN or AUTHENTICATE."""

    def login_refused(self) -> None:
        """The server answered NO or BAD to LOGIN or AUTHENTICATE."""

    def enable_sent(self) -> None:
        """We sent ENABLE."""

    def mailbox_command_sent(self) -> None:
        """We sent a command on mailboxes: LIST, STATUS, CREATE, APPEND, NAMESPACE, NOTIFY, ..."""

    def idle_sent(self) -> None:
        """We sent IDLE."""

    def done_sent(self) -> None:
        """We sent DONE."""

    def idle_ended(self) -> None:
        """The server answered IDLE before we sent DONE."""

    def select_sent(self) -> None:
        """We sent SELECT or EXAMINE."""

    def select_granted(self) -> None:
        """The server answered OK to SELECT or EXAMINE."""

    def select_refused(self) -> None:
        """The server answered NO or BAD to SELECT or EXAMINE."""

    def message_command_sent(self) -> None:
        """We sent a command on messages: SEARCH, FETCH, STORE, COPY, MOVE or EXPUNGE."""

    def close_sent(self) -> None:
        """We sent CLOSE or UNSELECT."""

    def close_granted(self) -> None:
        """The server answered OK to CLOSE or UNSELECT."""

    def close_refused(self) -> None:
        """The server answered NO or BAD to CLOSE or UNSELECT."""

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
idling = builder.state("idling")
selecting = builder.state("selecting")
selected = builder.state("selected")
idling_selected = builder.state("idling-selected")
closing = builder.state("closing")
logout = builder.state("logout")
logged_out = builder.state("logged-out")
leaving = builder.state("leaving")
closed = builder.state("closed")


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
# ENABLE is for the time before a mailbox is open (RFC 5161, 3.1).
move(authenticated, Dialogue.enable_sent, authenticated)
move(authenticated, Dialogue.mailbox_command_sent, authenticated)
move(authenticated, Dialogue.idle_sent, idling)
move(authenticated, Dialogue.select_sent, selecting)
move(authenticated, Dialogue.logout_sent, logout)
move(authenticated, Dialogue.bye, leaving)
move(authenticated, Dialogue.closed, closed)

# Behind DONE other commands may go, though IDLE itself has no answer yet (RFC 2177).
move(idling, Dialogue.done_sent, authenticated)
move(idling, Dialogue.idle_ended, authenticated)
move(idling, Dialogue.bye, leaving)
move(idling, Dialogue.closed, closed)

move(selecting, Dialogue.select_granted, selected)
# A failed SELECT leaves no mailbox selected (6.3.1).
move(selecting, Dialogue.select_refused, authenticated)
move(selecting, Dialogue.bye, leaving)

move(selected, Dialogue.question_sent, selected)
move(selected, Dialogue.mailbox_command_sent, selected)
move(selected, Dialogue.message_command_sent, selected)
move(selected, Dialogue.idle_sent, idling_selected)
move(selected, Dialogue.select_sent, selecting)
move(selected, Dialogue.close_sent, closing)
move(selected, Dialogue.logout_sent, logout)
move(selected, Dialogue.bye, leaving)
move(selected, Dialogue.closed, closed)

move(idling_selected, Dialogue.done_sent, selected)
move(idling_selected, Dialogue.idle_ended, selected)
move(idling_selected, Dialogue.bye, leaving)
move(idling_selected, Dialogue.closed, closed)

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

new_dialogue = assemble(builder)
