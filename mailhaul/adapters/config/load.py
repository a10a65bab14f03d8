"""Load the settings of this run from the command line and the rc file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import cast

from .caller import Caller
from .command_line import CommandLine, parse_command_line
from .errors import (
    COMMAND_LINE,
    EXIT_SYNTAX,
    ConfigError,
    ConfigErrors,
    ConfigRefused,
    ConfigWarning,
)
from .grammar import parse
from .merge import account_settings, global_settings
from .rcfile import folder_of, read_rcfile
from .sanity import PATH_HINT, check, fault_of_path
from .secret_table import SECRET_VARIABLES
from .selection import all_entries, select
from .settings import AccountSettings, GlobalSettings, RunSettings
from .statements import Entry, RcFile
from .values import at_home


class Configuration:
    """The complete settings of a run. ``accounts`` are the ones to poll, in order.

    ``skipped`` are the poll names of all entries that begin with ``skip``. ``defaults`` and
    ``line`` are what holds for further entries: those of a store.
    """

    __slots__ = (
        "accounts", "defaults", "globals", "line", "rcfile", "run", "skipped", "warnings",
    )  # fmt: skip

    def __init__(
        self,
        run: RunSettings,
        settings: GlobalSettings,
        accounts: Sequence[AccountSettings],
        warnings: Sequence[ConfigWarning],
        rcfile: str,
        skipped: Sequence[str] = (),
        defaults: Entry | None = None,
        line: CommandLine | None = None,
    ) -> None:
        self.run = run
        self.globals = settings
        self.accounts = tuple(accounts)
        self.warnings = tuple(warnings)
        self.rcfile = rcfile
        self.skipped = tuple(skipped)
        self.defaults = defaults
        self.line = line or CommandLine()

    @property
    def verbosity(self) -> int:
        """0 for silent, 1 for the normal output, 2 and 3 with the dialogue."""
        return 0 if self.run.silent else 1 + self.run.verbose

    def with_accounts(self, accounts: Sequence[AccountSettings]) -> Configuration:
        """Return a copy with these accounts."""
        return Configuration(
            self.run,
            self.globals,
            accounts,
            self.warnings,
            self.rcfile,
            self.skipped,
            self.defaults,
            self.line,
        )


def load(
    arguments: Sequence[str], caller: Caller, read_stdin: Callable[[], bytes]
) -> Configuration:
    """Read the command line and the rc file.

    With ``--help`` no file is read. With ``--version`` the permissions of the rc file are not
    checked, and settings that cannot work are no error. With ``--configdump`` the accounts are all
    of the file. Passwords that are not in the file are read when they are needed (``secrets``), but
    environment variables are taken now. Raises ConfigErrors, or ConfigRefused with its exit code.
    """
    line = parse_command_line(arguments, caller.folder)
    path = line.run.rcfile or caller.rcfile
    data = b""
    if not line.run.help:
        data = read_rcfile(path, caller.uid, read_stdin, checked=not line.run.version)
    rc = parse(data, "standard input" if path == "-" else path, folder_of(path))
    settings = global_settings(rc, line, caller)
    if line.run.trace is not None:
        trace = at_home(line.run.trace, caller.home)
        line.run = RunSettings({**vars(line.run), "trace": trace})
        if problem := fault_of_path(trace):
            raise ConfigErrors(
                [ConfigError(COMMAND_LINE, f"transcript: {problem}", hint=PATH_HINT)]
            )
    dump = line.run.configdump is not None
    entries = all_entries(rc, line.servers) if dump else select(rc, line.servers)
    accounts = list(account_settings(rc, entries, line, caller))
    warnings = rc.warnings
    if not (line.run.help or line.run.version or line.run.quit_only):
        if not (dump or rc.entries or accounts or is_fleet(settings)):
            raise _no_entries(path, caller)
        errors, more = check(settings, accounts, to_poll=not dump)
        if errors:
            raise ConfigErrors(errors)
        warnings = [*warnings, *more]
        if not dump:
            take_secret_variables(rc)
    skipped = [entry.pollname for entry in rc.entries if entry.skip]
    return Configuration(line.run, settings, accounts, warnings, path, skipped, rc.defaults, line)


def is_fleet(settings: GlobalSettings) -> bool:
    """Whether a daemon with these settings has accounts in a store, too."""
    store = settings.store
    return settings.daemon > 0 and store is not None and store.reveal().lower() != b"sqlite"


def _no_entries(path: str, caller: Caller) -> ConfigRefused:
    """Return the error for an rc file without entries, or for none at all."""
    from shlex import quote  # few runs have no entries

    option = "" if path == caller.rcfile else f" -f {quote(path)}"
    if path == "-":
        why = "there is none in standard input"
    elif os.path.lexists(path):
        why = f'there is none in {path}; "mailhaul init --append{option}" writes one'
    else:
        why = f'there is no {path}; "mailhaul init{option}" makes it'
    return ConfigRefused(f"no mailservers have been specified; {why}", EXIT_SYNTAX)


def take_secret_variables(rc: RcFile) -> None:
    """Remove the variables with secrets from the environment, before another program is started."""
    entries = [*rc.entries, rc.defaults] if rc.defaults else rc.entries
    names = [
        cast(str, choices.values[option])
        for entry in entries
        for choices in (entry.server, *entry.users)
        for option in SECRET_VARIABLES
        if option in choices.values
    ]
    if names:
        from .secrets import take_variables  # few rc files name one

        take_variables(names)
