"""``mailhaul quarantine``: list, show, retry or delete messages that the sink keeps refusing."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from ...adapters.config.caller import Caller
from ...adapters.ledger.quarantine import Stuck, drop, retry, stuck
from ...adapters.ledger.store import SqlLedger
from ...flows.outcome import ExitCode
from ...flows.source import format_uid
from ..polls.lines import Lines, escape, write
from ..polls.status import COUNT, TIME_OR_NULL, as_text, closed, shown
from ..polls.times import iso
from .commands import invalid
from .stores import configured_ledger, split_rcfile


def quarantine(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul quarantine`` with these arguments. Raises Misused and LedgerFault."""
    as_json = "--json" in arguments
    words, rcfile = split_rcfile(arguments)
    arguments = [word for word in words if word != "--json"]
    action, *keys = arguments or ("list",)
    known = action in {"show", "retry", "drop"} and keys
    if (as_json and action != "list") or not (known or list(arguments) in ([], ["list"])):
        raise invalid(arguments)
    if "" in keys:
        # An empty argument may be an unset variable of a script; it must not mean any message.
        lines.complain(f"quarantine {action}: an ID is empty; nothing is done")
        return ExitCode.SYNTAX
    ledger = configured_ledger(rcfile, caller, lines)
    try:
        # Before the first poll there is no ledger file.
        found: Sequence[Stuck] = stuck(ledger) if ledger.exists() else ()
        if action == "list":
            text = "".join(f"{line}\n" for line in table(found))
            write(sys.stdout, as_text(document(found)) if as_json else text)
            return ExitCode.SUCCESS if found else ExitCode.NOMAIL
        return act(action, keys, found, ledger, lines)
    finally:
        ledger.close()


def act(
    action: str, keys: Sequence[str], found: Sequence[Stuck], ledger: SqlLedger, lines: Lines
) -> ExitCode:
    """Show, retry or drop the messages with these keys; none if one is unknown."""
    by_key = {message.key: message for message in found}
    if action == "retry" and list(keys) == ["all"]:
        keys = list(by_key)
    if unknown := [key for key in keys if key not in by_key]:
        what = " ".join(unknown)
        lines.complain(
            f'quarantine: no message {what}; nothing is done; "mailhaul quarantine" lists all'
        )
        return ExitCode.SYNTAX
    chosen = [by_key[key] for key in keys]
    if action == "show":
        write(sys.stdout, "\n".join(map(described, chosen)))
        return ExitCode.SUCCESS
    (retry if action == "retry" else drop)(ledger, keys)
    follows = "is offered again" if action == "retry" else "is deleted from the server"
    for message in chosen:
        lines.say(f"{message.key} {follows} at the next poll of {message.account}")
    return ExitCode.SUCCESS


def table(found: Sequence[Stuck]) -> Sequence[str]:
    """Return a table with one line for each message."""
    if not found:
        return ["nothing is in quarantine"]
    rows = [("ID", "ACCOUNT", "MAILBOX", "UID", "OCTETS", "TRIES", "SINCE", "REASON")]
    rows += [
        (
            *(message.key, escape(message.account), escape(message.mailbox)),
            *(format_uid(message.uid), str(message.size), str(message.tries)),
            *(moment(message.since)[:10], escape(message.reason)[:60]),
        )
        for message in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def described(message: Stuck) -> str:
    """Return all details of one message."""
    facts = {
        "id": message.key,
        "account": escape(message.account),
        "mailbox": escape(message.mailbox),
        "uid": format_uid(message.uid),
        "octets": message.size,
        "sink": escape(message.sink),
        "tries": message.tries,
        "first": moment(message.since),
        "last": moment(message.tried),
        "reason": escape(message.reason),
    }
    return "".join(f"{name + ':':9}{fact}\n" for name, fact in facts.items())


def document(found: Sequence[Stuck]) -> dict[str, Any]:
    """Return what ``--json`` prints; see ``SCHEMA``."""
    return {
        "messages": [
            {
                "id": message.key,
                "account": shown(message.account),
                "mailbox": shown(message.mailbox),
                "uid": format_uid(message.uid),
                "octets": message.size,
                "sink": shown(message.sink),
                "tries": message.tries,
                "first": iso(message.since),
                "last": iso(message.tried),
                "reason": shown(message.reason),
            }
            for message in found
        ]
    }


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:mailhaul:schema:quarantine",
    "title": "mailhaul quarantine list --json",
    "description": "The messages that are not offered to the sink any more.",
    **closed(
        {
            "messages": {
                "type": "array",
                "items": closed(
                    {
                        "id": {"type": "string", "description": "For show, retry and drop."},
                        "account": {"type": "string"},
                        "mailbox": {"type": "string"},
                        "uid": {"type": "string"},
                        "octets": COUNT,
                        "sink": {"type": "string"},
                        "tries": COUNT,
                        "first": {**TIME_OR_NULL, "description": "The first refusal."},
                        "last": {**TIME_OR_NULL, "description": "The last refusal."},
                        "reason": {"type": "string"},
                    }
                ),
            }
        }
    ),
}


def moment(when: int) -> str:
    """Return a time in the local time zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(when))
