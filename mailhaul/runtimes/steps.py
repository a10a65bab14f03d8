"""What a driver has to do for a flow: wait for descriptors, or run a call that may block."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

from ..flows.requests import Request

T = TypeVar("T")


@dataclass(slots=True)
class Suspend:
    """Wait until a descriptor is ready or ``timeout`` seconds have passed (None: for ever)."""

    reads: tuple[int, ...] = ()
    writes: tuple[int, ...] = ()
    timeout: float | None = None


@dataclass(slots=True)
class Work:
    """Run this call, which may block; answer with its result or its exception.

    ``shared`` says that it may run in one batch with the calls of other flows.
    """

    call: Callable[[], object]
    shared: bool = False


@dataclass(slots=True)
class NextRequest:
    """The engine is about to perform this request. A driver may first let other flows run."""

    request: Request[object]


Step = Suspend | Work | NextRequest

Steps = Generator[Step, object, T]
"""Yields steps, is sent the result of each, and returns a T."""
