"""mbsync (isync): its configuration, from IMAP stores to Maildirs.

A file consists of sections, which end at an empty line; a section begins with ``IMAPAccount``,
``IMAPStore``, ``MaildirStore``, ``Channel`` or ``Group`` and a name (mbsync's manual page). Each
channel becomes an entry, or several if its mailboxes have Maildirs that are not beside each other.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
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
from .one_way import (
    INBOX,
    has_wildcard,
    note_state,
    set_aside,
    set_command,
    set_folders,
    set_method,
)

DEFAULT_FILES: Final = (".config/isyncrc", ".mbsyncrc")
ACCOUNT, IMAP, MAILDIR, CHANNEL = "imapaccount", "imapstore", "maildirstore", "channel"
KINDS: Final = frozenset({ACCOUNT, IMAP, MAILDIR, CHANNEL, "group"})
SPELLINGS: Final = {
    "master": "far",
    "slave": "near",
    "pattern": "patterns",
    "authmech": "authmechs",
}
"""Other names of options, by the names used here."""
PLACE: Final = re.compile(r":([^:]+):(.*)", re.DOTALL)
SIZE: Final = re.compile(r"([0-9]+)([km]?)b?", re.IGNORECASE | re.ASCII)
UNITS: Final = {"": 1, "k": 1024, "m": 1024 * 1024}
TLS: Final = {"imaps": WRAPPED, "starttls": STARTTLS, "none": CLEAR}
HARMLESS: Final = {
    "create": {"none", "near", "slave", "both", "far", "master"},
    "remove": {"none"},
    "expunge": {"none"},
    "maxmessages": {"0"},
    "copyarrivaldate": {"no"},
    "usenamespace": {"yes"},
    "subscribedonly": {"no"},
    "altmap": {"no"},
    "usekeychain": {"no"},
}
"""Values of options that need no note: a Maildir is created, and nothing is removed anywhere."""
DIRECTIONS: Final = ("pull", "push")
USUAL_MAILDIR: Final = "~/Maildir"


class Value(Record):
    """The arguments of an option, and its line."""

    words: tuple[str, ...]
    line: int


class Section:
    """One section. It remembers which options were asked for; "" is the kind of the global one."""

    def __init__(self, kind: str, name: str, line: int) -> None:
        self.kind = kind
        self.name = name
        self.first = line
        self.used = False
        self._values: dict[str, list[Value]] = {}
        self._asked: set[str] = set()

    def add(self, key: str, value: Value) -> None:
        """Add an option."""
        self._values.setdefault(SPELLINGS.get(key, key), []).append(value)

    def words(self, key: str) -> tuple[str, ...]:
        """Return the arguments of an option, from all its lines."""
        self._asked.add(key)
        return tuple(word for value in self._values.get(key, ()) for word in value.words)

    def text(self, key: str) -> str:
        """Return the argument of an option, "" if there is none."""
        self._asked.add(key)
        found = self._values.get(key)
        return " ".join(found[-1].words) if found else ""

    def line(self, key: str) -> int:
        """Return the line of an option, or of the section."""
        found = self._values.get(key)
        return found[-1].line if found else self.first

    def left(self) -> Iterator[tuple[str, int]]:
        """Yield the options that were not asked for, and that matter."""
        for key, values in self._values.items():
            value = " ".join(values[-1].words).lower()
            if key not in self._asked and value not in HARMLESS.get(key, ()):
                yield key, values[-1].line


class Store:
    """An IMAP store with its account, whose options may be in either section."""

    def __init__(self, section: Section, account: Section | None) -> None:
        self.section = section
        self._account = account or section

    def text(self, key: str) -> str:
        """Return the argument of an option, or ""."""
        return self.section.text(key) or self._account.text(key)

    def words(self, key: str) -> tuple[str, ...]:
        """Return all arguments of an option."""
        return self.section.words(key) or self._account.words(key)

    def line(self, key: str) -> int:
        """Return the line of an option."""
        return self.section.line(key) if self.section.text(key) else self._account.line(key)


class Target(Record):
    """Where mailboxes go: into the Maildir at ``path``, or with ``tree`` into its folders.

    ``doubt`` says why mbsync stores them elsewhere, or is "".
    """

    folders: tuple[str, ...]
    path: str
    tree: bool = False
    doubt: str = ""


# Reading


def read_sections(data: bytes, made: Translation) -> tuple[Section, list[Section]]:
    """Return the options before all sections, and the sections. Raises Untranslatable."""
    common = current = Section("", "", 1)
    sections: list[Section] = []
    for number, line in enumerate(decoded(data, made.path).splitlines(), 1):
        words = words_of(line)
        if not words:
            if not line.strip():
                current = common
            continue
        key, *rest = words
        key = key.lower()
        if key in KINDS:
            if not rest:
                raise made.fail(number, f'"{words[0]}" has no name')
            current = Section(key, rest[0], number)
            sections.append(current)
        elif current is common and sections:
            raise made.fail(number, f'"{words[0]}" is in no section')
        else:
            current.add(key, Value(tuple(rest), number))
    return common, sections


def words_of(line: str) -> list[str]:
    """Return the words of a line: quoted by double quotes, escaped by backslashes."""
    words: list[str] = []
    word: str | None = None
    quoted = escaped = False
    for character in line:
        if escaped:
            word, escaped = (word or "") + character, False
        elif character == "\\":
            escaped = True
        elif character == '"':
            word, quoted = word or "", not quoted
        elif not quoted and character.isspace():
            words += [] if word is None else [word]
            word = None
        elif character == "#" and word is None:
            break
        else:
            word = (word or "") + character
    return [*words, *([] if word is None else [word])]


# Translating


def translate(data: bytes, path: str, home: str) -> Translation:
    """Return what becomes of a configuration. Raises Untranslatable."""
    made = Translation(path)
    common, sections = read_sections(data, made)
    by_kind: dict[str, dict[str, Section]] = {kind: {} for kind in KINDS}
    for section in sections:
        by_kind[section.kind][section.name] = section
    for channel in by_kind[CHANNEL].values():
        made.entries += entries_of(channel, common, by_kind, made, home)
    for section in [common, *sections]:
        if section.kind == "" or section.used:
            for key, line in section.left():
                made.note(line, f'"{key}" is not translated')
        elif section.kind == "group":
            made.note(section.first, "groups are not translated: each poll is of all entries")
        elif section.kind != CHANNEL:
            made.note(section.first, f'"{section.name}" is in no channel: it is not translated')
    if made.entries:
        note_state(made, "mbsync")
    made.close()
    return made


def entries_of(
    channel: Section,
    common: Section,
    by_kind: Mapping[str, Mapping[str, Section]],
    made: Translation,
    home: str,
) -> Iterator[NewEntry]:
    """Yield the entries for a channel. Raises Untranslatable."""
    far, near = (place_of(channel, side, made) for side in ("far", "near"))
    remote, local = by_kind[IMAP].get(far[0]), by_kind[MAILDIR].get(near[0])
    if remote is None or local is None:
        what = f'the channel "{channel.name}" does not lead from an IMAP store to a Maildir'
        made.note(channel.first, f"{what}: it is not translated")
        return
    account = by_kind[ACCOUNT].get(remote.text("account"))
    for section in (channel, remote, local, account):
        if section:
            section.used = True
    store = Store(remote, account)
    targets = targets_of(channel, store, local, far[1], near[1])
    note_names(channel, store, targets, made)
    for target in targets:
        entry = entry_of(channel, store, made, home)
        set_folders(entry, target.folders)
        entry.user.append("leave-unread")
        entry.user += ["keep-tree"] if target.tree else []
        entry.sink = folder_sink("maildir", target.path, home)
        for_size(entry, channel, local, made)
        if target.doubt:
            set_aside(entry, made, channel.first, f'channel "{channel.name}": {target.doubt}')
        for_direction(entry, channel, common, made)
        yield entry


def place_of(channel: Section, side: str, made: Translation) -> tuple[str, str]:
    """Return the store and the mailbox of one side of a channel. Raises Untranslatable."""
    found = PLACE.fullmatch(channel.text(side))
    if not found:
        problem = f'the channel "{channel.name}" needs "{side.title()} :STORE:[MAILBOX]"'
        raise made.fail(channel.line(side), problem)
    return found[1], found[2]


def entry_of(channel: Section, store: Store, made: Translation, home: str) -> NewEntry:
    """Return an entry with what belongs to the server."""
    host = store.text("host")
    tunnel = store.text("tunnel")
    entry = NewEntry(host or store.section.name, "imap", channel.first)
    if not (host or tunnel):
        set_aside(entry, made, store.section.first, f'"{store.section.name}" has no host')
    entry.name = store.text("user")
    for key, option, most in (("port", "service", MAX_PORT), ("timeout", "timeout", MAX_NUMBER)):
        if number := whole_number(store.text(key), most):
            entry.server.append(f"{option} {number}")
        elif value := store.text(key):
            made.note(store.line(key), f'"{key} {value}" is not translated')
    if methods := store.words("authmechs"):
        set_method(entry, made, store.line("authmechs"), methods)
    if tunnel:
        set_command(entry, made, store.line("tunnel"), tunnel)
    for_password(entry, store)
    for_tls(entry, store, made, home, tunnelled=bool(tunnel))
    return entry


def for_password(entry: NewEntry, store: Store) -> None:
    """Copy the password, or the command that prints it."""
    if password := store.text("pass"):
        entry.password = Secret(password.encode("utf-8", "surrogateescape"))
        entry.password_line = store.line("pass")
    command = store.text("passcmd").removeprefix("+")
    if command and not password:
        entry.user.append(f"passwordeval {quote(command)}")


def for_tls(
    entry: NewEntry, store: Store, made: Translation, home: str, *, tunnelled: bool
) -> None:
    """Write the options for TLS. STARTTLS is mbsync's default, and none with a tunnel."""
    kind = store.text("ssltype").lower() or ("none" if tunnelled else "starttls")
    if tunnelled and kind == "none":
        entry.user.append('sslmode "none"')
    elif entry.set_tls(TLS.get(kind, STARTTLS)):
        made.note(store.line("ssltype"), WAS_CLEAR)
    names = {"certificatefile": "sslcertfile", "clientcertificate": "sslcert"}
    for key, option in {**names, "clientkey": "sslkey"}.items():
        if path := store.text(key):
            entry.user.append(f"{option} {quote(in_home(path, home))}")
    if store.text("certificatefile") and store.text("systemcertificates").lower() != "no":
        text = 'with "sslcertfile" the authorities of the system are not used'
        made.note(store.line("certificatefile"), text)


