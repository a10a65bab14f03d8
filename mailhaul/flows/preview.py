"""What a poll would do with each message, for a dry run: the same decisions, and no action.

The mailbox is opened read-only, and the ledger is a copy, so that the decisions that record
something there can be made as in a poll.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from ..protocols.message.encoded_words import with_words_decoded
from ..protocols.message.header import Field, split_fields
from ..protocols.record import Record
from .account import Action
from .choose import Chooser
from .ledger import Offer, Page, Undelivered
from .outcome import Outcome
from .report import Event
from .source import Listed, Source, Uid
from .visit import DELETE_BATCH_SIZE, Plan, Visit, in_parts

if TYPE_CHECKING:
    from .retention import Expired

HEADERS_AT_ONCE = 50
"""Messages whose headers are read together."""
UNLIMITED = 2**63
"""More messages than any mailbox has."""
NO_HEADER = b"\r\n"
"""The header of a message that is not read."""


class Forecast(Enum):
    """What a poll would do with a message."""

    FETCH = "fetch"
    """It is new: fetch it."""
    RETRY = "retry"
    """The sink has not accepted it before: fetch it after the new ones."""
    REFUSE = "refuse"
    """Fetch it, and not deliver it, because of its header."""
    OVERSIZED = "oversized"
    """It is larger than ``limit``."""
    LATER = "later"
    """It is left for the next poll by ``fetchlimit``."""
    QUARANTINED = "quarantined"
    """It has failed so often that it waits for the user."""
    DELIVERED = "delivered"
    """An earlier poll has delivered it; its deletion or mark is still due."""
    EXPIRED = "expired"
    """It was delivered so long ago that ``delete-after`` deletes it."""
    SEEN = "seen"
    """It was fetched before."""


class Foreseen(Record):
    """One message. ``action`` is what would be done with it at the server; None for nothing.

    ``recipients`` are those that the sink would get, if they are known, and ``reason`` why it would
    not get the message. ``author`` and ``subject`` are fields of its header, decoded.
    """

    message: Listed
    forecast: Forecast
    action: Action | None = None
    recipients: tuple[bytes, ...] = ()
    sender: bytes | None = None
    reason: str = ""
    author: bytes = b""
    subject: bytes = b""
    _hidden = frozenset({"author", "subject"})


class MailboxPreview(Record):
    """One mailbox with ``total`` messages. ``seen`` counts those that were fetched before.

    ``messages`` are in the order of the mailbox; the seen ones are among them if the caller wants
    them, or if something would be done with them. ``retention`` is what ``delete-after`` would do,
    or None without it.
    """

    mailbox: str
    total: int
    seen: int
    messages: tuple[Foreseen, ...]
    retention: Expired | None = None


class Asked(Record):
    """What the caller wants to know of each message.

    Headers are read if ``recipients`` depend on them, or with ``details`` for sender and subject.
    ``everything`` also lists the seen messages.
    """

    recipients: bool = False
    details: bool = False
    everything: bool = False


class PeekingSource(Source, Protocol):
    """A source that can read headers without marking messages."""

    async def whole_headers(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        """Return the headers of these messages; those that cannot be read are left out."""
        ...


class RecordingChooser(Chooser):
    """A chooser for one unlimited session, which keeps all new messages."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.new: list[Listed] = []

    def add(self, new: Sequence[Listed]) -> None:
        """Add the next part of the new messages."""
        self.new += new
        super().add(new)


