"""``mailhaul explain``: sign in to the server of an account, and show what it announces.

The client is in read-only mode, so that nothing can be changed there. A listener hears EHLO only.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial

from ...adapters.config.caller import Caller
from ...adapters.config.load import Configuration, load
from ...adapters.config.secret_table import SECRETS
from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.copy import LedgerCopy
from ...adapters.sinks.kinds import LISTENERS, chosen_sink, sink_value
from ...flows.outcome import ExitCode, PollFailed
from ...protocols.record import replace
from ...runtimes import blocking
from ...runtimes.engine import Engine
from ..polls.accounts import user_at_server
from ..polls.context import PollContext, context_for, hide_secret, local_hostname, tap_for
from ..polls.inherited import is_wanted
from ..polls.interrupted import SignalHandler
from ..polls.lines import Lines, escape
from ..polls.state_folder import LEDGER, state_folder
from .arguments import read_arguments, read_stdin
from .checks.config import names_of
from .commands import invalid
from .explained.document import SCHEMA, Explained, document
from .explained.report import text_of
from .explained.session import Session, explain_listener, explain_server
from .screen import Screen, show_json

__all__ = ["SCHEMA", "explain"]


def explain(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul explain``. Raises PollFailed, ConfigErrors, ConfigRefused and Interrupted."""
    given = read_arguments(arguments)
    if len(given.words) != 1 or given.flags - {"--json"}:
        raise invalid(arguments)
    source = ["-f", given.rcfile] if given.rcfile else []
    # As a dump: all entries, also those that are skipped.
    configuration = load([*source, "--configdump"], caller, read_stdin)
    settings = find_account(given.words[0], configuration)
    handler = SignalHandler()
    for number in filter(is_wanted, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)):
        signal.signal(number, handler)
    lines = Lines(1 + given.verbose, sys.stderr, program=lines.program).of(user_at_server(settings))
    context = context_of(configuration, caller, lines, handler)
    try:
        explained = look_at(settings, context, lines)
    finally:
        context.ledger.close()
    if "--json" in given.flags:
        show_json(document(explained))
    else:
        screen = Screen()
        screen.show(text_of(explained, screen))
    return explained.code


def find_account(name: str, configuration: Configuration) -> AccountSettings:
    """Return the account that is meant. Raises PollFailed (SYNTAX)."""
    accounts = configuration.accounts
    found = [one for one in accounts if name in names_of(one)]
    exact = [one for one in found if name == user_at_server(one)]
    found = exact or found
    if found and (len(found) == 1 or exact):
        return found[0]
    labels = escape(", ".join(dict.fromkeys(map(user_at_server, found or accounts))))
    if found:
        problem = f'"{escape(name)}" is the name of several accounts; give one of {labels}'
    else:
        problem = f'no account "{escape(name)}" in {configuration.rcfile}; there are: {labels}'
    raise PollFailed(ExitCode.SYNTAX, problem)


def context_of(
    configuration: Configuration, caller: Caller, lines: Lines, handler: SignalHandler
) -> PollContext:
    """Return the context of the session. The ledger is needed only for its folder."""
    folder = state_folder(caller, os.environ, configuration.globals)
    context = PollContext(
        caller=caller,
        globals=configuration.globals,
        check=True,
        ledger=LedgerCopy(os.path.join(folder, LEDGER)),
        locks=os.path.join(folder, "locks"),
        hostname=local_hostname(),
        tap_for=partial(tap_for, lines),
        hold=handler.hold,
    )
    for settings in configuration.accounts:
        for name in SECRETS:
            if (secret := getattr(settings, name)) is not None:
                hide_secret(lines, None, secret)
    return context_for(context, lines)


def look_at(settings: AccountSettings, context: PollContext, lines: Lines) -> Explained:
    """Connect to the server, and to the listeners."""
    if not settings.kind.collects:
        problem = f"{settings.protocol} fetches no mail from a mailbox; there is nothing to explain"
        raise PollFailed(ExitCode.SYNTAX, f"{user_at_server(settings)}: {problem}")
    session: Session = blocking.run(explain_server(settings, context), Engine(time.monotonic))
    if failure := session.failure:
        # A server may repeat the password in its reply.
        shown = PollFailed(failure.code, lines.redacted(str(failure)))
        session = replace(session, failure=shown)
    kind = chosen_sink(settings)
    hosts = sink_value(kind, settings).split() if kind in LISTENERS else []
    listeners = [
        blocking.run(explain_listener(settings, host, context), Engine(time.monotonic))
        for host in hosts
    ]
    return Explained(session, tuple(listeners))
