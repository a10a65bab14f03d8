"""The dialogue of an IMAP server: which command is allowed when (RFC 3501, section 3).

Inputs are commands heard and what the server decides about them. A command that has no
transition from the present state is answered with BAD.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from automat import TypeMachineBuilder


class Dialogue(Protocol):
    """What can happen to an IMAP server."""

    def greeted(self) -> None:
        """We greeted the client with OK."""

    def preauthenticated(self) -> None:
        """We greeted the client with PREAUTH."""

    def said_bye(self) -> None:
        """We said BYE."""

    def question_heard(self) -> None:
        """The client sent CAPABILITY or NOOP."""

    def start_tls_heard(self) -> None:
        """The client sent STARTTLS."""

    def start_tls_granted(self) -> None:
        """We answered OK to STARTTLS."""

    def tls_started(self) -> None:
        """The handshake is over."""

    def login_heard(self) -> None:
        """The client sent LOGIN."""

    def login_granted(self) -> None:
        """We answered OK to LOGIN."""

    def select_heard(self) -> None:
        """The client sent SELECT or EXAMINE: whatever was selected no longer is."""

    def select_granted(self) -> None:
        """We answered OK to SELECT or EXAMINE."""

    def message_command_heard(self) -> None:
        """The client sent a command on messages."""

    def close_granted(self) -> None:
        """We answered OK to CLOSE."""

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
authenticated = builder.state("authenticated")
selected = builder.state("selected")
leaving = builder.state("leaving")


def move(origin: Any, upon: Callable[..., None], target: Any) -> None:
    """Let an input lead from one state to another."""

    @origin.upon(upon).to(target)  # type: ignore[untyped-decorator]  # one row for any state
    def enter(inputs: Dialogue, facts: Facts) -> None:
        facts.state = target.name


move(start, Dialogue.greeted, not_authenticated)
move(start, Dialogue.preauthenticated, authenticated)
move(start, Dialogue.said_bye, leaving)

move(not_authenticated, Dialogue.question_heard, not_authenticated)
move(not_authenticated, Dialogue.start_tls_heard, not_authenticated)
move(not_authenticated, Dialogue.start_tls_granted, tls_handover)
move(not_authenticated, Dialogue.login_heard, not_authenticated)
move(not_authenticated, Dialogue.login_granted, authenticated)
move(not_authenticated, Dialogue.logout_heard, not_authenticated)
move(not_authenticated, Dialogue.said_bye, leaving)

move(tls_handover, Dialogue.tls_started, not_authenticated)

move(authenticated, Dialogue.question_heard, authenticated)
move(authenticated, Dialogue.select_heard, authenticated)
move(authenticated, Dialogue.select_granted, selected)
move(authenticated, Dialogue.logout_heard, authenticated)
move(authenticated, Dialogue.said_bye, leaving)

move(selected, Dialogue.question_heard, selected)
move(selected, Dialogue.message_command_heard, selected)
move(selected, Dialogue.select_heard, authenticated)
move(selected, Dialogue.close_granted, authenticated)
move(selected, Dialogue.logout_heard, selected)
move(selected, Dialogue.said_bye, leaving)

new_dialogue = builder.build()
