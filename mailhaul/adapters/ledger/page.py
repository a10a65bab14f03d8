"""One mailbox in the ledger, for one sink; see ``mailhaul.flows.ledger.Page``.

The states of a row and their transitions are in ``mailhaul.flows.row_states``.

This file is long because each transition of a row is one statement, and all of them are here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ...flows.account import Action
from ...flows.ledger import Acceptance, Compared, Offer, Pending, Seen, Undelivered
from ...flows.outcome import Failures, Outcome, Verdict
from ...flows.row_states import Life, accepted, after, before, offered, quarantined
from ...flows.source import Listed, Uid, columns
from .names import as_text, stored
from .schema import new_name, new_names

if TYPE_CHECKING:
    from .reading import ReadingRecords
    from .retention import RetentionRecords
    from .statements import Statements
    from .store import SqlLedger

MAX_SIZE = 2**63 - 1
"""The largest integer in SQLite. A larger size is stored as this value."""
MAX_REASON = 500
"""Characters of a reason that are stored."""
COMPARED, PUT_OFF = 1, -1
"""Values of mailbox.compared, which is 0 at first."""
UIDS_PER_STATEMENT = 500
"""The maximum number of UIDs in one SQL statement."""
NOT_READ_AGAIN = {accepted, quarantined}
"""States in which a failure to read the message is not recorded."""
OFFERED = after(None, Life.offer)
"""The state of a message that is offered for the first time."""
ACCEPTED = after(offered, Life.accept)
"""The usual next state of a message that is being offered."""
ACCEPT_OFFERED = (
    "UPDATE message SET state = ?, action = ?, recipients = ?, fingerprint = ?,"
    " size = CASE WHEN size > 0 THEN size ELSE ? END,"
    " tries = 0, since = 0, tried = 0, reason = '', upload = ''"
    " WHERE mailbox = ? AND sink = ? AND uid = ? AND state = ? AND recipients = ''"
    " AND (size = ? OR size = 0 OR ? = 0)"
)
"""Accepts a message in the usual state: offered, and no recipient has received it before.

It changes no row if the row is in another state, or belongs to another message.
"""
UNDATED, NOT_DELIVERED = 0, -1
"""Values of seen.accepted in place of a time: an earlier version has recorded none, or the clock
was wrong, which the user may make good; or no sink is known to have accepted the message, so it
never counts as delivered."""
FIRST_TIME = 1_735_689_600
"""The beginning of 2025 in Unix time, before the first version: an earlier time is wrong."""
KNOWN_BEFORE = """
SELECT uid, size, fingerprint, accepted, 0, '', '', '' FROM seen WHERE mailbox = ? AND {uids}
    UNION ALL
SELECT uid, size, fingerprint, 0, sink, state, coalesce(action, ''), recipients
    FROM message WHERE mailbox = ? AND {uids}
