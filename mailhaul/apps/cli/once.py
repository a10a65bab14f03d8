"""Poll all accounts once: a single account on the blocking runtime, several side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TextIO

from ...adapters.config.caller import Caller
from ...adapters.config.load import Configuration
from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.store import LedgerFault
from ...adapters.sinks.kinds import chosen_sink
from ...flows.channel import Channel, Endpoint
from ...flows.outcome import GOOD, ExitCode, PollCounts, PollFailed, PollResult
from ...protocols.record import Record, replace
from ...runtimes import blocking
from ...runtimes.engine import ChannelObserver, Engine
from ..polls.accounts import keys_for, with_typed_password
from ..polls.context import Hold, PollContext, context_for, make_context
from ..polls.interrupted import Interrupted
from ..polls.lines import Lines
from ..polls.poll import at_rest, combined_code, poll_account


def poll_all(configuration: Configuration, caller: Caller, lines: Lines, hold: Hold) -> ExitCode:
    """Poll all accounts, concurrently unless the user wants one at a time.

    ``hold`` keeps signals waiting while something must not be interrupted.
    The exit code is 0 if any account had mail, otherwise that of the last account in the file.
    Raises Interrupted if a signal ended the run.
    """
    if configuration.run.check:
        lines.detail("Check mode enabled, not fetching mail")
    context = replace(make_context(configuration, caller, lines), hold=hold)
    accounts = configuration.accounts
    lines.names_accounts = lines.names_accounts or len(accounts) > 1
    names = keys_for(accounts)
    recorder = Recorder(context, lines, dict(zip(names, accounts, strict=True)))
    waiting = any(one.idle for one in accounts) and not context.check
    run = Run(configuration, names, context, recorder, waiting)
    if context.ledger.is_shared:
        from .shared_run import poll_shared  # few users have several machines

        return poll_shared(run, lines, caller)
    return poll_run(run, lines, caller)


def poll_run(run: Run, lines: Lines, caller: Caller) -> ExitCode:
    """Poll the accounts of a run, record how that ended, and close the ledger."""
    configuration, recorder, names = run.configuration, run.recorder, run.names
    try:
        if has_bars(configuration, lines) and not run.waiting:
            from .progress import progress

            # A prompt would be drawn over.
            run = replace(run, configuration=with_passwords(configuration, caller))
            with progress(lines, names) as above:
                codes, number = run_all(run, above, caller)
        else:
            codes, number = run_all(run, lines, caller)
        if not number:
            recorder.record_and_tell()
    finally:
        recorder.record()
        run.ended()
        run.context.ledger.close()
    if number:
        raise Interrupted(number)
    return combined_code([*run.others, *codes])


class Run(Record):
    """What is polled, the names of the entries, and whether some then wait for new mail.

    ``others`` are the codes of entries that are not polled, and ``ended`` is called before the
    ledger is closed.
    """

    configuration: Configuration
    names: Sequence[str]
    context: PollContext
    recorder: Recorder
    waiting: bool
    others: Sequence[ExitCode] = ()
    ended: Callable[[], None] = lambda: None


def run_all(run: Run, lines: Lines, caller: Caller) -> tuple[Sequence[ExitCode], int]:
    """Poll all accounts; return their codes, and the signal that ended the run or 0."""
    accounts, one_by_one = run.configuration.accounts, run.configuration.run.one_by_one
    if one_by_one or (len(accounts) == 1 and not run.waiting):
        each = zip(accounts, run.names, strict=True)
        return [run_alone(one, run.context, lines, name, run.recorder) for one, name in each], 0
    if run.waiting:
        from .waiting import poll_and_wait as poll_together
    else:
        from .side_by_side import poll_side_by_side as poll_together

    # All passwords are asked for first, so that prompts and output do not mix.
    accounts = with_passwords(run.configuration, caller).accounts
    return poll_together(accounts, run.names, run.context, lines, run.recorder)


def with_passwords(configuration: Configuration, caller: Caller) -> Configuration:
    """Ask for the passwords that the user has to type."""
    accounts = configuration.accounts
    return configuration.with_accounts([with_typed_password(one, caller.home) for one in accounts])


def has_bars(configuration: Configuration, lines: Lines) -> bool:
    """Whether progress is shown by bars: on a terminal, unless the user wants other output."""
    settings = configuration.globals
    others = lines.verbosity != 1 or lines.is_log or settings.showdots
    if others or not settings.progress or not is_terminal(lines.out):
        return False
    from importlib.util import find_spec

    return find_spec("rich") is not None


def is_terminal(stream: TextIO) -> bool:
    """Whether this stream is a terminal on which can be drawn."""
    try:
        return stream.isatty() and os.environ.get("TERM", "dumb") not in {"", "dumb", "unknown"}
    except ValueError:
        return False


class Recorder:
    """Keeps how polls ended, and records it in the ledger: for a daemon and ``mailhaul status``.

    Users are told what has changed. ``accounts`` are the settings of the entries.
    """

    def __init__(
        self, context: PollContext, lines: Lines, accounts: Mapping[str, AccountSettings]
    ) -> None:
        self._context = context
        self._lines = lines
        self._accounts = accounts
        self._results: list[PollResult] = []
        self._tokens: dict[str, tuple[str, str]] = {}
        self.codes: dict[str, ExitCode] = {}
        """How the last poll of each entry ended."""

    def note(
        self, name: str, code: ExitCode, words: str, counts: PollCounts, seconds: float
    ) -> None:
        """Keep how a poll ended."""
        self.codes[name] = code
        self._results.append(PollResult(name, time.time(), code, words, counts, seconds))

    def note_token(self, name: str, label: str, kind: str, sentence: str) -> None:
        """Keep whose token is missing, and why; forget it without a ``kind``."""
        if kind:
            self._tokens[name] = label, sentence
        else:
            self._tokens.pop(name, None)

    def record(self) -> Sequence[PollResult]:
        """Record what was kept, and return it. A test run (``--check``) leaves no record."""
        results, self._results = self._results, []
        if not results or self._context.check:
            return ()
        try:
            self._context.ledger.record_results(results)
        except LedgerFault as fault:
            # The mail was delivered, and nothing depends on this record.
            self._lines.detail(str(fault))
            return ()
        return results

    def record_and_tell(self) -> None:
        """Record what was kept, and tell users what has changed."""
        results = self.record()
        try:
            if not (results and self._may_change(results)):
                return
            from .alerts import tell_all  # few runs need it

            tell_all(results, self._accounts, self._tokens, self._context, self._lines)
        except PollFailed as failure:
            self._lines.complain(str(failure))

    def _may_change(self, results: Sequence[PollResult]) -> bool:
        """Whether there may be something to tell. Raises LedgerFault."""
        for result in results:
            command = self._accounts[result.entry].ondelivery
            if result.code not in GOOD or (command and result.counts.fetched):
                return True
        return self._context.ledger.has_alerts()


def run_alone(
    settings: AccountSettings, context: PollContext, lines: Lines, name: str, recorder: Recorder
) -> ExitCode:
    """Poll one account on the blocking runtime."""
    observer = load_meanwhile(settings, context) if settings.plugin else context.observer
    engine = Engine(time.monotonic, observer)
    poll = lines.of(name)
    began = time.monotonic()
    own = replace(
        context_for(context, poll),
        note_token=partial(recorder.note_token, name),
        ledger=context.ledger_for(name),
    )

    async def poll_unless_at_rest() -> ExitCode:
        code = await at_rest(settings, own.ledger, own.resting, poll)
        return await poll_account(settings, own, poll) if code is None else code

    code = blocking.run(poll_unless_at_rest(), engine)
    recorder.note(name, code, *poll.take(), time.monotonic() - began)
    return code


def load_meanwhile(settings: AccountSettings, context: PollContext) -> ChannelObserver:
    """Return an observer that loads what delivers mail while a plugin connects, which takes long.

    After that, the observer of the context is called.
    """

    def opened(channel: Channel[Endpoint]) -> None:
        if context.observer:
            context.observer(channel)
        for module in (
            "mailhaul.flows.ferry",
            "mailhaul.flows.parcel",
            chosen_sink(settings).module,
        ):
            import_module(module)

    return opened
