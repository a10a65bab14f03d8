"""``mailhaul ledger``: what is known of each account, and what the user wants done with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ...adapters.config.caller import Caller
from ...adapters.ledger.store import SqliteLedger
from ...flows.outcome import ExitCode
from ..polls.lines import Lines, escape
from ..polls.state_folder import state_folder

USAGE = """\
usage: mailhaul ledger [list]
       mailhaul ledger rename OLD NEW
       mailhaul ledger forget NAME

The ledger remembers which messages were read and kept (SEEN), and which are on their way (OPEN).
list    shows the mailboxes that it knows
rename  lets the account NEW have what OLD knew: nothing of that is fetched again
forget  forgets an account: what it kept at its server is fetched again
No poll of these accounts may be running.
"""


def ledger(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Do what the words after ``ledger`` say. Raises LedgerFault."""
    action, *names = arguments or ("list",)
    if action in {"-h", "-?", "--help"}:
        sys.stdout.write(USAGE)
        return ExitCode.SUCCESS
    wanted = {"list": 0, "rename": 2, "forget": 1}
    if wanted.get(action) != len(names) or not all(names):
        lines.complain(f'ledger: "{" ".join(arguments)}" is not understood')
        sys.stderr.write(USAGE)
        return ExitCode.SYNTAX
    path = os.path.join(state_folder(caller, os.environ), "ledger.db")
    store = SqliteLedger(path)
    # Without any poll there is no ledger, and nothing is known.
    known = store.accounts() if os.path.exists(path) else ()
    try:
        if action == "list":
            sys.stdout.write("".join(f"{line}\n" for line in table(known)))
            return ExitCode.SUCCESS if known else ExitCode.NOMAIL
        return act(action, names, {row[0] for row in known}, store, lines)
    finally:
        store.close()


def act(
    action: str, names: Sequence[str], known: set[str], store: SqliteLedger, lines: Lines
) -> ExitCode:
    """Rename or forget an account."""
    if names[0] not in known:
        lines.complain(f'ledger: nothing is known of {names[0]!r}; "mailhaul ledger" shows all')
        return ExitCode.ERROR
    if action == "forget":
        store.forget_account(names[0])
        lines.say(f"{names[0]} is forgotten")
        return ExitCode.SUCCESS
    old, new = names
    if old.partition(" ")[0] != new.partition(" ")[0] or "@" not in new:
        lines.complain(f"ledger: {new!r} is no account of the same protocol as {old!r}")
        return ExitCode.SYNTAX
    store.rename_account(old, new)
    lines.say(f"{new} has what {old} knew")
    return ExitCode.SUCCESS


def table(known: Sequence[tuple[str, str, int, int]]) -> Sequence[str]:
    """Return one line for each mailbox, under a head."""
    if not known:
        return ["the ledger knows no account"]
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
