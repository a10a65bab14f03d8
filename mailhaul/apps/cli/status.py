"""``mailhaul status``: how the polls of each entry ended, from a daemon or from the ledger."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...adapters.config.caller import Caller
from ...adapters.config.errors import ConfigErrors, ConfigRefused
from ...adapters.config.load import Configuration, load
from ...adapters.config.rcfile import read_descriptor
from ...adapters.ledger.rests import rests
from ...adapters.ledger.results import (
    EntryResult,
    Waiting,
    entry_results,
    waiting,
)
from ...adapters.ledger.store import Rest
from ...flows.outcome import ExitCode, PollFailed
from ..polls.accounts import keys_for
from ..polls.lines import Lines, write
from ..polls.metrics import Facts, render
from ..polls.state_folder import ledger_of, socket_path, state_folder
from ..polls.status import EntryStatus, all_entries, as_text, document, known_entries
from .commands import invalid
from .control import ask
from .status_table import table, width_of

if TYPE_CHECKING:
    from ...adapters.ledger.store import SqlLedger

REFRESH = 2.0
"""Seconds between two updates of ``--watch``."""
FLAGS = frozenset({"--json", "--metrics", "--watch"})
VALUES = {"-f": "rcfile", "--fetchmailrc": "rcfile", "--textfile": "textfile"}


class StatusSource:
    """Where the state comes from: a daemon if there is one, the ledger otherwise."""

    def __init__(self, caller: Caller, lines: Lines, rcfile: str) -> None:
        self._caller = caller
        self._lines = lines
        self._rcfile = rcfile
        self._socket = socket_path(caller)

    def document(self) -> dict[str, Any]:
        """Return the document for programs. Raises PollFailed if the daemon has a fault."""
        try:
            answer = ask(self._socket, "status")
        except OSError:
            entries, facts = self._read()
            fleet = None
            if facts.fleet is not None:
                from ..polls.fleet_status import described_fleet  # few users have several machines

                fleet = described_fleet(facts.fleet)
            return document(entries, None, time.time(), fleet)
        return whole_answer(answer)

    def metrics(self, *, openmetrics: bool) -> str:
        """Return the metrics."""
        try:
            answer = ask(self._socket, "metrics" if openmetrics else "metrics plain")
            if not answer.startswith("#"):
                whole_answer(answer)
            return answer
        except OSError:
            entries, facts = self._read()
            return render(entries, facts, openmetrics=openmetrics)

    def _read(self) -> tuple[Sequence[EntryStatus], Facts]:
        """Return the state of each entry, and what is known beside. Raises PollFailed."""
        configuration = self._configuration()
        settings = configuration.globals if configuration else None
        folder = state_folder(self._caller, os.environ, settings)
        results: Mapping[str, EntryResult] = {}
        waits: Sequence[Waiting] = ()
        resting: Mapping[str, Rest] = {}
        # Before the first poll there is no ledger file.
        ledger = ledger_of(folder, settings)
        try:
            if configuration is not None and ledger.is_shared:
                return self._read_fleet(ledger, configuration)
            if ledger.exists():
                results, waits = entry_results(ledger), waiting(ledger)
                resting = rests(ledger, time.time())
            octets = ledger.octets()
        finally:
            ledger.close()
        if configuration is None or not configuration.accounts:
            return list(all_entries(results, waits, resting)), Facts(None, octets)
        names = keys_for(configuration.accounts)
        entries = known_entries(configuration.accounts, names, results, waits, resting)
        # An entry with "skip" belongs here once it was polled by its name.
        wanted = [e for e in entries if e.result.time or not (e.settings and e.settings.skip)]
        return wanted, Facts(None, octets)

    def _read_fleet(
        self, ledger: SqlLedger, configuration: Configuration
    ) -> tuple[Sequence[EntryStatus], Facts]:
        """Return the same of a store that several machines share."""
        from ...adapters.config.rows import RowReader
        from ...adapters.postgres.store import PostgresLedger
        from ..polls.fleet_status import fleet_status

        if not isinstance(ledger, PostgresLedger):
            raise TypeError("the store is not shared")
        own = dict(zip(keys_for(configuration.accounts), configuration.accounts, strict=True))
        reader = RowReader(configuration, self._caller)
        fleet = fleet_status(ledger, reader.read, own, waiting(ledger))
        return fleet.entries, Facts(None, ledger.octets(), fleet)

    def _configuration(self) -> Configuration | None:
        """Return what the rc file says, with the entries that are skipped; None with errors."""
        source = ["-f", self._rcfile] if self._rcfile else []
        try:
            return load([*source, "--configdump"], self._caller, read_stdin)
        except ConfigErrors as faults:
            problem = str(faults.errors[0])
        except ConfigRefused as refusal:
            problem = str(refusal)
        if self._rcfile:
            raise PollFailed(ExitCode.SYNTAX, problem)
        self._lines.complain(f"{problem}; all entries in the ledger are shown")
        return None


def whole_answer(answer: str) -> dict[str, Any]:
    """Return the document in a daemon's answer. Raises PollFailed if it is an error, or none."""
    try:
        found: dict[str, Any] = json.loads(answer)
        problem = found.get("error")
    except (ValueError, AttributeError):
        raise PollFailed(ExitCode.UNDEFINED, "the daemon has not answered in time") from None
    if problem is not None:
        raise PollFailed(ExitCode.UNDEFINED, f"the daemon reports: {problem}")
    return found


