"""OfflineIMAP: its configuration, from IMAP repositories to Maildirs.

It has an ``[Account NAME]`` for each pair of a ``localrepository`` and a ``remoterepository``,
which are ``[Repository NAME]`` (offlineimap.conf, the example that comes with the program). Values
are for Python in part; of these only what is as good as a list of names is understood.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Final

from ...protocols.record import Record
from ...protocols.secret import Secret
from ..config.writer import quote
from .ini import Section, read_sections
from .new_rcfile import (
    CLEAR,
    MAX_PORT,
    STARTTLS,
    WAS_CLEAR,
    WRAPPED,
    NewEntry,
    Translation,
    folder_sink,
    in_home,
    whole_number,
)
from .one_way import (
    INBOX,
    has_wildcard,
    note_state,
    set_aside,
    set_command,
    set_folders,
    set_method,
)

DEFAULT_FILES: Final = (".config/offlineimap/config", ".offlineimaprc")
ACCOUNT, REPOSITORY = "Account ", "Repository "
REMOTE_TYPES: Final = {"IMAP": "", "Gmail": "imap.gmail.com"}
"""Types of remote repositories, and the hosts of those that need none."""
LOCAL_TYPES: Final = frozenset({"Maildir", "GmailMaildir"})
SYSTEM: Final = "os-default"
DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
INTERPOLATION: Final = re.compile(r"%(?!%)")
HOOKS: Final = {"presynchook": "preconnect", "postsynchook": "postconnect"}
HINTS: Final = {
    "autorefresh": ': see "set daemon"',
    "idlefolders": ': see "idle"',
    "proxy": ': see "proxy"',
    "authproxy": ': see "proxy"',
    "remotepasseval": ": it is Python; see passwordeval",
    "remoteusereval": ": it is Python; add the user",
    "remotehosteval": ": it is Python; add the host",
    "oauth2_refresh_token": ': see "auth oauth" and "mailhaul login"',
    "subscribedonly": ": all folders are fetched, also those without a subscription",
}
"""What to do about parameters without a rule."""
HARMLESS: Final = frozenset({"", "no", "false", "off", "0"})


class Wanted(Record):
    """The names of the folders that are wanted; ``doubt`` says why that may be wrong, or is ""."""

    names: tuple[str, ...]
    doubt: str = ""


def translate(data: bytes, path: str, home: str) -> Translation:
    """Return what becomes of a configuration. Raises Untranslatable."""
    made = Translation(path)
    sections = read_sections(data, made)
    general = sections.get("general")
    if general is None:
        raise made.fail(1, 'there is no section "general"')
    names = [name.strip() for name in general.text("accounts").split(",") if name.strip()]
    used = [general]
    for name in names:
        account = sections.get(ACCOUNT + name)
        if account is None:
            raise made.fail(general.line("accounts"), f'there is no section "Account {name}"')
        local = repository(account, "local", sections, made)
        remote = repository(account, "remote", sections, made)
        made.entries += entries_of(account, local, remote, made, home)
        used += [account, local, remote]
    for section in dict.fromkeys(used):
        for key in section.left():
            if section.text(key).lower() not in HARMLESS:
                made.note(section.line(key), f'"{key}" is not translated{HINTS.get(key, "")}')
    for section in sections.values():
        if section not in used:
            made.note(section.line(), f'the section "{section.name}" is not translated')
    if made.entries:
        note_state(made, "OfflineIMAP")
    made.close()
    return made


def repository(
    account: Section, side: str, sections: Mapping[str, Section], made: Translation
) -> Section:
    """Return the repository of one side of an account. Raises Untranslatable."""
    key = f"{side}repository"
    found = sections.get(REPOSITORY + account.text(key))
    if found is None:
        raise made.fail(account.line(key), f'"{account.name}" has no {side} repository')
    return found


def entries_of(
    account: Section, local: Section, remote: Section, made: Translation, home: str
) -> Iterator[NewEntry]:
    """Yield the entries of an account: one for all folders, or one for each that is named."""
    kind, local_kind = remote.text("type"), local.text("type")
    if kind not in REMOTE_TYPES or local_kind not in LOCAL_TYPES:
        what = f'"{account.name}" does not lead from IMAP to a Maildir'
        made.note(account.line(), f"{what}: it is not translated")
        for section in (account, local, remote):
            for key in section.left():
                section.text(key)
        return
    wanted = folders_of(remote)
    for names, sink, tree, doubt in places(wanted, local, home):
        entry = entry_of(account, remote, made, home)
        set_folders(entry, names)
        entry.user.append("leave-unread")
        entry.user += ["keep-tree"] if tree else []
        entry.sink = sink
        for_limits(account, remote, entry, made)
        doubts = [wanted.doubt, doubt, *renamed(local, remote)]
        if why := "; ".join(dict.fromkeys(filter(None, doubts))):
            set_aside(entry, made, account.line(), f'"{account.name}": {why}')
        if not remote.is_on("readonly", False):
            what = f'"{account.name}" also changes the mail on the server'
            set_aside(entry, made, account.line(), what)
        yield entry


def value_of(section: Section, key: str, made: Translation) -> str:
    """Return a value, in which ``%%`` stands for a percent sign."""
    text = section.text(key)
    if INTERPOLATION.search(text.replace("%%", "")):
        made.note(section.line(key), f'"{key}" contains a %, which is copied as it is')
        return text
    return text.replace("%%", "%")


def entry_of(account: Section, remote: Section, made: Translation, home: str) -> NewEntry:
    """Return an entry with what belongs to the server."""
    default = REMOTE_TYPES[remote.text("type")]
    host = value_of(remote, "remotehost", made) or default
    entry = NewEntry(host or remote.name.removeprefix(REPOSITORY), "imap", account.line())
    if not host and not remote.text("preauthtunnel"):
        set_aside(entry, made, remote.line(), f'"{remote.name}" has no host')
    entry.name = value_of(remote, "remoteuser", made)
    if port := whole_number(remote.text("remoteport"), MAX_PORT):
        entry.server.append(f"service {port}")
    elif remote.text("remoteport"):
        made.note(remote.line("remoteport"), '"remoteport" is not translated')
    if methods := remote.text("auth_mechanisms").replace(",", " ").split():
        set_method(entry, made, remote.line("auth_mechanisms"), methods)
    for key in ("preauthtunnel", "transporttunnel"):
        if command := value_of(remote, key, made):
            set_command(entry, made, remote.line(key), command)
    for_password(remote, entry, made, home)
    for_tls(remote, entry, made, home)
    return entry


def for_password(remote: Section, entry: NewEntry, made: Translation, home: str) -> None:
    """Copy the password, or the name of the file that has it."""
    if password := value_of(remote, "remotepass", made):
        entry.password = Secret(password.encode("utf-8", "surrogateescape"))
        entry.password_line = remote.line("remotepass")
    path = value_of(remote, "remotepassfile", made)
    if path and not password:
        entry.user.append(f"passwordfile {quote(in_home(path, home))}")


def for_tls(remote: Section, entry: NewEntry, made: Translation, home: str) -> None:
    """Write the options for TLS: from the first byte by default, or else STARTTLS."""
    is_gmail = remote.text("type") == "Gmail"
    is_plain = bool(remote.text("preauthtunnel") or remote.text("transporttunnel"))
    wrapped = remote.is_on("ssl", True) or is_gmail
    starttls = remote.is_on("starttls", True)
    if is_plain:
        entry.user.append('sslmode "none"')
    elif entry.set_tls(WRAPPED if wrapped else STARTTLS if starttls else CLEAR):
        made.note(remote.line("ssl"), WAS_CLEAR)
    paths = {"sslclientcert": "sslcert", "sslclientkey": "sslkey", "sslcacertfile": "sslcertfile"}
    for key, option in paths.items():
        path = value_of(remote, key, made)
        if path and path.lower() != SYSTEM:
            entry.user.append(f"{option} {quote(in_home(path, home))}")
    prints = [one.strip() for one in remote.text("cert_fingerprint").split(",") if one.strip()]
    if len(prints) == 1 and re.fullmatch("[0-9A-Fa-f]{64}", prints[0]):
        entry.user.append(f"sslfingerprint {quote(prints[0])}")
    elif prints:
        text = '"cert_fingerprint" is not translated: one of SHA-256 is needed'
        made.note(remote.line("cert_fingerprint"), text)


def for_limits(account: Section, remote: Section, entry: NewEntry, made: Translation) -> None:
    """Write which messages are fetched, by size and by day."""
    if size := account.number("maxsize"):
        entry.user.append(f"limit {size}")
    elif account.text("maxsize"):
        made.note(account.line("maxsize"), '"maxsize" is not translated')
    for section, key in ((account, "maxage"), (remote, "startdate")):
        age = section.text(key)
        days = whole_number(age, 36500)
        if days or DAY.fullmatch(age):
            entry.user.append(f"since {f'{days}d' if days else age}")
            return
        if age:
            made.note(section.line(key), f'"{key}" is not translated')
    for key, option in HOOKS.items():
        if account.text(key):
            made.note(account.line(key), f'"{key}" is not translated: see "{option}"')


# Which folders, and where they go


def folders_of(remote: Section) -> Wanted:
    """Return the folders that are fetched: all, or those in a list."""
    names: tuple[str, ...] = ("*",)
    doubt = ""
    if text := remote.text("folderfilter"):
        listed = names_in_filter(text)
        if listed is None:
            doubt = '"folderfilter" is Python, and too much of it to translate'
        else:
            names = listed
    if text := remote.text("folderincludes"):
        more = strings_in(expression(text))
        if more is None:
            doubt = '"folderincludes" is no list of names'
        elif names != ("*",):
            names += more
    return Wanted(tuple(dict.fromkeys(names)) or ("*",), doubt)


def names_in_filter(text: str) -> tuple[str, ...] | None:
    """Return the names of ``lambda name: name in [...]`` or ``name == ...``; None otherwise."""
    match expression(text):
        case ast.Lambda(
            args=ast.arguments(args=[ast.arg(arg=name)]),
            body=ast.Compare(left=ast.Name(id=compared), ops=[operator], comparators=[value]),
        ) if name == compared:
            if isinstance(operator, ast.In):
                return strings_in(value) or None
            if isinstance(operator, ast.Eq) and isinstance(value, ast.Constant):
                return strings_in(ast.List(elts=[value]))
        case _:
            pass
    return None


def expression(text: str) -> ast.expr | None:
    """Return an expression of Python, None if it is none. It is not evaluated."""
    try:
        return ast.parse(" ".join(text.split()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def strings_in(node: ast.expr | None) -> tuple[str, ...] | None:
    """Return the strings of a list, a tuple or a set; None for anything else."""
    if not isinstance(node, ast.List | ast.Tuple | ast.Set):
        return None
    found = [one.value for one in node.elts if isinstance(one, ast.Constant)]
    names = [one for one in found if isinstance(one, str) and one]
    return tuple(names) if len(names) == len(node.elts) else None


def places(
    wanted: Wanted, local: Section, home: str
) -> Iterator[tuple[tuple[str, ...], str, bool, str]]:
    """Yield folders, their sink, whether it is a tree, and why it is not the same, or ""."""
    root = local.text("localfolders")
    local.text("sep")
    if any(map(has_wildcard, wanted.names)):
        doubt = "folders are stored as keep-tree does, in INBOX and beside each other"
        yield wanted.names, folder_sink("maildir", f"{root.rstrip('/')}/{INBOX}", home), True, doubt
        return
    for name in wanted.names:
        doubt = ""
        if "/" in name or "." in name:
            doubt = f"the Maildir of {name!r} depends on how the server separates levels"
        elif not root.startswith(("/", "~/")):
            doubt = f"the Maildir {root!r} depends on the folder in which the program is started"
        yield (name,), folder_sink("maildir", f"{root.rstrip('/')}/{name}", home), False, doubt


def renamed(local: Section, remote: Section) -> Iterator[str]:
    """Yield why folders may have other names on the local side."""
    for section, key in ((remote, "nametrans"), (local, "nametrans"), (local, "folderfilter")):
        if section.text(key):
            yield f'"{key}" is Python: it may mean other folders'
