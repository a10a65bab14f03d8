"""Accounts that rest: what a poll does before, during and after."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.rests import DayMeter, set_rest
from ...adapters.ledger.store import LedgerFault
from ...flows.outcome import ExitCode, PollFailed
from ...flows.requests import LedgerCall
from .accounts import name_of, user_at_server
from .context import PollContext, RestNote
from .times import clock_time

if TYPE_CHECKING:
    from ...adapters.ledger.store import Rest
    from ...adapters.login.throttled import RestWanted
    from .lines import Lines

OBEYED = frozenset({ExitCode.SERVBUSY, ExitCode.LOCKBUSY})
"""Codes that say already that the server is busy."""


def code_at_rest(
    rest: Rest,
    settings: AccountSettings,
    now: float,
    resting: Callable[[float], None],
    lines: Lines,
) -> ExitCode | None:
    """Return the code of a poll that does not take place, None if it may take place.

    ``now`` is the Unix time; ``resting`` is called with the seconds that are left. A limit that was
    changed or removed in the rc file ends the rest because of the old one.
    """
    if rest.daylimit and rest.daylimit != settings.daylimit:
        return None
    resting(rest.until - now)
    when = clock_time(rest.until)
    lines.say(f"{user_at_server(settings)}: not polled before {when}: {rest.reason}")
    return ExitCode.MAXFETCH if rest.daylimit else ExitCode.SERVBUSY


async def begin_rest(
    wanted: RestWanted,
    settings: AccountSettings,
    context: PollContext,
    lines: Lines,
    failure: PollFailed,
) -> PollFailed:
    """Let an account rest after a failed poll, as its server wants.

    Return the failure to report.
    """
    await rest_for(wanted, settings, context, lines)
    if wanted.explicit and failure.code not in OBEYED:
        return PollFailed(ExitCode.SERVBUSY, str(failure))
    return failure


async def note_rest(
    note: RestNote, settings: AccountSettings, context: PollContext, lines: Lines
) -> None:
    """Let an account rest after a poll that has succeeded."""
    if note.wanted is not None and note.wanted.explicit:
        await rest_for(note.wanted, settings, context, lines)
    if note.full_until:
        context.resting(note.full_until - context.ledger.clock())
        what = f"the daylimit of {settings.daylimit} octets is reached"
        when = clock_time(note.full_until)
        lines.say(f"{user_at_server(settings)}: {what}; not polled before {when}")


async def rest_for(
    wanted: RestWanted, settings: AccountSettings, context: PollContext, lines: Lines
) -> None:
    """Record the rest that a server wants, and say so."""
    until = context.ledger.clock() + wanted.seconds
    words = lines.redacted(wanted.words)
    reason = f"the server wants a rest: {words}"
    account = name_of(settings)
    try:
        await LedgerCall(partial(set_rest, context.ledger, account, until, reason))
    except LedgerFault as fault:
        # The daemon knows of the rest, but later runs do not.
        lines.complain(str(fault))
    context.resting(wanted.seconds)
    when = clock_time(until)
    lines.say(f"{user_at_server(settings)}: the server wants a rest; not polled before {when}")


def meter_of(settings: AccountSettings, context: PollContext) -> DayMeter:
    """Return what limits the octets that an account fetches in a day."""
    note = context.rest or RestNote()

    def full(until: float) -> None:
        note.full_until = until

    return DayMeter(context.ledger, name_of(settings), settings.daylimit, full)
