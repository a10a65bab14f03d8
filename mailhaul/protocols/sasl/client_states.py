"""One authentication as the client carries it on, in any protocol (RFC 4422, section 3).

It begins when the command is sent and is over when the server replies to that. In between the
server may challenge as often as it likes, and each challenge is answered once.
"""

from __future__ import annotations

from typing import Protocol

from ..transitions import Table


class Dialogue(Protocol):
    """What can happen between the command and its reply."""

    def initial_response_kept(self) -> None:
        """We have an initial response that did not go along with the command."""

    def initial_response_asked_for(self) -> None:
        """The server sent its first challenge, which asks for the initial response."""

    def challenged(self) -> None:
        """The server sent a challenge."""

    def responded(self) -> None:
        """We sent a response."""

    def cancelled(self) -> None:
        """We sent ``*``: by our caller's wish, or because a challenge was not base64."""


table = Table(Dialogue)

waiting = table.state("waiting")
keeping = table.state("keeping")
challenged = table.state("challenged")
cancelled = table.state("cancelled")

table.move(waiting, Dialogue.initial_response_kept, keeping)
table.move(waiting, Dialogue.challenged, challenged)
table.move(waiting, Dialogue.cancelled, cancelled)

table.move(keeping, Dialogue.initial_response_asked_for, waiting)

table.move(challenged, Dialogue.responded, waiting)
# The server has to refuse now (RFC 4422, section 3.5).
table.move(challenged, Dialogue.cancelled, cancelled)