def for_size(entry: NewEntry, channel: Section, local: Section, made: Translation) -> None:
    """Write the limit of size. Larger messages stay on the server."""
    for section in (channel, local):
        text = section.text("maxsize")
        found = SIZE.fullmatch(text)
        octets = (whole_number(found[1]) or 0) * UNITS[found[2].lower()] if found else 0
        if text and not 0 < octets <= MAX_NUMBER:
            if text != "0":
                made.note(section.line("maxsize"), '"maxsize" is not translated')
        elif octets:
            entry.user.append(f"limit {octets}")
            return


# Which mailboxes, and where they go


def targets_of(
    channel: Section, store: Store, local: Section, far: str, near: str
) -> Sequence[Target]:
    """Return where the mailboxes of a channel go."""
    patterns = channel.words("patterns")
    if not patterns:
        return [target_of(remote_name(store, far or INBOX), local, near or INBOX)]
    if not any(has_wildcard(pattern.lstrip("!")) for pattern in patterns):
        wanted: dict[str, bool] = {}
        for pattern in patterns:
            # Later ones take precedence.
            wanted[pattern.removeprefix("!")] = not pattern.startswith("!")
        names = [name for name, is_in in wanted.items() if is_in]
        return [target_of(remote_name(store, far + one), local, near + one) for one in names]
    style = local.text("subfolders").lower()
    doubts = {
        'patterns that begin with "!" are not translated': any(p[:1] == "!" for p in patterns),
        "the mailbox before the patterns is not translated": bool(far or near),
        '"*" and "%" are INBOX too, which mbsync does not mean': not store.text("path"),
        'folders are stored as with "SubFolders Maildir++"': style != "maildir++",
    }
    doubt = "; ".join(text for text, applies in doubts.items() if applies)
    folders = tuple(remote_name(store, one) for one in patterns if not one.startswith("!"))
    local.text("path")
    return [Target(folders or (INBOX,), local.text("inbox") or USUAL_MAILDIR, True, doubt)]


