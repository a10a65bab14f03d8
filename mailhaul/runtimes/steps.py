"""What a driver has to do for a flow: wait for descriptors, or run a call that may block."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from ..flows.requests import Request, Signal

T = TypeVar("T")


class Suspend:
    """Wait until a descriptor is ready, a signal is set, or ``timeout`` seconds have passed (None:
    for ever).
    """

    __slots__ = ("reads", "signals", "timeout", "writes")

    def __init__(
        self,
        reads: tuple[int, ...] = (),
        writes: tuple[int, ...] = (),
        timeout: float | None = None,
        signals: tuple[Signal, ...] = (),
    ) -> None:
        self.signals = signals
        self.reads = reads
        self.writes = writes
        self.timeout = timeout


class Work:
    """Run this call, which may block; answer with its result or its exception.

    ``shared`` says that it may run in one batch with the calls of other flows.
    """

    __slots__ = ("call", "shared")
    __match_args__ = ("call", "shared")

    def __init__(self, call: Callable[[], object], shared: bool = False) -> None:
        self.call = call
        self.shared = shared


class NextRequest:
    """The engine is about to perform this request. A driver may first let other flows run."""

    __slots__ = ("request",)
    __match_args__ = ("request",)

    def __init__(self, request: Request[object]) -> None:
        self.request = request


Step = Suspend | Work | NextRequest

Steps = Generator[Step, object, T]
"""Yields steps, is sent the result of each, and returns a T."""
