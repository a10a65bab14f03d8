"""What other programs know of messages that they have fetched.

Each reader yields lists: the UIDs of one mailbox, and a function that tells whether an account of
the rc file is the one that the list is about.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from ...flows.source import Uid
from ...protocols.record import Record
from ..config.settings import AccountSettings
from ..files import ID_FILE, RC_FILE, read_file
from ..ledger.fetchids import entries
from ..ledger.names import DEFAULT_PORTS, INBOX, is_loopback, server_name
from . import fdm, getmail, mbsync, mpop, offlineimap
from .new_rcfile import Translation, Untranslatable

SPECIAL: Final = re.compile(r"[/\\:;<>|]+")
"""Characters that getmail replaces in the names of its files."""
OLDMAIL: Final = "oldmail-"
POP3, IMAP = "pop3", "imap"


class FetchedList(Record):
    """The UIDs of one mailbox that another program has fetched.

    ``uids`` are by UIDVALIDITY, which is 0 over POP3. ``mailboxes_of`` returns the names of this
    mailbox in an account, or () if the list is about another account. The protocol of the settings
    is that of the list. ``also`` are other spellings of unique ids that may be the server's.
    """

    label: str
    path: str
    protocol: str
    uids: dict[int, list[Uid]]
    mailboxes_of: Callable[[AccountSettings], Sequence[str]]
    also: tuple[bytes, ...] = ()

    @property
    def count(self) -> int:
        """The number of messages."""
        return sum(map(len, self.uids.values()))


Reader = Callable[[Sequence[str], str], Iterator[FetchedList]]
"""Takes paths that the user names, or none for the usual ones, and the home folder.

Raises OSError, whose ``filename`` is that of the file, and Untranslatable.
"""


def is_account(user: str, host: str) -> Callable[[AccountSettings], Sequence[str]]:
    """Return the function for a list of this user at this server."""
    wanted = server_name(POP3, host)

    def mailboxes_of(settings: AccountSettings) -> Sequence[str]:
        found = server_name(POP3, settings.host) == wanted
        return (INBOX,) if found and settings.remote_user.lower() == user.lower() else ()

    return mailboxes_of


# fetchmail


def of_fetchmail(paths: Sequence[str], home: str) -> Iterator[FetchedList]:
    """Yield the lists in files of fetchmail (``.fetchids``)."""
    for path in paths or [os.path.join(home, ".fetchids")]:
        found: dict[tuple[bytes, bytes], list[Uid]] = {}
        for user, host, uid in entries(read_file(path, ID_FILE)):
            found.setdefault((user, host), []).append(uid)
        for (user, host), uids in found.items():
            names = [name.decode("utf-8", "surrogateescape") for name in (user, host)]
            belongs = is_account(*names)
            yield FetchedList("@".join(names), path, POP3, {0: uids}, belongs)


# mpop


def of_mpop(paths: Sequence[str], home: str) -> Iterator[FetchedList]:
    """Yield the lists in files of mpop, and in folders of such files."""
    for path in files_in(paths or usual_uidls(home)):
        yield from uidls(read_file(path, ID_FILE), path)


def usual_uidls(home: str) -> list[str]:
    """Return the usual folder of mpop's lists, and those that its configuration names."""
    usual = os.path.join(home, ".mpop_uidls")
    found = [usual] if os.path.isdir(usual) else []
    for name in mpop.DEFAULT_FILES:
        path = os.path.join(home, name)
        if os.path.exists(path):
            accounts = mpop.read_accounts(read_file(path, RC_FILE), Translation(path))
            files = mpop.uidls_files(accounts, home)
            found += [file for file in files if os.path.dirname(file) != usual]
    return found or [usual]


def uidls(data: bytes, path: str) -> Iterator[FetchedList]:
    """Yield the lists of one file. Raises Untranslatable.

    A line " COUNT HOST USER" begins a list, and each of the next COUNT lines is a UID; from mpop
    1.4.23 on, a blank and a Unix time follow it. Comments come before the first list only.
    """
    left, begun = 0, False
    current: FetchedList | None = None
    for number, line in enumerate(data.splitlines(), 1):
        if left and current:
            uid = line.rpartition(b" ")[0] if b" " in line else line
            if not uid or line.startswith(b" "):
                raise Untranslatable(path, number, f"{left} UIDs are missing in the list above")
            current.uids[0].append(uid)
            left -= 1
            continue
        if line.startswith(b"#") and not begun:
            continue
        begun = True
        _, *words = line.decode("utf-8", "surrogateescape").split(" ")
        if len(words) != 3 or not words[0].isdecimal() or not line.startswith(b" "):
            raise Untranslatable(path, number, 'this line is not " COUNT HOST USER"')
        if current:
            yield current
        left = int(words[0])
        host, user = words[1:]
        current = FetchedList(f"{user}@{host}", path, POP3, {0: []}, is_account(user, host))
    if left:
        raise Untranslatable(path, len(data.splitlines()), f"{left} UIDs are missing at the end")
    if current:
        yield current


# fdm


def of_fdm(paths: Sequence[str], home: str) -> Iterator[FetchedList]:
    """Yield the lists of the accounts in files of fdm (``fdm.conf``)."""
    for path in paths or [os.path.join(home, fdm.DEFAULT_FILE)]:
        accounts = fdm.read_accounts(read_file(path, RC_FILE), Translation(path))
        for cache, account in fdm.caches(accounts, home):
            uids: list[Uid] = [*cached_uids(read_file(cache, ID_FILE), cache)]
            belongs = is_account(account.user, account.host)
            label = f"{account.user}@{account.host}"
            yield FetchedList(label, cache, POP3, {0: uids}, belongs)


