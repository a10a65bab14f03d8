"""What the engine asks of a driver: to wait for descriptors, or to run blocking work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Park:
    """Wait until a descriptor is ready or ``timeout`` seconds have passed (None: for ever)."""

    reads: tuple[int, ...] = ()
    writes: tuple[int, ...] = ()
    timeout: float | None = None


@dataclass(slots=True)
class Work:
    """Run this where it may block; answer with its result or its exception.

    ``shared`` says that it may be done together with that of other flows.
    """

    call: Callable[[], Any]
    shared: bool = False


Step = Park | Work
