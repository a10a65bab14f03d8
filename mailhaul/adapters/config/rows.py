"""The accounts of a store: each row is one entry in the language of the rc file.

Those who may write rows are not those who own the machine. So a row chooses freely only what stays
inside the program. A command is named, ``"@NAME"``, and defined in the machine's own file by ``set
command NAME "COMMAND"``; a path lies below a folder of ``set storefolders``; what only this process
has (its environment, descriptors, keyring, .netrc) cannot be named at all. Which option leads
where is said in the option table (``Option.leads_to``); what the table does not know is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from ...protocols.oauth.providers import GMAIL_HOST
from ..files import RC_FILE
from . import options, secret_table
from .errors import ConfigError, ConfigErrors, ConfigWarning, Place, quoted
from .grammar import parse
from .merge import account_settings
from .options import OPTIONS, SERVER, USER
from .sanity import check
from .secret_table import SECRETS
from .settings import AccountSettings
from .statements import Choices, Entry, RcFile

if TYPE_CHECKING:
    from .caller import Caller
    from .load import Configuration

MAX_OCTETS: Final = 64 * 1024
"""Octets of a row's text."""
_NAMED_COMMAND: Final = re.compile(r"@([A-Za-z0-9_-]+)(?: +([\w+=:,@][\w.+=:,@-]*))?", re.ASCII)
"""A command and at most one word for it, which is no option, no path and nothing to a shell."""
_HOST_PUNCTUATION: Final = frozenset("._-:")
_ENTRY_OPTIONS: Final = {
    option.name: option for option in reversed(OPTIONS) if option.level in (SERVER, USER)
}
_SECRET_OPTIONS: Final = frozenset(
    {"oauthkey", *(name for kind in SECRETS.values() for name in kind.options)}
)
"""Options that lead to a secret; the key of a service account is good for all its users."""
_TRUST_OPTIONS: Final = frozenset({"sslcertfile", "sslcertpath", "sslproto"})

_COMMAND_HINT: Final = 'write "@NAME", a command that the machine\'s own rc file defines'
_PATH_HINT: Final = 'the machine\'s own rc file allows folders with "set storefolders"'


class RowPolicy:
    """What rows may lead to on this machine: commands by name, and folders."""

    __slots__ = ("commands", "folders")

    def __init__(self, commands: Mapping[str, str], folders: Sequence[str]) -> None:
        self.commands = commands
        self.folders = tuple(folders)

    def apply(self, entry: Entry, place_of: Callable[[int], Place]) -> Iterator[ConfigError]:
        """Put commands in the place of their names; yield what the entry must not choose."""
        if not is_host(entry.pollname):
            yield ConfigError(place_of(entry.offset), f"{quoted(entry.pollname)} is not a host")
        for choices in (entry.server, *entry.users):
            for name, value in list(choices.values.items()):
                try:
                    choices.values[name] = self._allowed(name, value)
                except _Refused as refused:
                    keyword = _ENTRY_OPTIONS[name].keywords[0] if name in _ENTRY_OPTIONS else name
                    place = place_of(choices.places.get(name, entry.offset))
                    problem = f"{keyword}: {refused.problem}"
                    yield ConfigError(place, problem, hint=refused.hint)

    def _allowed(self, name: str, value: object) -> object:
        """Return the value of an option for this machine. Raises _Refused."""
        option = _ENTRY_OPTIONS.get(name)
        if option is None:
            # A part of another option's value: whether there was a "*", how many lines to skip.
            if isinstance(value, bool | int):
                return value
            raise _Refused("an account of the store cannot choose this")
        if option.kind == options.SERVICE and isinstance(value, str) and not is_word(value):
            raise _Refused("this is not the name of a service")
        match option.leads_to:
            case "":
                return value
            case secret_table.COMMAND:
                return self._command(cast(str, value))
            case options.FILE_OR_FOLDER:
                return self._path(cast(str, value))
            case options.HOST:
                return host(cast(str, value))
            case options.LISTENER:
                return tuple(map(self._listener, cast("tuple[str, ...]", value)))
            case _:
                raise _Refused(
                    "an account of the store cannot use what only one machine has",
                    'keep a password in a file, or let a command print it: "@NAME"',
                )

    def _command(self, text: str) -> str:
        found = _NAMED_COMMAND.fullmatch(text)
        if not found:
            raise _Refused("an account of the store cannot contain a command", _COMMAND_HINT)
        name, word = found.groups()
        command = self.commands.get(name)
        if command is None:
            hint = f'add "set command {name} ..." to the rc file of this machine'
            raise _Refused(f"this machine has no command {quoted(name)}", hint)
        return f"{command} {word}" if word else command

    def _path(self, path: str) -> str:
        if not is_below(path, self.folders):
            problem = f"{quoted(path)} is not below a folder that the store may use"
            raise _Refused(problem, _PATH_HINT)
        return path

    def _listener(self, listener: str) -> str:
        if listener.startswith("/"):
            return self._path(listener)
        name, slash, port = listener.partition("/")
        host(name)
        if slash and not is_word(port):
            raise _Refused(f"{quoted(port)} is not a port")
        return listener


