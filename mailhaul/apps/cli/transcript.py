"""``mailhaul replay FILE``: replay a transcript that ``--transcript FILE`` has recorded."""

from __future__ import annotations

from collections.abc import Sequence

from ...adapters.config.caller import Caller
from ...adapters.files import open_file
from ...adapters.transcript.lines import EVENT, FAULT, OPENED, TEXT_EVENT
from ...adapters.transcript.replay import Replayed, replay
from ...flows.outcome import ExitCode
from ..polls.lines import Lines, plural
from .commands import Misused

SHOWN = {OPENED, EVENT, TEXT_EVENT, FAULT}


def play(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Print the events of a transcript, and the events that differ in the replay.

    Return SUCCESS without differences, PROTOCOL with differences, and SYNTAX if the file is not a
    transcript. Raises Misused.
    """
    if len(arguments) != 1:
        raise Misused("")
    try:
        descriptor = open_file(arguments[0], pipe=True)
        with open(descriptor, encoding="ascii", errors="replace") as file:
            differences = sum(show(replayed, lines) for replayed in replay(file))
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else None
        lines.complain(f"replay {arguments[0]}: {problem or error}")
        return ExitCode.SYNTAX
    lines.say(f"{differences or 'no'} difference{plural(differences)}")
    return ExitCode.PROTOCOL if differences else ExitCode.SUCCESS


def show(replayed: Replayed, lines: Lines) -> bool:
    """Print an event, and the one in the replay if it differs; return whether it differs."""
    line = replayed.line
    differs = replayed.instead is not None
    if differs or line.kind in SHOWN:
        lines.raw(str(line))
    if differs:
        lines.raw(f"    but now: {replayed.instead}")
    return differs
