"""A tap that hands each line of the dialogue to a function."""

from __future__ import annotations

from collections.abc import Callable

from mailhaul.protocols.machine import Tap


class ShownLines(Tap):
    """Calls ``show`` with the direction (">" or "<") and the line."""

    def __init__(self, show: Callable[[str, bytes], object]) -> None:
        self._show = show

    def line(self, direction: str, line: bytes) -> None:
        self._show(direction, line)
