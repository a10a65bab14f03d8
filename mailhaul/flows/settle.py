"""What a server has confirmed goes into the ledger."""

from __future__ import annotations

from .account import Action
from .ledger import Page
from .requests import LedgerCall
from .source import Listed, Source


async def note_confirmed(source: Source, page: Page, action: Action, *, by_ledger: bool) -> None:
    """Write down what the server has done.

    With ``by_ledger`` only the ledger knows tomorrow what was read today.
    """
    confirmed = source.confirmed()
    if not confirmed:
        return
    if action is Action.MARK and by_ledger:
        await LedgerCall(lambda: page.mark_seen([Listed(uid) for uid in confirmed]))
    else:
        await LedgerCall(lambda: page.forget(confirmed))
