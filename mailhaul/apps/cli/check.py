"""``mailhaul check``: find everything that would make a poll fail, without the network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ...adapters.config.caller import Caller
from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.copy import LedgerCopy
from ...flows.outcome import ExitCode, PollFailed
from ...protocols.record import replace
from ..polls.accounts import user_at_server
from ..polls.context import PollContext, local_hostname, no_tap
from ..polls.lines import Lines
from ..polls.state_folder import LEDGER, state_folder
from .arguments import read_arguments, read_stdin
from .checks.config import Checked, UnknownAccount, check_configuration
from .checks.files import check_daemon, check_named_files, check_state
from .checks.findings import Finding, Severity, exit_code, ok
from .checks.reach import check_reach
from .checks.secrets import check_extras, check_secrets, check_tokens
from .checks.sinks import check_sink
from .commands import invalid
from .json_schema import COUNT, TEXT, TEXT_OR_NULL, list_of, of_fields, one_of, whole
from .screen import Screen, counted, show_json

DOCUMENT, VERSION = "mailhaul-check", 1
"""The name and the version of the JSON document."""
STYLES = {
    Severity.OK: ("green",),
    Severity.NOTE: ("cyan",),
    Severity.WARNING: ("yellow", "bold"),
    Severity.ERROR: ("red", "bold"),
}
PROGRAM = "this machine"
"""The title of the findings that concern all accounts."""


def check(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul check`` with these arguments."""
    given = read_arguments(arguments)
    flags = given.flags
    if flags - {"--json"}:
        raise invalid(arguments)
    try:
        checked = check_configuration(given.rcfile, given.words, caller, read_stdin)
    except UnknownAccount as unknown:
        name, known = unknown.args
        lines.complain(f'check: no account "{name}"; there are: {", ".join(known)}')
        return ExitCode.SYNTAX
    screen = Screen()
    findings: list[Finding] = []
    for title, group in groups(checked, caller):
        some = list(group)
        findings += some
        if "--json" not in flags:
            screen.show(group_lines(title, some, screen))
    code = exit_code(findings)
    if "--json" in flags:
        show_json(document(checked, findings, code))
    else:
        screen.show(["", summary(findings, screen)])
    return code


def groups(checked: Checked, caller: Caller) -> Iterator[tuple[str, Iterable[Finding]]]:
    """Yield the findings about the machine, and those about each account, with a title."""
    yield PROGRAM, about_machine(checked, caller)
    context = context_of(checked, caller)
    for settings in checked.accounts:
        name = user_at_server(settings)
        yield name, (replace(one, account=name) for one in about_account(settings, context))


def about_machine(checked: Checked, caller: Caller) -> Iterator[Finding]:
    """Check what concerns all accounts."""
    yield from checked.findings
    yield from check_state(caller, checked.globals)
    yield from check_daemon(caller, checked.globals)
    yield from check_named_files(checked.globals)


def about_account(settings: AccountSettings, context: PollContext) -> Iterator[Finding]:
    """Check one account."""
    yield from check_reach(settings)
    yield from check_extras(settings)
    yield from check_secrets(settings, context)
    yield from check_tokens(settings, context)
    if settings.kind.collects:
        yield from check_sink(settings)
    else:
        text = "the server is asked to send mail; nothing is fetched or delivered here"
        place = str(settings.place("protocol"))
        yield ok("protocol", settings.protocol.upper(), text, place)


def context_of(checked: Checked, caller: Caller) -> PollContext:
    """Return the context for reading secrets and tokens."""
    try:
        folder = state_folder(caller, os.environ, checked.globals)
    except PollFailed:
        # That is a finding already.
        folder = os.path.join(caller.home, ".local", "state", "mailhaul")
    return PollContext(
        caller=caller,
        globals=checked.globals,
        check=True,
        ledger=LedgerCopy(os.path.join(folder, LEDGER)),
        locks=os.path.join(folder, "locks"),
        hostname=local_hostname(),
        tap_for=no_tap,
    )


# As text


def group_lines(title: str, findings: Sequence[Finding], screen: Screen) -> list[str]:
    """Return the lines about the machine or about one account."""
    lines = ["", screen.paint(title, "bold")]
    width = max((len(one.subject) for one in findings), default=0)
    for one in findings:
        word = one.severity.name.lower()
        start = 2 + 7 + 2 + width + 2
        first, *rest = screen.wrap(one.cause, start) or [""]
        head = f"  {screen.paint(word, *STYLES[one.severity])}{' ' * (9 - len(word))}"
        lines.append(f"{head}{one.subject.ljust(width)}  {first[start:]}")
        lines += rest
        if one.severity >= Severity.WARNING and one.place:
            lines += [screen.paint(line, "dim") for line in screen.wrap(f"at {one.place}", start)]
        if one.next_step:
            lines += screen.wrap(f"-> {one.next_step}", start, start + 3)
    return lines


def summary(findings: Sequence[Finding], screen: Screen) -> str:
    """Return the last line."""
    errors = sum(one.severity is Severity.ERROR for one in findings)
    warnings = sum(one.severity is Severity.WARNING for one in findings)
    if errors:
        both = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}"
        return screen.paint(f"{both}.", "red", "bold")
    if warnings:
        return screen.paint(f"No errors, {counted(warnings, 'warning')}.", "yellow", "bold")
    return screen.paint("Everything is as it should be.", "green", "bold")


# As JSON


def document(checked: Checked, findings: Sequence[Finding], code: ExitCode) -> Mapping[str, object]:
    """Return the findings as a JSON document; see SCHEMA."""
    severities = [one.severity for one in findings]
    return {
        "document": DOCUMENT,
        "version": VERSION,
        "rcfile": checked.path,
        "accounts": [user_at_server(one) for one in checked.accounts],
        "findings": [facts(one) for one in findings if one.severity is not Severity.OK],
        "passed": [facts(one) for one in findings if one.severity is Severity.OK],
        "errors": severities.count(Severity.ERROR),
        "warnings": severities.count(Severity.WARNING),
        "exit_code": int(code),
    }


def facts(one: Finding) -> Mapping[str, object]:
    """Return the part of the document about one finding."""
    return {
        "severity": one.severity.name.lower(),
        "name": one.name,
        "account": one.account or None,
        "place": one.place or None,
        "subject": one.subject,
        "cause": one.cause,
        "next_step": one.next_step or None,
        "exit_code": int(one.code),
    }


FINDING = of_fields(
    {
        "severity": one_of(one.name.lower() for one in Severity),
        "name": TEXT,
        "account": TEXT_OR_NULL,
        "place": TEXT_OR_NULL,
        "subject": TEXT,
        "cause": TEXT,
        "next_step": TEXT_OR_NULL,
        "exit_code": COUNT,
    }
)
SCHEMA = whole(
    "mailhaul check --json",
    DOCUMENT,
    VERSION,
    {
        "rcfile": TEXT,
        "accounts": list_of(TEXT),
        "findings": list_of(FINDING),
        "passed": list_of(FINDING),
        "errors": COUNT,
        "warnings": COUNT,
        "exit_code": COUNT,
    },
)
"""The schema of ``document``."""
