"""One mailbox in the SQLite ledger, as one sink uses it; see ``mailhaul.flows.ledger.Page``.

Which state follows upon what is the table of ``mailhaul.flows.row_states``; here it is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ...flows.account import Action
from ...flows.ledger import Compared, Offer, Pending, Seen, Undelivered
from ...flows.outcome import Failures, Outcome, Verdict
from ...flows.row_states import Life, accepted, after, before, offered, quarantined
from ...flows.source import Listed, Uid
from .names import shown, stored
from .schema import new_name

if TYPE_CHECKING:
    from .store import SqliteLedger

MAX_SIZE = 2**63 - 1
"""What SQLite can hold. A larger size is kept as this: it matches none, and permits no delete."""
MAX_REASON = 500
"""Characters of a reason that are kept."""
PART = 500
"""UIDs in one statement."""
KEPT = {accepted.name, quarantined.name}
"""States in which it does not matter any more whether a message can be read."""
UPON = {Verdict.REFUSED: Life.refuse, Verdict.POSTPONED: Life.postpone}


class SqlitePage:
    """The rows of one mailbox and sink; ``akin`` are the numbers of sinks of the same kind.

    ``make_durable`` is that of the ledger: what several flows wait for is done once.
    """

    def __init__(
        self,
        ledger: SqliteLedger,
        mailbox: int,
        uidvalidity: int,
        sink: int,
        akin: Sequence[int],
        *,
        is_new: bool,
    ) -> None:
        self._ledger = ledger
        self._mailbox = mailbox
        self.uidvalidity = uidvalidity
        self._sink = sink
        self._akin = akin
        self.is_new = is_new
        self.make_durable = ledger.make_durable

    # What was seen

    def compare(self, listed: Sequence[Listed]) -> Compared:
        """Compare a part of a listing with what was seen. Memory is bounded by that part."""
        found: dict[Uid, tuple[int, bytes]] = {}

        def look(db: sqlite3.Connection) -> None:
            for some in in_parts([one.uid for one in listed]):
                rows = db.execute(
                    "SELECT uid, size, fingerprint FROM seen"  # noqa: S608
                    f" WHERE mailbox = ? AND uid IN ({marks(some)})",
                    (self._mailbox, *some),
                )
                found.update({uid: (size, fingerprint) for uid, size, fingerprint in rows})

        self._ledger.write(look)
        if not found:
            return Compared(tuple(listed), (), 0)
        new = tuple(one for one in listed if one.uid not in found)
        changed = tuple(
            Seen(one, *found[one.uid])
            for one in listed
            if one.uid in found and is_in_doubt(*found[one.uid], one.size)
        )
        return Compared(new, changed, len(listed) - len(new))

    def fingerprints(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        """Return the fingerprints of those of these that were seen and have one."""
        found: dict[Uid, bytes] = {}

        def look(db: sqlite3.Connection) -> None:
            for some in in_parts(uids):
                rows = db.execute(
                    "SELECT uid, fingerprint FROM seen"  # noqa: S608
                    f" WHERE mailbox = ? AND fingerprint <> x'' AND uid IN ({marks(some)})",
                    (self._mailbox, *some),
                )
                found.update(dict(rows.fetchall()))

        self._ledger.write(look)
        return found

    def count_seen(self) -> int:
        """Return how many messages were seen and not yet forgotten."""
        query = "SELECT count(*) FROM seen WHERE mailbox = ?"
        return int(self._ledger.write(lambda db: db.execute(query, (self._mailbox,)).fetchone()[0]))

    def mark_seen(self, messages: Sequence[Listed]) -> None:
        """Note that these are not to be read again; what was under way for them is over.

        A size that is not told is the one that was noted before.
        """

        def note(db: sqlite3.Connection) -> None:
            for one in messages:
                size, fingerprint = db.execute(
                    "SELECT max(size), max(fingerprint) FROM ("
                    "SELECT size, fingerprint FROM seen WHERE mailbox = ?1 AND uid = ?2 UNION ALL"
                    " SELECT size, fingerprint FROM message WHERE mailbox = ?1 AND uid = ?2)",
                    (self._mailbox, one.uid),
                ).fetchone()
                octets = min(one.size, MAX_SIZE) or size or 0
                db.execute(
                    "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)",
                    (self._mailbox, one.uid, octets, fingerprint or b""),
                )
            self._delete(db, "message", [one.uid for one in messages])

        self._ledger.write(note)

    def mark_compared(self) -> None:
        """Note that a listing of this mailbox was compared for the first time."""
        query = "UPDATE mailbox SET compared = 1 WHERE id = ?"
        self._ledger.write(lambda db: db.execute(query, (self._mailbox,)))
        self.is_new = False

    def keep_only(self, listing: Iterable[Sequence[Uid]]) -> None:
        """Forget what is not in this complete listing, which comes in parts."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("CREATE TEMP TABLE IF NOT EXISTS listed (uid PRIMARY KEY) WITHOUT ROWID")
            db.execute("DELETE FROM listed")
            for some in listing:
                db.executemany("INSERT OR IGNORE INTO listed VALUES (?)", [(uid,) for uid in some])
            for table in ("seen", "message"):
                db.execute(
                    f"DELETE FROM {table}"  # noqa: S608
                    " WHERE mailbox = ? AND uid NOT IN (SELECT uid FROM listed)",
                    (self._mailbox,),
                )
            db.execute("DELETE FROM listed")

        self._ledger.write(work)

    # What is under way

    def reserve(self, messages: Sequence[Listed]) -> Mapping[Uid, Offer]:
        """Give names to messages that will be offered soon, all at once."""

        def note(db: sqlite3.Connection) -> dict[Uid, Offer]:
            offers: dict[Uid, Offer] = {}
            rows = self._rows(db, [one.uid for one in messages])
            for one in messages:
                row = rows.get(one.uid)
                if row is None:
                    name = new_name(self._ledger.clock())
                    self._put(db, one, after(None, Life.offer), name)
                    offers[one.uid] = Offer(name, False)
                elif row.state == offered.name and is_same_size(row.size, one.size):
                    offers[one.uid] = row.offer(again=True)
            return offers

        return self._ledger.write(note)

    def offer(self, uid: Uid, size: int) -> Offer:
        """Note that this message is about to be handed to the sink, and under which name.

        A name is given once: a message that comes later under a UID that was used before has
        another one.
        """

        def note(db: sqlite3.Connection) -> Offer:
            row = self._row(db, uid, size)
            if row.state == offered.name:
                return row.offer(again=True)
            row.name = new_name(self._ledger.clock())
            self._put(db, Listed(uid, size), after(row.state, Life.offer), row.name, row)
            return row.offer(again=False)

        return self._ledger.write(note)

    def accept(
        self, uid: Uid, size: int, action: Action, outcome: Outcome, fingerprint: bytes = b""
    ) -> None:
        """Note that the sink took it, and the action that is owed at the server."""

        def note(db: sqlite3.Connection) -> None:
            row = self._row(db, uid, size)
            db.execute(
                "INSERT OR REPLACE INTO message (mailbox, sink, uid, size, state, action,"
                " recipients, name, fingerprint) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(self._mailbox, self._sink, uid, row.size),
                    *(after(row.state, Life.accept), action.value),
                    *(stored(recipient_states(row.recipients, outcome)), row.name, fingerprint),
                ),
            )

        self._ledger.write(note)

    def delete_unread(self, messages: Sequence[Listed]) -> None:
        """Note that the user wants these deleted, though nobody gets them."""

        def note(db: sqlite3.Connection) -> None:
            rows = self._rows(db, [one.uid for one in messages])
            for one in messages:
                row = rows.get(one.uid)
                state = after(row.state if row else None, Life.delete_unread)
                self._put(db, one, state, row.name if row else "")
            self._set(
                db,
                [one.uid for one in messages],
                "action = ?, fingerprint = coalesce((SELECT fingerprint FROM seen"
                " WHERE seen.mailbox = message.mailbox AND seen.uid = message.uid), x'')",
                Action.DELETE.value,
            )

        self._ledger.write(note)

    def set_fingerprint(self, uid: Uid, fingerprint: bytes) -> None:
        """Note what tells a message that is offered from others under its UID."""
        self._ledger.write(lambda db: self._set(db, [uid], "fingerprint = ?", fingerprint))

    def reject(self, uid: Uid, size: int, outcome: Outcome, fingerprint: bytes = b"") -> Failures:
        """Note that the sink did not take it, or not for everybody, and who got it.

        What is put off is not counted: that may be nothing about the message.
        """

        def note(db: sqlite3.Connection) -> Failures:
            row = self._row(db, uid, size)
            state = after(row.state, UPON[outcome.verdict])
            row.fingerprint = fingerprint or row.fingerprint
            counted = outcome.verdict is Verdict.REFUSED
            recipients = recipient_states(row.recipients, outcome)
            return self._fail(db, row, state, outcome.reason, recipients, counted=counted)

        return self._ledger.write(note)

    def unreadable(self, uid: Uid, size: int, why: str) -> Failures:
        """Note that the server did not give it; what an earlier offer came to stays as it was.

        It may have been accepted by a sink that could not say so, and has to be known again.
        """

        def note(db: sqlite3.Connection) -> Failures:
            row = self._row(db, uid, size)
            state = after(row.state, Life.unreadable)
            if state in KEPT:
                return Failures(row.tries, 0)
            return self._fail(db, row, state, why, row.recipients, counted=True)

        return self._ledger.write(note)

    def _fail(
        self,
        db: sqlite3.Connection,
        row: Row,
        state: str,
        why: str,
        recipients: str,
        *,
        counted: bool,
    ) -> Failures:
        """Write down a failure of a message; return how often it has failed and how long."""
        now = int(self._ledger.clock())
        tries, since = row.tries + counted, row.since or now
        mark = row.fingerprint
        failed = Row(row.uid, row.size, state, recipients, row.name, tries, since, mark)
        self._put(db, Listed(row.uid, row.size), state, row.name or new_name(now), failed)
        self._set(db, [row.uid], "tried = ?, reason = ?", now, in_utf8(why[:MAX_REASON]).decode())
        return Failures(tries, now - since)

    def set_aside(self, uid: Uid) -> None:
        """Note that this message is not to be offered again before the user says so."""
        states = before(Life.set_aside)
        self._ledger.write(
            lambda db: db.execute(
                "UPDATE message SET state = ? WHERE mailbox = ? AND sink = ? AND uid = ?"  # noqa: S608
                f" AND state IN ({marks(states)})",
                (quarantined.name, self._mailbox, self._sink, uid, *states),
            )
        )

    def undelivered(self) -> Sequence[Undelivered]:
        """Return what this sink was offered in earlier polls and did not accept."""
        rows = self._ledger.write(
            lambda db: db.execute(
                "SELECT uid, size, CASE WHEN tried <> since THEN tried ELSE 0 END, state = ?"
                " FROM message WHERE mailbox = ? AND sink = ? AND state <> ?",
                (quarantined.name, self._mailbox, self._sink, accepted.name),
            ).fetchall()
        )
        return [Undelivered(uid, size, tried, bool(aside)) for uid, size, tried, aside in rows]

    # What the server owes

    def pending(self) -> Sequence[Pending]:
        """Return what was accepted and not settled, whichever sink took it."""
        now = int(self._ledger.clock())
        rows = self._ledger.write(
            lambda db: db.execute(
                "SELECT uid, size, action, fingerprint, tries, iif(tries, ? - tried, 0)"
                " FROM message WHERE mailbox = ? AND state = ? ORDER BY uid",
                (now, self._mailbox, accepted.name),
            ).fetchall()
        )
        return [Pending(uid, size, Action(action), *rest) for uid, size, action, *rest in rows]

    def count_tries(self, uids: Sequence[Uid], count: int) -> None:
        """Note that the server is asked once more for what it owes for these; it counts so much."""
        now = int(self._ledger.clock())
        self._ledger.write(
            lambda db: db.executemany(
                "UPDATE message SET tries = tries + ?, tried = ?"
                " WHERE mailbox = ? AND uid = ? AND state = ?",
                [(count, now, self._mailbox, uid, accepted.name) for uid in uids],
            )
        )

    def forget(self, uids: Sequence[Uid]) -> None:
        """Forget these: they are gone from the server, or their UIDs stand for others now."""

        def work(db: sqlite3.Connection) -> None:
            self._delete(db, "message", uids)
            self._delete(db, "seen", uids)

        self._ledger.write(work)

    # Rows

    def _delete(self, db: sqlite3.Connection, table: str, uids: Sequence[Uid]) -> None:
        db.executemany(
            f"DELETE FROM {table} WHERE mailbox = ? AND uid = ?",  # noqa: S608
            [(self._mailbox, uid) for uid in uids],
        )

    def _rows(self, db: sqlite3.Connection, uids: Sequence[Uid]) -> dict[Uid, Row]:
        """Return the rows of these messages, by their UIDs.

        Where this sink has none, another of its kind may have served some recipients.
        """
        found: dict[Uid, Row] = {}
        for some in in_parts(uids):
            rows = db.execute(
                "SELECT sink, uid, size, state, recipients, name, tries, since, fingerprint"  # noqa: S608
                f" FROM message WHERE mailbox = ? AND uid IN ({marks(some)})",
                (self._mailbox, *some),
            )
            for sink, uid, size, state, recipients, *rest in rows:
                if sink == self._sink:
                    found[uid] = Row(uid, size, state, shown(recipients), *rest)
                elif recipients and sink in self._akin and state != accepted.name:
                    mark = rest[-1]
                    found.setdefault(uid, Row(uid, size, None, shown(recipients), fingerprint=mark))
        return found

    def _row(self, db: sqlite3.Connection, uid: Uid, size: int) -> Row:
        """Return the row of this message; one of another size is about another message."""
        row = self._rows(db, [uid]).get(uid)
        if row is None or not is_same_size(row.size, size):
            return Row(uid, size)
        row.size = row.size or min(size, MAX_SIZE)
        return row

    def _put(
        self, db: sqlite3.Connection, one: Listed, state: str, name: str, row: Row | None = None
    ) -> None:
        """Write a row anew; with ``row`` it keeps who was served, and the failures."""
        size = min(one.size, MAX_SIZE)
        kept: tuple[object, ...] = ("", 0, 0, b"")
        if row:
            kept = (stored(row.recipients), row.tries, row.since, row.fingerprint)
        db.execute(
            "INSERT OR REPLACE INTO message (mailbox, sink, uid, size, state, name,"
            " recipients, tries, since, fingerprint) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (self._mailbox, self._sink, one.uid, size, state, name, *kept),
        )

    def _set(
        self, db: sqlite3.Connection, uids: Sequence[Uid], change: str, *values: object
    ) -> None:
        db.executemany(
            f"UPDATE message SET {change} WHERE mailbox = ? AND sink = ? AND uid = ?",  # noqa: S608
            [(*values, self._mailbox, self._sink, uid) for uid in uids],
        )


