"""``mailhaul --dry-run``: what a poll would do, without doing it.

Each mailbox is opened by a client in read-only mode, the ledger is copied into memory, and the sink
is made and not opened. So nothing changes at the server, in the ledger or at the sink.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from ...adapters.config.caller import Caller
from ...adapters.config.errors import COMMAND_LINE, ConfigError, ConfigErrors
from ...adapters.config.load import Configuration
from ...adapters.config.secret_table import SECRETS
from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.names import sink_name
from ...flows.outcome import ExitCode, PollFailed
from ...flows.poll import Poll
from ...flows.preview import Asked, PreviewVisit
from ...flows.report import Event, Remark, Report
from ...runtimes import blocking
from ...runtimes.engine import Engine
from ..polls.accounts import account_of, policy_of, user_at_server, with_password
from ..polls.context import PollContext, context_for, hide_secret, local_hostname, tap_for, tape_for
from ..polls.inherited import is_wanted
from ..polls.interrupted import SignalHandler
from ..polls.lines import Lines
from ..polls.packer import Packing, multidrop_of
from ..polls.poll import combined_code, import_fetchids
from ..polls.sinks import sink_of
from ..polls.sources import source_of
from ..polls.state_folder import ledger_copy_of, state_folder
from .dry_run_report import Result, account_lines, document, summary
from .screen import Screen, show_json

if TYPE_CHECKING:
    from ..polls.sources import MailSource


def dry_run(configuration: Configuration, caller: Caller, lines: Lines) -> ExitCode:
    """Show what a poll of these accounts would do; return its exit code.

    It is 0 if any message would be fetched and 1 if none, or that of the failure as in a poll.
    Raises ConfigErrors, PollFailed and Interrupted.
    """
    run = configuration.run
    refuse_contradictions(configuration)
    handler = SignalHandler()
    for number in filter(is_wanted, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)):
        signal.signal(number, handler)
    # Standard output is for the result, and -v is for its details; -v -v shows the dialogue.
    lines = Lines(1 + max(0, run.verbose - 1), sys.stderr, program=lines.program)
    for warning in configuration.warnings:
        lines.complain(str(warning))
    folder = state_folder(caller, os.environ, configuration.globals)
    context = PollContext(
        caller=caller,
        globals=configuration.globals,
        check=True,
        ledger=ledger_copy_of(folder, configuration.globals),
        locks=os.path.join(folder, "locks"),
        hostname=local_hostname(),
        tap_for=partial(tap_for, lines),
        tape=tape_for(run, lines),
        hold=handler.hold,
    )
    screen = Screen()
    results: list[Result] = []
    try:
        for settings in configuration.accounts:
            result = look_at(settings, context, lines, details=run.verbose > 0)
            results.append(result)
            if not run.json:
                screen.show(account_lines(result, screen, details=run.verbose > 0))
    finally:
        context.ledger.close()
    code = combined_code([result.code for result in results])
    if run.json:
        show_json(document(results, code))
    else:
        screen.show(["", *screen.wrap(summary(results), 0)])
    return code


def refuse_contradictions(configuration: Configuration) -> None:
    """Raise ConfigErrors for options that cannot be used together."""
    if configuration.run.quit:
        problem = '"--dry-run" changes nothing, so it cannot be used with "--quit"'
        raise ConfigErrors([ConfigError(COMMAND_LINE, problem)])


# Looking


def look_at(
    settings: AccountSettings, context: PollContext, lines: Lines, *, details: bool
) -> Result:
    """Return what a poll of one account would do. A failure is in the result."""
    lines = lines.of(user_at_server(settings))
    context = context_for(context, lines)
    result = Result(settings)
    if not settings.kind.collects:
        domains = ", ".join(settings.fetchdomains or (context.hostname,))
        result.note = f"the server would be asked to send the mail for {domains}"
        return result
    engine = Engine(time.monotonic, context.observer)
    try:
        result.code = blocking.run(preview(result, context, lines, details=details), engine)
    except PollFailed as failure:
        result.failed(failure.code, lines.redacted(str(failure)))
    return result


async def preview(result: Result, context: PollContext, lines: Lines, *, details: bool) -> ExitCode:
    """Preview one account by its protocol; with ``auto`` IMAP, or else POP3. Raises PollFailed."""
    settings = with_password(result.settings, context)
    if settings.proxy or settings.proxyout:
        from ..polls.ways import with_proxy_passwords  # few accounts have a proxy

        settings = await with_proxy_passwords(settings, context)
    for name in SECRETS:
        secret = getattr(settings, name)
        if secret is not None:
            hide_secret(lines, context.tape, secret)
    protocols = ("imap", "pop3") if settings.protocol == "auto" else (settings.protocol,)
    for protocol in protocols:
        result.settings = settings.with_protocol(protocol)
        try:
            return await preview_by_protocol(result, context, lines, details=details)
        except PollFailed as failure:
            if failure.code is not ExitCode.PROTOCOL or protocol == protocols[-1]:
                raise
            lines.detail(str(failure))
    raise AssertionError("no protocol")


async def preview_by_protocol(
    result: Result, context: PollContext, lines: Lines, *, details: bool
) -> ExitCode:
    """Preview one account by the protocol in its settings. Raises PollFailed."""
    settings = result.settings

    def report(event: Event) -> None:
        match event:
            case Remark(text, error):
                (lines.complain if error else lines.detail)(text)
            case _:
                pass

    source = source_of(settings, context, report)
    poll = preview_poll(result, context, source, report, details=details)
    if not (settings.preconnect or settings.postconnect):
        return await poll.run()
    from ...adapters.connect_commands import run_with_commands

    return await run_with_commands(poll.run, settings.preconnect, settings.postconnect)


def preview_poll(
    result: Result,
    context: PollContext,
    source: MailSource,
    report: Report,
    *,
    details: bool,
) -> Poll:
    """Return a poll that only looks. It takes no lock: it changes nothing that others rely on."""
    settings = result.settings
    name, sink = sink_of(settings, context)
    account = account_of(settings, True, policy_of(settings, context.globals))
    if settings.kind.family == "pop3":
        import_fetchids(settings, context, account, name)
    asked = Asked(settings.multidrop, details, everything=details)
    return Poll(
        account,
        source,
        sink_name(name),
        sink,
        context.ledger,
        Packing(settings, context, source, multidrop_of(settings, context)),
        report,
        visit=partial(PreviewVisit, source, asked, result.mailboxes.append),
    )
