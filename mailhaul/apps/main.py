"""``mailhaul``: reads the command line and the rc file, does what they say."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn, TextIO

from ..adapters.config.caller import Caller, find_caller
from ..adapters.config.errors import COMMAND_LINE, ConfigError, ConfigErrors, ConfigRefused
from ..adapters.config.load import Configuration, load
from ..flows.outcome import ExitCode, PollFailed
from .polls.inherited import current_folder, is_wanted, reset_inherited_state
from .polls.interrupted import Interrupted, place_of
from .polls.lines import Lines, program_name, write
from .polls.pidfile import default_pidfile, running

COMMANDS = frozenset({"ledger", "quarantine", "replay", "status", "poll", "pause", "resume"})
"""First words that are no servers."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code. No traceback reaches the user."""
    reset_inherited_state()
    leave_no_core()
    program = program_name(sys.argv)
    lines = Lines(1, program=program)
    try:
        caller = find_caller(os.environ, os.geteuid(), current_folder())
        arguments = sys.argv[1:] if argv is None else argv
        if arguments and arguments[0] in COMMANDS:
            return int(command(arguments[0], arguments[1:], caller, lines))
        configuration = load(arguments, caller, read_stdin)
        progress = progress_stream(configuration)
        lines = Lines(configuration.verbosity, progress, program=program)
        return int(run(configuration, caller, lines, arguments))
    except ConfigErrors as faults:
        for fault in faults.errors:
            lines.complain(str(fault))
        return faults.exit_code
    except ConfigRefused as refusal:
        lines.complain(str(refusal))
        return refusal.exit_code
    except PollFailed as failure:
        lines.complain(str(failure))
        return int(failure.code)
    except Interrupted as stop:
        lines.complain(f"terminated with signal {stop.number}")
        return int(ExitCode.UNDEFINED)
    except Exception as fault:
        # The last door: what nobody foresaw is one line with its place, not a traceback.
        lines.complain(f"internal error, please report it: {place_of(fault)}")
        return int(ExitCode.UNDEFINED)
    finally:
        drop_streams()


def run(
    configuration: Configuration, caller: Caller, lines: Lines, arguments: Sequence[str]
) -> ExitCode:
    """Do what the command line asks for."""
    if configuration.run.help:
        from ..adapters.config.command_line import usage

        write(sys.stdout, usage())
        return ExitCode.SUCCESS
    if configuration.run.version:
        from .cli.version import describe

        write(sys.stdout, describe(configuration))
        return ExitCode.SUCCESS
    if configuration.run.configdump:
        dump(configuration, lines)
        return ExitCode.SUCCESS
    refuse_mistyped_commands(configuration, arguments)
    pidfile = configuration.globals.pidfile or default_pidfile(caller)
    if configuration.run.quit:
        only = configuration.run.quit_only
        end_running(pidfile, lines, only=only)
        if only:
            return ExitCode.SUCCESS
    if pid := running(pidfile):
        return wake_running(pid, configuration.run.check, arguments, caller, lines)
    for warning in configuration.warnings:
        lines.complain(str(warning))
    if configuration.globals.daemon > 0 and not configuration.run.check:
        return start_daemon(configuration, caller, lines, arguments, pidfile)
    return run_once(configuration, caller, lines)


def refuse_mistyped_commands(configuration: Configuration, arguments: Sequence[str]) -> None:
    """Raise ConfigErrors for a word that is no server of the rc file and looks like a command.

    A server of such a name comes after ``--``.
    """
    plain = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for account in configuration.accounts:
        name = account.pollname
        if account.entry >= 0 or "." in name or name not in plain:
            continue
        from .cli.slips import meant  # few runs name a server that is in no file

        if word := meant(name, COMMANDS):
            problem = f'"{name}" is no server in {configuration.rcfile}'
            hint = f'write "mailhaul {word}" for the command, "mailhaul -- {name}" for a server'
            raise ConfigErrors([ConfigError(COMMAND_LINE, problem, hint=hint)])


def run_once(configuration: Configuration, caller: Caller, lines: Lines) -> ExitCode:
    """Poll the accounts and return how that went."""
    from .cli.once import poll_all
    from .polls.logs import logged

    lines = logged(configuration, lines) or lines
    for number in filter(is_wanted, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)):
        signal.signal(number, interrupt)
    code = poll_all(configuration, caller, lines)
    lines.detail(f"normal termination, status {int(code)}")
    return code


