"""The flow of an account whose server tells of new mail: poll, wait for news, poll again.

One mailbox is watched by IDLE, several over one connection by NOTIFY.
"""

from __future__ import annotations

from collections.abc import Callable

from ...adapters.config.settings import AccountSettings
from ...adapters.login.reach import access_of
from ...adapters.sources.imap_notify import NotifiedSource, NotWatched
from ...adapters.sources.imap_watch import WatchedSource
from ...flows.channel import describe
from ...flows.outcome import ExitCode
from ...flows.requests import Now, RuntimeFault, Sleep
from ...flows.schedule import GOOD
from ...protocols.errors import ProtocolError
from .accounts import account_of
from .context import PollContext
from .lines import Lines
from .poll import account_lines, poll_account

PAUSE = 30.0
"""Seconds before IDLE is asked for again where it ended without news."""
PollEnded = Callable[[ExitCode, bool], None]
"""Is told how each poll ended, and whether the server will say when there is more."""


def nothing() -> None:
    """Do nothing about it."""


async def watch(
    settings: AccountSettings,
    context: PollContext,
    lines: Lines,
    on_poll_end: PollEnded,
    begins: Callable[[], None] = nothing,
) -> ExitCode:
    """Poll mailboxes, and each again when something has come; return how the last poll ended.

    ``begins`` is told of the beginning of each poll, ``on_poll_end`` of its end.

    It comes back when the server does not tell news, when a poll fails, and when the connection
    breaks while nothing is under way: that is no failure, the next poll will show. Raises
    NotWatched where several mailboxes cannot be watched over one connection.
    """
    source = source_for(settings, context, lines)
    try:
        code = await keep_watching(source, settings, context, lines, on_poll_end, begins)
    except NotWatched as reason:
        await source.leave()
        lines.detail(f"{source.channel.peer}: each folder has its own connection: {reason}")
        raise
    await source.leave()
    return code


def source_for(settings: AccountSettings, context: PollContext, lines: Lines) -> WatchedSource:
    """Return what watches one mailbox, or several."""
    report = account_lines(settings, account_of(settings, context.check), lines)
    access = access_of(settings, context.tracer("IMAP"))
    with_marks = settings.append is not None
    if len(settings.folders) > 1:
        return NotifiedSource(
            access, report, settings.folders, with_marks=with_marks, keeps=settings.keep
        )
    return WatchedSource(access, report, with_marks=with_marks, keeps=settings.keep)


async def keep_watching(
    source: WatchedSource,
    settings: AccountSettings,
    context: PollContext,
    lines: Lines,
    on_poll_end: PollEnded,
    begins: Callable[[], None],
) -> ExitCode:
    """Do as ``watch`` says, but for the log-out."""
    wanted = settings
    while True:
        begins()
        code = await poll_account(wanted, context, lines, source)
        on_poll_end(code, source.pushes_news)
        if context.stopping():
            # What came meanwhile is not fetched any more, and would be news for ever.
            return code
        if isinstance(source, NotifiedSource):
            insist_on_one(source, code)
        # Behind the fetchlimit there is more to fetch, but not now.
        if not source.pushes_news or code not in GOOD or code is ExitCode.MAXFETCH:
            return code
        try:
            began = await Now()
            wait_for_mail = await source.wait_for_mail()
            if not wait_for_mail and await Now() - began < PAUSE:
                # A server that ends IDLE by itself would be asked without end.
                await Sleep(PAUSE)
        except (ProtocolError, RuntimeFault) as error:
            lines.detail(describe(source.channel, error))
            return ExitCode.SOCKET
        wanted = settings.with_folders(wait_for_mail) if wait_for_mail else settings


def insist_on_one(source: NotifiedSource, code: ExitCode) -> None:
    """Raise NotWatched where a poll has shown that one connection is not enough."""
    if code is ExitCode.ERROR:
        raise NotWatched("a folder that the server refuses is not to stop the others")
    if code in GOOD and not source.can_notify:
        raise NotWatched("the server does not offer NOTIFY")
