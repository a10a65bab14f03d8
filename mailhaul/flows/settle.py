"""Record in the ledger what the server has confirmed."""

from __future__ import annotations

from .account import Action
from .ledger import Page
from .requests import LedgerCall
from .source import Listed, Source


async def note_confirmed(source: Source, page: Page, action: Action, *, by_ledger: bool) -> None:
    """Record the actions that the server has confirmed.

    With ``by_ledger`` messages that are kept are recorded as seen, because only the ledger knows
    which messages were read.
    """
    confirmed = source.confirmed()
    if not confirmed:
        return
    if action is Action.MARK and by_ledger:
        await LedgerCall(lambda: page.mark_seen([Listed(uid) for uid in confirmed]))
    else:
        await LedgerCall(lambda: page.forget(confirmed))
