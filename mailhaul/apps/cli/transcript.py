"""``--transcript FILE`` and ``mailhaul replay FILE``: what is said, and its replay."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from ...adapters.files import open_file
from ...adapters.transcript.lines import EVENT, FAULT, OPENED, TEXT_EVENT
from ...adapters.transcript.recorder import Tape
from ...adapters.transcript.replay import Replayed, replay
from ...flows.outcome import ExitCode, PollFailed
from ..polls.lines import Lines, plural

USAGE = "usage: mailhaul replay FILE"
SHOWN = {OPENED, EVENT, TEXT_EVENT, FAULT}


def open_tape(path: str, complain: Callable[[str], None], *, bodies: bool) -> Tape:
    """Begin a transcript that nobody else can read. Raises PollFailed (IOERR).

    Once it cannot be written it ends there, and that is said: mail does not wait for it.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        problem = f"trace {path}: {error.strerror or error}"
        raise PollFailed(ExitCode.IOERR, problem) from None

    is_whole = True

    def write(line: str) -> None:
        nonlocal is_whole
        # A line at a time: what was said before a crash is what matters most.
        try:
            if is_whole:
                os.write(descriptor, f"{line}\n".encode("ascii", "backslashreplace"))
        except OSError as error:
            # With a gap it could not be replayed.
            is_whole = False
            complain(f"trace {path}: {error.strerror or error}; it ends here")

    return Tape(write, time.monotonic, bodies=bodies)


def play(arguments: Sequence[str], lines: Lines) -> ExitCode:
    """Print the events of a transcript, and where it goes another way now.

    Returns 0 where all is as it was, PROTOCOL where it is not, SYNTAX for what is no transcript.
    """
    if len(arguments) != 1:
        lines.explain(USAGE)
        return ExitCode.SYNTAX
    try:
        descriptor = open_file(arguments[0], pipe=True)
        with open(descriptor, encoding="ascii", errors="replace") as file:
            differences = sum(show(replayed, lines) for replayed in replay(file))
    except (OSError, ValueError) as error:
        lines.complain(f"replay {arguments[0]}: {error}")
        return ExitCode.SYNTAX
    lines.say(f"{differences or 'no'} difference{plural(differences)}")
    return ExitCode.PROTOCOL if differences else ExitCode.SUCCESS


def show(replayed: Replayed, lines: Lines) -> bool:
    """Print an event, and what comes in its place now; return whether that is another."""
    line = replayed.line
    differs = replayed.instead is not None
    if differs or line.kind in SHOWN:
        lines.raw(str(line))
    if differs:
        lines.raw(f"    but now: {replayed.instead}")
    return differs
