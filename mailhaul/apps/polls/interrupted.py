"""How a signal ends a run, and how an internal error is reported."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threading import Timer
    from types import FrameType


class Interrupted(BaseException):
    """A signal ends the run. What was accepted is in the ledger; other mail stays on the server."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class SignalHandler:
    """Ends the run by raising Interrupted; ``ending`` is called before.

    While it is held, the first signal waits.
    """

    def __init__(self, ending: Callable[[], None] = lambda: None) -> None:
        self._ending = ending
        self._holds = 0
        self._waiting = 0

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Handle a signal. Raises Interrupted."""
        if self._holds and not self._waiting:
            self._waiting = number
            return
        self._ending()
        raise Interrupted(number)

    @contextmanager
    def hold(self) -> Generator[None]:
        """Let the first signal wait until the end of the block."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if self._waiting and not self._holds:
                number, self._waiting = self._waiting, 0
                self._ending()
                raise Interrupted(number)


class Deadline:
    """Ends the process if it has not ended some time after a signal.

    A thread that waits for a hung disk cannot be ended in another way. The deadline is cancelled
    when the ``with`` block ends.
    """

    def __init__(self) -> None:
        self._timer: Timer | None = None

    def begin(self, seconds: float, code: int, complain: Callable[[str], None]) -> None:
        """Start the time, unless it is running already."""
        from threading import Thread, Timer

        def end() -> None:
            text = "a thread does not end; the process ends without it"
            telling = Thread(target=complain, args=(text,), daemon=True)
            telling.start()
            # It may be the disk of the log that hangs.
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
    """Return the type of an exception and its place in the code, without its data."""
    trace = fault.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace else None
    place = f" at {code.co_filename}:{trace.tb_lineno}" if code and trace else ""
    return f"{type(fault).__name__}{place}"
