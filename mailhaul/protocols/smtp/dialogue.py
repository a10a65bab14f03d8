"""What both dialogues share: to know where they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def follow(dialogue: object, arrive: Callable[[str], None]) -> None:
    """Call ``arrive`` with the name of every state that a dialogue comes to from now on."""

    def trace(old: Any, symbol: Any, new: Any) -> None:
        arrive(new.name)

    # An automat machine is typed as its inputs alone; what drives it is behind this name.
    implementation: Any = dialogue
    implementation.__automat_transitioner__.setTrace(trace)
