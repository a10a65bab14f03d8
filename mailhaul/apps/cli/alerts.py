"""Tell users what has changed, after the polls of a single run.

A run must end, whatever the commands of its accounts do. So no further one is started when those
before it have taken long. What was not told is told after the next run, since the ledger records
what was.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from time import monotonic

from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.alerts import AlertBook
from ...adapters.ledger.results import EntryResult, entry_results
from ...flows.alerts import Alert, Change, change_of, ended_by
from ...flows.outcome import PollResult
from ...protocols.record import replace
from ...runtimes import blocking
from ...runtimes.engine import Engine
from ..polls.alerts import news_of, run_on_delivery, state_of, tell
from ..polls.context import PollContext, context_for
from ..polls.lines import Lines

Token = tuple[str, str]
"""The label of a token that is missing, and a sentence about it."""
TOTAL_SECONDS = 600.0
"""Seconds after which a run begins no further command and no further mail to a user."""
RECENT = 2 * 24 * 3600
"""Seconds after which an entry that is polled no more does not silence others."""


def tell_all(
    results: Sequence[PollResult],
    accounts: Mapping[str, AccountSettings],
    tokens: Mapping[str, Token],
    context: PollContext,
    lines: Lines,
) -> None:
    """Tell users of every change that these results make; run ``on-delivery``. Raises PollFailed.

    The results are in the ledger already.
    """
    end = monotonic() + TOTAL_SECONDS
    untold = tell_changes(results, accounts, tokens, context, lines, end)
    unrun = run_deliveries(results, accounts, context, lines, end)
    if untold or unrun:
        lines.complain(
            f"{untold} user(s) are not told yet, and {unrun} on-delivery command(s) are not run: "
            f"those before them have taken more than {TOTAL_SECONDS:g} seconds"
        )


def run_deliveries(
    results: Sequence[PollResult],
    accounts: Mapping[str, AccountSettings],
    context: PollContext,
    lines: Lines,
    end: float,
) -> int:
    """Run ``on-delivery``; return how many commands were not begun before ``end``."""
    late = 0
    for result in results:
        settings = accounts[result.entry]
        if not (result.counts.fetched and settings.ondelivery):
            continue
        if monotonic() >= end:
            late += 1
            continue
        own = context_for(context, lines.of(result.entry))
        blocking.run(
            run_on_delivery(result.entry, settings, own, result.code, result.counts, lines),
            Engine(time.monotonic),
        )
    return late


def tell_changes(
    results: Sequence[PollResult],
    accounts: Mapping[str, AccountSettings],
    tokens: Mapping[str, Token],
    context: PollContext,
    lines: Lines,
    end: float,
) -> int:
    """Tell users of changes; return how many were not told because it was later than ``end``."""
    late = 0
    known, book = entry_results(context.ledger), AlertBook(context.ledger)
    told = list(book.told())
    for result in results:
        settings = accounts[result.entry]
        own = context_for(context, lines.of(result.entry))
        label, sentence = tokens.get(result.entry, ("", ""))
        found = known.get(result.entry) or EntryResult(result.entry)
        state = state_of(settings, result.entry, result.code, found.failures, label)
        change = change_of(state, settings.alertafter, told, lambda entry: fails(entry, known))
        if change is None:
            continue
        ended = ended_by(state, told) if change is Change.RECOVERY else []
        for alert in ended or (None,):
            if monotonic() >= end:
                late += 1
                continue
            news = replace(news_of(change, state, found, alert, sentence), single=True)
            flow = tell(news, settings, own, lines)
            if blocking.run(flow, Engine(time.monotonic)):
                told = kept(told, news.alert, begins=change is Change.FAILURE)
    return late


def kept(told: Sequence[Alert], alert: Alert, *, begins: bool) -> list[Alert]:
    """Return the alerts that have not ended, after one has begun or ended."""
    others = [one for one in told if one.topic != alert.topic]
    return [*others, alert] if begins else others


def fails(entry: str, known: Mapping[str, EntryResult]) -> bool:
    """Whether an entry still fails, and is still polled."""
    found = known.get(entry)
    return found is not None and found.failures > 0 and found.time > time.time() - RECENT
