"""The dialogue of an IMAP server: which command is allowed when (RFC 3501, section 3).

Inputs are commands heard and what the server decides about them. A command that has no
transition from the present state is answered with BAD.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from automat import TypeMachineBuilder

from ..dialogue import assemble, move


class Dialogue(Protocol):
    """What can happen to an IMAP server."""

    def greeted(self) -> None:
        """We greeted the client with OK."""

    def preauthenticated(self) -> None:
        """We greeted the client with PREAUTH."""

    def said_bye(self) -> None:
        """We said BYE."""

    def question_heard(self) -> None:
        """The client sent CAPABILITY, NOOP or ID."""

    def start_tls_heard(self) -> None:
        """The client sent STARTTLS."""

    def start_tls_granted(self) -> None:
        """We answered OK to STARTTLS."""

    def tls_started(self) -> None:
        """The handshake is over."""

    def login_heard(self) -> None:
        """The client sent LOGIN or AUTHENTICATE."""

    def challenged(self) -> None:
        """We sent a challenge."""

    def response_heard(self) -> None:
        """The client answered it, or gave up."""

    def login_granted(self) -> None:
        """We answered OK to LOGIN or AUTHENTICATE."""

    def mailbox_command_heard(self) -> None:
        """The client sent a command on mailboxes: LIST, STATUS, CREATE, APPEND, IDLE, ..."""

    def text_granted(self) -> None:
        """We are ready for the message of an APPEND."""

    def text_over(self) -> None:
        """The message has come, with the end of its command."""

    def idle_granted(self) -> None:
        """We will tell news until the client has enough."""

    def done_heard(self) -> None:
        """The client sent DONE."""

    def select_heard(self) -> None:
        """The client sent SELECT or EXAMINE: whatever was selected no longer is."""

    def select_granted(self) -> None:
        """We answered OK to SELECT or EXAMINE."""

    def message_command_heard(self) -> None:
        """The client sent a command on messages."""

    def close_granted(self) -> None:
        """We answered OK to CLOSE or UNSELECT."""

    def logout_heard(self) -> None:
        """The client sent LOGOUT."""


@dataclass(slots=True)
class Facts:
    """Where the dialogue stands."""

    state: str = "start"


builder = TypeMachineBuilder(Dialogue, Facts)

start = builder.state("start")
not_authenticated = builder.state("not-authenticated")
tls_handover = builder.state("tls-handover")
challenging = builder.state("challenging")
authenticated = builder.state("authenticated")
receiving = builder.state("receiving")
idling = builder.state("idling")
selected = builder.state("selected")
receiving_selected = builder.state("receiving-selected")
idling_selected = builder.state("idling-selected")
leaving = builder.state("leaving")


move(start, Dialogue.greeted, not_authenticated)
move(start, Dialogue.preauthenticated, authenticated)
move(start, Dialogue.said_bye, leaving)

move(not_authenticated, Dialogue.question_heard, not_authenticated)
move(not_authenticated, Dialogue.start_tls_heard, not_authenticated)
move(not_authenticated, Dialogue.start_tls_granted, tls_handover)
move(not_authenticated, Dialogue.login_heard, not_authenticated)
move(not_authenticated, Dialogue.challenged, challenging)
move(not_authenticated, Dialogue.login_granted, authenticated)
move(not_authenticated, Dialogue.logout_heard, not_authenticated)
move(not_authenticated, Dialogue.said_bye, leaving)

move(tls_handover, Dialogue.tls_started, not_authenticated)

move(challenging, Dialogue.response_heard, not_authenticated)
move(challenging, Dialogue.said_bye, leaving)

# Whether a mailbox is open makes no difference to what is not about its messages.
for place, taking_text, telling_news in (
    (authenticated, receiving, idling),
    (selected, receiving_selected, idling_selected),
):
    move(place, Dialogue.question_heard, place)
    move(place, Dialogue.mailbox_command_heard, place)
    move(place, Dialogue.text_granted, taking_text)
    move(taking_text, Dialogue.text_over, place)
    move(taking_text, Dialogue.said_bye, leaving)
    move(place, Dialogue.idle_granted, telling_news)
    move(telling_news, Dialogue.done_heard, place)
    move(telling_news, Dialogue.said_bye, leaving)
    move(place, Dialogue.select_heard, authenticated)
    move(place, Dialogue.logout_heard, place)
    move(place, Dialogue.said_bye, leaving)

move(authenticated, Dialogue.select_granted, selected)

move(selected, Dialogue.message_command_heard, selected)
move(selected, Dialogue.close_granted, authenticated)

new_dialogue = assemble(builder)