def cached_uids(data: bytes, path: str) -> Iterator[bytes]:
    """Yield the UIDs of a cache of fdm: lines "OCTETS UID". Raises Untranslatable."""
    for number, line in enumerate(data.splitlines(), 1):
        octets, _, uid = line.partition(b" ")
        if not octets.isdigit() or int(octets) != len(uid):
            raise Untranslatable(path, number, 'this line is not "OCTETS UID"')
        yield uid


# getmail


def of_getmail(paths: Sequence[str], home: str) -> Iterator[FetchedList]:
    """Yield the lists in getmail's folders (``oldmail-SERVER-PORT-USER[-MAILBOX]``)."""
    usual = [os.path.join(home, folder) for folder in getmail.FOLDERS]
    folders = [folder for folder in usual if os.path.isdir(folder)] or usual[:1]
    for path in files_in(paths or folders):
        if os.path.basename(path).startswith(OLDMAIL):
            yield from oldmail(read_file(path, ID_FILE), path)


def oldmail(data: bytes, path: str) -> Iterator[FetchedList]:
    """Yield the list of one file, if it is not empty.

    A line is a UID, a NUL and a Unix time. Over IMAP the UID is "UIDVALIDITY/UID", in files of
    getmail before 4.22 "UIDVALIDITY/MAILBOX/UID".
    """
    found: dict[int, list[Uid]] = {}
    also: list[bytes] = []
    protocol = POP3
    for line in data.splitlines():
        name, nul, _ = line.strip().partition(b"\0")
        if not nul or not name:
            continue
        validity, slash, rest = name.partition(b"/")
        if not slash:
            found.setdefault(0, []).append(name)
            # getmail writes "-" for each "/" of a unique id.
            also += [name.replace(b"-", b"/")] if b"-" in name else []
        elif validity.isdigit() and (uid := rest.rpartition(b"/")[2]).isdigit():
            protocol = IMAP
            found.setdefault(int(validity), []).append(int(uid))
    if found:
        file = os.path.basename(path)
        label, belongs = file.removeprefix(OLDMAIL), is_oldmail(file, protocol)
        yield FetchedList(label, path, protocol, found, belongs, tuple(also))


def is_oldmail(name: str, protocol: str) -> Callable[[AccountSettings], Sequence[str]]:
    """Return the function for a file of getmail with this name.

    A name cannot be split for certain, since any part may contain "-". So the name that getmail
    gives to the file of an account is compared.
    """

    def mailboxes_of(settings: AccountSettings) -> Sequence[str]:
        begin = SPECIAL.sub("-", f"{OLDMAIL}{settings.host}-")
        end = SPECIAL.sub("-", f"-{settings.remote_user}")
        parts = re.fullmatch(
            f"{re.escape(begin)}([0-9]+){re.escape(end)}(.*)", name, re.IGNORECASE | re.DOTALL
        )
        if not parts or not is_port(parts[1], settings, protocol):
            return ()
        if protocol == POP3:
            return () if parts[2] else (INBOX,)
        return mailboxes_named(parts[2].removeprefix("-"), settings) if parts[2] else ()

    return mailboxes_of


def is_port(port: str, settings: AccountSettings, protocol: str) -> bool:
    """Whether an account uses this port. Both usual ports of a server are the same mailboxes."""
    usual = DEFAULT_PORTS[protocol]
    ours = str(settings.port)
    both_usual = port in usual and ours in usual and not is_loopback(settings.host)
    return port == ours or both_usual or settings.plugin is not None


def mailboxes_named(name: str, settings: AccountSettings) -> Sequence[str]:
    """Return the mailboxes of an account whose names getmail writes in this way, "." for "/".

    For a pattern among its folders, the name may be meant as it is, or with "/".
    """
    folders = settings.folders or (INBOX,)
    found = [one for one in folders if SPECIAL.sub(".", one).lower() == name.lower()]
    if not found and any(set(one) & {"*", "%", "\\"} for one in folders):
        found = list(dict.fromkeys((name, name.replace(".", "/"))))
    return found


def files_in(paths: Sequence[str]) -> Iterator[str]:
    """Yield these files, and those in these folders."""
    for path in paths:
        if os.path.isdir(path):
            yield from sorted(entry.path for entry in os.scandir(path) if entry.is_file())
        else:
            yield path


READERS: Final[dict[str, Reader]] = {
    "fetchmail": of_fetchmail,
    "getmail": of_getmail,
    "mpop": of_mpop,
    "fdm": of_fdm,
}
"""The readers by program."""

TRANSLATORS: Final[dict[str, Callable[[bytes, str, str], Translation]]] = {
    "getmail": getmail.translate,
    "mpop": mpop.translate,
    "fdm": fdm.translate,
    "mbsync": mbsync.translate,
    "offlineimap": offlineimap.translate,
}
"""The translators of rc files by program; fetchmail's need none."""

DEFAULT_FILES: Final[Mapping[str, Sequence[str]]] = {
    "mpop": mpop.DEFAULT_FILES,
    "fdm": (fdm.DEFAULT_FILE,),
    "mbsync": mbsync.DEFAULT_FILES,
    "offlineimap": offlineimap.DEFAULT_FILES,
}
"""Their usual configurations below the home folder; the first one that exists is used."""


def usual_rcfiles(program: str, home: str) -> list[str]:
    """Return the configuration that a program uses if none is named."""
    if program == "getmail":
        return getmail.default_files(home)
    names = DEFAULT_FILES[program]
    return [path for name in names if os.path.exists(path := os.path.join(home, name))][:1]