class PreviewVisit(Visit):
    """Shows what a poll would do with one mailbox. The account has ``check_only``.

    ``show`` gets the result. The other arguments are those of Visit, whose ledger must be a copy.
    """

    def __init__(
        self,
        source: PeekingSource,
        asked: Asked,
        show: Callable[[MailboxPreview], None],
        *arguments: Any,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._peeking = source
        self._asked = asked
        self._result = show
        self._choosers: list[RecordingChooser] = []
        self._set_aside: frozenset[Uid] = frozenset()

    @property
    def _may_record(self) -> bool:
        return True

    def _chooser(
        self, excluded: Collection[Uid], read: int, undelivered: Mapping[Uid, Undelivered]
    ) -> Chooser:
        chooser = RecordingChooser(self._account, excluded, read, undelivered, UNLIMITED)
        self._choosers = [chooser]
        self._set_aside = frozenset(uid for uid, row in undelivered.items() if row.set_aside)
        return chooser

    async def _show(self, page: Page, listed: Sequence[Listed], plan: Plan) -> None:
        self._progress.tally.read += len(plan.choice.fetch) + len(plan.choice.last)
        new = [one for chooser in self._choosers for one in chooser.new]
        forecasts = self._forecasts(new, plan)
        settled = await self._settled(page, plan)
        flushed = await self._flushed(page, plan)
        retention = await self._expired(page)
        # A message that is listed has its number as well.
        gone = {one.uid: Listed(one.uid, one.size) for one in retention.same} if retention else {}
        seen = await self._seen(listed, new) if self._asked.everything else ()
        known = (one for one in listed if one.uid in settled or one.uid in gone)
        everything = gone | {one.uid: one for one in (*new, *seen, *plan.old, *known)}
        fetched = [one for one in new if forecasts[one.uid] in {Forecast.FETCH, Forecast.RETRY}]
        read = await self._read(fetched, forecasts)
        found: list[Foreseen] = []
        for uid, one in everything.items():
            if uid in read:
                found.append(read[uid])
            elif uid in settled:
                found.append(Foreseen(one, Forecast.DELIVERED, settled[uid]))
            elif uid in gone:
                found.append(Foreseen(one, Forecast.EXPIRED, Action.DELETE))
            elif uid in forecasts:
                action = self._action_of(forecasts[uid])
                found.append(Foreseen(one, forecasts[uid], action))
            elif uid in flushed or self._asked.everything:
                action = Action.DELETE if uid in flushed else None
                found.append(Foreseen(one, Forecast.SEEN, action))
        found.sort(key=lambda one: one.message.number)
        total = self._source.total
        before = max(0, total - plan.new)
        self._result(MailboxPreview(self.mailbox, total, before, tuple(found), retention))

    def _forecasts(self, new: Sequence[Listed], plan: Plan) -> dict[Uid, Forecast]:
        """Return what becomes of each new message; those with an action pending are left out."""
        choice = plan.choice
        found = dict.fromkeys([one.uid for one in new], Forecast.LATER)
        found |= dict.fromkeys([one.uid for one in choice.fetch], Forecast.FETCH)
        found |= dict.fromkeys([one.uid for one in choice.last], Forecast.RETRY)
        limit = self._account.limit
        for one in new:
            if one.uid in self._set_aside:
                found[one.uid] = Forecast.QUARANTINED
            elif limit and one.size > limit:
                found[one.uid] = Forecast.OVERSIZED
        for row in plan.pending:
            if row.uid in found:
                found[row.uid] = Forecast.DELIVERED
        return found

    def _action_of(self, forecast: Forecast) -> Action | None:
        """Return what is done at the server with a message that is not fetched."""
        flushed = forecast is Forecast.OVERSIZED and self._account.limitflush
        return Action.DELETE if flushed else None

    async def _settled(self, page: Page, plan: Plan) -> Mapping[Uid, Action]:
        """Return the actions of earlier polls that are due, for messages shown to be the same."""
        if not plan.pending:
            return {}
        due, _ = await self._confirmed_same(page, plan.pending)
        return {row.uid: row.action for row in due}

    async def _flushed(self, page: Page, plan: Plan) -> frozenset[Uid]:
        """Return the messages that ``flush`` would delete."""
        found: list[Uid] = []
        for part in in_parts(plan.old, DELETE_BATCH_SIZE):
            same, _ = await self._still_seen(page, part) if self._by_ledger else (part, ())
            found += [one.uid for one in same]
        return frozenset(found)

    async def _expired(self, page: Page) -> Expired | None:
        """Return what ``delete-after`` would do."""
        if not self._account.delete_after:
            return None
        from .retention import find_expired  # few accounts need it

        def ignore(event: Event) -> None:
            """What would be reported is part of the result."""

        return await find_expired(self._account, self._source, page, self.mailbox, ignore)

    async def _seen(self, listed: Sequence[Listed], new: Sequence[Listed]) -> Sequence[Listed]:
        """Return the messages that were fetched before."""
        if not self._by_ledger and not self._account.fetchall:
            return await self._source.old()
        unseen = {one.uid for one in new}
        return [one for one in listed if one.uid not in unseen]

    async def _read(
        self, fetched: Sequence[Listed], forecasts: Mapping[Uid, Forecast]
    ) -> dict[Uid, Foreseen]:
        """Return the messages to fetch with their recipients, and what else the caller wants."""
        found: dict[Uid, Foreseen] = {}
        with_headers = self._asked.recipients or self._asked.details
        for part in in_parts(fetched, HEADERS_AT_ONCE):
            uids = [one.uid for one in part]
            headers: Mapping[Uid, bytes] = {}
            if with_headers:
                headers = await self._peeking.whole_headers(uids)
            for one in part:
                header = headers.get(one.uid)
                if header is None and self._asked.recipients:
                    reason = "the server does not send the header without the message"
                    action = self._account.action
                    found[one.uid] = Foreseen(one, forecasts[one.uid], action, reason=reason)
                else:
                    found[one.uid] = await self._packed(one, forecasts[one.uid], header)
        return found

    async def _packed(self, one: Listed, forecast: Forecast, header: bytes | None) -> Foreseen:
        """Return a message with its envelope, as the sink would get it."""
        packer = self._packer(self._sink())
        packer.scan(NO_HEADER if header is None else header)
        if not packer.ready:
            packer.scan_end()
        result = await packer.parcel(one.size, Offer("preview", again=False))
        author, subject = described(header or b"") if self._asked.details else (b"", b"")
        if isinstance(result, Outcome):
            return Foreseen(
                *(one, Forecast.REFUSE), reason=result.reason, author=author, subject=subject
            )
        sender = None if header is None else result.sender
        action = self._account.action
        return Foreseen(
            *(one, forecast, action, result.recipients, sender), author=author, subject=subject
        )


def described(header: bytes) -> tuple[bytes, bytes]:
    """Return the decoded bodies of the fields From and Subject; b"" for one that is missing."""
    found = {b"from": b"", b"subject": b""}
    for field in split_fields(header):
        if field.key in found and not found[field.key]:
            decoded = Field(with_words_decoded(field))
            found[field.key] = b" ".join(decoded.body.split())
    return found[b"from"], found[b"subject"]
