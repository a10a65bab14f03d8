"""A command that is not over when its first line is sent (RFC 3501, 4.3, 6.3.11; RFC 2177).

The server asks for each literal of it with a ``+``, and with another one for the message of an
APPEND, or to say that it will tell news while we are in IDLE.
"""

from __future__ import annotations

from typing import Protocol

from ..transitions import Table


class Dialogue(Protocol):
    """What can happen to such a command until its reply comes."""

    def literals_kept(self) -> None:
        """We sent the first line of a command with literals that the server has to ask for."""

    def last_literal_sent(self) -> None:
        """We sent the last of them, and the line that it stands in."""

    def invited(self) -> None:
        """The server is ready for the message of an APPEND, or to tell news in IDLE."""

    def finished(self) -> None:
        """We sent the last octet of the message, or DONE."""


table = Table(Dialogue)

asking = table.state("asking")
literals = table.state("literals")
invited = table.state("invited")
sent = table.state("sent")

table.move(asking, Dialogue.literals_kept, literals)
table.move(literals, Dialogue.last_literal_sent, asking)
table.move(asking, Dialogue.invited, invited)
table.move(invited, Dialogue.finished, sent)