def note_names(
    channel: Section, store: Store, targets: Sequence[Target], made: Translation
) -> None:
    """Note that names may be different here, unless they are certainly the server's own."""
    namespace = not store.text("path") and store.text("usenamespace").lower() != "no"
    names = {name for target in targets for name in target.folders if name != INBOX}
    levels = any("/" in name for name in names)
    if names and (namespace or levels) and not names <= {"*", "%"}:
        text = 'folders have the names of the server here, which may be such as "INBOX.Sent"'
        made.note(channel.first, f'channel "{channel.name}": {text}')


def target_of(folder: str, local: Section, name: str) -> Target:
    """Return where one mailbox goes, which mbsync stores under this name."""
    path, doubt = maildir_of(local, name)
    if not doubt and not path.startswith(("/", "~/")):
        doubt = f"the Maildir {path!r} depends on the folder in which the program is started"
    if not doubt and has_wildcard(folder):
        doubt = f"the name {folder!r} stands for several mailboxes"
    return Target((folder,), path.rstrip("/") or "/", doubt=doubt)


def remote_name(store: Store, name: str) -> str:
    """Return the name of a mailbox on the server; levels are separated as the server does it."""
    path = store.text("path")
    if name.upper() == INBOX and not path:
        return INBOX
    return path + name.replace("/", store.text("pathdelimiter") or "/")


