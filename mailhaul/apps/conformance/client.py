"""``mailhaul conformance client``: plays servers for a mail client, and judges what it does."""

from __future__ import annotations

import sys
import time
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

from ...conformance.client.environment import DELIVERIES, ClientEnvironment, ClientTarget
from ...conformance.client.template import (
    CHOICES,
    BadTemplate,
    Template,
    find_template,
    template_names,
)
from ...conformance.expectations import read_expectations
from ...conformance.faults import WrongUse
from ...conformance.report.run import Run
from ...conformance.report.tap import tap
from ...conformance.runner import Limits, Runner
from ...conformance.suites import load_suite
from ..polls.lines import Lines, write
from .options import Parser, choose, positive, refuse_unwritable, seconds
from .screen import Screen
from .server import seed_of, signal_code, stopping_at_signals, write_reports
from .server_options import add_reports

EPILOG = f"""\
mailhaul plays the servers on loopback ports and starts the client again for each case. A template
says how the client is told what to do; COMMAND replaces the command of the template. In both names
in braces are replaced: {{host}} {{port}} {{user}} {{password}} {{rcfile}} {{sink_host}}
{{sink_port}} {{maildir}} {{program}} {{home}} {{authority}} {{message}} {{sender}} {{recipient}}.
Templates that come with mailhaul:
{", ".join(template_names())}.

A case that needs what the client cannot do is skipped. Before the cases the client has to bring one
message from and to servers without a fault; if it cannot, its cases end with an error.

Exit codes: 0 no failure, 1 a case failed, 2 wrong use, 3 the client cannot be set up, 4 a fault of
mailhaul itself; 130 and 143 after SIGINT and SIGTERM.

Example: mailhaul conformance client --template fetchmail client/pop3 client/smtp
"""


def run(word: str, arguments: Sequence[str], lines: Lines) -> int:
    """Run the cases that the words ask for; return the exit code. Raises WrongUse."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    parser = Parser(word, "[CASE ...] [-- COMMAND ...]", "Run cases against a client.", EPILOG)
    add_client_arguments(parser)
    parser.add_choice(slow=True)
    add_reports(parser)
    options = parser.parse(arguments[:place])
    options.command = [*arguments[place + 1 :]]
    return run_client(options, lines)


def add_client_arguments(parser: ArgumentParser) -> None:
    """Add the options about the client and about the course of the run."""
    parser.add_argument("cases", nargs="*", help=SUPPRESS)
    add = parser.add_argument_group("client").add_argument
    add("--template", metavar="NAME|FILE", default="", help="how the client is told what to do")
    add(
        "--protocol",
        choices=CHOICES["protocol"],
        action="append",
        default=[],
        help="test only this protocol; may be given more than once",
    )
    add(
        "--deliver",
        choices=DELIVERIES,
        default="",
        help="where fetched mail goes, if a case leaves that open",
    )
    add("--name", metavar="LABEL", default="", help="the name of the client in reports")
    add = parser.add_argument_group("run").add_argument
    add("--seed", metavar="N", type=positive, help="the order of an earlier run")
    add("--in-order", action="store_true", help="start the cases in the order of the list")
    add("--jobs", metavar="N", type=positive, default=2, help="cases side by side (default 2)")
    help_ = "for each start of the client, which is killed then (default 30)"
    add("--timeout", metavar="SECONDS", type=seconds, default=30.0, help=help_)
    add("--run-timeout", metavar="SECONDS", type=seconds, default=3600.0, help="for the whole run")
    add("--strict", action="store_true", help="warnings count as failures")
    add("--expect", metavar="FILE", default="", help="known results: id, verdict, reason a line")


def run_client(options: Namespace, lines: Lines) -> int:
    """Run the cases and write all reports; return the exit code. Raises WrongUse."""
    suite = load_suite("client")
    target = make_client_target(options)
    chosen = choose(suite.cases.values(), wanted_cases(options), options)
    for option, path in (("--json", options.json), ("--junit", options.junit)):
        if path:
            refuse_unwritable(option, path)
    current = Run(
        suite="client",
        target=target.template.name,
        name=options.name or target.template.name,
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        cases=chosen,
        seed=seed_of(options),
        strict=options.strict,
        expectations=read_expectations(options.expect, suite.cases) if options.expect else {},
    )
    screen = None if options.tap else Screen(current)
    # The longest case starts the client seven times, and for each once more to see that it works.
    limit = 14 * options.timeout
    with closing(target), stopping_at_signals() as (stop, received):
        began = time.monotonic()
        limits = Limits(limit, limit, options.run_timeout, options.jobs)
        runner = Runner(chosen, lambda: ClientEnvironment(target), stop, limits, seed=current.seed)
        if screen:
            screen.begin()
            runner.report = screen.add
        current.results = runner.run()
        current.seconds, current.stopped = time.monotonic() - began, stop.reason
    if screen:
        screen.end()
    else:
        write(sys.stdout, tap(current))
    good = write_reports(current, options, lines)
    code = current.exit_code()
    return signal_code(received) or (code if good or code else 4)


def wanted_cases(options: Namespace) -> list[str]:
    """Return the names of the cases to run: those of the protocols, if no others are named."""
    if options.cases or not options.protocol:
        return list(options.cases)
    return [*(f"client/{protocol}" for protocol in options.protocol), "client/tls"]


def make_client_target(options: Namespace) -> ClientTarget:
    """Return the client that the options describe. Raises WrongUse."""
    template = template_of(options)
    target = ClientTarget(template, options.timeout)
    if options.protocol:
        target.protocols = tuple(options.protocol)
    if options.deliver:
        if not template.can("deliver", options.deliver):
            raise WrongUse(f"--deliver {options.deliver}: the template has no words for that")
        target.deliveries = (options.deliver,)
    return target


def template_of(options: Namespace) -> Template:
    """Return the template, with the command of the command line. Raises WrongUse."""
    command: list[str] = options.command
    if options.template:
        try:
            template = find_template(options.template)
        except BadTemplate as fault:
            raise WrongUse(f"--template {fault}") from None
        return replace(template, command=tuple(command)) if command else template
    if not command:
        raise WrongUse("give --template, or a command after --; see --help")
    if len(options.protocol) != 1:
        raise WrongUse("a command without --template needs one --protocol")
    (protocol,) = options.protocol
    words = {"protocol": {protocol: protocol}}
    if protocol in {"pop3", "imap"}:
        words["deliver"] = {options.deliver or "stdout": ""}
    reads = protocol in {"smtp", "lmtp"}
    return Template(command[0], tuple(command), words=words, reads_message=reads)
