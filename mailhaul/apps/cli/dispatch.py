"""Which command the first word of the command line means, if any, and how it is run."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from ...adapters.config.caller import Caller, find_caller
from ...adapters.config.command_line import parse_command_line
from ...adapters.config.errors import COMMAND_LINE, ConfigError, ConfigErrors, ConfigRefused
from ...adapters.config.grammar import parse
from ...adapters.config.load import Configuration
from ...adapters.config.rcfile import read_rcfile
from ...adapters.config.selection import all_names
from ...flows.outcome import ExitCode
from ...protocols.record import Record
from ..polls.inherited import current_folder
from ..polls.interrupted import Interrupted
from ..polls.lines import Lines, escape, write
from .commands import NAMES, Command, Misused, find_command
from .slips import meant

HELP = frozenset({"-h", "-?", "--help"})


class Chosen(Record):
    """A command that the user wants to run, and the arguments after its name."""

    command: Command
    arguments: Sequence[str]
    caller: Caller

    def run(self, lines: Lines) -> int:
        """Run the command, or print its help; return the exit code.

        Raises PollFailed, ConfigErrors, ConfigRefused and Interrupted.
        """
        command = self.command
        plain = before_dashes(self.arguments)
        if HELP & {*(plain[:1] if command.nested else plain)}:
            write(sys.stdout, command.usage)
            return ExitCode.SUCCESS
        module, _, function = command.target.partition(":")
        try:
            code: int = getattr(import_module(module), function)(self.arguments, self.caller, lines)
        except Misused as fault:
            if str(fault):
                lines.complain(f"{command.name}: {fault}")
            lines.explain(command.synopsis)
            return ExitCode.SYNTAX
        except KeyboardInterrupt:
            raise Interrupted(signal.SIGINT) from None
        return code


def chosen_command(arguments: Sequence[str]) -> Chosen | None:
    """Return the command that the first argument means, or None if it is a server.

    A name of an entry in the rc file is a server, and so is one that is given with a protocol or a
    user, as for a server that is not in the rc file. Raises ConfigRefused.
    """
    command = find_command(arguments[0])
    if command is None:
        return None
    try:
        caller = find_caller(os.environ, os.geteuid(), current_folder())
    except ConfigRefused:
        if command.needs_home:
            raise
        caller = Caller("", os.geteuid(), "/")
    if has_options_of_a_server(command, arguments) or command.name in entry_names(
        arguments, caller
    ):
        return None
    return Chosen(command, arguments[1:], caller)


def has_options_of_a_server(command: Command, arguments: Sequence[str]) -> bool:
    """Whether a protocol or a user is given, other than by an option of the command."""
    if any(word.startswith(("-p", "-u")) for word in before_dashes(arguments)):
        return True
    own = "--protocol" in command.usage or "--user" in command.usage
    return not own and names_a_server(arguments)


def names_a_server(arguments: Sequence[str]) -> bool:
    """Whether there is a protocol or a user among the options of a poll."""
    try:
        line = parse_command_line(arguments, "/")
    except ConfigErrors:
        return False
    return not line.options.keys().isdisjoint({"protocol", "remote_user"})


def entry_names(arguments: Sequence[str], caller: Caller) -> set[str]:
    """Return the names of the entries in the rc file; none if the file cannot be used.

    A command that needs the file says what is wrong with it.
    """
    path = rcfile_named(arguments) or caller.rcfile
    if path == "-":
        # Standard input can be read only once.
        return set()
    try:
        return all_names(parse(read_rcfile(path, caller.uid, bytes), path))
    except (ConfigErrors, ConfigRefused):
        return set()


def rcfile_named(arguments: Sequence[str]) -> str:
    """Return the rc file that ``-f`` names, or ""."""
    words = iter(before_dashes(arguments))
    for word in words:
        if word in {"-f", "--fetchmailrc"}:
            return next(words, "")
        if word.startswith("--fetchmailrc="):
            return word.partition("=")[2]
    return ""


def before_dashes(arguments: Sequence[str]) -> Sequence[str]:
    """Return the arguments before ``--``, after which every word is a server."""
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def refuse_mistyped_commands(configuration: Configuration, arguments: Sequence[str]) -> None:
    """Raise ConfigErrors for a word that is neither a server in the rc file nor meant as one.

    It resembles a command, or it is USER@SERVER, as other commands name an account. A name with a
    dot, a name after ``--``, and one with a protocol or a user are servers.
    """
    plain = before_dashes(arguments)
    for account in configuration.accounts:
        name = account.pollname
        if account.entry >= 0 or name not in plain or names_a_server(arguments):
            continue
        problem = f'"{escape(name)}" is not a server in {configuration.rcfile}'
        server = name.rpartition("@")[2]
        if server not in {name, ""}:
            hint = f'"mailhaul {escape(server)}" polls all accounts of this server'
            raise ConfigErrors([ConfigError(COMMAND_LINE, problem, hint=hint)])
        if word := "" if "." in name else meant(name, NAMES):
            hint = f'write "mailhaul {word}" for the command, "mailhaul -- {name}" for a server'
            raise ConfigErrors([ConfigError(COMMAND_LINE, problem, hint=hint)])
