"""One mailbox in PostgreSQL: the page of ``adapters.ledger``, with UIDs as they are stored.

The methods are those of ``mailhaul.flows.ledger.Page`` and of the two protocols beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ...flows.ledger import Acceptance, Compared, Offer, Pending, Undelivered
from ...flows.source import Listed, Uid
from ...protocols.record import replace
from .uids import by_column, by_uid, decoded, encoded, from_column, to_column

if TYPE_CHECKING:
    from ...flows.account import Action
    from ...flows.outcome import Failures, Outcome
    from ...flows.retention import Delivered, Found, Standing
    from ..ledger.page import SqlPage
    from ..ledger.reading import ReadingRecords
    from ..ledger.retention import RetentionRecords


def columns(uids: Iterable[Uid]) -> list[Uid]:
    """Return UIDs as they are stored."""
    return [*map(to_column, uids)]


def in_columns(listing: Iterable[Sequence[Uid]]) -> Iterator[Sequence[Uid]]:
    """Yield the parts of a listing, with UIDs as they are stored."""
    return map(columns, listing)


class PostgresPage:
    """The rows of one mailbox and sink."""

    def __init__(self, page: SqlPage) -> None:
        self._page = page
        self.uidvalidity = page.uidvalidity
        self.contents: Mapping[Uid, bytes] = {}
        self.make_durable = page.make_durable
        self._note()

    def _note(self) -> None:
        self.is_new = self._page.is_new
        self.was_put_off = self._page.was_put_off
        self.is_renumbered = self._page.is_renumbered

    def retention(self) -> PostgresRetention:
        return PostgresRetention(self._page.retention())

    def reading(self) -> PostgresReading:
        return PostgresReading(self._page.reading())

    def compare(self, listed: Sequence[Listed]) -> Compared:
        found = self._page.compare(encoded(listed))
        changed = (replace(seen, listed=decoded([seen.listed])[0]) for seen in found.changed)
        return Compared(decoded(found.new), tuple(changed), found.known)

    def fingerprints(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        return by_uid(self._page.fingerprints(columns(uids)))

    def count_seen(self) -> int:
        return self._page.count_seen()

    def mark_seen(self, messages: Sequence[Listed]) -> None:
        self._page.mark_seen(encoded(messages))

    def mark_compared(self) -> None:
        self._page.mark_compared()
        self._note()

    def put_off(self) -> None:
        self._page.put_off()
        self._note()

    def keep_only(self, listing: Iterable[Sequence[Uid]]) -> None:
        self._page.keep_only(in_columns(listing))

    def reserve(self, messages: Sequence[Listed]) -> Mapping[Uid, Offer]:
        return by_uid(self._page.reserve(encoded(messages)))

    def offer(self, uid: Uid, size: int) -> Offer:
        return self._page.offer(to_column(uid), size)

    def accept(self, accepted: Sequence[Acceptance]) -> None:
        self._page.contents = by_column(self.contents)
        self._page.accept([replace(one, uid=to_column(one.uid)) for one in accepted])

    def set_fingerprints(self, fingerprints: Mapping[Uid, bytes]) -> None:
        self._page.set_fingerprints(by_column(fingerprints))

    def reject(self, uid: Uid, size: int, outcome: Outcome, fingerprint: bytes = b"") -> Failures:
        return self._page.reject(to_column(uid), size, outcome, fingerprint)

    def unreadable(self, uid: Uid, size: int, why: str, *, counted: bool = True) -> Failures:
        return self._page.unreadable(to_column(uid), size, why, counted=counted)

    def set_aside(self, uid: Uid) -> None:
        self._page.set_aside(to_column(uid))

    def undelivered(self) -> Sequence[Undelivered]:
        found = self._page.undelivered()
        return [replace(one, uid=from_column(one.uid)) for one in found]

    def delete_unread(self, messages: Sequence[Listed]) -> None:
        self._page.delete_unread(encoded(messages))

    def pending(self) -> Sequence[Pending]:
        return [replace(one, uid=from_column(one.uid)) for one in self._page.pending()]

    def count_tries(self, uids: Sequence[Uid], count: int) -> None:
        self._page.count_tries(columns(uids), count)

    def forget(self, uids: Sequence[Uid]) -> None:
        self._page.forget(columns(uids))


class PostgresRetention:
    """The deliveries of one mailbox."""

    def __init__(self, records: RetentionRecords) -> None:
        self._records = records

    def look(self, period: int) -> Found:
        return self._records.look(period)

    def note(self, standing: Standing) -> None:
        self._records.note(standing)

    def due(self, until: int, most: int) -> Sequence[Delivered]:
        found = self._records.due(until, most)
        return [replace(one, uid=from_column(one.uid)) for one in found]

    def disown(self, uids: Sequence[Uid]) -> None:
        self._records.disown(columns(uids))


class PostgresReading:
    """What is not fetched from one mailbox."""

    def __init__(self, records: ReadingRecords) -> None:
        self._records = records

    def left_out(self, listed: Sequence[Listed], marks_of: tuple[bytes, bytes]) -> Collection[Uid]:
        return {*map(from_column, self._records.left_out(encoded(listed), marks_of))}

    def leave_out(self, messages: Sequence[Listed], mark: bytes) -> None:
        self._records.leave_out(encoded(messages), mark)

    def keep_left_out(self, uids: Collection[Uid]) -> None:
        self._records.keep_left_out({*columns(uids)})

    def known_contents(self, contents: Collection[bytes]) -> Mapping[bytes, int]:
        return self._records.known_contents(contents)

    def accept_copies(self, copies: Sequence[Listed], action: Action) -> None:
        self._records.accept_copies(encoded(copies), action)

    def former(self) -> Sequence[tuple[int, bytes]]:
        return self._records.former()

    def gone(self, listing: Iterable[Sequence[Uid]]) -> Sequence[tuple[int, bytes]]:
        return self._records.gone(in_columns(listing))

    def add_seen(self, messages: Sequence[tuple[Listed, bytes]]) -> None:
        marks = (mark for _, mark in messages)
        self._records.add_seen([*zip(encoded([one for one, _ in messages]), marks, strict=True)])
