"""The commands of ``on-failure``, ``on-recovery`` and ``on-delivery``: hooks.

A hook is a command line for /bin/sh, exactly as the user wrote it. Text from others, such as the
words of a server, is only in its environment and never part of a command line. Its standard input
is empty, and what it prints is dropped. One that does not end in time is ended, with its children.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..flows.requests import OpenFailed, Start
from .connect_commands import how_it_ends

SECONDS = 60.0
"""How many seconds a hook may take. One that needs longer has to start a process of its own."""
MAX_VALUE = 1000
"""Characters of the value of a variable."""


async def run_hook(line: str, facts: Mapping[str, str], seconds: float = SECONDS) -> str:
    """Run a hook; return "" if it succeeds, otherwise how it failed.

    The ``facts`` are in its environment, in variables that begin with ``MAILHAUL_``.
    """
    variables = tuple((f"MAILHAUL_{name}", value_of(text)) for name, text in facts.items())
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            program = await Start((line,), null, True, variables=variables, apart=True)
        except OpenFailed:
            return "cannot be started"
        return await how_it_ends(program, seconds)
    finally:
        os.close(null)


def value_of(text: str) -> str:
    """Return text for a variable: one line that can be printed, not longer than MAX_VALUE."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown[:MAX_VALUE]
