"""``mailhaul conformance imap`` and the like: runs cases against a server and reports."""

from __future__ import annotations

import random
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from ...conformance.case_thread import Stop, describe
from ...conformance.cases import Suite, is_named
from ...conformance.environment import Target
from ...conformance.expectations import read_expectations
from ...conformance.faults import WrongUse
from ...conformance.report.json import run_as_json
from ...conformance.report.junit import junit
from ...conformance.report.run import ExitCode, Run
from ...conformance.report.tap import tap
from ...conformance.runner import Limits, Runner
from ...conformance.suites import MODULES, environment_of, load_suite
from ...conformance.targets import TargetWords, make_target
from ...conformance.verdicts import SetUpFailed
from ..polls.inherited import is_wanted
from ..polls.lines import Lines, write
from .options import choose, refuse_unwritable
from .screen import Screen
from .server_options import server_parser

DESCRIBE_SECONDS = 30.0


def run(protocol: str, arguments: Sequence[str], lines: Lines) -> int:
    """Run the cases that the words ask for; return the exit code. Raises WrongUse."""
    options = server_parser(protocol).parse(arguments)
    if protocol not in MODULES:
        raise WrongUse(f'there are no cases for {protocol} servers yet; see "conformance list"')
    suite = load_suite(protocol)
    place, names = split_words(options.words, suite, command=bool(options.command))
    chosen = choose(suite.cases.values(), names, options)
    target = make_target(protocol, target_words(place, options))
    if options.random:
        from .random_mode import run_random

        with stopping_at_signals() as (stop, received):
            code = run_random(protocol, target, options, stop, lines)
        return signal_code(received) or code
    for option, path in (("--json", options.json), ("--junit", options.junit)):
        if path:
            refuse_unwritable(option, path)
    current = Run(
        suite=protocol,
        target=place or options.command,
        name=options.name or place or target.name,
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        cases=chosen,
        seed=seed_of(options),
        strict=options.strict,
        expectations=read_expectations(options.expect, suite.cases) if options.expect else {},
    )
    return run_cases(current, suite, target, options, lines)


def run_cases(
    current: Run, suite: Suite[Any], target: Target, options: Namespace, lines: Lines
) -> int:
    """Run the cases and write all reports."""
    make = environment_of(suite.name)
    screen = None if options.tap else Screen(current)
    with stopping_at_signals() as (stop, received):
        try:
            current.description = describe(make(target), DESCRIBE_SECONDS, stop)
        except SetUpFailed as failure:
            if not received:
                why = advice(str(failure), target)
                lines.complain(f"conformance: {target.name} cannot be tested: {why}")
            return signal_code(received) or ExitCode.NOT_SET_UP
        began = time.monotonic()
        runner = Runner(
            current.cases,
            lambda: make(target),
            stop,
            Limits(options.case_timeout, options.slow_timeout, options.run_timeout, options.jobs),
            alone=suite.alone,
            seed=current.seed,
        )
        if screen:
            screen.begin()
            runner.report = screen.add
        current.results = runner.run()
        current.seconds, current.stopped = time.monotonic() - began, stop.reason
    if screen:
        screen.end()
    else:
        write(sys.stdout, tap(current))
    code = current.exit_code()
    if not write_reports(current, options, lines) and code is ExitCode.PASSED:
        code = ExitCode.HARNESS_BROKE
    return signal_code(received) or code


def split_words(
    words: Sequence[str], suite: Suite[Any], *, command: bool
) -> tuple[str, Sequence[str]]:
    """Return the target and the names of cases.

    After --command the target may be missing: then the first word is a case too.
    """
    if not words:
        return "", ()
    is_case = any(is_named(case, words[0]) for case in suite.cases)
    if is_case and not command:
        raise WrongUse(f"no target: give it before {words[0]}, as in localhost:1100")
    return ("", words) if is_case else (words[0], words[1:])


def target_words(place: str, options: Namespace) -> TargetWords:
    """Return what the options say about the target."""
    return TargetWords(
        place=place,
        command=options.command,
        user=options.user,
        password_file=options.password_file,
        user2=options.user2,
        password_file2=options.password_file2,
        plain=options.plain,
        **mail_words(options),
        ca=options.ca,
        verify=options.verify,
        mail=options.mail,
        without=options.without,
        timeout=options.timeout,
    )


def mail_words(options: Namespace) -> dict[str, Any]:
    """Return what the options say about a server that takes mail."""
    names = ("sender", "recipients", "unknown_recipient", "failing_recipient")
    more = ("login_first", "delivery", "client_name")
    return {name: getattr(options, name) for name in (*names, *more) if name in options}


def seed_of(options: Namespace) -> int | None:
    """Return the seed of the order: the given one, a new one, or None for no random order."""
    if options.in_order:
        return None
    seed: int | None = options.seed
    return random.SystemRandom().randrange(1, 1_000_000) if seed is None else seed


def advice(reason: str, target: Target) -> str:
    """Return why the target cannot be tested, with what the user can do."""
    if "certificate refused" in reason:
        # What follows is about the options of a poll.
        return f"{reason.partition(';')[0]}; give its CA with --ca FILE, or add --no-verify"
    if "does not speak TLS" in reason:
        return f"{reason}; is it starttls://, or a target without tls://?"
    if target.starttls and "refuses" in reason:
        return f"{reason}; give the target without starttls://"
    return reason


@contextmanager
def stopping_at_signals() -> Generator[tuple[Stop, list[int]]]:
    """Stop the run at the first signal. The second one ends the process as usual."""
    stop = Stop()
    received: list[int] = []
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if is_wanted(number)]
    before = {number: signal.getsignal(number) for number in numbers}

    def handle(number: int, _: FrameType | None) -> None:
        received.append(number)
        stop.now(f"interrupted by {signal.Signals(number).name}")
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)

    for number in numbers:
        signal.signal(number, handle)
    try:
        yield stop, received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.close()


def signal_code(received: Sequence[int]) -> int:
    """Return the exit code after a signal, as a shell has it; 0 if there was none."""
    return 128 + received[0] if received else 0


def write_reports(current: Run, options: Namespace, lines: Lines) -> bool:
    """Write the files that were asked for; return whether all could be written."""
    files: dict[str, bytes] = {}
    if options.json:
        files[options.json] = run_as_json(current).encode()
    if options.junit:
        files[options.junit] = junit(current)
    good = True
    for path, text in files.items():
        try:
            Path(path).write_bytes(text)
        except OSError as error:
            lines.complain(f"conformance: {path} cannot be written: {error.strerror or error}")
            good = False
    return good
