"""``mailhaul accounts``: the accounts of a store that several machines share."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...adapters.config.caller import Caller
from ...adapters.config.errors import ConfigError, ConfigErrors, ConfigRefused
from ...adapters.config.load import Configuration, load
from ...adapters.files import RC_FILE, read_file
from ...flows.outcome import ExitCode, PollFailed
from ..polls.accounts import keys_for
from ..polls.lines import Lines, escape, plural, write
from ..polls.state_folder import store_of
from ..polls.status import (
    CODE_OR_NULL,
    COUNT,
    TEXT_OR_NULL,
    TIME,
    TIME_OR_NULL,
    as_text,
    closed,
    shown,
)
from ..polls.times import iso
from .arguments import read_arguments, read_stdin
from .commands import invalid

if TYPE_CHECKING:
    from ...adapters.config.settings import AccountSettings
    from ...adapters.postgres.accounts import Accounts, StoredAccount

ACTIONS = ("list", "show", "add", "pause", "resume", "poll", "remove")
NO_STORE = 'there is no shared store: name it in the rc file, as in set store "postgresql://..."'
PATIENCE = 10.0
"""Seconds for which a poll under way is waited for before an account is removed."""
STATES = ("waiting", "polling", "watching", "paused", "failing", "parked")


def accounts(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul accounts``. Raises Misused, ConfigErrors and PollFailed."""
    given = read_arguments(arguments)
    action, *words = given.words or ("list",)
    as_json = "--json" in given.flags
    if action not in ACTIONS or given.flags - {"--json"} or (as_json and action != "list"):
        raise invalid(arguments)
    if action in {"show", "pause", "resume", "poll", "remove"} and not words:
        raise invalid(arguments)
    if not all(words) or (action == "add" and len(words) > 1):
        raise invalid(arguments)
    configuration = configuration_of(given.rcfile, caller)
    with opened(configuration) as store:
        match action:
            case "list":
                return list_all(store, words, lines, as_json=as_json)
            case "show":
                return show(store, words, lines)
            case "add":
                return add(store, words, configuration, caller, lines)
            case "remove":
                return remove(store, words, lines)
            case _:
                return change(store, action, words, lines)


def configuration_of(rcfile: str, caller: Caller) -> Configuration:
    """Return what the rc file of this machine says. Raises ConfigErrors, and PollFailed."""
    source = ["-f", rcfile] if rcfile else []
    try:
        return load([*source, "--configdump"], caller, read_stdin)
    except ConfigRefused as refusal:
        raise PollFailed(ExitCode(refusal.exit_code), str(refusal)) from None


@contextmanager
def opened(configuration: Configuration) -> Generator[Accounts]:
    """Open the store that the rc file names. Raises PollFailed."""
    from ..polls.shared_store import shared_ledger

    url = store_of(configuration.globals)
    if not url:
        raise PollFailed(ExitCode.SYNTAX, NO_STORE)
    ledger = shared_ledger(url)
    from ...adapters.postgres.accounts import Accounts

    try:
        yield Accounts(ledger.database)
    finally:
        ledger.close()


# Add


def add(
    store: Accounts,
    words: Sequence[str],
    configuration: Configuration,
    caller: Caller,
    lines: Lines,
) -> ExitCode:
    """Add the entries of a file, or of standard input: all of them, or none after an error."""
    from ...adapters.config.rows import RowReader, split_rows
    from ...adapters.postgres.accounts import NewAccount

    name = words[0] if words and words[0] != "-" else "standard input"
    data = read_stdin() if name == "standard input" else contents(name)
    reader = RowReader(configuration, caller)
    texts: list[str] = []
    settings: list[AccountSettings] = []
    errors: list[ConfigError] = []
    for text, place in split_rows(data, name):
        try:
            one, warnings = reader.read_with_warnings(text, name)
        except ConfigErrors as faults:
            errors += [moved(fault, place.line - 1) for fault in faults.errors]
            continue
        for warning in warnings:
            lines.complain(str(moved(warning, place.line - 1)))
        texts.append(text)
        settings.append(one)
    if errors:
        raise ConfigErrors(errors)
    if not texts:
        raise PollFailed(ExitCode.SYNTAX, f"{name}: there are no entries")
    new = [
        NewAccount(key, text, one.host, one.remote_user, one.idle and one.protocol == "imap")
        for key, text, one in zip(keys_for(settings), texts, settings, strict=True)
    ]
    for key, is_new in store.add(new):
        lines.say(f"{escape(key)}: {'added' if is_new else 'changed'}")
    return ExitCode.SUCCESS


def moved(finding: Any, lines: int) -> Any:
    """Return a finding about a row with its place in the whole file."""
    place = finding.place
    return type(finding)(
        type(place)(place.file, place.line + lines, place.column) if place.line else place,
        finding.problem,
        hint=finding.hint,
    )


def contents(path: str) -> bytes:
    """Return the contents of a file. Raises PollFailed (IOERR)."""
    try:
        return read_file(path, RC_FILE, pipe=True)
    except OSError as error:
        raise PollFailed(ExitCode.IOERR, f"{path}: {error.strerror or error}") from None


# Change


