"""The flow of an account whose server tells of new mail: poll, wait for news, poll again."""

from __future__ import annotations

from collections.abc import Callable

from ...adapters.config.settings import AccountSettings
from ...adapters.sources.imap_watch import WatchedSource
from ...flows.channel import describe
from ...flows.outcome import ExitCode
from ...flows.requests import Now, RuntimeFault, Sleep
from ...flows.schedule import GOOD
from ...protocols.errors import ProtocolError
from ..cli.lines import Lines
from ..cli.plan import Surroundings, access_of, account_of
from ..cli.polling import account_lines, poll_account

PAUSE = 30.0
"""Seconds before IDLE is asked for again where it ended without news."""
Told = Callable[[ExitCode, bool], None]
"""Is told how each poll ended, and whether the server will say when there is more."""


async def watch(
    settings: AccountSettings, around: Surroundings, lines: Lines, told: Told
) -> ExitCode:
    """Poll one mailbox, and again whenever something has come; return how the last poll ended.

    It comes back when the server does not tell news, when a poll fails, and when the connection
    breaks while nothing is under way: that is no failure, the next poll will show.
    """
    report = account_lines(settings, account_of(settings, around.check), lines)
    access = access_of(settings, around.tracer("IMAP"))
    source = WatchedSource(access, report, with_marks=settings.append is not None)
    while True:
        code = await poll_account(settings, around, lines, source)
        told(code, source.tells_news)
        if around.stopping():
            # What came meanwhile is not fetched any more, and would be news for ever.
            break
        # Behind the fetchlimit there is more to fetch, but not now.
        if not source.tells_news or code not in GOOD or code is ExitCode.MAXFETCH:
            break
        try:
            began = await Now()
            if not await source.news() and await Now() - began < PAUSE:
                # A server that ends IDLE by itself would be asked without end.
                await Sleep(PAUSE)
        except (ProtocolError, RuntimeFault) as error:
            lines.detail(describe(source.channel, error))
            code = ExitCode.SOCKET
            break
    await source.leave()
    return code
