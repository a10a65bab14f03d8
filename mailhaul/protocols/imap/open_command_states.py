"""The states of a multi-step command (RFC 3501, 4.3, 6.3.11 and 7.5; RFC 2177).

The server requests each synchronizing literal with a ``+`` response. With another one it requests
the message of an APPEND, or accepts IDLE.
"""

from __future__ import annotations

from typing import Protocol

from ..transitions import Table


class Dialogue(Protocol):
    """The inputs of a multi-step command, until its reply."""

    def literals_kept(self) -> None:
        """The client sent the first line of a command with synchronizing literals."""

    def last_literal_sent(self) -> None:
        """The client sent the last literal and the rest of the command line."""

    def invited(self) -> None:
        """The server requested the message of an APPEND, or accepted IDLE."""

    def finished(self) -> None:
        """The client sent the last octet of the message, or DONE."""


table = Table(Dialogue)

asking = table.state("asking")
literals = table.state("literals")
invited = table.state("invited")
sent = table.state("sent")

table.move(asking, Dialogue.literals_kept, literals)
table.move(literals, Dialogue.last_literal_sent, asking)
table.move(asking, Dialogue.invited, invited)
table.move(invited, Dialogue.finished, sent)
