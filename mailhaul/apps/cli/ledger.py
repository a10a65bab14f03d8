"""``mailhaul ledger``: list, rename or forget the accounts in the ledger."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from ...adapters.config.caller import Caller
from ...adapters.ledger.renames import forget_account, rename_account
from ...adapters.ledger.store import SqlLedger
from ...flows.outcome import ExitCode
from ..polls.lines import Lines, escape
from ..polls.state_folder import LEDGER, ledger_of, state_folder
from ..polls.status import COUNT, as_text, closed, shown
from .commands import invalid
from .stores import configured_ledger, settings_in, split_rcfile


def ledger(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul ledger`` with these arguments. Raises Misused and LedgerFault."""
    as_json = "--json" in arguments
    words, rcfile = split_rcfile(arguments)
    arguments = [word for word in words if word != "--json"]
    action, *names = arguments or ("list",)
    if action == "import" and len(names) <= 1 and not as_json:
        return take_over(names[0] if names else "", rcfile, caller, lines)
    wanted = {"list": 0, "rename": 2, "forget": 1}
    unwanted = as_json and action != "list"
    if unwanted or wanted.get(action) != len(names) or not all(names):
        raise invalid(arguments)
    store = configured_ledger(rcfile, caller, lines)
    try:
        # Before the first poll there is no ledger file.
        known = store.accounts() if store.exists() else ()
        if action == "list":
            text = "".join(f"{line}\n" for line in table(known))
            sys.stdout.write(as_text(document(known)) if as_json else text)
            return ExitCode.SUCCESS if known else ExitCode.NOMAIL
        return act(action, names, {row[0] for row in known}, store, lines)
    finally:
        store.close()


def take_over(path: str, rcfile: str, caller: Caller, lines: Lines) -> ExitCode:
    """Copy a ledger of SQLite into the store that the rc file names. Raises PollFailed."""
    settings = settings_in(rcfile, caller, lines)
    folder = state_folder(caller, os.environ, settings)
    store = ledger_of(folder, settings)
    path = path or os.path.join(folder, LEDGER)
    try:
        if not store.is_shared:
            lines.complain('ledger: "set store" in the rc file names no database to copy it to')
            return ExitCode.SYNTAX
        if not os.path.exists(path):
            lines.complain(f"ledger: there is no {escape(path)}")
            return ExitCode.IOERR
        from ...adapters.postgres.importing import import_ledger
        from ...adapters.postgres.store import PostgresLedger

        if not isinstance(store, PostgresLedger):
            raise TypeError("an unknown kind of store")
        done = import_ledger(path, store)
    finally:
        store.close()
    for name in done.known:
        lines.complain(f"{escape(name)}: the store has records of this account; they stay")
    lines.say(f"{done.mailboxes} mailbox(es) with {done.rows} record(s) are in the store")
    return ExitCode.SUCCESS


def act(
    action: str, names: Sequence[str], known: set[str], store: SqlLedger, lines: Lines
) -> ExitCode:
    """Rename or forget an account."""
    if names[0] not in known:
        lines.complain(
            f'ledger: no account "{escape(names[0])}"; "mailhaul ledger" lists all accounts'
        )
        return ExitCode.ERROR
    if action == "forget":
        forget_account(store, names[0])
        lines.say(f"{names[0]}: records deleted")
        return ExitCode.SUCCESS
    old, new = names
    if old.partition(" ")[0] != new.partition(" ")[0] or "@" not in new:
        problem = "is not PROTOCOL USER@SERVER with the protocol of"
        lines.complain(f'ledger: "{escape(new)}" {problem} "{escape(old)}"')
        return ExitCode.SYNTAX
    rename_account(store, old, new)
    lines.say(f"{old} is now {new}")
    return ExitCode.SUCCESS


def table(known: Sequence[tuple[str, str, int, int]]) -> Sequence[str]:
    """Return a table with one line for each mailbox."""
    if not known:
        return ["the ledger has no accounts"]
    rows = [("ACCOUNT", "MAILBOX", "SEEN", "OPEN")]
    rows += [
        (escape(account), escape(mailbox), str(seen), str(under_way))
        for account, mailbox, seen, under_way in known
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def document(known: Sequence[tuple[str, str, int, int]]) -> dict[str, Any]:
    """Return what ``--json`` prints; see ``SCHEMA``."""
    return {
        "mailboxes": [
            {"account": shown(account), "mailbox": shown(name), "seen": seen, "open": under_way}
            for account, name, seen, under_way in known
        ]
    }


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:mailhaul:schema:ledger",
    "title": "mailhaul ledger list --json",
    "description": "How many messages the ledger knows of each mailbox.",
    **closed(
        {
            "mailboxes": {
                "type": "array",
                "items": closed(
                    {
                        "account": {"type": "string"},
                        "mailbox": {"type": "string"},
                        "seen": {**COUNT, "description": "Messages that were fetched and kept."},
                        "open": {**COUNT, "description": "Messages that are in progress."},
                    }
                ),
            }
        }
    ),
}
