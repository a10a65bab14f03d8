"""Check the configuration: every finding of the parser and of the sanity checks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from ....adapters.config.caller import Caller
from ....adapters.config.command_line import parse_command_line
from ....adapters.config.errors import ConfigError
from ....adapters.config.grammar import parse_leniently
from ....adapters.config.load import take_secret_variables
from ....adapters.config.merge import account_settings, global_settings
from ....adapters.config.rcfile import RcFileRefused, folder_of, read_rcfile
from ....adapters.config.sanity import check
from ....adapters.config.settings import AccountSettings, GlobalSettings
from ....adapters.config.statements import Entry, RcFile
from ....flows.outcome import ExitCode
from ....protocols.record import Record
from ...polls.accounts import user_at_server
from .findings import Finding, error, from_config, note, ok


class Checked(Record):
    """The configuration as far as it can be used. ``accounts`` are those to check further."""

    path: str
    globals: GlobalSettings
    accounts: tuple[AccountSettings, ...]
    findings: tuple[Finding, ...]


class UnknownAccount(Exception):
    """No account has the name that the user gave; ``args[1]`` are the names there are."""


def check_configuration(
    rcfile: str, names: Sequence[str], caller: Caller, read_stdin: Callable[[], bytes]
) -> Checked:
    """Check an rc file; ``rcfile`` is "" for the usual one. Raises UnknownAccount.

    Without ``names`` the accounts are those that a run polls.
    """
    line = parse_command_line(["-f", rcfile] if rcfile else [], caller.folder)
    path = line.run.rcfile or caller.rcfile
    where = "standard input" if path == "-" else path
    findings: list[Finding] = []
    data = b""
    try:
        data = read_rcfile(path, caller.uid, read_stdin)
    except RcFileRefused as refusal:
        findings.append(refused(refusal, where))
        # If it cannot be read at all, the reason is the same.
        with suppress(RcFileRefused):
            data = read_rcfile(path, caller.uid, read_stdin, checked=False)
    rc, errors = parse_leniently(data, where, folder_of(path))
    settings = global_settings(rc, line, caller)
    usable, broken = without_broken_entries(rc, errors)
    entries = usable if names else [entry for entry in usable if not entry.skip]
    accounts = list(account_settings(rc, entries, line, caller))
    if names:
        accounts = named(accounts, names)
    faults, more = check(settings, accounts)
    findings += map(from_config, [*errors, *faults, *rc.warnings, *more])
    findings += about_entries(rc, broken, where, has_findings=bool(findings))
    take_secret_variables(rc)
    return Checked(where, settings, tuple(accounts), tuple(findings))


def refused(refusal: RcFileRefused, path: str) -> Finding:
    """Return the finding for an rc file that mailhaul does not read."""
    text = str(refusal)
    hint = "make it readable for you"
    if "permissions" in text:
        hint = f"chmod 600 {path}"
    elif "owned" in text:
        hint = "chown it to you, or use another file with -f"
    return error("rcfile", "rc file", text, path, hint, ExitCode.IOERR)


def about_entries(rc: RcFile, broken: int, path: str, *, has_findings: bool) -> Iterator[Finding]:
    """Yield what is known of the file as a whole."""
    if broken:
        text = f"{broken} of {len(rc.entries)} entries have errors and were not checked further"
        yield note("rcfile", "rc file", text, path)
    elif not rc.entries:
        hint = "write one, as in: poll mail.example.org protocol imap user joe ssl"
        there = path == "standard input" or os.path.exists(path)
        text = "it has no entry of a mail server" if there else "it does not exist"
        yield error("rcfile", "rc file", text, path, hint, ExitCode.SYNTAX)
    elif not has_findings:
        skipped = sum(entry.skip for entry in rc.entries)
        more = f", {skipped} of them only by name (skip)" if skipped else ""
        yield ok("rcfile", "rc file", f"{path}, entries: {len(rc.entries)}{more}", path)


def without_broken_entries(rc: RcFile, errors: Sequence[ConfigError]) -> tuple[list[Entry], int]:
    """Return the entries without an error, and how many have one."""
    starts = [rc.source.place(entry.offset) for entry in rc.entries]
    places = [(place.line, place.column) for place in starts]
    broken: set[int] = set()
    for one in errors:
        before = [n for n, place in enumerate(places) if place <= (one.line, one.column)]
        broken |= {before[-1]} if before else set()
    usable = [entry for n, entry in enumerate(rc.entries) if n not in broken]
    return usable, len(broken)


def named(accounts: Sequence[AccountSettings], names: Sequence[str]) -> list[AccountSettings]:
    """Return the accounts with these names: a server, or USER@SERVER. Raises UnknownAccount."""
    found: list[AccountSettings] = []
    for name in names:
        some = [one for one in accounts if name in names_of(one)]
        if not some:
            raise UnknownAccount(name, sorted({user_at_server(one) for one in accounts}))
        found += [one for one in some if one not in found]
    return found


def names_of(settings: AccountSettings) -> frozenset[str]:
    """Return the names by which the user may mean an account."""
    return frozenset({settings.pollname, settings.remote_user, user_at_server(settings)})
