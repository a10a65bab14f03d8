"""Record in the ledger what the server has confirmed."""

from __future__ import annotations

from .account import Action
from .ledger import Page
from .requests import LedgerCall
from .source import Listed, Source


async def note_confirmed(source: Source, page: Page, *, by_ledger: bool) -> None:
    """Record the actions that the server has confirmed, each as what it is.

    With ``by_ledger`` messages that are kept are recorded as seen, because only the ledger knows
    which messages were read. A message that is deleted is forgotten, whatever the account does with
    others: replies to deletions and to marks may arrive together.
    """
    deleted, marked = source.confirmed(Action.DELETE), source.confirmed(Action.MARK)
    if marked and by_ledger:
        await LedgerCall(lambda: page.mark_seen([Listed(uid) for uid in marked]))
        marked = ()
    if deleted or marked:
        await LedgerCall(lambda: page.forget([*deleted, *marked]))
