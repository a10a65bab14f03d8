"""Deliver a message once that is in several folders: Gmail's labels and All Mail, for example.

The server says which messages are the same: EMAILID (RFC 8474, 5.1) names the content of a
message, and so does Gmail's X-GM-MSGID. A copy has been delivered from another folder, and only
what is done at the server after that is done here too.
"""

from __future__ import annotations

from collections.abc import Sequence

from .account import Account
from .ledger import Page
from .report import Remark, Report
from .requests import LedgerCall
from .settle import note_confirmed
from .source import Listed, Source, same_size


async def without_copies(
    source: Source, page: Page, messages: Sequence[Listed]
) -> tuple[Sequence[Listed], Sequence[Listed]]:
    """Return the messages to fetch, and those that were delivered from another folder.

    The page gets to know the contents of the former, so that it records their delivery.
    """
    contents = await source.contents([one.uid for one in messages])
    page.contents = contents
    if not contents:
        return messages, ()
    records = page.reading()
    known = await LedgerCall(lambda: records.known_contents({*contents.values()}))
    if not known:
        return messages, ()
    copies = [
        one
        for one in messages
        if (size := known.get(contents.get(one.uid, b""))) is not None and same_size(size, one.size)
    ]
    found = {one.uid for one in copies}
    return [one for one in messages if one.uid not in found], copies


async def settle_copies(
    account: Account,
    source: Source,
    page: Page,
    copies: Sequence[Listed],
    report: Report,
    *,
    by_ledger: bool,
) -> None:
    """Delete or mark messages that were delivered from another folder."""
    action = account.action
    records = page.reading()
    # The promise: the delivery was recorded when the sink accepted it, and is on the disk now.
    await LedgerCall(lambda: records.accept_copies(copies, action))
    await LedgerCall(page.make_durable)
    source.perform(action, [one.uid for one in copies])
    await source.finish()
    await note_confirmed(source, page, by_ledger=by_ledger)
    text = f"{source.channel.peer}: {len(copies)} message(s) were delivered from another folder"
    report(Remark(text, error=False))
