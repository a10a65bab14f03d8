"""A message that fails over and over is set aside, so that it is in nobody's way."""

from __future__ import annotations

from .fate import is_stuck
from .ledger import Page
from .outcome import Failures, Tally
from .report import Report, Said
from .requests import LedgerCall
from .source import Uid, format_uid


async def set_aside_if_stuck(
    page: Page, report: Report, tally: Tally, uid: Uid, failures: Failures
) -> None:
    """Set a message aside after so many failures, and say so.

    Where nothing at all is accepted, it may not be this message that is wrong.
    """
    if not (tally.accepted and is_stuck(failures)):
        return
    await LedgerCall(lambda: page.set_aside(uid))
    text = (
        f"message {format_uid(uid)} is set aside after {failures.tries} refusals and stays on "
        'the server; see "mailhaul quarantine list"'
    )
    report(Said(text, error=True))
