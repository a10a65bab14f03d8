"""The program ``mailhaul``: read the command line and the rc file, and run what they ask for."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from ..adapters.config.caller import Caller, find_caller
from ..adapters.config.errors import ConfigErrors, ConfigRefused
from ..adapters.config.load import Configuration, is_fleet, load
from ..flows.outcome import ExitCode, PollFailed
from .polls.inherited import current_folder, is_wanted, reset_inherited_state
from .polls.interrupted import Interrupted, SignalHandler, place_of
from .polls.lines import Lines, program_name, write
from .polls.pidfile import default_pidfile, running

if TYPE_CHECKING:
    from .polls.logs import LogLines


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code. The user never sees a traceback."""
    reset_inherited_state()
    leave_no_core()
    program = program_name(sys.argv)
    lines = Lines(1, program=program)
    try:
        arguments = sys.argv[1:] if argv is None else argv
        if arguments and may_be_command(arguments[0]):
            from .cli.dispatch import chosen_command

            if chosen := chosen_command(arguments):
                end_loading()
                return int(chosen.run(lines))
        caller = find_caller(os.environ, os.geteuid(), current_folder())
        configuration = load(arguments, caller, read_stdin)
        progress = progress_stream(configuration)
        lines = Lines(configuration.verbosity, progress, program=program)
        return int(run(configuration, caller, lines, arguments))
    except ConfigErrors as faults:
        from .cli.nothing import described

        for sentence in described(faults.errors):
            lines.complain(sentence)
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
        # A bug is reported as one line with its place, not as a traceback.
        lines.complain(f"internal error, please report it: {place_of(fault)}")
        return int(ExitCode.UNDEFINED)
    finally:
        drop_streams()


def run(
    configuration: Configuration, caller: Caller, lines: Lines, arguments: Sequence[str]
) -> ExitCode:
    """Run what the command line asks for. Raises ConfigErrors, PollFailed and Interrupted."""
    if configuration.run.help:
        from .cli.help import full

        write(sys.stdout, full(lines.program))
        return ExitCode.SUCCESS
    if configuration.run.version:
        from .cli.version import describe

        write(sys.stdout, describe(configuration, lines.program))
        return ExitCode.SUCCESS
    if configuration.run.configdump:
        dump(configuration, lines)
        return ExitCode.SUCCESS
    refuse_mistyped_commands(configuration, arguments)
    if configuration.run.dry_run:
        from .cli.dry_run import dry_run

        end_loading()
        return dry_run(configuration, caller, lines)
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
    if not (configuration.accounts or is_fleet(configuration.globals)):
        from .cli.nothing import why_nothing

        lines.say(why_nothing(configuration, caller))
    if configuration.globals.daemon > 0 and not configuration.run.check:
        return start_daemon(configuration, caller, lines, arguments, pidfile)
    return run_once(configuration, caller, lines)