"""
"""What is known of messages that become seen: as seen before, and under way."""
PUT_SEEN = (
    "INSERT INTO seen VALUES (?, ?, ?, ?, ?) ON CONFLICT (mailbox, uid) DO UPDATE SET"
    " size = excluded.size, fingerprint = excluded.fingerprint, accepted = excluded.accepted"
)
REPLACE = (
    " ON CONFLICT (mailbox, uid, sink) DO UPDATE SET size = excluded.size, state = excluded.state,"
    " action = excluded.action, recipients = excluded.recipients, name = excluded.name,"
    " tries = excluded.tries, since = excluded.since, tried = excluded.tried,"
    " reason = excluded.reason, fingerprint = excluded.fingerprint, upload = excluded.upload"
)
"""The end of a statement that inserts a message; one that is there already is replaced."""
PUT_OFFER = (
    "INSERT INTO message (mailbox, sink, uid, size, state, name)"  # noqa: S608
    f" VALUES (?, ?, ?, ?, ?, ?){REPLACE}"
)
PUT_ACCEPTED = (
    "INSERT INTO message (mailbox, sink, uid, size, state, action, recipients, name, fingerprint)"  # noqa: S608
    f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?){REPLACE}"
)
PUT_ROW = (
    "INSERT INTO message (mailbox, sink, uid, size, state, name, recipients, tries, since,"  # noqa: S608
    f" fingerprint, upload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?){REPLACE}"
)
INPUTS = {Verdict.REFUSED: Life.refuse, Verdict.POSTPONED: Life.postpone}


class SqlPage:
    """The rows of one mailbox and sink.

    ``make_durable`` is that of the ledger itself, so that equal calls of several flows can be
    combined.
    """

    def __init__(
        self,
        ledger: SqlLedger,
        mailbox: int,
        uidvalidity: int,
        sink: int,
        *,
        is_new: bool,
        was_put_off: bool,
        is_renumbered: bool = False,
    ) -> None:
        self._ledger = ledger
        self._mailbox = mailbox
        self.uidvalidity = uidvalidity
        self._sink = sink
        self.is_new = is_new
        self.was_put_off = was_put_off
        self.is_renumbered = is_renumbered
        self.contents: Mapping[Uid, bytes] = {}
        self.make_durable = ledger.durable_call()

    def retention(self) -> RetentionRecords:
        """Return the records of deliveries, for ``delete-after``."""
        from .retention import RetentionRecords  # few accounts need it

        return RetentionRecords(self._ledger, self._mailbox)

    def reading(self) -> ReadingRecords:
        """Return the records of what is not fetched."""
        from .reading import ReadingRecords  # few accounts need it

        return ReadingRecords(self._ledger, self._mailbox, self._sink)

    # Seen messages

    def compare(self, listed: Sequence[Listed]) -> Compared:
        """Compare a part of a listing with the seen messages. Memory is bounded by that part."""
        uids, sizes = columns(listed)
        recorded = self._recorded_sizes(uids)
        if not recorded:
            return Compared(tuple(listed), (), 0)
        found = [*map(recorded.get, uids)]
        if found == [*sizes]:
            return Compared((), (), len(found))
        new = tuple(listed[place] for place, size in enumerate(found) if size is None)
        changed: list[Seen] = []
        others = [p for p, size in enumerate(found) if size is not None and size != sizes[p]]
        known = self.fingerprints([uids[place] for place in others])
        for place in others:
            one, size = listed[place], recorded[uids[place]]
            fingerprint = known.get(one.uid, b"")
            if is_in_doubt(size, fingerprint, one.size):
                changed.append(Seen(one, size, fingerprint))
        return Compared(new, tuple(changed), len(found) - len(new))

    def _recorded_sizes(self, uids: Sequence[Uid]) -> dict[Uid, int]:
        """Return the recorded sizes of the seen messages among these, and maybe of others.

        The UIDs of a part are usually near each other: then one range of rows has them all.
        """

        def look(db: Statements) -> dict[Uid, int]:
            if len({*map(type, uids)}) == 1:
                # In a range there may be any number of others.
                most = 2 * len(uids)
                rows = db.execute(
                    "SELECT uid, size FROM seen WHERE mailbox = ? AND uid BETWEEN ? AND ? LIMIT ?",
                    (self._mailbox, min(uids), max(uids), most + 1),
                ).fetchall()
                if len(rows) <= most:
                    return dict(rows)
            found: dict[Uid, int] = {}
            for some in in_parts(uids):
                those, values = self._ledger.among("uid", some)
                rows = db.execute(
                    f"SELECT uid, size FROM seen WHERE mailbox = ? AND {those}",  # noqa: S608
                    (self._mailbox, *values),
                ).fetchall()
                found.update(rows)
            return found

        return self._ledger.write(look)

    def fingerprints(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        """Return the recorded fingerprints of seen messages with these UIDs, where there is one."""
        found: dict[Uid, bytes] = {}

        def look(db: Statements) -> None:
            for some in in_parts(uids):
                those, values = self._ledger.among("uid", some)
                rows = db.execute(
                    "SELECT uid, fingerprint FROM seen"  # noqa: S608
                    f" WHERE mailbox = ? AND length(fingerprint) > 0 AND {those}",
                    (self._mailbox, *values),
                )
                found.update(dict(rows.fetchall()))

        self._ledger.write(look)
        return found

    def count_seen(self) -> int:
        """Return how many messages are recorded as seen."""
        query = "SELECT count(*) FROM seen WHERE mailbox = ?"
        return int(self._ledger.write(lambda db: db.execute(query, (self._mailbox,)).fetchone()[0]))

    def mark_seen(self, messages: Sequence[Listed]) -> None:
        """Record these messages as seen, and remove their rows under way.

        If a size is unknown (0), the recorded one stays. A message that a sink has accepted counts
        as delivered now.
        """
        now = int(self._ledger.clock())
        now = now if now >= FIRST_TIME else UNDATED

        def record(db: Statements) -> None:
            uids = [one.uid for one in messages]
            before = self._known_before(db, uids, now)
            db.executemany(
                PUT_SEEN,
                [
                    (self._mailbox, one.uid, min(one.size, MAX_SIZE) or size, mark, delivered)
                    for one in messages
                    for size, mark, delivered in [seen_as(before.get(one.uid, ()))]
                ],
            )
            self._delete(db, "message", uids)

        self._ledger.write(record)

    def _known_before(
        self, db: Statements, uids: Sequence[Uid], now: int
    ) -> dict[Uid, list[tuple[int, bytes, int]]]:
        """Return what is known of messages: first the row of this sink, the seen one last.

        Each is size, fingerprint and time of delivery: of a message under way that is now, if a
        recipient has it.
        """
        found: dict[Uid, list[tuple[int, bytes, int]]] = {}
        for some in in_parts(uids):
            those, values = self._ledger.among("uid", some)
            key = (self._mailbox, *values)
            rows = db.execute(KNOWN_BEFORE.format(uids=those), (*key, *key)).fetchall()
            # No sink has the key 0.
            for uid, size, mark, when, sink, state, action, recipients in sorted(
                rows, key=lambda row: (row[4] != self._sink, not row[4])
            ):
                if sink:
                    taken = is_delivered(state, action, as_text(recipients))
                    found.setdefault(uid, []).append((size, mark, now if taken else NOT_DELIVERED))
                else:
                    found.setdefault(uid, []).append((size, mark, when))
        return found

    def mark_compared(self) -> None:
        """Record that a listing of this mailbox was compared for the first time."""
        self._set_compared(COMPARED)
        self.is_new = self.is_renumbered = False

    def put_off(self) -> None:
        """Record that this mailbox could not be compared with those of other account names."""
        self._set_compared(PUT_OFF)
        self.was_put_off = True

    def _set_compared(self, value: int) -> None:
        query = "UPDATE mailbox SET compared = ? WHERE id = ?"
        self._ledger.write(lambda db: db.execute(query, (value, self._mailbox)))

    def keep_only(self, listing: Iterable[Sequence[Uid]]) -> None:
        """Forget the messages that are not in this complete listing, which is passed in parts."""

        def work(db: Statements) -> None:
            self._ledger.list_uids(db, listing)
            for table in ("seen", "message"):
                db.execute(
                    f"DELETE FROM {table} WHERE mailbox = ?"  # noqa: S608
                    f" AND NOT EXISTS (SELECT 1 FROM listed WHERE listed.uid = {table}.uid)",
                    (self._mailbox,),
                )
            db.execute("DELETE FROM listed")

        self._ledger.write(work)

    # Messages under way

    def reserve(self, messages: Sequence[Listed]) -> Mapping[Uid, Offer]:
        """Give names to several messages that will be offered soon."""

        def record(db: Statements) -> dict[Uid, Offer]:
            rows = self._rows(db, [one.uid for one in messages])
            new = [one for one in messages if one.uid not in rows]
            names = new_names(self._ledger.clock(), len(new))
            db.executemany(
                PUT_OFFER,
                [
                    (self._mailbox, self._sink, one.uid, min(one.size, MAX_SIZE), OFFERED, name)
                    for one, name in zip(new, names, strict=True)
                ],
            )
            offers = {one.uid: Offer(name, False) for one, name in zip(new, names, strict=True)}
            for one in messages:
                row = rows.get(one.uid)
                if row and row.state == offered and is_same_size(row.size, one.size):
                    offers[one.uid] = row.offer(again=True)
            return offers

        return self._ledger.write(record)

    def offer(self, uid: Uid, size: int) -> Offer:
        """Record that this message is about to be sent to the sink; return its name.

        A name is never reused: another message with the same UID gets another name.
        """

        def record(db: Statements) -> Offer:
            row = self._row(db, uid, size)
            if row.state == offered:
                return row.offer(again=True)
            row.name = new_name(self._ledger.clock())
            self._put(db, Listed(uid, size), after(row.state, Life.offer), row.name, row)
            return row.offer(again=False)

        return self._ledger.write(record)

    def accept(self, accepted: Sequence[Acceptance]) -> None:
        """Record that the sink accepted these messages, and the actions now pending."""

        def record(db: Statements) -> None:
            changed = [db.execute(ACCEPT_OFFERED, self._acceptance(one)) for one in accepted]
            for one, rows in zip(accepted, changed, strict=True):
                if rows.rowcount != 1:
                    self._accept_any(db, one)
            if self.contents:
                self.reading().add_contents(db, accepted, self.contents)

        # With most sinks each message is accepted alone, which takes one statement.
        alone = len(accepted) == 1 and not self.contents
        if not (alone and self._ledger.write_one(ACCEPT_OFFERED, self._acceptance(accepted[0]))):
            self._ledger.write(record)

    def _acceptance(self, one: Acceptance) -> tuple[object, ...]:
        """Return the values for ACCEPT_OFFERED."""
        size = min(one.size, MAX_SIZE)
        states = stored(recipient_states("", one.outcome))
        return (
            *(ACCEPTED, one.action._value_, states, one.fingerprint, size),
            *(self._mailbox, self._sink, one.uid, offered, size, size),
        )

    def _accept_any(self, db: Statements, one: Acceptance) -> None:
        row = self._row(db, one.uid, one.size)
        db.execute(
            PUT_ACCEPTED,
            (
                *(self._mailbox, self._sink, one.uid, row.size),
                *(after(row.state, Life.accept), one.action.value),
                *(stored(recipient_states(row.recipients, one.outcome)), row.name),
                one.fingerprint,
            ),
        )

    def delete_unread(self, messages: Sequence[Listed]) -> None:
        """Record that the user wants these messages deleted without delivery."""

        def record(db: Statements) -> None:
            rows = self._rows(db, [one.uid for one in messages])
            for one in messages:
                row = rows.get(one.uid)
                state = after(row.state if row else None, Life.delete_unread)
                self._put(db, one, state, row.name if row else "")
            self._set(
                db,
                [one.uid for one in messages],
                "action = ?, fingerprint = coalesce((SELECT fingerprint FROM seen"
                " WHERE seen.mailbox = message.mailbox AND seen.uid = message.uid), ?)",
                Action.DELETE.value,
                b"",
            )

        self._ledger.write(record)

    def set_fingerprints(self, fingerprints: Mapping[Uid, bytes]) -> None:
        """Record the fingerprints of messages that are being offered."""

        def record(db: Statements) -> None:
            for uid, fingerprint in fingerprints.items():
                self._set(db, [uid], "fingerprint = ?", fingerprint)

        self._ledger.write(record)

    def reject(self, uid: Uid, size: int, outcome: Outcome, fingerprint: bytes = b"") -> Failures:
        """Record that the sink did not accept the message for all recipients, and who received it.

        A postponed message is not counted as refused: the message may not be the reason.
        """

        def record(db: Statements) -> Failures:
            row = self._row(db, uid, size)
            state = after(row.state, INPUTS[outcome.verdict])
            row.fingerprint = fingerprint or row.fingerprint
            counted = outcome.verdict is Verdict.REFUSED
            recipients = recipient_states(row.recipients, outcome)
            return self._fail(db, row, state, outcome.reason, recipients, counted=counted)

        return self._ledger.write(record)

    def unreadable(self, uid: Uid, size: int, why: str, *, counted: bool = True) -> Failures:
        """Record that the server did not send the message; the result of an earlier offer stays.

        A sink may have accepted the message before a kill, and must find it again by its name.
        If the failure is not ``counted``, the message only comes last after a second one.
        """

        def record(db: Statements) -> Failures:
            row = self._row(db, uid, size)
            state = after(row.state, Life.unreadable)
            if state in NOT_READ_AGAIN:
                return Failures(row.tries, 0)
            return self._fail(db, row, state, why, row.recipients, counted=counted)

        return self._ledger.write(record)

    def _fail(
        self,
        db: Statements,
        row: Row,
        state: str,
        why: str,
        recipients: str,
        *,
        counted: bool,
    ) -> Failures:
        """Record a failure of a message; return how often it has failed, and for how long."""
        now = int(self._ledger.clock())
        tries, since = row.tries + counted, row.since or now
        mark = row.fingerprint
        failed = Row(row.uid, row.size, state, recipients, row.name, tries, since, mark, row.upload)
        self._put(db, Listed(row.uid, row.size), state, row.name or new_name(now), failed)
        self._set(db, [row.uid], "tried = ?, reason = ?", now, in_utf8(why[:MAX_REASON]).decode())
        return Failures(tries, now - since)

    def set_aside(self, uid: Uid) -> None:
        """Record that this message is not offered again until the user asks for it."""
        states = before(Life.set_aside)
        self._ledger.write(
            lambda db: db.execute(
                "UPDATE message SET state = ? WHERE mailbox = ? AND sink = ? AND uid = ?"  # noqa: S608
                f" AND state IN ({marks(states)})",
                (quarantined, self._mailbox, self._sink, uid, *states),
            )
        )

    def undelivered(self) -> Sequence[Undelivered]:
        """Return the messages that this sink was offered in earlier polls and did not accept."""
        rows = self._ledger.write(
            lambda db: db.execute(
                "SELECT uid, size, CASE WHEN tried <> since THEN tried ELSE 0 END, state = ?"
                " FROM message WHERE mailbox = ? AND sink = ? AND state <> ?",
                (quarantined, self._mailbox, self._sink, accepted),
            ).fetchall()
        )
        return [Undelivered(uid, size, tried, bool(aside)) for uid, size, tried, aside in rows]

    # Actions pending at the server

    def pending(self) -> Sequence[Pending]:
        """Return the messages whose action is still pending, whichever sink accepted them."""
        now = int(self._ledger.clock())
        rows = self._ledger.write(
            lambda db: db.execute(
                "SELECT uid, size, action, fingerprint, tries,"
                " CASE WHEN tries > 0 THEN ? - tried ELSE 0 END"
                " FROM message WHERE mailbox = ? AND state = ? ORDER BY uid",
                (now, self._mailbox, accepted),
            ).fetchall()
        )
        return [Pending(uid, size, Action(action), *rest) for uid, size, action, *rest in rows]

    def count_tries(self, uids: Sequence[Uid], count: int) -> None:
        """Add ``count`` to the tries of these messages; their action is about to be requested."""
        now = int(self._ledger.clock())
        self._ledger.write(
            lambda db: db.executemany(
                "UPDATE message SET tries = tries + ?, tried = ?"
                " WHERE mailbox = ? AND uid = ? AND state = ?",
                [(count, now, self._mailbox, uid, accepted) for uid in uids],
            )
        )

    def forget(self, uids: Sequence[Uid]) -> None:
        """Forget these UIDs: the messages are gone, or the UIDs now belong to other messages."""

        def work(db: Statements) -> None:
            self._delete(db, "message", uids)
            self._delete(db, "seen", uids)

        self._ledger.write(work)

    # Rows

    def _delete(self, db: Statements, table: str, uids: Sequence[Uid]) -> None:
        for some in in_parts(uids):
            those, values = self._ledger.among("uid", some)
            db.execute(
                f"DELETE FROM {table} WHERE mailbox = ? AND {those}",  # noqa: S608
                (self._mailbox, *values),
            )

    def _rows(self, db: Statements, uids: Sequence[Uid]) -> dict[Uid, Row]:
        """Return the rows of these messages by UID.

        If this sink has no row, recipients served by another sink of the same kind are taken over.
        """
        found: dict[Uid, Row] = {}
        others: list[tuple[int, Row]] = []
        for some in in_parts(uids):
            those, values = self._ledger.among("uid", some)
            rows = db.execute(
                "SELECT sink, uid, size, state, recipients, name, tries, since, fingerprint, upload"  # noqa: S608
                f" FROM message WHERE mailbox = ? AND {those}",
                (self._mailbox, *values),
            )
            for sink, uid, size, state, recipients, *rest in rows:
                if sink == self._sink:
                    found[uid] = Row(uid, size, state, as_text(recipients), *rest)
                elif recipients and state != accepted:
                    other = Row(uid, size, None, as_text(recipients), fingerprint=rest[-2])
                    others.append((sink, other))
        if others:
            kinds = sink_kinds(db, self._sink, *(sink for sink, _ in others))
            for sink, row in others:
                if kinds[sink] == kinds[self._sink]:
                    found.setdefault(row.uid, row)
        return found

    def _row(self, db: Statements, uid: Uid, size: int) -> Row:
        """Return the row of this message; a row with another size belongs to another message."""
        row = self._rows(db, [uid]).get(uid)
        if row is None or not is_same_size(row.size, size):
            return Row(uid, size)
        row.size = row.size or min(size, MAX_SIZE)
        return row

    def _put(
        self, db: Statements, one: Listed, state: str, name: str, row: Row | None = None
    ) -> None:
        """Replace a row; with ``row`` its served recipients, failures and upload are kept."""
        size = min(one.size, MAX_SIZE)
        kept: tuple[object, ...] = ("", 0, 0, b"", "")
        if row:
            kept = (stored(row.recipients), row.tries, row.since, row.fingerprint, row.upload)
        db.execute(
            PUT_ROW,
            (self._mailbox, self._sink, one.uid, size, state, name, *kept),
        )

    def _set(self, db: Statements, uids: Sequence[Uid], change: str, *values: object) -> None:
        db.executemany(
            f"UPDATE message SET {change} WHERE mailbox = ? AND sink = ? AND uid = ?",  # noqa: S608
            [(*values, self._mailbox, self._sink, uid) for uid in uids],
        )


class Row:
    """The columns of a message under way that its next state depends on.

    ``state`` is None for a message without a row.
    """

    __slots__ = (
        "fingerprint", "name", "recipients", "since", "size", "state", "tries", "uid", "upload",
    )  # fmt: skip

    def __init__(
        self,
        uid: Uid,
        size: int,
        state: str | None = None,
        recipients: str = "",
        name: str = "",
        tries: int = 0,
        since: int = 0,
        fingerprint: bytes = b"",
        upload: str = "",
    ) -> None:
        self.uid = uid
        self.size = min(size, MAX_SIZE)
        self.state = state
        self.recipients = recipients
        self.name = name
        self.tries = tries
        self.since = since
        self.fingerprint = fingerprint
        self.upload = upload

    def offer(self, *, again: bool) -> Offer:
        """Return the offer recorded in this row."""
        return Offer(self.name, again, served(self.recipients), self.fingerprint)


def sink_kinds(db: Statements, *sinks: int) -> Mapping[int, str]:
    """Return the first words of the names of sinks, by their ids."""
    ids = sorted({*sinks})
    rows = db.execute(f"SELECT id, name FROM sink WHERE id IN ({marks(ids)})", ids)  # noqa: S608
    return {sink: as_text(name).partition(" ")[0] for sink, name in rows}


def is_delivered(state: str, action: str, recipients: str) -> bool:
    """Whether a recipient has a message under way, which is kept at the server.

    A bounce, and mail that was dropped as spam, are no deliveries.
    """
    taken = state == accepted and action == Action.MARK.value
    return taken and bool(served_names(recipients))


def seen_as(rows: Sequence[tuple[int, bytes, int]]) -> tuple[int, bytes, int]:
    """Return size, fingerprint and time of delivery of a seen message, from what was known of it.

    A row with another fingerprint belongs to another message that had this UID: the delivery of
    that one must never permit the deletion of this one.
    """
    mark = next((row[1] for row in rows if row[1]), b"")
    same = [row for row in rows if row[1] in {mark, b""}]
    times = [row[2] for row in same]
    # An earlier version may have seen it undelivered, so a failure to deliver it counts.
    when = max(times) if any(time > 0 for time in times) else min(times, default=NOT_DELIVERED)
    return max((row[0] for row in same), default=0), mark, when


def is_in_doubt(recorded: int, fingerprint: bytes, listed: int) -> bool:
    """Whether a listed message may differ from the seen one; its header must be compared."""
    size_is_new = not recorded and bool(listed and fingerprint)
    return size_is_new or not is_same_size(recorded, listed)


def is_same_size(recorded: int, listed: int) -> bool:
    """Whether two sizes may be of one message; 0 is an unknown size."""
    return recorded == min(listed, MAX_SIZE) or 0 in (recorded, listed)


def in_parts(uids: Sequence[Uid]) -> Iterable[Sequence[Uid]]:
    """Yield UIDs in parts that fit into one SQL statement."""
    return (
        uids[start : start + UIDS_PER_STATEMENT]
        for start in range(0, len(uids), UIDS_PER_STATEMENT)
    )


def marks(values: Sequence[object]) -> str:
    """Return one question mark for each value, for the IN operator of SQL."""
    return ", ".join("?" * len(values))


def recipient_states(earlier: str, outcome: Outcome) -> str:
    """Return one line for each recipient. Recipients served by an earlier offer stay served."""
    known = dict(outcome.recipients)
    if earlier:
        known = dict.fromkeys(served_names(earlier), Verdict.ACCEPTED) | known
    return "\n".join([f"{name} {verdict._value_}" for name, verdict in known.items()])


def served_names(recipients: str) -> Sequence[str]:
    """Return the recipients who received a message, from the text of ``recipient_states``."""
    lines = (line.rpartition(" ") for line in recipients.split("\n"))
    return [name for name, _, verdict in lines if verdict == Verdict.ACCEPTED.value]


def served(recipients: str) -> frozenset[bytes]:
    """Return the names of ``served_names`` as bytes."""
    return frozenset(name.encode("utf-8", "surrogateescape") for name in served_names(recipients))


def in_utf8(text: str) -> bytes:
    """Return text in UTF-8 for SQLite; surrogates become backslash escapes."""
    return text.encode("utf-8", "backslashreplace")
