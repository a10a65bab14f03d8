"""One consent by the device flow, as the client sees it (RFC 8628, section 3)."""

from __future__ import annotations

from typing import Protocol

from ..transitions import Table


class Dialogue(Protocol):
    """What can happen until the user has decided on another device."""

    def code_asked_for(self) -> None:
        """We asked for a device code."""

    def code_received(self) -> None:
        """The issuer gave a device code, and a code for the user."""

    def asked(self) -> None:
        """We asked whether the user has decided."""

    def undecided(self) -> None:
        """``authorization_pending`` or ``slow_down``, or no answer: ask again later."""

    def tokens_received(self) -> None:
        """The user has agreed, and the issuer gave tokens."""

    def refused(self) -> None:
        """The user has said no, the time is over, or the issuer refuses the client."""


table = Table(Dialogue)

new = table.state("new")
starting = table.state("starting")
pausing = table.state("pausing")
asking = table.state("asking")
done = table.state("done")
failed = table.state("failed")

table.move(new, Dialogue.code_asked_for, starting)

table.move(starting, Dialogue.code_received, pausing)
table.move(starting, Dialogue.refused, failed)

table.move(pausing, Dialogue.asked, asking)
table.move(pausing, Dialogue.refused, failed)

table.move(asking, Dialogue.undecided, pausing)
table.move(asking, Dialogue.tokens_received, done)
table.move(asking, Dialogue.refused, failed)