class Row:
    """One message under way, as far as its next state depends on it; ``state`` is None for a
    message without a row.
    """

    __slots__ = (*("fingerprint", "name", "recipients", "since", "size", "state", "tries", "uid"),)

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
    ) -> None:
        self.uid = uid
        self.size = min(size, MAX_SIZE)
        self.state = state
        self.recipients = recipients
        self.name = name
        self.tries = tries
        self.since = since
        self.fingerprint = fingerprint

    def offer(self, *, again: bool) -> Offer:
        """Return the offer that this row stands for."""
        return Offer(self.name, again, served(self.recipients), self.fingerprint)


def is_in_doubt(noted: int, fingerprint: bytes, listed: int) -> bool:
    """Whether a message that was seen may be another one: only its header can tell."""
    told_since = not noted and bool(listed and fingerprint)
    return told_since or not is_same_size(noted, listed)


def is_same_size(noted: int, listed: int) -> bool:
    """Whether two sizes may be of one message; 0 is a size that nobody has told."""
    return noted == min(listed, MAX_SIZE) or 0 in (noted, listed)


def in_parts(uids: Sequence[Uid]) -> Iterable[Sequence[Uid]]:
    """Yield these in parts that fit into one statement."""
    return (uids[start : start + PART] for start in range(0, len(uids), PART))


def marks(values: Sequence[object]) -> str:
    """Return one question mark for each value, for SQL's IN."""
    return ", ".join("?" * len(values))


def recipient_states(earlier: str, outcome: Outcome) -> str:
    """Return one line for each recipient; who was served by an earlier offer stays served."""
    known = dict.fromkeys(served_names(earlier), Verdict.ACCEPTED)
    known |= dict(outcome.recipients)
    return "\n".join(f"{who} {verdict.value}" for who, verdict in known.items())


def served_names(recipients: str) -> Sequence[str]:
    """Return who got a message, from the fates that the ledger holds."""
    lines = (line.rpartition(" ") for line in recipients.split("\n"))
    return [who for who, _, fate in lines if fate == Verdict.ACCEPTED.value]


def served(recipients: str) -> frozenset[bytes]:
    """Return their addresses as octets."""
    return frozenset(who.encode("utf-8", "surrogateescape") for who in served_names(recipients))


def in_utf8(text: str) -> bytes:
    """Return text as SQLite takes it: octets that are no UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace")
