"""``mailhaul help``, and what ``--help`` prints: the commands, and the options of a poll."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ...adapters.config.caller import Caller
from ...adapters.config.command_line import usage
from ...adapters.config.errors import did_you_mean, quoted
from ...flows.outcome import ExitCode
from ..polls.lines import Lines, write
from .commands import COMMANDS, NAMES, Misused, find_command, invalid


def show(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul help``. Raises Misused."""
    if not arguments:
        write(sys.stdout, overview())
        return ExitCode.SUCCESS
    if len(arguments) > 1:
        raise invalid(arguments)
    command = find_command(arguments[0])
    if command is None:
        hint = did_you_mean(arguments[0], NAMES) or '"mailhaul help" lists the commands'
        raise Misused(f"there is no command {quoted(arguments[0])}; {hint}")
    write(sys.stdout, command.usage)
    return ExitCode.SUCCESS


def overview() -> str:
    """Return what one types first, and the list of commands."""
    return f"""\
usage: mailhaul [options] [server ...]
       mailhaul COMMAND ...

Without a command, mailhaul polls the servers that are named, or all in the rc
file. "mailhaul --help" lists the options; "mailhaul COMMAND --help" explains a
command.

{list_of_commands()}"""


def full(program: str) -> str:
    """Return the text of ``--help``: the options, and the list of commands."""
    synopsis, _, options = usage(program).partition("\n")
    return f"{synopsis}\n       mailhaul COMMAND ...\n{options}\n{list_of_commands()}"


def list_of_commands() -> str:
    """Return one line for each command."""
    width = max(map(len, NAMES))
    rows = "".join(f"  {one.name:<{width}}  {one.summary}\n" for one in COMMANDS)
    return f"Commands (an entry of the rc file that has the name of a command is polled):\n{rows}"
