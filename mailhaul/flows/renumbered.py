"""Recognize mail that has other UIDs than before, so that it is not fetched again.

A server may number a mailbox again: IMAP with another UIDVALIDITY (RFC 3501, 2.3.1.1), POP3 with
other unique ids. A message counts as known if Message-ID, Date, From and size are those of one that
is gone. This only spares a second fetch. It never permits a deletion: the message does not count as
delivered under its new UID.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from ..protocols.message.fingerprint import fingerprint
from .ledger import Page, ReadingPage
from .report import Remark, Report
from .requests import LedgerCall
from .source import Listed, Source, Uid

BATCH = 500
"""Messages whose headers are in memory at a time."""
MESSAGE_ID = re.compile(rb"(?im)^message-id[ \t]*:[ \t]*(?:\r?\n[ \t]+)?[^\s]")


class Former:
    """The messages that are gone, by size and fingerprint; each is recognized once."""

    def __init__(self, messages: Sequence[tuple[int, bytes]]) -> None:
        self._messages = Counter(messages)
        self._sizes = {size for size, _ in messages if size}
        self.count = 0
        """How many messages were recognized."""

    def may_have(self, message: Listed) -> bool:
        """Whether one of them has the size of this message."""
        return message.size in self._sizes

    def take(self, message: Listed, header: bytes) -> bytes:
        """Return the fingerprint of this message if it is one of them, or b""."""
        mark = fingerprint(header) if MESSAGE_ID.search(header) else b""
        if not mark or not self._messages[message.size, mark]:
            return b""
        self._messages[message.size, mark] -= 1
        self.count += 1
        return mark


async def recognize(
    source: Source,
    page: Page,
    report: Report,
    mailbox: str,
    new: Sequence[Sequence[Listed]],
    listing: Iterable[Sequence[Uid]] | None,
) -> list[Sequence[Listed]]:
    """Return the messages that are really new; record the others as seen.

    With the UIDs of the complete ``listing`` the messages that are gone are those that it does not
    have; without it they are those of the last UIDVALIDITY.
    """
    records = page.reading()
    gone = await LedgerCall(lambda: records.gone(listing) if listing else records.former())
    former = Former(gone)
    left = [await without_known(source, records, former, part) for part in new]
    if former.count:
        text = (
            f"{source.channel.peer}: {former.count} message(s) in {mailbox!r} have new UIDs and "
            "are known already; they are not fetched again"
        )
        report(Remark(text, error=False, usual=True))
    return left


async def without_known(
    source: Source, records: ReadingPage, former: Former, new: Sequence[Listed]
) -> Sequence[Listed]:
    """Do so for some of the messages."""
    candidates = [one for one in new if former.may_have(one)]
    known: list[tuple[Listed, bytes]] = []
    for start in range(0, len(candidates), BATCH):
        some = candidates[start : start + BATCH]
        headers = await source.headers([one.uid for one in some])
        found = [(one, former.take(one, headers.get(one.uid, b""))) for one in some]
        known += [(one, mark) for one, mark in found if mark]
    if not known:
        return new
    await LedgerCall(lambda: records.add_seen(known))
    uids = {one.uid for one, _ in known}
    return [one for one in new if one.uid not in uids]