def maildir_of(local: Section, name: str) -> tuple[str, str]:
    """Return the Maildir of a mailbox, and why that may be wrong, or ""."""
    inbox, path = local.text("inbox") or USUAL_MAILDIR, local.text("path")
    flatten, style = local.text("flatten"), local.text("subfolders").lower()
    first, *rest = name.split("/")
    is_below_inbox = first.upper() == INBOX
    if is_below_inbox and not rest:
        return inbox, ""
    if flatten:
        return path + name.replace("/", flatten), ""
    if style == "maildir++":
        levels = ["", *rest] if is_below_inbox else [first, *rest]
        return os.path.join(inbox, "." + ".".join(levels)), ""
    if rest and style != "verbatim":
        return path + name, "the folders of a folder are not translated"
    if is_below_inbox:
        return os.path.join(inbox, *rest), ""
    return path + name, ""


# What is done there


def for_direction(entry: NewEntry, channel: Section, common: Section, made: Translation) -> None:
    """Write ``skip`` for a channel that does more than fetch."""
    where = channel if channel.words("sync") else common
    words = where.words("sync") or ("All",)
    pulls, pushes = cells(words, "pull"), cells(words, "push")
    line = channel.line("sync")
    what = f'channel "{channel.name}"'
    if not pulls & {"new", "all"}:
        set_aside(entry, made, line, f"{what} fetches no new mail")
    elif pushes:
        set_aside(entry, made, line, f"{what} also changes the mail on the server")
    elif pulls - {"new", "renew", "upgrade"}:
        text = "later changes of flags on the server, and deletions there, are not followed"
        made.note(line, f"{what}: {text}")


def cells(words: Sequence[str], direction: str) -> set[str]:
    """Return what ``Sync`` does in one direction; "all" stands for everything."""
    flags = {word.lower() for word in words}
    if "all" in flags or "full" in flags:
        return {"all"}
    if "none" in flags or "noop" in flags:
        return set()
    compound = {flag for flag in flags if any(flag[4:] and flag[:4] == one for one in DIRECTIONS)}
    types = flags - compound - {*DIRECTIONS}
    found = {flag[4:] for flag in compound if flag[:4] == direction}
    if compound:
        return found | types | ({"all"} if direction in flags else set())
    if direction in flags or not flags & {*DIRECTIONS}:
        return types or {"all"}
    return set()
