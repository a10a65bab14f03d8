"""One consent by the authorization code flow, as the client sees it (RFC 6749, section 4.1)."""

from __future__ import annotations

from typing import Protocol

from ..transitions import Table


class Dialogue(Protocol):
    """What can happen between the first look at the issuer's page and the tokens."""

    def code_received(self) -> None:
        """The browser was sent back with a code, and it belongs to our request."""

    def refused(self) -> None:
        """The browser was sent back with an error, or the token endpoint gave a refusal."""

    def not_ours(self) -> None:
        """Something else came than the answer to our request; the user may try again."""

    def tokens_received(self) -> None:
        """The token endpoint gave tokens."""

    def try_later(self) -> None:
        """The token endpoint has trouble now; the code may still be valid."""


table = Table(Dialogue)

visiting = table.state("visiting")
exchanging = table.state("exchanging")
done = table.state("done")
failed = table.state("failed")

table.move(visiting, Dialogue.code_received, exchanging)
table.move(visiting, Dialogue.not_ours, visiting)
table.move(visiting, Dialogue.refused, failed)

table.move(exchanging, Dialogue.tokens_received, done)
table.move(exchanging, Dialogue.try_later, exchanging)
table.move(exchanging, Dialogue.refused, failed)
