"""Delete mail from the server a time after its delivery (``delete-after``).

Only the ledger's own deliveries count: a message goes if a sink accepted it long enough ago, and if
the server still shows the same message under its UID. Whatever else is in the mailbox stays.

A wrong clock or a slip in an option must not empty a mailbox. So the first deletions come a day
after they were announced; a poll deletes a few messages only; and nothing goes while the clock may
be wrong or more than half of the mailbox is due, until the user confirms it ("mailhaul retention").
"""

from __future__ import annotations

from collections.abc import Sequence

from ..protocols.record import Record, replace
from .account import Account, Action
from .debts import Match, match
from .ledger import Page, Pending, RetentionPage
from .report import Remark, Report
from .requests import LedgerCall
from .settle import note_confirmed
from .source import Listed, Source, Uid

DAY = 24 * 3600
GRACE_SECONDS = DAY
"""Seconds between the announcement of a period and the first deletions."""
MAX_GAP_SECONDS = 7 * DAY
"""Seconds without a poll after which the clock may be wrong."""
FEW = 10
"""Messages that may always go together, whatever share of the mailbox they are."""
NOTE_SECONDS = 3600
"""Seconds after which a poll that changes nothing else is recorded."""
LOOKS = 10
"""How many times as many messages are examined as may be deleted."""


class Delivered(Record):
    """A message that was delivered at this Unix time. ``size`` and ``fingerprint`` may be unknown
    (0, b"").
    """

    uid: Uid
    size: int
    fingerprint: bytes
    accepted: int


class Standing(Record):
    """What the last poll decided about one mailbox. Times are Unix time, ``period`` is in seconds.

    ``announced`` is when the period was seen first, ``checked`` when the clock was right for the
    last time. Messages delivered until ``confirmed`` may go, since the user said so. ``held`` says
    why the others must wait, or is "".
    """

    period: int
    announced: int
    checked: int
    confirmed: int = 0
    held: str = ""


class Found(Record):
    """What the ledger knows of a mailbox at the time ``now``.

    Of the ``delivered`` messages ``due`` are old enough, and ``unconfirmed`` of these were not
    confirmed by the user. ``oldest`` is the time of the first delivery, 0 if there is none.
    """

    now: int
    standing: Standing | None
    delivered: int
    due: int
    unconfirmed: int
    oldest: int


def judge(found: Found, period: int, total: int) -> Standing:
    """Decide whether the due messages of a mailbox with ``total`` messages may be deleted."""
    now, before = found.now, found.standing
    if before is None or period < before.period:
        standing = Standing(period, now, now, before.confirmed if before else 0)
    else:
        standing = replace(before, period=period, held="")
    if standing.announced > now:
        # The clock was set back. It was wrong when the period was announced, so a new day begins.
        standing = replace(standing, announced=now)
    if not found.unconfirmed:
        return replace(standing, checked=now)
    if now - standing.checked > MAX_GAP_SECONDS:
        days = MAX_GAP_SECONDS // DAY
        held = f"the last poll was more than {days} days ago, or the clock is wrong"
        return replace(standing, held=held)
    standing = replace(standing, checked=now)
    if now < standing.announced + GRACE_SECONDS:
        return replace(standing, held="the first deletions come a day after this announcement")
    if found.unconfirmed > FEW and 2 * found.unconfirmed > total:
        return replace(standing, held="that is more than half of the mailbox")
    return standing


def is_news(before: Standing | None, now: Standing) -> bool:
    """Whether this has to be recorded, and not just that another poll has come."""
    if before is None or abs(now.checked - before.checked) >= NOTE_SECONDS:
        return True
    return replace(now, checked=0) != replace(before, checked=0)


class Expired(Record):
    """What ``delete-after`` finds in a mailbox. Of the ``due`` messages ``same`` may go now.

    These are shown to be the messages that were delivered. ``held`` says why others have to wait,
    or is "".
    """

    due: int
    same: tuple[Delivered, ...]
    held: str


async def find_expired(
    account: Account, source: Source, page: Page, mailbox: str, report: Report
) -> Expired:
    """Return the messages of the open mailbox that were delivered long enough ago.

    The ledger gets to know what was decided, and which messages are gone.
    """
    records = page.retention()
    period = account.delete_after
    found = await LedgerCall(lambda: records.look(period))
    standing = judge(found, period, source.total)
    if is_news(found.standing, standing):
        await LedgerCall(lambda: records.note(standing))
    until = found.now - period
    if standing.held:
        was_said = found.standing is not None and found.standing.held == standing.held
        text = (
            f"{source.channel.peer}: {found.unconfirmed} message(s) in {mailbox!r} were delivered "
            f"more than {period // DAY} day(s) ago and are not deleted: {standing.held}; see "
            '"mailhaul retention"'
        )
        report(Remark(text, error=not was_said))
        until = min(until, standing.confirmed)
    most = account.delete_limit
    due = await LedgerCall(lambda: records.due(until, LOOKS * most))
    same: list[Delivered] = []
    for start in range(0, len(due), most):
        if len(same) < most:
            same += await _still_there(source, page, records, due[start : start + most])
    return Expired(found.due, tuple(same[:most]), standing.held)


async def delete_expired(
    account: Account, source: Source, page: Page, mailbox: str, report: Report, *, by_ledger: bool
) -> bool:
    """Delete the messages of the open mailbox that were delivered long enough ago.

    Return whether any deletion was requested.
    """
    expired = await find_expired(account, source, page, mailbox, report)
    same = expired.same
    if not same:
        return False
    # The promise: the ledger has the decision durably before the server is asked, so that a later
    # poll completes it, and it deletes only what it can still recognize.
    messages = [Listed(one.uid, one.size) for one in same]
    await LedgerCall(lambda: page.delete_unread(messages))
    await LedgerCall(page.make_durable)
    source.perform(Action.DELETE, [one.uid for one in same])
    await source.finish()
    await note_confirmed(source, page, by_ledger=by_ledger)
    left = max(0, expired.due - len(same))
    later = f"; {left} more follow in the next polls" if left and not expired.held else ""
    text = (
        f"{source.channel.peer}: {len(same)} message(s) in {mailbox!r} are deleted, delivered more "
        f"than {account.delete_after // DAY} day(s) ago{later}"
    )
    report(Remark(text, error=False, usual=True))
    return True


async def _still_there(
    source: Source, page: Page, records: RetentionPage, due: Sequence[Delivered]
) -> Sequence[Delivered]:
    """Return the messages that the server still has, as far as it shows that they are the same.

    Forget those that are gone. A UID that another message has now is not deleted.
    """
    sizes = await source.sizes([one.uid for one in due])
    known = [one.uid for one in due if one.uid in sizes and one.fingerprint]
    headers = await source.headers(known)
    same: list[Delivered] = []
    gone: list[Uid] = []
    others: list[Uid] = []
    for one in due:
        row = Pending(one.uid, one.size, Action.DELETE, one.fingerprint)
        found = match(row, sizes, headers, reuses_uids=source.reuses_uids)
        if found is Match.SAME:
            same.append(one)
        elif found is Match.OTHER:
            (others if one.uid in sizes else gone).append(one.uid)
    if gone:
        await LedgerCall(lambda: page.forget(gone))
    if others:
        await LedgerCall(lambda: records.disown(others))
    return same