def start_daemon(
    configuration: Configuration,
    caller: Caller,
    lines: Lines,
    arguments: Sequence[str],
    path: str,
) -> ExitCode:
    """Go into the background, unless told not to, and serve there."""
    from .polls.accounts import with_typed_password
    from .polls.logs import logged
    from .polls.pidfile import PidFile, detach

    # In the background there is nobody to ask.
    accounts = [with_typed_password(settings) for settings in configuration.accounts]
    configuration = configuration.with_accounts(accounts)
    log = logged(configuration, lines)
    # Whoever finds the pid may send these before they are listened to, or when they are not any
    # more; a poll of everything is what a daemon begins with, and the rc file has just been read.
    for number in (signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pidfile = PidFile(path)
    pidfile.take(configuration.globals.daemon)
    try:
        if not configuration.run.nodetach:
            detach()
            pidfile.write(configuration.globals.daemon)
        from .daemon.service import serve

        return serve(configuration, caller, log or lines, arguments, pidfile)
    finally:
        pidfile.release()


def end_running(pidfile: str, lines: Lines, *, only: bool) -> None:
    """End the daemon of this user, and wait for it unless that is ``only`` what was asked for.

    Raises PollFailed (EXCLUDE) where it cannot be ended, or where there is none to end.
    """
    from .polls.pidfile import end

    if pid := running(pidfile):
        end(pid, pidfile, wait=not only)
        lines.say(f"background mailhaul at {pid} killed.")
    elif only:
        raise PollFailed(ExitCode.EXCLUDE, "no other mailhaul is running")


def wake_running(
    pid: int, check: bool, arguments: Sequence[str], caller: Caller, lines: Lines
) -> ExitCode:
    """Let the daemon that runs poll now; it cannot do anything else for us.

    Raises PollFailed (EXCLUDE) where something else was asked for.
    """
    from ..adapters.config.command_line import parse_command_line
    from .polls.pidfile import wake

    line = parse_command_line(arguments, caller.folder)
    problem = ""
    if check:
        problem = "can't check mail while another mailhaul to same host is running."
    elif line.servers:
        problem = f"can't poll specified hosts with another mailhaul running at {pid}."
    elif line.options or line.appended or line.globals.keys() - {"pidfile"} or line.run.rcfile:
        problem = "can't accept options while a background mailhaul is running."
    if problem:
        raise PollFailed(ExitCode.EXCLUDE, problem)
    wake(pid)
    lines.say(f"background mailhaul at {pid} awakened.")
    return ExitCode.SUCCESS


def command(name: str, arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Do what a first word asks for. A server of such a name comes after ``--``."""
    if name == "quarantine":
        from .cli.quarantine import quarantine

        return quarantine(arguments, caller, lines)
    if name == "ledger":
        from .cli.ledger import ledger

        return ledger(arguments, caller, lines)
    if name == "replay":
        from .cli.transcript import play

        return play(arguments, lines)
    from .cli.control import control

    return control(name, arguments, caller, lines)


def dump(configuration: Configuration, lines: Lines) -> None:
    """Print what the files and the command line come to."""
    from ..adapters.config.dump import json_dump, python_dump

    for warning in configuration.warnings:
        lines.complain(str(warning))
    form, settings = configuration.run.configdump, configuration.globals
    if form == "python":
        text = python_dump(settings, configuration.accounts, os.uname().nodename)
    else:
        with_secrets = form == "json,passwords"
        text = json_dump(settings, configuration.accounts, with_secrets=with_secrets)
    write(sys.stdout, text)


def progress_stream(configuration: Configuration) -> TextIO:
    """Return where progress is told: not among the mail that goes to standard output."""
    mail_there = any(account.bsmtp == "-" for account in configuration.accounts)
    return sys.stderr if mail_there else sys.stdout


def interrupt(number: int, _: FrameType | None) -> NoReturn:
    """Stop where we are: the order of steps makes that safe at any instant."""
    raise Interrupted(number)


def drop_streams() -> None:
    """Drop what cannot be written: Python would try again as it ends, and change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream.fileno())
                os.close(null)


def leave_no_core() -> None:
    """Keep passwords out of core files, should Python itself crash.

    Linux still hands a core to a program, such as systemd-coredump, where its size is limited to
    0, but not where it is limited to 1.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    if most:
        resource.setrlimit(resource.RLIMIT_CORE, (1, most))


def read_stdin() -> bytes:
    """Return all of standard input. Raises RcFileRefused for more than a file may hold."""
    from ..adapters.config.rcfile import read_descriptor

    return read_descriptor(0, "standard input")