def change(store: Accounts, action: str, names: Sequence[str], lines: Lines) -> ExitCode:
    """Pause, resume or poll accounts."""
    changes: dict[str, Callable[[], Sequence[str]]] = {
        "pause": lambda: store.pause(names, paused=True),
        "resume": lambda: store.pause(names, paused=False),
        "poll": lambda: store.wake(names),
    }
    return said(action, names, changes[action](), lines)


def remove(store: Accounts, names: Sequence[str], lines: Lines) -> ExitCode:
    """Remove accounts, after the polls that are under way."""
    known = [one.name for one in store.find(names)]
    # Nobody begins another poll of a paused one.
    store.pause(known, paused=True)
    ends = time.monotonic() + PATIENCE
    removed = [*store.remove(known)]
    while (left := [name for name in known if name not in removed]) and time.monotonic() < ends:
        time.sleep(0.1)
        removed += store.remove(left)
    for name in left:
        lines.complain(f"{escape(name)}: a poll is under way; it is paused, try again later")
    code = said("remove", [name for name in names if name not in left], removed, lines)
    return ExitCode.LOCKBUSY if left else code


def said(action: str, names: Sequence[str], done: Sequence[str], lines: Lines) -> ExitCode:
    """Say what was done, and which names are unknown."""
    for name in done:
        lines.say(f"{escape(name)}: {action}")
    for name in names:
        if name not in done:
            hint = '"mailhaul accounts" lists the accounts'
            lines.complain(f"{escape(name)}: no such account, or it is paused; {hint}")
    return ExitCode.SUCCESS if len(done) == len(set(names)) else ExitCode.ERROR


# Show


def show(store: Accounts, names: Sequence[str], lines: Lines) -> ExitCode:
    """Print the entries of accounts, as they were added."""
    found = {one.name: one for one in store.find(names)}
    for name in names:
        one = found.get(name)
        if one is None or one.text is None:
            where = "no such account" if one is None else "its entry is in an rc file"
            lines.complain(f"{escape(name)}: {where}")
            continue
        write(sys.stdout, one.text)
    return ExitCode.SUCCESS if all(n in found for n in names) else ExitCode.ERROR


def list_all(store: Accounts, names: Sequence[str], lines: Lines, *, as_json: bool) -> ExitCode:
    """List the accounts, or those with these names."""
    found = store.find(names or None)
    if as_json:
        write(sys.stdout, as_text(document(found)))
    else:
        write(sys.stdout, "".join(f"{line}\n" for line in table(found)))
    known = {one.name for one in found}
    for name in names:
        if name not in known:
            lines.complain(f"{escape(name)}: no such account")
    return ExitCode.SUCCESS if found else ExitCode.NOMAIL


def table(found: Sequence[StoredAccount]) -> list[str]:
    """Return a table with one line for each account."""
    if not found:
        return ["the store has no accounts"]
    rows = [("ACCOUNT", "ORIGIN", "STATE", "WORKER", "FAILURES", "LAST")]
    rows += [
        (
            *(escape(one.name), one.origin, one.state, escape(one.worker or "-")),
            *(str(one.failures), code_name(one.last_code) or "-"),
        )
        for one in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    for line, one in zip(range(len(found), 0, -1), reversed(found), strict=True):
        if one.problem:
            lines.insert(line + 1, f"    {escape(one.problem)}")
    return [*lines, "", f"{len(found)} account{plural(len(found))}"]


def code_name(code: int | None) -> str | None:
    """Return the name of an exit code, if it is known."""
    return None if code is None else ExitCode(code).name


def document(found: Sequence[StoredAccount]) -> dict[str, Any]:
    """Return what ``--json`` prints; see ``SCHEMA``."""
    return {
        "accounts": [
            {
                "account": shown(one.name),
                "origin": one.origin,
                "server": shown(one.host),
                "user": shown(one.user),
                "state": one.state,
                "worker": one.worker and shown(one.worker),
                "due": iso(one.due),
                "failures": one.failures,
                "refusals": one.refusals,
                "last_poll": iso(one.last_poll or 0),
                "code": code_name(one.last_code),
                "problem": shown(one.problem) or None,
            }
            for one in found
        ]
    }


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:mailhaul:schema:accounts",
    "title": "mailhaul accounts list --json",
    "description": "The accounts of a store that several machines share.",
    **closed(
        {
            "accounts": {
                "type": "array",
                "items": closed(
                    {
                        "account": {"type": "string", "description": "Its name; unique."},
                        "origin": {
                            "enum": ["rc", "store"],
                            "description": "Where its entry is: in an rc file, or in the store.",
                        },
                        "server": {"type": "string"},
                        "user": {"type": "string"},
                        "state": {"enum": [*STATES]},
                        "worker": {**TEXT_OR_NULL, "description": "The daemon that polls it now."},
                        "due": {**TIME, "description": "When it is polled next."},
                        "failures": {**COUNT, "description": "Failed polls in a row."},
                        "refusals": {**COUNT, "description": "Refused logins in a row."},
                        "last_poll": TIME_OR_NULL,
                        "code": {**CODE_OR_NULL, "description": "How the last poll ended."},
                        "problem": {
                            **TEXT_OR_NULL,
                            "description": "Why a machine could not use its entry.",
                        },
                    }
                ),
            }
        }
    ),
}
