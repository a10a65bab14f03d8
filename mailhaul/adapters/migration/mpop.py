"""mpop: its configuration (``~/.mpoprc``), and where it keeps its lists of UIDs.

A file consists of lines "COMMAND ARGUMENT". ``defaults`` sets values for the accounts that follow,
and ``account NAME : PARENT,...`` inherits from others (mpop's manual page, section USAGE).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from ...protocols.record import Record
from ...protocols.secret import Secret
from ..config.writer import quote
from .new_rcfile import (
    CLEAR,
    MAX_NUMBER,
    MAX_PORT,
    STARTTLS,
    WAS_CLEAR,
    WRAPPED,
    NewEntry,
    Translation,
    decoded,
    folder_sink,
    in_home,
    whole_number,
)

DEFAULT_FILES: Final = (".mpoprc", ".config/mpop/config")
UIDLS: Final = "~/.mpop_uidls/%U_at_%H"
"""The file of UIDs of an account that names none."""
METHODS: Final = {
    **dict.fromkeys(("", "on", "user", "plain", "login", "scram-sha-1", "scram-sha-256"), ""),
    **dict.fromkeys(("cram-md5", "external", "oauthbearer", "xoauth2"), None),
}
"""Methods of login: "" if the best one is chosen here too, None if it has the same name."""
MODELS: Final = {"apop": "apop"}
"""Methods that are a protocol of their own here."""
SIZES: Final = {"k": 1024, "m": 1024 * 1024}


class Setting(Record):
    """The argument of a command, and its line."""

    value: str
    line: int


Settings = Mapping[str, Setting]


class MpopAccount(Record):
    """One account, with all that it inherits."""

    name: str
    line: int
    settings: Settings

    def text(self, command: str) -> str:
        """Return the argument of a command, or ""."""
        found = self.settings.get(command)
        return found.value if found else ""

    def is_on(self, command: str, default: bool) -> bool:
        """Return whether a switch is on. Without an argument it is."""
        found = self.settings.get(command)
        return default if found is None else found.value in {"", "on"}

    def uidls_file(self, home: str) -> str:
        """Return the path of its list of UIDs."""
        path = self.text("uidls_file") or UIDLS
        path = path.replace("%U", self.text("user")).replace("%H", self.text("host"))
        return in_home(path, home)


def read_accounts(data: bytes, translation: Translation) -> list[MpopAccount]:
    """Return the accounts of a file. Raises Untranslatable."""
    defaults: dict[str, Setting] = {}
    accounts: dict[str, MpopAccount] = {}
    current: dict[str, Setting] | None = None
    for number, line in enumerate(decoded(data, translation.path).splitlines(), 1):
        command, _, argument = line.strip().replace("\t", " ").partition(" ")
        argument = unquoted(argument.strip())
        if not command or command.startswith("#"):
            continue
        if command == "defaults":
            current = defaults
        elif command == "account":
            name, _, parents = (part.strip() for part in argument.partition(":"))
            current = dict(defaults)
            for parent in filter(None, (part.strip() for part in parents.split(","))):
                if parent not in accounts:
                    raise translation.fail(number, f'account "{parent}" is not defined before')
                current |= accounts[parent].settings
            accounts[name] = MpopAccount(name, number, current)
        elif current is None:
            raise translation.fail(number, f'"{command}" is neither in an account nor in defaults')
        else:
            current[command] = Setting(argument, number)
    return list(accounts.values())


def unquoted(argument: str) -> str:
    """Return an argument without the double quotes around it."""
    whole = len(argument) > 1 and argument[0] == argument[-1] == '"'
    return argument[1:-1] if whole else argument


def translate(data: bytes, path: str, home: str) -> Translation:
    """Return what becomes of an mpoprc. Raises Untranslatable."""
    made = Translation(path)
    accounts = read_accounts(data, made)
    parents = {one.name for one in accounts if not one.text("host")}
    for account in accounts:
        if account.name not in parents:
            made.entries.append(entry_of(account, made, home))
    quiet = [one.name for one in accounts if not one.is_on("received_header", True)]
    if quiet and len(quiet) == len(made.entries):
        made.globals.append("set invisible")
    made.close()
    return made


def entry_of(account: MpopAccount, made: Translation, home: str) -> NewEntry:
    """Return the entry for an account."""
    entry = NewEntry(account.text("host"), "pop3", account.line)
    entry.name = account.text("user")
    for command, setting in account.settings.items():
        if command == "passwordeval" and account.text("password"):
            # mpop does not run it either.
            continue
        rule = RULES.get(command)
        if rule is None:
            made.note(setting.line, f'"{command}" is not translated{HINTS.get(command, "")}')
        elif option := rule(setting, entry, made, home):
            entry.user.append(option)
    set_tls(account, entry, made)
    set_limits(account, entry, made)
    return entry


def set_tls(account: MpopAccount, entry: NewEntry, made: Translation) -> None:
    """Write the options for TLS."""
    how = CLEAR
    if account.is_on("tls", False):
        how = STARTTLS if account.is_on("tls_starttls", True) else WRAPPED
    if entry.set_tls(how):
        made.note(account.line, WAS_CLEAR)
    if not account.is_on("tls_certcheck", True):
        entry.user.append("no sslcertck")


def set_limits(account: MpopAccount, entry: NewEntry, made: Translation) -> None:
    """Write the limit of size. Oversized messages are left, or deleted with ``limitflush``."""
    for command in ("killsize", "skipsize"):
        setting = account.settings.get(command)
        if setting is None or setting.value in {"", "off"}:
            continue
        octets = size_of(setting.value)
        if not octets or any(option.startswith("limit ") for option in entry.user):
            made.note(setting.line, f'"{command}" is not translated')
            continue
        entry.user.append(f"limit {octets}")
        if command == "killsize" and not account.is_on("keep", False):
            entry.user.append("limitflush")


def size_of(text: str) -> int:
    """Return a size in octets; 0 for anything else."""
    digits, unit = (text[:-1], text[-1:].lower()) if text[-1:].isalpha() else (text, "")
    number = whole_number(digits)
    octets = (number or 0) * (SIZES.get(unit, 0) if unit else 1)
    return octets if octets <= MAX_NUMBER else 0


# One rule for each command: it returns an option, or changes the entry and returns "".

Rule = Callable[[Setting, NewEntry, Translation, str], str]


def nothing(setting: Setting, entry: NewEntry, made: Translation, home: str) -> str:
    """Need no option: it is used elsewhere, or mailhaul does so anyway."""
    del setting, entry, made, home
    return ""


def port(setting: Setting, entry: NewEntry, made: Translation, home: str) -> str:
    """Write the port."""
    del home
    if number := whole_number(setting.value, MAX_PORT):
        entry.server.append(f"service {number}")
    elif setting.value:
        made.note(setting.line, '"port" is not translated')
    return ""


def timeout(setting: Setting, entry: NewEntry, made: Translation, home: str) -> str:
    """Write the timeout. mailhaul always has one."""
    del home
    if number := whole_number(setting.value):
        entry.server.append(f"timeout {number}")
    else:
        made.note(setting.line, '"timeout off" is not translated: it is 300 seconds')
    return ""


def auth(setting: Setting, entry: NewEntry, made: Translation, home: str) -> str:
    """Write the method of login."""
    del home
    method = setting.value.lower()
    if method in MODELS:
        entry.protocol = MODELS[method]
    elif method not in METHODS:
        made.note(setting.line, f'"auth {method}" is not translated: the best one is chosen')
    elif METHODS[method] is None:
        entry.server.append(f"auth {method}")
    return ""


def password(setting: Setting, entry: NewEntry, made: Translation, home: str) -> str:
    """Copy the password."""
    del made, home
    if setting.value:
        entry.password = Secret(setting.value.encode("utf-8", "surrogateescape"))
        entry.password_line = setting.line
    return ""


def flag(word: str, *, unless: bool = False) -> Rule:
    """Return the rule for a switch that has the same meaning, or with ``unless`` the opposite."""

    def rule(setting: Setting, entry: NewEntry, made: Translation, home: str) -> str:
        del entry, made, home
        return word if (setting.value in {"", "on"}) != unless else ""

    return rule


def text_option(word: str, *, path: bool = False) -> Rule:
    """Return the rule for an option with a text, or with a path."""

    def rule(setting: Setting, entry: NewEntry, made: Translation, home: str) -> str:
        del entry, made
        value = in_home(setting.value, home) if path else setting.value
        return f"{word} {quote(value)}" if value else ""

    return rule


def trust_file(setting: Setting, entry: NewEntry, made: Translation, home: str) -> str:
    """Write the file of authorities; "system" is the default of both."""
    if setting.value == "system":
        return ""
    if not setting.value:
        made.note(setting.line, '"tls_trust_file" without a file is not translated')
        return ""
    return text_option("sslcertfile", path=True)(setting, entry, made, home)


def fingerprint(setting: Setting, entry: NewEntry, made: Translation, home: str) -> str:
    """Write the fingerprint, unless it is SHA-1."""
    del entry, home
    if len(setting.value.replace(":", "")) == 40:
        made.note(setting.line, '"tls_fingerprint" is SHA-1, which is not supported; use SHA-256')
        return ""
    return f"sslfingerprint {quote(setting.value)}" if setting.value else ""


def delivery(setting: Setting, entry: NewEntry, made: Translation, home: str) -> str:
    """Write the sink."""
    method, _, argument = setting.value.partition(" ")
    argument = unquoted(argument.strip())
    if method in {"maildir", "mbox"} and argument:
        entry.sink = folder_sink(method, argument, home)
    elif method == "mda" and argument:
        # mpop puts the sender between the quotes of the user; mailhaul quotes it itself.
        command = argument.replace("'%F'", "%F").replace('"%F"', "%F")
        entry.sink = f"mda {quote(command)}"
    if not entry.sink:
        made.note(setting.line, f'"delivery {method}" is not translated')
    return ""


def received_header(setting: Setting, entry: NewEntry, made: Translation, home: str) -> str:
    """Note that this is an option of all accounts together."""
    del entry, home
    if setting.value == "off":
        made.note(setting.line, '"received_header off" is "set invisible", for all accounts')
    return ""


RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(
        (
            *("host", "user", "tls", "tls_starttls", "tls_certcheck", "uidls_file", "pipelining"),
            *("killsize", "skipsize"),
        ),
        nothing,
    ),
    "port": port,
    "timeout": timeout,
    "auth": auth,
    "password": password,
    "passwordeval": text_option("passwordeval"),
    "tls_trust_file": trust_file,
    "tls_fingerprint": fingerprint,
    "tls_key_file": text_option("sslkey", path=True),
    "tls_cert_file": text_option("sslcert", path=True),
    "tls_host_override": text_option("sslcommonname"),
    "delivery": delivery,
    "keep": flag("keep"),
    "only_new": flag("fetchall", unless=True),
    "received_header": received_header,
}

HINTS: Final = {
    "filter": ": an mda may filter",
    "eval": ": write what the command prints",
    "socket": ': "plugin" may connect to it',
    "tls_priorities": ': see "sslproto"',
}
"""What to do about commands without a rule."""


def uidls_files(accounts: Iterable[MpopAccount], home: str) -> list[str]:
    """Return the files of UIDs of these accounts that exist, each once."""
    paths = (one.uidls_file(home) for one in accounts if one.text("host"))
    return [path for path in dict.fromkeys(paths) if os.path.exists(path)]
