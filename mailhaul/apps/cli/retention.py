"""``mailhaul retention``: what ``delete-after`` will delete, and the user's consent to it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence

from ...adapters.config.caller import Caller
from ...adapters.config.load import load
from ...adapters.config.rcfile import read_descriptor
from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.retention import (
    MailboxPlan,
    RetentionRecords,
    confirm,
    date_undated,
    mailboxes_of,
)
from ...adapters.ledger.store import SqlLedger
from ...flows.outcome import ExitCode
from ...flows.retention import DAY, Found, judge
from ...flows.source import format_uid
from ...protocols.record import Record
from ..polls.accounts import name_of, user_at_server
from ..polls.lines import Lines, escape, write
from ..polls.state_folder import ledger_of, state_folder
from .commands import invalid

ACTIONS = frozenset({"list", "show", "confirm", "adopt"})
MAX_SHOWN = 10_000
"""Messages of one mailbox that are shown."""
ANY_TOTAL = 1 << 62
"""Stands for the size of the mailbox, which only its server knows."""


class Row(Record):
    """One mailbox of an account with ``delete-after``."""

    settings: AccountSettings
    mailbox: MailboxPlan
    found: Found

    @property
    def state(self) -> str:
        """What holds the deletions back, or how fast they go."""
        found = self.found
        if found.standing is None:
            return "no poll with delete-after yet"
        if not found.due:
            return "nothing to delete"
        held = judge(found, self.settings.deleteafter, ANY_TOTAL).held or found.standing.held
        return held or f"at most {self.settings.deletelimit} in each poll"


def retention(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul retention``. Raises Misused, LedgerFault and ConfigErrors."""
    words = [*arguments]
    source: list[str] = []
    for flag in {"-f", "--fetchmailrc"} & {*words}:
        at = words.index(flag)
        source = ["-f", *words[at + 1 : at + 2]]
        del words[at : at + 2]
    action = words.pop(0) if words and words[0] in ACTIONS else "list"
    wanted = len(words) <= 1 if action == "list" else len(words) == 1
    if not wanted or not all(words) or any(word.startswith("-") for word in words):
        raise invalid(arguments)
    # As a dump: all entries, also those that are skipped.
    configuration = load([*source, "--configdump"], caller, read_stdin)
    accounts = [one for one in configuration.accounts if one.deleteafter]
    chosen = [one for one in accounts if not words or words[0] in names(one)]
    if not chosen:
        whose = f'"{escape(words[0])}"' if words else "no account"
        known = ", ".join(dict.fromkeys(escape(user_at_server(one)) for one in accounts))
        hint = f"; these have: {known}" if words and known else ""
        lines.complain(f'retention: {whose} has "delete-after" in {configuration.rcfile}{hint}')
        return ExitCode.SYNTAX
    folder = state_folder(caller, os.environ, configuration.globals)
    ledger = ledger_of(folder, configuration.globals)
    ledger.pin()
    try:
        # Before the first poll there is no ledger file.
        rows = list(rows_of(chosen, ledger)) if ledger.exists() else []
        return act(action, rows, ledger, lines)
    finally:
        ledger.close()


def read_stdin() -> bytes:
    """Return an rc file from standard input."""
    return read_descriptor(0, "standard input")


def names(settings: AccountSettings) -> set[str]:
    """Return the names by which the user may call an account."""
    return {settings.remote_user, settings.pollname, user_at_server(settings), name_of(settings)}


def rows_of(accounts: Sequence[AccountSettings], ledger: SqlLedger) -> Iterator[Row]:
    """Yield the mailboxes of these accounts; several entries of one account are one."""
    by_name = {name_of(one): one for one in reversed(accounts)}
    for name, settings in reversed(by_name.items()):
        for mailbox in mailboxes_of(ledger, name):
            found = RetentionRecords(ledger, mailbox.key).look(settings.deleteafter)
            yield Row(settings, mailbox, found)


def act(action: str, rows: Sequence[Row], ledger: SqlLedger, lines: Lines) -> ExitCode:
    """List, show, confirm or adopt."""
    if action == "list":
        write(sys.stdout, "".join(f"{line}\n" for line in plan(rows)))
        return ExitCode.SUCCESS if rows else ExitCode.NOMAIL
    if action == "show":
        shown = [line for row in rows for line in messages(row, ledger)]
        write(sys.stdout, "".join(f"{line}\n" for line in shown or ["nothing to delete"]))
        return ExitCode.SUCCESS if shown else ExitCode.NOMAIL
    if action == "adopt":
        count = date_undated(ledger, [row.mailbox.key for row in rows])
        lines.say(f"{count} message(s) of earlier versions count as delivered now")
        return ExitCode.SUCCESS if count else ExitCode.NOMAIL
    polled = [row for row in rows if row.found.standing]
    if not polled:
        lines.complain("retention: nothing to confirm before a poll with delete-after")
        return ExitCode.ERROR
    until = {row.mailbox.key: row.found.now - row.settings.deleteafter for row in polled}
    confirm(ledger, until)
    due = sum(row.found.due for row in polled)
    most = polled[0].settings.deletelimit
    lines.say(f"{due} message(s) may be deleted; each poll deletes at most {most} of a mailbox")
    return ExitCode.SUCCESS


def plan(rows: Sequence[Row]) -> Sequence[str]:
    """Return a table with one line for each mailbox."""
    if not rows:
        return ["nothing was delivered yet"]
    table = [("ACCOUNT", "MAILBOX", "AFTER", "DELIVERED", "OLDEST", "DUE", "STATE")]
    for row in rows:
        found = row.found
        table.append(
            (
                *(escape(user_at_server(row.settings)), escape(row.mailbox.name)),
                *(f"{row.settings.deleteafter // DAY}d", str(found.delivered)),
                *(date(found.oldest) if found.oldest else "-", str(found.due), row.state),
            )
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in table
    ]
    if undated := sum(row.mailbox.undated for row in rows):
        lines.append(
            f"{undated} more message(s) were fetched by an earlier version, which recorded no time,"
            ' or while the clock was wrong; they stay. See "mailhaul retention --help", adopt'
        )
    return lines


def messages(row: Row, ledger: SqlLedger) -> Sequence[str]:
    """Return a line for each message that is old enough."""
    records = RetentionRecords(ledger, row.mailbox.key)
    due = records.due(row.found.now - row.settings.deleteafter, MAX_SHOWN)
    where = f"{escape(user_at_server(row.settings))} {escape(row.mailbox.name)}"
    return [
        f"{where} {format_uid(one.uid)}  delivered {date(one.accepted)}  {one.size} octets"
        for one in due
    ]


def date(when: int) -> str:
    """Return a day in the local time zone."""
    return time.strftime("%Y-%m-%d", time.localtime(when))
