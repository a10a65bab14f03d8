"""``mailhaul``: reads the command line and the rc file, does what they say."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from ...adapters.config.caller import Caller, find_caller
from ...adapters.config.errors import ConfigErrors, ConfigRefused
from ...adapters.config.load import Configuration, load
from ...flows.outcome import ExitCode, PollFailed
from .interrupted import Interrupted
from .lines import Lines


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code. No traceback reaches the user."""
    stand_on_open_descriptors()
    leave_no_core()
    lines = Lines(1)
    try:
        caller = find_caller(os.environ, os.geteuid(), os.getcwd())
        arguments = sys.argv[1:] if argv is None else argv
        if arguments[:1] == ["quarantine"]:
            return int(set_aside(arguments[1:], caller, lines))
        configuration = load(arguments, caller, read_stdin)
        lines = Lines(verbosity(configuration))
        return int(run(configuration, caller, lines))
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


def run(configuration: Configuration, caller: Caller, lines: Lines) -> ExitCode:
    """Do what the command line asks for."""
    if configuration.run.help:
        from ...adapters.config.command_line import usage

        sys.stdout.write(usage())
        return ExitCode.SUCCESS
    if configuration.run.version:
        from .version import describe

        sys.stdout.write(describe(configuration))
        return ExitCode.SUCCESS
    if configuration.run.quit:
        lines.complain('command line: "--quit" is not supported yet')
        return ExitCode.SYNTAX
    if configuration.run.configdump:
        dump(configuration, lines)
        return ExitCode.SUCCESS
    from .polling import poll_all

    for warning in configuration.warnings:
        lines.complain(str(warning))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, interrupt)
    code = poll_all(configuration, caller, lines)
    lines.detail(f"normal termination, status {int(code)}")
    return code


def set_aside(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Look after the messages that were set aside. A server of this name comes after ``--``."""
    from .quarantine import quarantine

    return quarantine(arguments, caller, lines)


def dump(configuration: Configuration, lines: Lines) -> None:
    """Print what the files and the command line come to."""
    from ...adapters.config.dump import json_dump, python_dump

    for warning in configuration.warnings:
        lines.complain(str(warning))
    form, settings = configuration.run.configdump, configuration.globals
    if form == "python":
        text = python_dump(settings, configuration.accounts, os.uname().nodename)
    else:
        with_secrets = form == "json,passwords"
        text = json_dump(settings, configuration.accounts, with_secrets=with_secrets)
    sys.stdout.write(text)


def verbosity(configuration: Configuration) -> int:
    """Return 0 for silent, 1 as usual, 2 and 3 with the dialogue."""
    return 0 if configuration.run.silent else 1 + configuration.run.verbose


def interrupt(number: int, _: FrameType | None) -> NoReturn:
    """Stop where we are: the order of steps makes that safe at any instant."""
    raise Interrupted(number)


def stand_on_open_descriptors() -> None:
    """Make sure that 0, 1 and 2 are open: a socket that got one of them would be printed to."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    # Python sets these to None, against what their types say, when it finds them closed.
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def leave_no_core() -> None:
    """Keep passwords out of core files, should Python itself crash.

    Linux still hands a core to a program, such as systemd-coredump, where its size is limited to
    0, but not where it is limited to 1.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    if most:
        resource.setrlimit(resource.RLIMIT_CORE, (1, most))


def read_stdin() -> bytes:
    """Return all of standard input."""
    return sys.stdin.buffer.read()


def place_of(fault: Exception) -> str:
    """Return what kind of fault it is and where in the code, without the data it carries."""
    trace = fault.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace else None
    place = f" at {code.co_filename}:{trace.tb_lineno}" if code and trace else ""
    return f"{type(fault).__name__}{place}"