class _Refused(Exception):
    """A value that a row must not have."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


def is_word(text: str) -> bool:
    """Whether a text is a plain word, which means nothing to a shell or as an option."""
    return text[:1].isalnum() and all(c.isalnum() or c in "-_" for c in text)


def is_host(text: str) -> bool:
    """Whether a text can be the name or the address of a host.

    It may become an argument of a command (``%h``), so it must not look like an option.
    """
    plain = all(c.isalnum() or c in _HOST_PUNCTUATION for c in text)
    return bool(text) and plain and not text.startswith("-")


def host(text: str) -> str:
    """Return the name of a host. Raises _Refused for anything else."""
    if not is_host(text):
        raise _Refused(f"{quoted(text)} is not a host")
    return text


def is_below(path: str, folders: Sequence[str]) -> bool:
    """Whether an absolute path lies below one of these folders, symbolic links followed."""
    if not path.startswith("/") or ".." in path.split("/"):
        return False
    real = os.path.realpath(path)
    return any(real.startswith(os.path.realpath(folder).rstrip("/") + "/") for folder in folders)


class RowReader:
    """Turns rows into settings, as this machine reads them.

    ``defaults`` of the machine's file hold for rows too, except for its secrets: a row chooses
    the host that they would be sent to.
    """

    def __init__(self, configuration: Configuration, caller: Caller) -> None:
        settings = configuration.globals
        self._globals = settings
        self._policy = RowPolicy(dict(settings.commands), settings.storefolders)
        self._defaults = configuration.defaults
        self._line = configuration.line
        self._caller = caller

    def read(self, text: str, name: str) -> AccountSettings:
        """Return the settings of a row; ``name`` is its name in messages. Raises ConfigErrors."""
        account, _ = self.read_with_warnings(text, name)
        return account

    def read_with_warnings(
        self, text: str, name: str
    ) -> tuple[AccountSettings, Sequence[ConfigWarning]]:
        """Return the settings of a row, and what is probably a mistake. Raises ConfigErrors."""
        data = text.encode("utf-8", "surrogateescape")
        if len(data) > MAX_OCTETS:
            raise ConfigErrors([ConfigError(Place(name), f"more than {MAX_OCTETS} octets")])
        rc = parse(data, name)
        entry = only_entry(rc)
        warnings = list(literal_secrets(entry, rc.source.place))
        if errors := list(self._policy.apply(entry, rc.source.place)):
            raise ConfigErrors(errors)
        rc.defaults = self._defaults_for(entry)
        [account] = account_settings(rc, [entry], self._line, self._caller)
        account = account.as_row()
        errors, more = check(self._globals, [account])
        errors += append_faults(account)
        errors += token_faults(account, entry, self._globals.storehosts)
        if errors:
            raise ConfigErrors(errors)
        return account, [*rc.warnings, *warnings, *more]

    def _defaults_for(self, entry: Entry) -> Entry | None:
        """Return the defaults of the machine's file, without secrets."""
        if self._defaults is None:
            return None
        known = Entry("defaults", entry.offset)
        known.server = without_secrets(self._defaults.server, entry.offset)
        known.users = [without_secrets(one, entry.offset) for one in self._defaults.users]
        return known


def only_entry(rc: RcFile) -> Entry:
    """Return the one entry of a row, which has one user. Raises ConfigErrors."""
    problem, offset = "", 0
    if rc.globals.places:
        problem, offset = 'a row cannot contain "set"', min(rc.globals.places.values())
    elif rc.defaults:
        problem, offset = 'a row cannot contain "defaults"', rc.defaults.offset
    elif len(rc.entries) != 1:
        problem = "a row is one entry"
        offset = rc.entries[1].offset if rc.entries else 0
    elif rc.entries[0].skip:
        problem, offset = 'a row cannot begin with "skip"', rc.entries[0].offset
    elif len(rc.entries[0].users) != 1:
        problem, offset = "a row has one user", rc.entries[0].offset
    if problem:
        hint = 'write an entry for each user: poll HOST ... user "NAME" ...'
        raise ConfigErrors([ConfigError(rc.source.place(offset), problem, hint=hint)])
    return rc.entries[0]


