"""How a signal ends a run."""

from __future__ import annotations


class Interrupted(BaseException):
    """A signal asked us to stop. What was accepted is in the ledger; the rest stays."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
