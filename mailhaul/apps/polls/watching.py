"""The flow of an account whose server reports new mail: poll, wait, poll again.

One mailbox is watched by IDLE, several over one connection by NOTIFY.
"""

from __future__ import annotations

from collections.abc import Callable

from ...adapters.config.settings import AccountSettings
from ...adapters.login.reach import access_of
from ...adapters.sinks.kinds import chosen_sink
from ...adapters.sources.imap_notify import NotifiedSource, NotWatched
from ...adapters.sources.imap_watch import WatchedSource
from ...flows.channel import describe
from ...flows.outcome import GOOD, ExitCode, PollFailed
from ...flows.requests import Now, RuntimeFault, Sleep
from ...protocols.errors import ProtocolError
from .accounts import account_of
from .context import PollContext, source_tokens
from .lines import LinesOfPoll
from .poll import account_lines, at_rest, poll_account, report_failure

PAUSE = 30.0
"""Seconds before IDLE is sent again after it ended without new mail."""
PollEnded = Callable[[ExitCode, bool], None]
"""Called with the code of each poll, and whether the server will report new mail."""


def nothing() -> None:
    """Do nothing."""


async def watch(
    settings: AccountSettings,
    context: PollContext,
    lines: LinesOfPoll,
    on_poll_end: PollEnded,
    begins: Callable[[], None] = nothing,
) -> ExitCode:
    """Poll mailboxes, and each again when it has new mail; return the code of the last poll.

    ``begins`` is called at the start of each poll, ``on_poll_end`` at its end.

    It returns if the server does not report new mail, if a poll fails, and if the connection
    breaks between two polls, which is no failure. Raises NotWatched if several mailboxes cannot be
    watched over one connection.
    """
    if settings.proxy or settings.proxyout:
        from .ways import with_proxy_passwords  # few accounts have a proxy

        try:
            settings = await with_proxy_passwords(settings, context)
        except PollFailed as failure:
            code = report_failure(failure, settings, lines)
            on_poll_end(code, False)
            return code
    source = source_for(settings, context, lines)
    try:
        code = await keep_watching(source, settings, context, lines, on_poll_end, begins)
    except NotWatched as reason:
        await source.leave()
        lines.detail(f"{source.channel.peer}: each folder has its own connection: {reason}")
        raise
    await source.leave()
    return code


def source_for(
    settings: AccountSettings, context: PollContext, lines: LinesOfPoll
) -> WatchedSource:
    """Return the source for one watched mailbox, or for several."""
    report = account_lines(settings, account_of(settings, context.check), lines)
    tokens = source_tokens(settings, context)
    access = access_of(settings, context.tap_for("IMAP"), tokens, context.rest)
    with_marks = chosen_sink(settings).moves
    everything = settings.fetchall or settings.by_ledger
    keeps = settings.keeps
    source: WatchedSource
    if len(settings.folders) > 1:
        source = NotifiedSource(
            access,
            report,
            settings.folders,
            with_marks=with_marks,
            keeps=keeps,
            everything=everything,
        )
    else:
        source = WatchedSource(
            access, report, with_marks=with_marks, keeps=keeps, everything=everything
        )
    source.leaves_unread = settings.leaveunread
    return source


async def keep_watching(
    source: WatchedSource,
    settings: AccountSettings,
    context: PollContext,
    lines: LinesOfPoll,
    on_poll_end: PollEnded,
    begins: Callable[[], None],
) -> ExitCode:
    """Do what ``watch`` does, except the logout."""
    wanted = settings
    while True:
        begins()
        code = await at_rest(wanted, context.ledger, context.resting, lines)
        if code is None:
            code = await poll_account(wanted, context, lines, source)
        on_poll_end(code, source.pushes_news)
        if context.stopping():
            # New mail is not fetched any more, so waiting for it would return at once each time.
            return code
        if isinstance(source, NotifiedSource):
            require_one_connection(source, code)
        # After the fetchlimit more mail is left, for the next poll.
        if not source.pushes_news or code not in GOOD or code is ExitCode.MAXFETCH:
            return code
        try:
            began = await Now()
            wait_for_mail = await source.wait_for_mail()
            if not wait_for_mail and await Now() - began < PAUSE:
                # A server that ends IDLE at once would be asked again and again.
                await Sleep(PAUSE)
        except (ProtocolError, RuntimeFault) as error:
            lines.detail(describe(source.channel, error))
            return ExitCode.SOCKET
        wanted = settings.with_folders(wait_for_mail) if wait_for_mail else settings


def require_one_connection(source: NotifiedSource, code: ExitCode) -> None:
    """Raise NotWatched if a poll has shown that one connection is not enough."""
    if code is ExitCode.ERROR:
        raise NotWatched("the server refuses one of the folders")
    if code in GOOD and not source.can_notify:
        raise NotWatched("the server does not offer NOTIFY")
