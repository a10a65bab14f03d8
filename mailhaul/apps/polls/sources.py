"""The mailbox that an account collects from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...adapters.config.settings import AccountSettings
from ...adapters.login.reach import access_of
from ...adapters.sinks.kinds import chosen_sink
from ...flows.report import Report
from .context import PollContext, source_tokens

if TYPE_CHECKING:
    from ...adapters.sources.imap import ImapSource
    from ...adapters.sources.pop3 import Pop3Source

    MailSource = ImapSource | Pop3Source


def source_of(settings: AccountSettings, context: PollContext, report: Report) -> MailSource:
    """Return the mailbox to collect from."""
    tap = context.tap_for(settings.kind.family.upper())
    tokens = source_tokens(settings, context)
    access = access_of(settings, tap, tokens, context.rest, read_only=context.check)
    if settings.kind.family == "imap":
        from ...adapters.sources.imap import ImapSource

        with_marks = chosen_sink(settings).moves
        imap_source = ImapSource(
            access,
            report,
            with_marks=with_marks,
            keeps=settings.keeps,
            everything=settings.fetchall or settings.by_ledger,
        )
        imap_source.leaves_unread = settings.leaveunread
        return imap_source
    from ...adapters.sources.pop3 import Pop3Source

    return Pop3Source(
        access,
        report,
        apop=settings.protocol == "apop",
        # RETR marks a message as read on some servers, TOP does not; so TOP is used if it may stay.
        retrieve=settings.fetchall or "FETCHMAIL_POP3_FORCE_RETR" in os.environ,
        remember=settings.keeps and not settings.fetchall,
        sdps=settings.protocol == "sdps",
        login_delay=context.login_delay,
    )
