"""The states of an IMAP client, and the commands allowed in each (RFC 3501, section 3).

The inputs are commands sent and replies received. An input without a transition in the current
state is not allowed. Responses that carry data (EXISTS, FETCH, ...) may arrive in any state and are
not inputs.
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
    Enable,
    Id,
    Idle,
    Login,
    Logout,
    Noop,
    Search,
    Select,
    StartTls,
    UidSearch,
    Unselect,
)

# What is not allowed outside a command of several steps (open_command.py).
NOTHING_TO_SEND = "unexpected continuation request (+): no command has more to send"
NOT_READY = "the server has not asked for a message"
NOT_IDLE = "DONE without an active IDLE"


class Dialogue(Protocol):
    """The inputs of an IMAP client."""

    def greeted(self) -> None:
        """The server sent an OK greeting."""

    def preauthenticated(self) -> None:
        """The server sent a PREAUTH greeting."""

    def assumed_authenticated(self) -> None:
        """The caller stated that the connection needs no login."""

    def bye(self) -> None:
        """The server sent BYE."""

    def question_sent(self) -> None:
        """The client sent CAPABILITY, NOOP or ID."""

    def start_tls_sent(self) -> None:
        """The client sent STARTTLS."""

    def start_tls_granted(self) -> None:
        """The server replied OK to STARTTLS."""

    def start_tls_refused(self) -> None:
        """The server replied NO or BAD to STARTTLS."""

    def tls_started(self) -> None:
        """The TLS handshake succeeded."""

    def login_sent(self) -> None:
        """The client sent LOGIN or AUTHENTICATE."""

    def login_granted(self) -> None:
        """The server replied OK to LOGIN or AUTHENTICATE."""

    def login_refused(self) -> None:
        """The server replied NO or BAD to LOGIN or AUTHENTICATE."""

    def enable_sent(self) -> None:
        """The client sent ENABLE."""

    def mailbox_command_sent(self) -> None:
        """The client sent a command on mailboxes: LIST, STATUS, APPEND, NOTIFY, ..."""

    def idle_sent(self) -> None:
        """The client sent IDLE."""

    def done_sent(self) -> None:
        """The client sent DONE."""

    def idle_ended(self) -> None:
        """The server replied to IDLE before the client sent DONE."""

    def select_sent(self) -> None:
        """The client sent SELECT or EXAMINE."""

    def select_granted(self) -> None:
        """The server replied OK to SELECT or EXAMINE."""

    def select_refused(self) -> None:
        """The server replied NO or BAD to SELECT or EXAMINE."""

    def search_sent(self) -> None:
        """The client sent SEARCH, which may follow SELECT before its reply."""

    def message_command_sent(self) -> None:
        """The client sent another command on messages: FETCH, STORE, COPY, MOVE or EXPUNGE."""

    def close_sent(self) -> None:
        """The client sent CLOSE or UNSELECT."""

    def close_granted(self) -> None:
        """The server replied OK to CLOSE or UNSELECT."""

    def close_refused(self) -> None:
        """The server replied NO or BAD to CLOSE or UNSELECT."""

    def logout_sent(self) -> None:
        """The client sent LOGOUT."""

    def logout_answered(self) -> None:
        """The server replied to LOGOUT."""

    def closed(self) -> None:
        """The server closed the connection, and no reply was missing."""


table = Table(Dialogue)

greeting = table.state("greeting")
not_authenticated = table.state("not-authenticated")
tls_pending = table.state("tls-pending")
tls_handover = table.state("tls-handover")
authenticating = table.state("authenticating")
authenticated = table.state("authenticated")
idling = table.state("idling")
selecting = table.state("selecting")
selected = table.state("selected")
idling_selected = table.state("idling-selected")
closing = table.state("closing")
logout = table.state("logout")
logged_out = table.state("logged-out")
leaving = table.state("leaving")
closed = table.state("closed")


table.move(greeting, Dialogue.greeted, not_authenticated)
table.move(greeting, Dialogue.preauthenticated, authenticated)
table.move(greeting, Dialogue.bye, leaving)

table.move(not_authenticated, Dialogue.question_sent, not_authenticated)
table.move(not_authenticated, Dialogue.start_tls_sent, tls_pending)
table.move(not_authenticated, Dialogue.login_sent, authenticating)
table.move(not_authenticated, Dialogue.assumed_authenticated, authenticated)
table.move(not_authenticated, Dialogue.logout_sent, logout)
table.move(not_authenticated, Dialogue.bye, leaving)
table.move(not_authenticated, Dialogue.closed, closed)

table.move(tls_pending, Dialogue.start_tls_granted, tls_handover)
table.move(tls_pending, Dialogue.start_tls_refused, not_authenticated)
table.move(tls_pending, Dialogue.bye, leaving)

table.move(tls_handover, Dialogue.tls_started, not_authenticated)
table.move(tls_handover, Dialogue.closed, closed)

table.move(authenticating, Dialogue.login_granted, authenticated)
table.move(authenticating, Dialogue.login_refused, not_authenticated)
table.move(authenticating, Dialogue.bye, leaving)

table.move(authenticated, Dialogue.question_sent, authenticated)
# ENABLE is not allowed while a mailbox is selected (RFC 5161, 3.1).
table.move(authenticated, Dialogue.enable_sent, authenticated)
table.move(authenticated, Dialogue.mailbox_command_sent, authenticated)
table.move(authenticated, Dialogue.idle_sent, idling)
table.move(authenticated, Dialogue.select_sent, selecting)
table.move(authenticated, Dialogue.logout_sent, logout)
table.move(authenticated, Dialogue.bye, leaving)
table.move(authenticated, Dialogue.closed, closed)

# After DONE other commands may be sent before the reply to IDLE (RFC 2177).
table.move(idling, Dialogue.done_sent, authenticated)
table.move(idling, Dialogue.idle_ended, authenticated)
table.move(idling, Dialogue.bye, leaving)
table.move(idling, Dialogue.closed, closed)

table.move(selecting, Dialogue.select_granted, selected)
# A failed SELECT leaves no mailbox selected (6.3.1).
table.move(selecting, Dialogue.select_refused, authenticated)
# If SELECT fails, the search is refused as well; it changes nothing in any mailbox.
table.move(selecting, Dialogue.search_sent, selecting)
# The client allows only a fetch of the saved result of such a search.
table.move(selecting, Dialogue.message_command_sent, selecting)
table.move(selecting, Dialogue.bye, leaving)

table.move(selected, Dialogue.question_sent, selected)
table.move(selected, Dialogue.mailbox_command_sent, selected)
table.move(selected, Dialogue.search_sent, selected)
table.move(selected, Dialogue.message_command_sent, selected)
table.move(selected, Dialogue.idle_sent, idling_selected)
table.move(selected, Dialogue.select_sent, selecting)
table.move(selected, Dialogue.close_sent, closing)
table.move(selected, Dialogue.logout_sent, logout)
table.move(selected, Dialogue.bye, leaving)
table.move(selected, Dialogue.closed, closed)

table.move(idling_selected, Dialogue.done_sent, selected)
table.move(idling_selected, Dialogue.idle_ended, selected)
table.move(idling_selected, Dialogue.bye, leaving)
table.move(idling_selected, Dialogue.closed, closed)

table.move(closing, Dialogue.close_granted, authenticated)
table.move(closing, Dialogue.close_refused, selected)
table.move(closing, Dialogue.bye, leaving)

table.move(logout, Dialogue.bye, logout)
table.move(logout, Dialogue.logout_answered, logged_out)
table.move(logout, Dialogue.closed, closed)

# After the reply to LOGOUT, the server only closes.
table.move(logged_out, Dialogue.closed, closed)

table.move(leaving, Dialogue.bye, leaving)
table.move(leaving, Dialogue.closed, closed)

SENT: dict[type, Callable[[Dialogue], None]] = {
    **dict.fromkeys((Capability, Noop, Id), Dialogue.question_sent),
    **dict.fromkeys((Login, Authenticate), Dialogue.login_sent),
    **dict.fromkeys((CloseMailbox, Unselect), Dialogue.close_sent),
    **dict.fromkeys(ON_MESSAGES, Dialogue.message_command_sent),
    **dict.fromkeys((Search, UidSearch), Dialogue.search_sent),
    StartTls: Dialogue.start_tls_sent,
    Enable: Dialogue.enable_sent,
    Select: Dialogue.select_sent,
    Idle: Dialogue.idle_sent,
    Logout: Dialogue.logout_sent,
}
"""The input for each command sent; for all others it is ``mailbox_command_sent``."""