def end_loading() -> None:
    """Search for garbage from now on. What was loaded is left out: it stays to the end."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def may_be_command(word: str) -> bool:
    """Whether a word on the command line may be a command: a name with a dot is a server."""
    return not word.startswith("-") and "." not in word


def refuse_mistyped_commands(configuration: Configuration, arguments: Sequence[str]) -> None:
    """Raise ConfigErrors for a word that is neither a server in the rc file nor meant as one."""
    # Few runs name a server that is not in the rc file.
    names = [one.pollname for one in configuration.accounts if one.entry < 0]
    if any(may_be_command(name) or "@" in name for name in names):
        from .cli.dispatch import refuse_mistyped_commands as refuse

        refuse(configuration, arguments)


def run_once(configuration: Configuration, caller: Caller, lines: Lines) -> ExitCode:
    """Poll the accounts once and return the exit code."""
    from .cli.once import poll_all

    end_loading()
    log = log_of(configuration, lines)
    lines = log or lines
    # Ending the run is safe at any time; see docs/promise.md. Only tokens have to be stored first.
    handler = SignalHandler()
    for number in filter(is_wanted, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)):
        signal.signal(number, handler)
    code = poll_all(configuration, caller, lines, handler.hold)
    lines.detail(f"normal termination, status {int(code)}")
    if log:
        # Python 3.13 would complain at the exit about lines that a full disk has not taken.
        log.close()
    return code


def start_daemon(
    configuration: Configuration,
    caller: Caller,
    lines: Lines,
    arguments: Sequence[str],
    path: str,
) -> ExitCode:
    """Run the daemon, in the background unless ``nodetach`` is set; return its exit code."""
    from .polls.accounts import with_typed_password
    from .polls.pidfile import PidFile, detach

    # In the background the user cannot be asked.
    accounts = [with_typed_password(settings, caller.home) for settings in configuration.accounts]
    configuration = configuration.with_accounts(accounts)
    log = log_of(configuration, lines)
    # These signals may arrive while the daemon starts or ends. They can be ignored: the daemon
    # starts with a poll of all accounts, and the rc file has just been read.
    for number in (signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pidfile = PidFile(path)
    pidfile.take(configuration.globals.daemon)
    try:
        if not configuration.run.nodetach:
            detach()
            pidfile.write(configuration.globals.daemon)
        from .daemon.service import serve

        end_loading()
        return serve(configuration, caller, log or lines, arguments, pidfile)
    finally:
        pidfile.release()


def log_of(configuration: Configuration, lines: Lines) -> LogLines | None:
    """Return the lines that the settings ask for, or None for plain lines on the terminal."""
    settings = configuration.globals
    if not (settings.logfile or settings.syslog or settings.jsonlog):
        return None
    from .polls.logs import logged

    return logged(configuration, lines)


def end_running(pidfile: str, lines: Lines, *, only: bool) -> None:
    """End the user's daemon, and wait until it has ended unless this is the ``only`` task.

    Raises PollFailed (EXCLUDE) if it cannot be ended, or if ``only`` and no daemon is running.
    """
    from .polls.pidfile import end

    if pid := running(pidfile):
        end(pid, pidfile, wait=not only)
        lines.say(f"background {lines.program} at {pid} killed.")
    elif only:
        raise PollFailed(ExitCode.EXCLUDE, f"no other {lines.program} is running")


def wake_running(
    pid: int, check: bool, arguments: Sequence[str], caller: Caller, lines: Lines
) -> ExitCode:
    """Make the running daemon poll now.

    Raises PollFailed (EXCLUDE) if the command line asks for anything else.
    """
    from ..adapters.config.command_line import parse_command_line
    from .polls.pidfile import wake

    line = parse_command_line(arguments, caller.folder)
    problem = ""
    if check:
        problem = f"can't check mail while another {lines.program} to same host is running."
    elif line.servers:
        problem = f"can't poll specified hosts with another {lines.program} running at {pid}."
    elif line.options or line.appended or line.globals.keys() - {"pidfile"} or line.run.rcfile:
        problem = f"can't accept options while a background {lines.program} is running."
    if problem:
        step = '"mailhaul poll" lets it poll now, "mailhaul -q" ends it'
        raise PollFailed(ExitCode.EXCLUDE, f"{problem} {step}")
    wake(pid)
    lines.say(f"background {lines.program} at {pid} awakened.")
    return ExitCode.SUCCESS


def dump(configuration: Configuration, lines: Lines) -> None:
    """Print the configuration from the files and the command line."""
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
    """Return the stream for progress: not standard output if mail is written there."""
    mail_there = any(account.bsmtp == "-" for account in configuration.accounts)
    return sys.stderr if mail_there else sys.stdout


def drop_streams() -> None:
    """Drop output that cannot be written. Python would retry at exit and change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream.fileno())
                os.close(null)


def leave_no_core() -> None:
    """Keep passwords out of core dumps, in case Python itself crashes.

    With a limit of 0, Linux still passes the core to a program such as systemd-coredump; with a
    limit of 1 it does not.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    if most:
        resource.setrlimit(resource.RLIMIT_CORE, (1, most))


def read_stdin() -> bytes:
    """Return all of standard input. Raises RcFileRefused if it is too large for an rc file."""
    from ..adapters.config.rcfile import read_descriptor

    return read_descriptor(0, "standard input")
