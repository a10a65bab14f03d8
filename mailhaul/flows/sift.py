"""Leave out messages by rules, before any of them is fetched.

The day of arrival is searched for at the server over IMAP. Header fields are fetched and compared
here: servers do not agree on what contains a text, and a message must not be left out by mistake.
A message that was left out is not looked at again while the rules are the same, unless the clock
was wrong when its day was compared.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .ledger import Page
from .report import Remark, Report
from .requests import LedgerCall
from .rules import Rules, fields_of, imap_date, is_since
from .source import Listed, Source, Uid

MAX_LEFT = 200_000
"""Messages that are left out of which the gone ones are forgotten; with more, none are."""
BATCH = 500
"""Messages whose headers are in memory at a time."""


class Sift:
    """Applies rules to the messages of one open mailbox, part by part. Call ``end`` at the end.

    With ``check_only`` nothing is recorded.
    """

    def __init__(
        self, rules: Rules, source: Source, page: Page, report: Report, *, check_only: bool
    ) -> None:
        self._rules = rules
        self._source = source
        self._page = page
        self._records = page.reading()
        self._report = report
        self._check_only = check_only
        self._arrived: Collection[Uid] | None = None
        self._asked = False
        self._left: set[Uid] = set()
        self._unknown = 0
        self._count = 0

    async def apply(self, part: Sequence[Listed]) -> Sequence[Listed]:
        """Return the messages of this part that are fetched."""
        rules = self._rules
        allowed = part
        if rules.since and not self._asked:
            self._asked = True
            self._arrived = await self._source.arrived_since(imap_date(rules.since))
        if self._arrived is not None:
            arrived = self._arrived
            allowed = [one for one in part if one.uid in arrived]
        if allowed and (rules.fields or (rules.since and self._arrived is None)):
            allowed = await self._by_headers(allowed)
        self._count += len(part) - len(allowed)
        return allowed

    async def _by_headers(self, messages: Sequence[Listed]) -> Sequence[Listed]:
        marks = self._marks
        known = await LedgerCall(lambda: self._records.left_out(messages, marks))
        self._note_left(known)
        unknown = [one for one in messages if one.uid not in known]
        allowed: list[Listed] = []
        for start in range(0, len(unknown), BATCH):
            some = unknown[start : start + BATCH]
            headers = await self._source.headers([one.uid for one in some], self._rules.fields)
            refused: list[Listed] = []
            for one in some:
                header = headers.get(one.uid)
                self._unknown += not header
                # Without a header it is unknown, and mail is rather fetched than missed.
                is_allowed = not header or self._allows(header)
                (allowed if is_allowed else refused).append(one)
            if refused and not self._check_only:
                await self._leave_out(refused)
        return allowed

    @property
    def _marks(self) -> tuple[bytes, bytes]:
        """The marks of messages that are left out; the day counts if headers have to show it."""
        return self._rules.marks(by_day=self._arrived is None)

    async def _leave_out(self, refused: Sequence[Listed]) -> None:
        self._note_left([one.uid for one in refused])
        mark = self._marks[1]
        await LedgerCall(lambda: self._records.leave_out(refused, mark))

    def _note_left(self, uids: Collection[Uid]) -> None:
        if len(self._left) <= MAX_LEFT:
            self._left.update(uids)

    def _allows(self, header: bytes) -> bool:
        rules = self._rules
        if rules.since and self._arrived is None:
            date = date_of(header)
            if date is not None and not is_since(date, rules.since):
                return False
        return rules.allow(fields_of(header)) if rules.fields else True

    async def end(self, *, complete: bool) -> None:
        """Report what was left out. With ``complete`` all new messages were looked at."""
        if complete and not self._check_only and len(self._left) <= MAX_LEFT:
            await LedgerCall(lambda: self._records.keep_left_out(self._left))
        peer = self._source.channel.peer
        if self._count:
            text = (
                f"{peer}: {self._count} message(s) are left out by your rules (since, only, except)"
                " and stay on the server"
            )
            self._report(Remark(text, error=False, usual=True))
        if self._unknown:
            text = (
                f"{peer}: {self._unknown} message(s) are fetched whatever your rules say: the "
                "server does not show their headers"
            )
            self._report(Remark(text, error=True))


def date_of(header: bytes) -> bytes | None:
    """Return the arrival of a message as IMAP writes a date, or else its date; None if unknown."""
    from ..protocols.message.header import split_fields
    from ..protocols.message.received_date import date_time, received_date

    if found := received_date(header):
        return found
    dates = (field.body for field in split_fields(header) if field.key == b"date")
    return next(filter(None, map(date_time, dates)), None)
