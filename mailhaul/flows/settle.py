"""What a server has confirmed goes into the ledger."""

from __future__ import annotations

from .account import Action
from .memory import Page
from .requests import Note
from .source import Source


async def note_confirmed(source: Source, page: Page, action: Action) -> None:
    """Write down what the server has done; remember what it will not remember itself."""
    confirmed = source.confirmed()
    if not confirmed:
        return
    if action is Action.MARK and not source.remembers:
        await Note(lambda: page.seen(confirmed))
    else:
        await Note(lambda: page.settled(confirmed))
