"""Set aside a message that fails repeatedly, so that it does not delay others."""

from __future__ import annotations

from .fate import is_stuck
from .ledger import Page
from .outcome import Failures, Tally
from .report import Remark, Report
from .requests import LedgerCall
from .source import Uid, format_uid


async def set_aside_if_stuck(
    page: Page, report: Report, tally: Tally, uid: Uid, failures: Failures
) -> None:
    """Set a message aside if it has failed often enough, and report that.

    If no message at all was accepted, the cause may not be this message.
    """
    if not (tally.accepted and is_stuck(failures)):
        return
    await LedgerCall(lambda: page.set_aside(uid))
    text = (
        f"message {format_uid(uid)} is set aside after {failures.tries} refusals and stays on "
        'the server; see "mailhaul quarantine list"'
    )
    report(Remark(text, error=True))