def status(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul status``. Raises PollFailed."""
    flags, values, wrong = split(arguments)
    if wrong or len(flags) + ("textfile" in values) > 1:
        raise invalid(arguments)
    source = StatusSource(caller, lines, values.get("rcfile", ""))
    if "textfile" in values:
        return write_textfile(values["textfile"], source.metrics(openmetrics=False))
    if "--metrics" in flags:
        write(sys.stdout, source.metrics(openmetrics=True))
        return ExitCode.SUCCESS
    if "--watch" in flags:
        return watch(source)
    found = source.document()
    if "--json" in flags:
        write(sys.stdout, as_text(found))
    else:
        write(sys.stdout, table(found, width_of(sys.stdout), colour=has_colour()))
    return code_of(found)


def split(arguments: Sequence[str]) -> tuple[set[str], dict[str, str], list[str]]:
    """Return flags, options with values, and what is neither."""
    flags: set[str] = set()
    values: dict[str, str] = {}
    wrong: list[str] = []
    rest = iter(arguments)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in VALUES:
            given = value if equals else next(rest, "")
            # An empty value may be an unset variable of a script.
            (wrong.append(word) if not given else values.update({VALUES[name]: given}))
        elif word in FLAGS:
            flags.add(word)
        else:
            wrong.append(word)
    return flags, values, wrong


def watch(source: StatusSource) -> ExitCode:
    """Show the table again and again, until the user ends it."""
    sys.stdout.write("\033[2J")
    found = source.document()
    try:
        while True:
            text = table(found, width_of(sys.stdout), colour=has_colour())
            # Each line is written over the old one, so that nothing flickers.
            shown = "".join(f"{line}\033[K\n" for line in text.splitlines())
            sys.stdout.write(f"\033[H{shown}\033[J")
            sys.stdout.flush()
            time.sleep(REFRESH)
            found = source.document()
    except KeyboardInterrupt:
        return code_of(found)


def write_textfile(path: str, text: str) -> ExitCode:
    """Replace the file, so that no reader sees half of it. Raises PollFailed (IOERR)."""
    new = f"{path}.{os.getpid()}.new"
    try:
        # The program that reads it is another user's.
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.rename(new, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(new)
        problem = f"{path}: {error.strerror or error}"
        raise PollFailed(ExitCode.IOERR, problem) from None
    return ExitCode.SUCCESS


def code_of(found: dict[str, Any]) -> ExitCode:
    """Return the exit code for a document, as ``apps.polls.status.exit_code`` defines it."""
    healths = {account["health"] for account in found["accounts"]}
    if "failing" in healths:
        return ExitCode.ERROR
    return ExitCode.SUCCESS if "ok" in healths else ExitCode.NOMAIL


def has_colour() -> bool:
    """Whether the output is a terminal that shows colours, and the user wants them.

    See https://no-color.org
    """
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return sys.stdout.isatty() and not plain


def read_stdin() -> bytes:
    """Return an rc file from standard input."""
    return read_descriptor(0, "standard input")
