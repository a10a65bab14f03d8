"""The states of an IMAP server, and the commands allowed in each (RFC 3501, section 3).

The inputs are commands received and replies sent. The reply to a command without a transition in
the current state is BAD.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..sasl.exchange import Authenticate
from ..transitions import Table
from .commands import (
    ON_MESSAGES,
    Capability,
    CloseMailbox,
    Id,
    Login,
    Logout,
    Noop,
    Select,
    StartTls,
    Unselect,
)


class Dialogue(Protocol):
    """The inputs of an IMAP server."""

    def greeted(self) -> None:
        """The server sent an OK greeting."""

    def preauthenticated(self) -> None:
        """The server sent a PREAUTH greeting."""

    def said_bye(self) -> None:
        """The server sent BYE."""

    def question_heard(self) -> None:
        """The client sent CAPABILITY, NOOP or ID."""

    def start_tls_heard(self) -> None:
        """The client sent STARTTLS."""

    def start_tls_granted(self) -> None:
        """The server replied OK to STARTTLS."""

    def tls_started(self) -> None:
        """The TLS handshake succeeded."""

    def login_heard(self) -> None:
        """The client sent LOGIN or AUTHENTICATE."""

    def login_granted(self) -> None:
        """The server replied OK to LOGIN or AUTHENTICATE."""

    def mailbox_command_heard(self) -> None:
        """The client sent a command on mailboxes: LIST, STATUS, CREATE, APPEND, IDLE, ..."""

    def text_granted(self) -> None:
        """The server accepts the message of an APPEND."""

    def text_over(self) -> None:
        """The client sent the whole message and the end of its command."""

    def idle_granted(self) -> None:
        """The server accepted IDLE."""

    def done_heard(self) -> None:
        """The client sent DONE."""

    def select_heard(self) -> None:
        """The client sent SELECT or EXAMINE, which closes the selected mailbox first."""

    def select_granted(self) -> None:
        """The server replied OK to SELECT or EXAMINE."""

    def message_command_heard(self) -> None:
        """The client sent a command on messages."""

    def close_granted(self) -> None:
        """The server replied OK to CLOSE or UNSELECT."""

    def logout_heard(self) -> None:
        """The client sent LOGOUT."""


table = Table(Dialogue)

start = table.state("start")
not_authenticated = table.state("not-authenticated")
tls_handover = table.state("tls-handover")
authenticated = table.state("authenticated")
receiving = table.state("receiving")
idling = table.state("idling")
selected = table.state("selected")
receiving_selected = table.state("receiving-selected")
idling_selected = table.state("idling-selected")
leaving = table.state("leaving")


table.move(start, Dialogue.greeted, not_authenticated)
table.move(start, Dialogue.preauthenticated, authenticated)
table.move(start, Dialogue.said_bye, leaving)

table.move(not_authenticated, Dialogue.question_heard, not_authenticated)
table.move(not_authenticated, Dialogue.start_tls_heard, not_authenticated)
table.move(not_authenticated, Dialogue.start_tls_granted, tls_handover)
table.move(not_authenticated, Dialogue.login_heard, not_authenticated)
table.move(not_authenticated, Dialogue.login_granted, authenticated)
table.move(not_authenticated, Dialogue.logout_heard, not_authenticated)
table.move(not_authenticated, Dialogue.said_bye, leaving)

table.move(tls_handover, Dialogue.tls_started, not_authenticated)

# Commands that are not about messages behave the same with and without a selected mailbox.
for place, taking_text, telling_news in (
    (authenticated, receiving, idling),
    (selected, receiving_selected, idling_selected),
):
    table.move(place, Dialogue.question_heard, place)
    table.move(place, Dialogue.mailbox_command_heard, place)
    table.move(place, Dialogue.text_granted, taking_text)
    table.move(taking_text, Dialogue.text_over, place)
    table.move(taking_text, Dialogue.said_bye, leaving)
    table.move(place, Dialogue.idle_granted, telling_news)
    table.move(telling_news, Dialogue.done_heard, place)
    table.move(telling_news, Dialogue.said_bye, leaving)
    table.move(place, Dialogue.select_heard, authenticated)
    table.move(place, Dialogue.logout_heard, place)
    table.move(place, Dialogue.said_bye, leaving)

table.move(authenticated, Dialogue.select_granted, selected)

table.move(selected, Dialogue.message_command_heard, selected)
table.move(selected, Dialogue.close_granted, authenticated)

HEARD: dict[type, Callable[[Dialogue], None]] = {
    **dict.fromkeys((Capability, Noop, Id), Dialogue.question_heard),
    StartTls: Dialogue.start_tls_heard,
    **dict.fromkeys((Login, Authenticate), Dialogue.login_heard),
    Select: Dialogue.select_heard,
    **dict.fromkeys((*ON_MESSAGES, CloseMailbox, Unselect), Dialogue.message_command_heard),
    Logout: Dialogue.logout_heard,
}
"""The input for each command received; for all others it is ``mailbox_command_heard``."""
GRANTED: dict[type, Callable[[Dialogue], None]] = {
    **dict.fromkeys((Login, Authenticate), Dialogue.login_granted),
    Select: Dialogue.select_granted,
    **dict.fromkeys((CloseMailbox, Unselect), Dialogue.close_granted),
}
"""The input for an OK reply to each of these commands."""
