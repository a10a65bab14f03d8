"""Accounts in the ledger that get another name, with all that belongs to them, or are forgotten.

Its rest and its traffic have the name of the account. The results of polls and the alerts have the
name of an entry of the rc file, which is USER@SERVER, with more after it if one user has several
(``apps.polls.accounts.keys_for``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...flows.row_states import accepted
from ...protocols.record import replace
from .alerts import SAID
from .names import as_text, stored
from .rests import write_rest
from .results import COLUMNS, EntryResult, result_of
from .store import LONGEST_REST, SqlLedger, forget_mailbox

if TYPE_CHECKING:
    from ...flows.ledger import Relative
    from .statements import Statements

LOGIN, ENTRY = "login ", "entry "
"""The beginnings of the topics of alerts that contain a name; see ``flows.alerts.topic_of``."""


def take_over(ledger: SqlLedger, relative: Relative, account: str) -> None:
    """Move a mailbox to this account, and what belongs to the account. Raises LedgerFault."""
    now = ledger.clock()

    def work(db: Statements) -> None:
        rename(db, relative.key, account)
        move_account(db, relative.account, account, now)

    ledger.write(work)


def rename_account(ledger: SqlLedger, old: str, new: str) -> int:
    """Move all records of an account to another, and what belongs to the account.

    Return the number of mailboxes. Raises LedgerFault.
    """
    now = ledger.clock()

    def work(db: Statements) -> int:
        rows = db.execute("SELECT id FROM mailbox WHERE account = ?", (stored(old),)).fetchall()
        for (mailbox_id,) in rows:
            rename(db, mailbox_id, new)
        move_account(db, old, new, now)
        return len(rows)

    moved = ledger.write(work)
    ledger.make_durable()
    return moved


def forget_account(ledger: SqlLedger, account: str) -> int:
    """Delete all records of an account; return the number of mailboxes. Raises LedgerFault."""

    def work(db: Statements) -> int:
        query = "SELECT id FROM mailbox WHERE account = ?"
        rows = db.execute(query, (stored(account),)).fetchall()
        for (mailbox_id,) in rows:
            forget_mailbox(db, mailbox_id)
        db.execute("DELETE FROM content WHERE account = ?", (stored(account),))
        return len(rows)

    return ledger.write(work)


def rename(db: Statements, mailbox_id: int, account: str) -> None:
    """Move a mailbox to another account; merge it with that account's records of the mailbox."""
    name, uidvalidity = db.execute(
        "SELECT name, uidvalidity FROM mailbox WHERE id = ?", (mailbox_id,)
    ).fetchone()
    there = db.execute(
        "SELECT id FROM mailbox WHERE account = ? AND name = ? AND uidvalidity = ? AND id <> ?",
        (stored(account), name, uidvalidity, mailbox_id),
    ).fetchone()
    db.execute(
        "INSERT INTO content SELECT ?, sink, id, size, mailbox, accepted FROM content"
        " WHERE account = (SELECT account FROM mailbox WHERE id = ?) ON CONFLICT DO NOTHING",
        (stored(account), mailbox_id),
    )
    if there:
        drop_overtaken(db, mailbox_id, there[0])
        drop_overtaken(db, there[0], mailbox_id)
        for table, key in (("seen", "uid"), ("message", "uid, sink")):
            # The rows of the other mailbox replace those of this one.
            db.execute(
                f"DELETE FROM {table} WHERE mailbox = ? AND ({key}) IN"  # noqa: S608
                f" (SELECT {key} FROM {table} WHERE mailbox = ?)",
                (mailbox_id, there[0]),
            )
            db.execute(
                f"UPDATE {table} SET mailbox = ? WHERE mailbox = ?",  # noqa: S608
                (mailbox_id, there[0]),
            )
        forget_mailbox(db, there[0])
        # What the user has permitted to delete of one of them does not extend to the other.
        db.execute("DELETE FROM retention WHERE mailbox = ?", (mailbox_id,))
    db.execute("UPDATE mailbox SET account = ? WHERE id = ?", (stored(account), mailbox_id))


def drop_overtaken(db: Statements, mailbox_id: int, other: int) -> None:
    """Delete rows of messages under way that the other mailbox has as seen or accepted.

    An unfinished offer must not hide that the message was delivered before.
    """
    db.execute(
        "DELETE FROM message WHERE mailbox = ?1 AND state <> ?3 AND uid IN ("
        "SELECT uid FROM seen WHERE mailbox = ?2 UNION ALL"
        " SELECT uid FROM message WHERE mailbox = ?2 AND state = ?3)",
        (mailbox_id, other, accepted),
    )


def move_account(db: Statements, old: str, new: str, now: float) -> None:
    """Move everything but the mailboxes of an account, which has got another name.

    What belongs to its entries follows when no mailbox is left under the old name.
    """
    if old == new:
        return
    move_rest(db, old, new, now)
    keys = (stored(old), stored(new))
    db.execute(
        "INSERT INTO traffic SELECT ?2, hour, octets FROM traffic WHERE account = ?1"
        " ON CONFLICT (account, hour) DO UPDATE SET octets = traffic.octets + excluded.octets",
        keys,
    )
    db.execute("DELETE FROM traffic WHERE account = ?", keys[:1])
    if db.execute("SELECT 1 FROM mailbox WHERE account = ?", keys[:1]).fetchone():
        return
    db.execute("DELETE FROM content WHERE account = ?", keys[:1])
    rename = renaming(db, old, new)
    move_results(db, rename)
    move_alerts(db, rename, LOGIN + login_of(old), LOGIN + login_of(new))


