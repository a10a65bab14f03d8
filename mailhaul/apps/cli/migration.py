"""``mailhaul import`` and ``mailhaul export``: from another program, and back to fetchmail."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence

from ...adapters.config.caller import Caller
from ...adapters.config.load import Configuration, load
from ...adapters.config.rcfile import read_descriptor
from ...adapters.config.rcfile_writer import RcFileExists, create_rcfile
from ...adapters.config.settings import AccountSettings
from ...adapters.files import RC_FILE, read_file
from ...adapters.ledger.imported import count_known, fetched_uids, record_fetched
from ...adapters.ledger.names import mailbox_name
from ...adapters.ledger.store import SqlLedger
from ...adapters.migration.fetched import (
    READERS,
    TRANSLATORS,
    FetchedList,
    usual_rcfiles,
)
from ...adapters.migration.new_rcfile import Untranslatable, rcfile_text
from ...flows.outcome import ExitCode, PollFailed
from ...protocols.record import Record
from ..polls.accounts import name_of, user_at_server
from ..polls.lines import Lines, escape, plural
from ..polls.state_folder import ledger_of, link_usual_folder, state_folder
from .commands import Misused, invalid

AS_RC = '"mailhaul import rc PROGRAM"'


class Arguments(Record):
    """The words of the command line, and the values of its options ("" if they are not given)."""

    words: tuple[str, ...]
    rcfile: str
    output: str
    dry_run: bool


def import_command(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul import``. Raises Misused, PollFailed, ConfigErrors and ConfigRefused."""
    given = read_arguments(arguments)
    program, *paths = given.words or ("",)
    try:
        if program == "rc" and paths and not (given.rcfile or given.dry_run):
            return import_rcfile(paths[0], paths[1:], given.output, caller, lines)
        if program in TRANSLATORS.keys() - READERS.keys():
            raise Misused(
                f"what {program} has fetched is not taken over, only its rc file: {AS_RC}"
            )
        if program in READERS and not given.output:
            return Import(program, paths, given, caller, lines).run()
    except Untranslatable as fault:
        lines.complain(f"import: {fault}")
        return ExitCode.SYNTAX
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else "file"
        lines.complain(f"import: {escape(name)}: {error.strerror or error}")
        return ExitCode.IOERR
    raise invalid(arguments)