def without_secrets(choices: Choices, offset: int) -> Choices:
    """Return the choices without those about secrets, all of them made at one place."""
    kept = Choices()
    for name, value in choices.values.items():
        if name not in _SECRET_OPTIONS:
            kept.values[name] = value
            kept.places[name] = offset
    return kept


def literal_secrets(entry: Entry, place_of: Callable[[int], Place]) -> Iterator[ConfigWarning]:
    """Yield a warning for each secret that a row contains itself."""
    for choices in (entry.server, *entry.users):
        for name in SECRETS.keys() & choices.values.keys():
            problem = f"{SECRETS[name].keywords.split()[0]}: the secret itself is in the row"
            hint = "all who can read the database, or a backup of it, can read it"
            place = place_of(choices.places.get(name, entry.offset))
            yield ConfigWarning(place, problem, hint=hint)


def append_faults(account: AccountSettings) -> list[ConfigError]:
    """Return an error if the host of ``append`` could be an option of a command."""
    if account.append is None:
        return []
    from .imap_url import read_url  # few rows contain one

    name = read_url(account.append).host
    if is_host(name):
        return []
    return [ConfigError(account.place("append"), f"append: {quoted(name)} is not a host")]


def token_faults(
    account: AccountSettings, entry: Entry, hosts: Sequence[str]
) -> Iterator[ConfigError]:
    """Yield an error for each token that a row would send where the machine does not allow it.

    A row chooses whose token it is. So the machine chooses the host, and TLS must prove it.
    """
    allowed = {host.lower() for host in hosts}
    if account.auth == "oauth":
        if account.host.lower() not in allowed:
            yield _token_fault(account, "auth", account.host)
        elif not (is_encrypted(account) and is_proved(account, entry)):
            problem = "a token is sent only to a server that TLS has proved"
            hint = 'write "ssl", and nothing that weakens "sslcertck"'
            yield ConfigError(account.place("auth"), problem, hint=hint)
    if account.gmail is not None and GMAIL_HOST not in allowed:
        yield _token_fault(account, "gmail", GMAIL_HOST)
    for option in ("esmtpauth", "appendauth"):
        if getattr(account, option) == "oauth":
            problem = f"{option}: an account of the store cannot send tokens to where its mail goes"
            yield ConfigError(account.place(option), problem)


def is_encrypted(account: AccountSettings) -> bool:
    """Whether nothing is sent to the server without TLS. ``sslmode`` overrides ``ssl``."""
    if account.sslmode is not None:
        return account.sslmode in {"wrapped", "starttls=must"}
    return account.ssl


def is_proved(account: AccountSettings, entry: Entry) -> bool:
    """Whether the server is checked as the machine wants it.

    The row must not bring the certificates: mail that it has fetched before may contain one.
    """
    chosen = {name for choices in (entry.server, *entry.users) for name in choices.values}
    weaker = account.sslcommonname or account.sslfingerprint
    return account.sslcertck and not weaker and chosen.isdisjoint(_TRUST_OPTIONS)


def _token_fault(account: AccountSettings, option: str, name: str) -> ConfigError:
    problem = f"{option}: an account of the store cannot send tokens to {quoted(name)}"
    hint = f'allow the host in the machine\'s own rc file: set storehosts "{name}"'
    return ConfigError(account.place(option), problem, hint=hint)


def split_rows(data: bytes, name: str) -> Sequence[tuple[str, Place]]:
    """Return the text of each entry in a file, and where it begins. Raises ConfigErrors."""
    if len(data) > RC_FILE:
        raise ConfigErrors([ConfigError(Place(name), f"more than {RC_FILE} octets")])
    rc = parse(data, name)
    if rc.globals.places or rc.defaults:
        offsets = [*rc.globals.places.values(), *([rc.defaults.offset] if rc.defaults else [])]
        place = rc.source.place(min(offsets))
        hint = "these belong into the rc file of the machine"
        problem = 'only entries can be added, no "set" and no "defaults"'
        raise ConfigErrors([ConfigError(place, problem, hint=hint)])
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    begins = [one.offset for one in rc.entries]
    ends = [*begins[1:], len(text)]
    return [
        (text[begin:end].rstrip() + "\n", rc.source.place(begin))
        for begin, end in zip(begins, ends, strict=True)
    ]