def move_rest(db: Statements, old: str, new: str, now: float) -> None:
    """Let an account rest as long as the longer rest of both names."""
    row = db.execute(
        "SELECT until, reason, daylimit FROM rest WHERE account = ?", (stored(old),)
    ).fetchone()
    # A longer rest was written when the clock was wrong.
    if row and now < row[0] <= now + LONGEST_REST:
        write_rest(db, new, *row)
    db.execute("DELETE FROM rest WHERE account = ?", (stored(old),))


# Entries of the rc file

Rename = Callable[[str], str]
"""Returns the new name of an entry, which is the old one for an entry of another account."""


def entry_of(account: str) -> str:
    """Return the name of an account's entry, as far as it follows from that of the account."""
    name, _, place = account.partition(" ")[2].partition(" (")
    user, _, server = name.rpartition("@")
    if place:
        # The name of the server in the rc file, and maybe the command that connects to it.
        server = place.removesuffix(")").partition(": ")[0]
    elif server.count(":") == 1:
        server = server.partition(":")[0]
    return f"{user}@{server}"


def login_of(account: str) -> str:
    """Return the user and the host to which the login is made."""
    return entry_of(account.partition(" (")[0])


def renaming(db: Statements, old: str, new: str) -> Rename:
    """Return what renames the entries of an account.

    If another protocol has the same user and server, an entry must say that it is not that one's.
    """
    was, becomes = entry_of(old), entry_of(new)
    family = old.partition(" ")[0]
    accounts = db.execute("SELECT DISTINCT account FROM mailbox").fetchall()
    names = [as_text(name) for (name,) in accounts]
    is_shared = any(name != new and same(entry_of(name), was) for name in names)

    def rename(entry: str) -> str:
        detail = entry[len(was) :]
        is_ours = same(entry[: len(was)], was) and detail[:1] in {"", " "}
        if not is_ours or (is_shared and f" {family}" not in detail):
            return entry
        return becomes + detail

    return rename


def same(one: str, other: str) -> bool:
    """Whether two names of entries are the same. The case of the server does not matter."""
    user, _, server = one.rpartition("@")
    other_user, _, other_server = other.rpartition("@")
    return (user, server.lower()) == (other_user, other_server.lower())


def move_results(db: Statements, rename: Rename) -> None:
    """Give results the new names of their entries."""
    found = map(result_of, db.execute(f"SELECT {COLUMNS} FROM result").fetchall())  # noqa: S608
    results = {one.entry: one for one in found}
    for name, result in results.items():
        if (new := rename(name)) == name:
            continue
        moved = together(result, results[new]) if new in results else result
        db.executemany("DELETE FROM result WHERE entry = ?", [(stored(name),), (stored(new),)])
        db.execute(
            f"INSERT INTO result ({COLUMNS})"  # noqa: S608
            f" VALUES ({', '.join('?' * len(EntryResult.__match_args__))})",
            row_of(replace(moved, entry=new)),
        )


def row_of(result: EntryResult) -> list[object]:
    """Return the values of ``COLUMNS``."""
    values = {name: getattr(result, name) for name in EntryResult.__match_args__}
    for name in ("code", "error_code"):
        values[name] = None if values[name] is None else int(values[name])
    values["entry"] = stored(result.entry)
    values["codes"] = json.dumps(dict(result.codes))
    return list(values.values())


def together(one: EntryResult, other: EntryResult) -> EntryResult:
    """Return the result of one entry that has had two names."""
    first, last = sorted((one, other), key=lambda result: result.time)
    error = max(one, other, key=lambda result: result.error_time)
    # A success of the later name ends the failures of the earlier one.
    fails_on = last.failures > 0 and not last.success
    since = first.since or last.since
    return replace(
        last,
        failures=first.failures * fails_on + last.failures,
        since=since if fails_on else last.since,
        success=max(first.success, last.success),
        error_time=error.error_time,
        error_code=error.error_code,
        error_words=error.error_words,
        polls=first.polls + last.polls,
        codes=dict(Counter(first.codes) + Counter(last.codes)),
        seconds=first.seconds + last.seconds,
        fetched=first.fetched + last.fetched,
        delivered=first.delivered + last.delivered,
        octets=first.octets + last.octets,
        refused=first.refused + last.refused,
        postponed=first.postponed + last.postponed,
        spam=first.spam + last.spam,
    )


def move_alerts(db: Statements, rename: Rename, login: str, new_login: str) -> None:
    """Give alerts the new names of their entries, and of what they are about."""
    rows = db.execute("SELECT topic, kind, entry FROM alert").fetchall()
    for stored_topic, kind, stored_entry in rows:
        topic, entry = as_text(stored_topic), as_text(stored_entry)
        if (new := rename(entry)) == entry:
            continue
        if kind == SAID:
            topic = topic.removesuffix(entry) + new
        elif topic.startswith(ENTRY):
            topic = ENTRY + rename(topic.removeprefix(ENTRY))
        elif topic.startswith(LOGIN) and same(topic, login):
            topic = new_login
        if topic != as_text(stored_topic):
            # One with the new name is replaced.
            db.execute("DELETE FROM alert WHERE topic = ? AND kind = ?", (stored(topic), kind))
        db.execute(
            "UPDATE alert SET topic = ?, entry = ? WHERE topic = ? AND kind = ?",
            (stored(topic), stored(new), stored(as_text(stored_topic)), kind),
        )
