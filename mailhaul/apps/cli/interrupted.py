"""How a signal ends a run, and how a fault that nobody foresaw is told of."""

from __future__ import annotations


class Interrupted(BaseException):
    """A signal asked us to stop. What was accepted is in the ledger; the rest stays."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def place_of(fault: Exception) -> str:
    """Return what kind of fault it is and where in the code, without the data it carries."""
    trace = fault.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace else None
    place = f" at {code.co_filename}:{trace.tb_lineno}" if code and trace else ""
    return f"{type(fault).__name__}{place}"
