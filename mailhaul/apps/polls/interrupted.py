"""How a signal ends a run, and how a fault that nobody foresaw is told of."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threading import Timer


class Interrupted(BaseException):
    """A signal asked us to stop. What was accepted is in the ledger; the rest stays."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Deadline:
    """Ends the process, some time after it was asked to end, if it has not come to its end.

    A thread that waits for a disk which hangs cannot be ended otherwise. The end of a ``with`` is
    the end that was waited for.
    """

    def __init__(self) -> None:
        self._timer: Timer | None = None

    def begin(self, seconds: float, code: int, complain: Callable[[str], None]) -> None:
        """Let so many seconds pass from now on."""
        from threading import Thread, Timer

        def end() -> None:
            text = "something does not answer; it is not waited for any longer"
            telling = Thread(target=complain, args=(text,), daemon=True)
            telling.start()
            # What does not answer may be the disk of the log.
            telling.join(1.0)
            os._exit(code)

        if self._timer is None:
            self._timer = Timer(seconds, end)
            self._timer.daemon = True
            self._timer.start()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *failure: object) -> None:
        if self._timer:
            self._timer.cancel()


def place_of(fault: Exception) -> str:
    """Return what kind of fault it is and where in the code, without the data it carries."""
    trace = fault.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace else None
    place = f" at {code.co_filename}:{trace.tb_lineno}" if code and trace else ""
    return f"{type(fault).__name__}{place}"