def export_command(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul export``. Raises Misused, PollFailed, ConfigErrors and ConfigRefused."""
    given = read_arguments(arguments)
    if given.words != ("fetchids",) or given.dry_run:
        raise invalid(arguments)
    configuration = configuration_of(given.rcfile, caller)
    folder = state_folder(caller, os.environ, configuration.globals)
    ledger = ledger_of(folder, configuration.globals)
    try:
        # Without a ledger there is nothing to export, and none is made.
        found = list(fetchids(configuration, ledger)) if ledger.exists() else []
    finally:
        ledger.close()
    if not found:
        lines.complain("export: the ledger knows no message of an account over POP3")
        return ExitCode.NOMAIL
    put(b"".join(found), given.output)
    return ExitCode.SUCCESS


def read_arguments(arguments: Sequence[str]) -> Arguments:
    """Return words and options. Raises Misused."""
    words: list[str] = []
    values = {"-f": "", "-o": ""}
    long_names = {"--fetchmailrc": "-f", "--output": "-o"}
    dry_run = False
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        option = long_names.get(name, argument)
        if option in values:
            values[option] = value if equals else next(rest, "")
            if not values[option]:
                raise Misused(f"the option {name} needs a file")
        elif argument in {"-n", "--dry-run"}:
            dry_run = True
        elif argument.startswith("-"):
            raise invalid(arguments)
        else:
            words.append(argument)
    return Arguments(tuple(words), values["-f"], values["-o"], dry_run)


def configuration_of(rcfile: str, caller: Caller) -> Configuration:
    """Return the configuration with all entries, also those that are skipped."""
    source = ["-f", rcfile] if rcfile else []
    return load([*source, "--configdump"], caller, lambda: read_descriptor(0, "standard input"))


def put(data: bytes, path: str) -> None:
    """Write to standard output, or to a new file that only the user can read.

    Raises PollFailed (IOERR) if the file exists, and ConfigRefused if it cannot be written.
    """
    if not path:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        create_rcfile(path, data)
    except RcFileExists:
        problem = f"{escape(path)} exists; it is left as it is"
        raise PollFailed(ExitCode.IOERR, problem) from None


# The rc file


def import_rcfile(
    program: str, paths: Sequence[str], output: str, caller: Caller, lines: Lines
) -> ExitCode:
    """Write an rc file made from the configuration of another program.

    Raises OSError, Untranslatable, Misused and PollFailed.
    """
    translate = TRANSLATORS.get(program)
    if translate is None:
        known = ", ".join(TRANSLATORS)
        hint = "; fetchmail's rc file is read as it is" if program == "fetchmail" else ""
        raise Misused(f'"{escape(program)}" is not one of {known}{hint}')
    used = paths or usual_rcfiles(program, caller.home)
    if not used:
        lines.complain(f"import: no configuration of {program} is found; name the file")
        return ExitCode.IOERR
    made = [translate(read_file(path, RC_FILE), path, caller.home) for path in used]
    text, notes = rcfile_text(made, program, with_passwords=bool(output))
    put(text.encode("utf-8", "surrogateescape"), output)
    for note in notes:
        lines.complain(str(note))
    if output:
        name = escape(output)
        shows = f'{name} is written; "mailhaul -V -f {name}" shows what it means'
        if program in READERS:
            lines.say(f"{shows}, and")
            lines.say(f'"mailhaul import {program} -f {name}" records what {program} has fetched')
        else:
            lines.say(shows)
    return ExitCode.SUCCESS


# What was fetched


class Import:
    """Records in the ledger what another program has fetched. Call ``run`` once."""

    def __init__(
        self,
        program: str,
        paths: Sequence[str],
        given: Arguments,
        caller: Caller,
        lines: Lines,
    ) -> None:
        self._program = program
        self._dry_run = given.dry_run
        self._caller = caller
        self._lines = lines
        self._configuration = configuration_of(given.rcfile, caller)
        usual = [self._configuration.globals.idfile] if program == "fetchmail" else []
        self._lists = READERS[program](paths or usual, caller.home)
        settings = self._configuration.globals
        self._folder = state_folder(caller, os.environ, settings)
        self._ledger = ledger_of(self._folder, settings)

    def run(self) -> ExitCode:
        """Record all lists. Raises OSError, Untranslatable and PollFailed."""
        # All is read first: a file with an error changes nothing.
        lists = list(self._lists)
        if not self._dry_run:
            link_usual_folder(self._folder, self._caller)
        self._ledger.pin()
        try:
            matched = [self._record_list(one) for one in lists]
            if any(matched) and not self._dry_run:
                self._ledger.make_durable()
        finally:
            self._ledger.close()
        if not lists:
            self._lines.complain(f"import: {self._program} has no list of fetched messages")
        return ExitCode.SUCCESS if any(matched) else ExitCode.NOMAIL

    def _record_list(self, one: FetchedList) -> bool:
        """Record one list for each account that it is about; return whether there is any."""
        matched = False
        done: set[tuple[str, str]] = set()
        for settings in accounts_over(one.protocol, self._configuration.accounts):
            name = name_of(settings)
            for mailbox in one.mailboxes_of(settings):
                if (name, mailbox) not in done:
                    done.add((name, mailbox))
                    self._record(one, settings, name, mailbox)
                    matched = True
        if not matched:
            label, rcfile = escape(one.label), escape(self._configuration.rcfile)
            self._lines.complain(
                f"{escape(one.path)}: {label}: {one.count} message{plural(one.count)} left out: no "
                f"entry in {rcfile} is for this account over {one.protocol.upper()}"
            )
        return matched

    def _record(self, one: FetchedList, settings: AccountSettings, name: str, mailbox: str) -> None:
        is_imap = one.protocol == "imap"
        locks = os.path.join(self._folder, "locks")
        lock = self._ledger.lock(locks, name, mailbox_name(name, mailbox))
        new = 0
        if self._dry_run:
            new = one.count - self._count_known(one, name, mailbox)
        elif lock.acquire():
            try:
                new = self._record_uids(one, name, mailbox)
            finally:
                lock.release()
        verb = "would be recorded" if self._dry_run else "recorded"
        folder = f" (folder {escape(mailbox)})" if is_imap else ""
        who = escape(user_at_server(settings))
        self._lines.say(
            f"{who}{folder}: {new} message{plural(new)} {verb} as fetched, "
            f"{one.count - new} known before"
        )
        if is_imap and not (settings.fetchread or settings.fetchall):
            self._lines.complain(
                f'{who}: over IMAP, "read" on the server decides what is new; write "fetchread" '
                f"into the entry, or what {self._program} left unread is fetched again"
            )

    def _record_uids(self, one: FetchedList, name: str, mailbox: str) -> int:
        """Record the UIDs of a list for one account; return how many are new."""
        # Over IMAP the list alone decides: what was read elsewhere is new to getmail as well.
        is_complete = one.protocol == "imap"
        record_fetched(self._ledger, name, mailbox, 0, one.also)
        return sum(
            record_fetched(self._ledger, name, mailbox, uidvalidity, uids, is_complete=is_complete)
            for uidvalidity, uids in one.uids.items()
        )

    def _count_known(self, one: FetchedList, name: str, mailbox: str) -> int:
        if not self._ledger.exists():
            return 0
        return sum(
            count_known(self._ledger, name, mailbox, uidvalidity, uids)
            for uidvalidity, uids in one.uids.items()
        )


def accounts_over(protocol: str, accounts: Iterable[AccountSettings]) -> Iterator[AccountSettings]:
    """Yield the settings of the accounts that may speak this protocol."""
    for settings in accounts:
        if settings.protocol == "auto":
            yield settings.with_protocol(protocol)
        elif settings.kind.collects and settings.kind.family == protocol:
            yield settings


def fetchids(configuration: Configuration, ledger: SqlLedger) -> Iterator[bytes]:
    """Yield the lines of ``.fetchids``: USER@SERVER UID. Raises LedgerFault."""
    done: set[bytes] = set()
    for settings in accounts_over("pop3", configuration.accounts):
        whose = f"{settings.remote_user}@{settings.host}".encode("utf-8", "surrogateescape")
        if whose not in done:
            done.add(whose)
            for uid in fetched_uids(ledger, name_of(settings)):
                yield b"%b %b\n" % (whose, uid)
